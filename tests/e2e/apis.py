"""The orders APIs of examples/, each under a server that people run its framework with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from tests.adapters.serving import serving

from tokenguard.errors import DESCRIPTIONS, Reason

from .support import API

SERVERS = {
    "fastapi-uvicorn": "uvicorn examples.fastapi_orders:app --fd {fd} --log-level warning",
    "flask-gunicorn": "gunicorn examples.flask_orders:app --bind fd://{fd} --log-level warning",
    "django-gunicorn": "gunicorn examples.django_orders:application --bind fd://{fd} --log-level warning",
    "django-uvicorn": "uvicorn examples.django_orders:asgi_application --fd {fd} --log-level warning --lifespan off",
}
# those of the logout examples
LOGOUT_SERVERS = {
    "fastapi-uvicorn": "uvicorn examples.fastapi_logout:app --fd {fd} --log-level warning",
    "flask-gunicorn": "gunicorn examples.flask_logout:app --bind fd://{fd} --log-level warning",
    "django-gunicorn": "gunicorn examples.django_logout:application --bind fd://{fd} --log-level warning",
    "django-uvicorn": "uvicorn examples.django_logout:asgi_application --fd {fd} --log-level warning --lifespan off",
}
# the policy of an API that fetches keys anew all the time, so that no test has to wait for it
IMPATIENT = {"cooldown": 0.2, "max_age": 0.5}
WITHIN = 20.0  # seconds that a condition may take to come true; all do within one, on a machine with nothing else to do


class OrdersAPI:
    """A running API. Each request is on a connection of its own, so that none depends on the one before."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        alone = httpx.Limits(max_keepalive_connections=0)
        self.base_url = base_url
        self._http = httpx.Client(base_url=base_url, limits=alone, timeout=WITHIN, trust_env=False)

    def get(self, path: str, token: str) -> httpx.Response:
        """The answer to a request with this token."""
        return self._http.get(path, headers={"Authorization": f"Bearer {token}"})

    def get_with(self, path: str, headers: Mapping[str, str]) -> httpx.Response:
        """The answer to a request with these headers."""
        return self._http.get(path, headers=dict(headers))

    def orders(self, token: str) -> int:
        """The status of the answer to a request that needs orders:read."""
        return self.get("/orders", token).status_code

    def close(self) -> None:
        """Let go of the client; the server is not this object's to end."""
        self._http.close()


@contextmanager
def orders_api(
    server: str,
    *issuers: Mapping[str, Any],
    options: str = "",
    environment: Mapping[str, str] | None = None,
    servers: Mapping[str, str] = SERVERS,
) -> Iterator[OrdersAPI]:
    """Run one of `servers`, with further `options` and variables; `issuers` have the names of `Issuer`'s settings."""
    variables = {"TOKENGUARD_AUDIENCE": API, "TOKENGUARD_ISSUERS": json.dumps(issuers), **(environment or {})}
    with serving(*servers[server].split(), *options.split(), environment=variables) as base_url:
        api = OrdersAPI(base_url)
        try:
            yield api
        finally:
            api.close()


def refused(response: httpx.Response, status: int, error: str, reason: Reason) -> bool:
    """Is this the answer to a refusal for that reason? The reason itself is in the log; its sentence is in the body."""
    body = response.json()
    return (
        response.status_code == status
        and f'error="{error}"' in response.headers["WWW-Authenticate"]
        and body.get("detail", body) == {"error": error, "error_description": DESCRIPTIONS[reason]}
    )


def eventually(condition: Callable[[], bool]) -> bool:
    """Does the condition come true in time?"""
    deadline = time.monotonic() + WITHIN
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds
