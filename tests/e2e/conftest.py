"""Running servers: shared by all tests that leave them as they are, and each test's own for those that don't."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .apis import IMPATIENT, SERVERS, OrdersAPI, orders_api
from .support import API, APP, Provider


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """Shared by the session: get tokens from it, but neither rotate nor kill it."""
    with Provider() as shared:
        yield shared


@pytest.fixture(scope="session")
def tenant() -> Iterator[Provider]:
    """Shared by the session too: an issuer below a path."""
    with Provider(path="/tenant") as shared:
        yield shared


@pytest.fixture(scope="session")
def user_tokens(provider: Provider) -> dict[str, str]:
    """What the app has for bob, who let it read his orders and no more."""
    return provider.user_tokens(scope="orders:read", subject="bob")


@pytest.fixture(scope="session", params=SERVERS)
def api(request: pytest.FixtureRequest, provider: Provider, tenant: Provider) -> Iterator[OrdersAPI]:
    """Each framework's API, which trusts both.

    It takes the tenant's tokens for plain JWTs, and is confused enough to take those for the app for its own as well:
    nothing but the separator then tells the tenant's ID tokens from its access tokens.
    """
    plain = {"issuer": tenant.issuer, "profile": "jwt", "audience": [API, APP]}
    with orders_api(request.param, {"issuer": provider.issuer}, plain) as shared:
        yield shared


@pytest.fixture
def own_provider() -> Iterator[Provider]:
    """This test's own, to rotate, kill and restart."""
    with Provider() as own:
        yield own


@pytest.fixture(params=SERVERS)
def own_api(request: pytest.FixtureRequest, own_provider: Provider) -> Iterator[OrdersAPI]:
    """Each framework's API, which trusts `own_provider` and asks it for its keys twice a second."""
    with orders_api(request.param, {"issuer": own_provider.issuer, "keys": IMPATIENT}) as own:
        yield own
