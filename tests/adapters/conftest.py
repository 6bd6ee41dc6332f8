"""For ASGI: a guard at a fixed time, its issuer, and a way to ask an application. For Django: sites of a few views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.test import override_settings
from django.urls import path
from tests.adapters import django_project  # noqa: F401 - configures Django
from tests.adapters.in_process import NOW, Ask, CountingGuard
from tests.adapters.recording import RecordingGuard

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


@pytest.fixture
def recording_guard(issuer: LocalIssuer) -> RecordingGuard:
    """A guard that trusts the issuer and notes how it is asked."""
    return RecordingGuard(issuer)


@pytest.fixture
def site(recording_guard: RecordingGuard) -> Iterator[Callable[..., None]]:
    """`site({"orders": view, ...})` puts a project in force; further arguments are settings, TOKENGUARD's in a dict."""
    with ExitStack() as stack:

        def build(views: dict[str, Any], tokenguard: dict[str, Any] | None = None, **settings: Any) -> None:
            urls = tuple(path(route, view) for route, view in views.items())
            given = {"GUARD": recording_guard, **(tokenguard or {})}
            stack.enter_context(override_settings(ROOT_URLCONF=urls, TOKENGUARD=given, **settings))

        yield build
