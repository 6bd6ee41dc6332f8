"""A request whose token was not enough at one place may be looked at again at another: its proof is no replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import flask
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from tests.adapters import django_project  # noqa: F401 - configures Django
from tests.adapters.in_process import NOW, CountingGuard, http_scope

import tokenguard.flask
from tokenguard import DPoP, Request, TokenGuard, asgi
from tokenguard.core.requirements import requirement_of
from tokenguard.django import requires
from tokenguard.errors import InsufficientScope, InvalidDPoPProof, Reason
from tokenguard.testing import DPoPKey, LocalIssuer

URL = "https://api.example.com/orders"
KEY = DPoPKey(clock=lambda: NOW)

#: what comes of asking for "admin", and then for "orders:read"
Looks = Callable[[TokenGuard, dict[str, str]], list[int]]


def flask_looks(guard: TokenGuard, headers: dict[str, str]) -> list[int]:
    """One view falls back on another."""
    app, protect = flask.Flask(__name__), tokenguard.flask.Protect(guard)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    statuses = []

    @app.get("/orders")
    def orders() -> str:
        with pytest.raises(InsufficientScope) as refused:
            protect("admin")(lambda: "admins")()
        statuses.append(refused.value.status)
        return protect("orders:read")(lambda: "all")()

    answer = app.test_client().get("/orders", base_url="https://api.example.com", headers=headers)
    return [*statuses, answer.status_code]


def ok(_request: HttpRequest) -> HttpResponse:
    """A view."""
    return HttpResponse()


async def aok(_request: HttpRequest) -> HttpResponse:
    """An async one."""
    return HttpResponse()


def django_request(headers: dict[str, str]) -> HttpRequest:
    """As it comes to a view."""
    return RequestFactory().get("/orders", secure=True, headers={"Host": "api.example.com", **headers})


def django_looks(guard: TokenGuard, headers: dict[str, str]) -> list[int]:
    """Two views for one request."""
    request = django_request(headers)
    with override_settings(TOKENGUARD={"GUARD": guard}):
        return [requires(scope)(ok)(request).status_code for scope in ("admin", "orders:read")]


def django_async_looks(guard: TokenGuard, headers: dict[str, str]) -> list[int]:
    """Two async views."""

    async def look(request: HttpRequest) -> list[int]:
        return [(await requires(scope)(aok)(request)).status_code for scope in ("admin", "orders:read")]

    with override_settings(TOKENGUARD={"GUARD": guard}):
        return asyncio.run(look(django_request(headers)))


def asgi_looks(guard: TokenGuard, headers: dict[str, str]) -> list[int]:
    """What FastAPI's dependencies and the middleware go through."""
    scope = http_scope("/orders", scheme="https", headers={"Host": "api.example.com", **headers})

    async def look() -> list[int]:
        with pytest.raises(InsufficientScope) as refused:
            await asgi.check(guard, scope, requirement_of("admin"))
        assert await asgi.check(guard, scope, requirement_of("orders:read"))
        return [refused.value.status, 200]

    return asyncio.run(look())


@pytest.mark.req("DP-32")
@pytest.mark.parametrize("looks", [flask_looks, django_looks, django_async_looks, asgi_looks])
def test_a_proof_that_was_good_stays_so_for_its_request(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, looks: Looks
) -> None:
    """However the first look ended; in the next request it is a replay."""
    guard = make_guard(dpop=DPoP())
    headers = KEY.headers("GET", URL, issuer.mint(scope="orders:read", dpop_key=KEY))
    assert looks(guard, headers) == [403, 200]
    with pytest.raises(InvalidDPoPProof) as refused:
        guard.authenticate(Request("GET", URL, headers))
    assert refused.value.reason is Reason.PROOF_REPLAYED
