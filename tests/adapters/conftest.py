"""A guard that stands at a fixed time, the issuer it trusts, and a way to ask an ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.adapters.in_process import NOW, Ask, CountingGuard

from tokenguard import Issuer
from tokenguard.testing import LocalIssuer, SigningKey

KEY = SigningKey.generate("ES256")


@pytest.fixture
def issuer() -> LocalIssuer:
    """Mints tokens at `NOW`."""
    return LocalIssuer(signing_key=KEY, clock=lambda: NOW)


@pytest.fixture
def make_guard(issuer: LocalIssuer) -> Callable[..., CountingGuard]:
    """A guard that trusts `issuer`, with settings of one's own."""

    def make(**settings: Any) -> CountingGuard:
        trusted = Issuer(issuer.issuer, jwks=issuer.jwks)
        return CountingGuard(
            **{"audience": issuer.audience, "issuers": [trusted], "clock": lambda: NOW, "monotonic": lambda: 0.0}
            | settings
        )

    return make


@pytest.fixture
def guard(make_guard: Callable[..., CountingGuard]) -> CountingGuard:
    """A guard that trusts `issuer`."""
    return make_guard()


@pytest.fixture
def ask() -> Ask:
    """Send a request to an ASGI application in this process."""

    async def send(
        app: Any, path: str = "/", method: str = "GET", *, token: str | None = None, **request: Any
    ) -> httpx.Response:
        headers = dict(request.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return await client.request(method, path, headers=headers, **request)

    return send
