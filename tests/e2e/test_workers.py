"""A guard that a server builds before it forks its workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from .apis import eventually, orders_api
from .support import Provider

WORKERS = 3


def test_preloaded_guard_serves_in_each_worker_and_fetches_once_in_each(provider: Provider) -> None:
    """`gunicorn --preload`: what the parent built, every child can use, threads, locks and all."""
    token, before = provider.client_credentials_token(), provider.key_fetches
    statuses: set[int] = set()
    options = f"--preload --workers {WORKERS}"
    with (
        orders_api("flask-gunicorn", {"issuer": provider.issuer}, options=options) as api,
        ThreadPoolExecutor(WORKERS) as clients,
    ):

        def each_has_fetched() -> bool:
            statuses.update(clients.map(api.orders, [token] * WORKERS))
            return provider.key_fetches >= before + WORKERS

        assert eventually(each_has_fetched)
        assert each_has_fetched()
    assert provider.key_fetches == before + WORKERS
    assert statuses == {200}
