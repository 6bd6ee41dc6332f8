"""Routes that want their token asked about at its issuer, in every framework: revoked is refused, silence is 503."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import django.test
import fastapi
import flask
import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from tokenguard import ClientSecret, Introspection, Issuer, Requirement, TokenGuard
from tokenguard.asgi import TokenGuardMiddleware
from tokenguard.django import requires
from tokenguard.fastapi import Protect
from tokenguard.flask import Protect as FlaskProtect
from tokenguard.testing import LocalIssuer

LIVE = Requirement("orders:read", live=True)

#: the status of a request with this token
Status = Callable[[str], int]


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    """An issuer that can be asked."""
    with LocalIssuer(algorithm="ES256").serve() as served:
        yield served


@pytest.fixture
def guard(issuer: LocalIssuer) -> Iterator[TokenGuard]:
    """A guard that asks it."""
    introspection = Introspection(ClientSecret(*issuer.resource_server), timeout=20)
    with TokenGuard(audience=issuer.audience, issuers=[Issuer(issuer.issuer, introspection=introspection)]) as built:
        yield built


def of_asgi(app: object) -> Status:
    """Of an ASGI application."""

    def status(token: str) -> int:
        async def ask() -> int:
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="https://api.example.com") as client:
                return (await client.get("/", headers={"Authorization": f"Bearer {token}"})).status_code

        return asyncio.run(ask())

    return status


def fastapi_app(guard: TokenGuard) -> Status:
    """A route that requires more than its router."""
    protect = Protect(guard)
    app = fastapi.FastAPI(dependencies=[fastapi.Depends(protect)])

    @app.get("/", dependencies=[fastapi.Depends(protect.requires(LIVE))])
    def orders() -> str:
        return "orders"

    return of_asgi(app)


def asgi_app(guard: TokenGuard) -> Status:
    """A middleware around another."""

    async def orders(scope: object, receive: object, send: object) -> None:
        await PlainTextResponse(HTTPConnection(scope).url.path)(scope, receive, send)  # type: ignore[arg-type]

    inner = TokenGuardMiddleware(orders, guard, requirement=LIVE)  # type: ignore[arg-type]
    return of_asgi(TokenGuardMiddleware(inner, guard))


def flask_app(guard: TokenGuard) -> Status:
    """A view of an application that wants a token everywhere."""
    app, protect = flask.Flask(__name__), FlaskProtect(guard)
    protect.all(app)

    @app.get("/")
    @protect.requires(LIVE)
    def orders() -> str:
        return "orders"

    return lambda token: app.test_client().get("/", headers={"Authorization": f"Bearer {token}"}).status_code


@requires(LIVE)
def orders_view(_: HttpRequest) -> HttpResponse:
    """A view behind the middleware."""
    return HttpResponse("orders")


urlpatterns = [path("", orders_view)]


def django_app(guard: TokenGuard) -> Status:
    """The middleware, then the decorator."""

    def status(token: str) -> int:
        with django.test.override_settings(
            ROOT_URLCONF=__name__,
            MIDDLEWARE=["tokenguard.django.TokenGuardMiddleware"],
            TOKENGUARD={"GUARD": guard},
        ):
            return django.test.Client().get("/", headers={"authorization": f"Bearer {token}"}).status_code

    return status


@pytest.mark.parametrize("framework", [fastapi_app, asgi_app, flask_app, django_app])
def test_a_live_route_asks_in_every_framework(
    guard: TokenGuard, issuer: LocalIssuer, framework: Callable[[TokenGuard], Status]
) -> None:
    """Also where the request was authenticated before the route said what it wants."""
    status = framework(guard)
    for token in (issuer.mint(scope="orders:read"), issuer.mint_opaque(scope="orders:read")):
        assert status(token) == 200
        issuer.misbehave("error", path="/introspect")
        assert status(token) == 503
        issuer.behave()
        issuer.revoke(token)
        assert status(token) == 401
    assert status(issuer.mint_opaque(scope="orders:list")) == 403
