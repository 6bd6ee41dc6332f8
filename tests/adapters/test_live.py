"""Routes that want their token asked about at its issuer, in every framework: revoked is refused, silence is 503."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

import django.test
import fastapi
import flask
import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.parsers import FormParser
from rest_framework.views import APIView
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tokenguard import ClientSecret, Introspection, Issuer, Requirement, TokenGuard
from tokenguard.asgi import TokenGuardMiddleware
from tokenguard.django import requires
from tokenguard.django.drf import HasScopes, TokenAuthentication
from tokenguard.fastapi import Protect
from tokenguard.flask import Protect as FlaskProtect
from tokenguard.testing import LocalIssuer

LIVE = Requirement("orders:read", live=True)

#: the status of a request with this token, in its header or in its form
Status = Callable[[str, str], int]
FORM = {"item": "tea"}


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    """An issuer that can be asked."""
    with LocalIssuer(algorithm="ES256").serve() as served:
        yield served


@pytest.fixture
def guard(issuer: LocalIssuer) -> Iterator[TokenGuard]:
    """A guard that asks it, and takes tokens from forms as well."""
    config = Issuer(issuer.issuer, introspection=Introspection(ClientSecret(*issuer.resource_server), timeout=20))
    with TokenGuard(audience=issuer.audience, issuers=[config], form_body=True) as built:
        yield built


def of_asgi(app: object) -> Status:
    """Of an ASGI application."""

    def status(token: str, place: str) -> int:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="https://api.example.com") as client:
                if place == "form":
                    return await client.post("/", data={**FORM, "access_token": token})
                return await client.post("/", data=FORM, headers={"Authorization": f"Bearer {token}"})

        answer = asyncio.run(ask())
        assert (answer.status_code == 200) == ("tea" in answer.text)
        return answer.status_code

    return status


def fastapi_app(guard: TokenGuard) -> Status:
    """A route that requires more than its router, and has the form."""
    protect = Protect(guard)
    app = fastapi.FastAPI(dependencies=[fastapi.Depends(protect)])

    @app.post("/", dependencies=[fastapi.Depends(protect.requires(LIVE))])
    def orders(item: Annotated[str, fastapi.Form()]) -> str:
        return item

    return of_asgi(app)


def fastapi_body_app(guard: TokenGuard) -> Status:
    """One that reads the body by itself."""
    protect = Protect(guard)
    app = fastapi.FastAPI(dependencies=[fastapi.Depends(protect)])

    @app.post("/", dependencies=[fastapi.Depends(protect.requires(LIVE))])
    async def orders(request: fastapi.Request) -> str:
        return (await request.body()).decode()

    return of_asgi(app)


def asgi_app(guard: TokenGuard) -> Status:
    """A middleware around another."""

    async def orders(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await PlainTextResponse(body)(scope, receive, send)

    inner = TokenGuardMiddleware(orders, guard, requirement=LIVE)
    return of_asgi(TokenGuardMiddleware(inner, guard))


def flask_app(guard: TokenGuard) -> Status:
    """A view of an application that wants a token everywhere."""
    app, protect = flask.Flask(__name__), FlaskProtect(guard)
    protect.all(app)

    @app.post("/")
    @protect.requires(LIVE)
    def orders() -> str:
        return flask.request.form["item"]

    def status(token: str, place: str) -> int:
        client = app.test_client()
        if place == "form":
            return client.post("/", data={**FORM, "access_token": token}).status_code
        return client.post("/", data=FORM, headers={"Authorization": f"Bearer {token}"}).status_code

    return status


@requires(LIVE)
def orders_view(request: HttpRequest) -> HttpResponse:
    """A view behind the middleware."""
    return HttpResponse(request.POST["item"])


@requires(LIVE)
async def async_orders_view(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return HttpResponse(request.POST["item"])


class OrdersView(APIView):  # type: ignore[misc] # ships no types
    """A view of REST framework, which authenticates without any middleware."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (HasScopes(LIVE),)
    parser_classes = (FormParser,)

    def post(self, request: Any) -> HttpResponse:
        """The form is still there."""
        return HttpResponse(request.data["item"])


urlpatterns = [path("", orders_view), path("async", async_orders_view), path("drf", OrdersView.as_view())]


def of_django(guard: TokenGuard, url: str, middleware: list[str]) -> Status:
    """Of one of these views."""

    def status(token: str, place: str) -> int:
        form = {**FORM, "access_token": token} if place == "form" else FORM
        headers = {} if place == "form" else {"authorization": f"Bearer {token}"}
        with django.test.override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware, TOKENGUARD={"GUARD": guard}):
            body = urlencode(form)
            client = django.test.Client()
            answer = client.post(url, body, content_type="application/x-www-form-urlencoded", headers=headers)
            return answer.status_code

    return status


def django_app(guard: TokenGuard) -> Status:
    """The middleware, then the decorator."""
    return of_django(guard, "/", ["tokenguard.django.TokenGuardMiddleware"])


def django_async_app(guard: TokenGuard) -> Status:
    """Around an async view."""
    return of_django(guard, "/async", ["tokenguard.django.TokenGuardMiddleware"])


def drf_app(guard: TokenGuard) -> Status:
    """Authentication class and permission."""
    return of_django(guard, "/drf", [])


def drf_app_behind_the_middleware(guard: TokenGuard) -> Status:
    """The middleware, then both."""
    return of_django(guard, "/drf", ["tokenguard.django.TokenGuardMiddleware"])


FRAMEWORKS = [
    fastapi_app, fastapi_body_app, asgi_app, flask_app, django_app, django_async_app, drf_app,
    drf_app_behind_the_middleware,
]  # fmt: skip


@pytest.mark.parametrize("place", ["header", "form"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_live_route_asks_in_every_framework(
    guard: TokenGuard, issuer: LocalIssuer, framework: Callable[[TokenGuard], Status], place: str
) -> None:
    """Also where the request was authenticated before the route said what it wants; the view has the form still."""
    status = framework(guard)
    for token in (issuer.mint(scope="orders:read"), issuer.mint_opaque(scope="orders:read")):
        assert status(token, place) == 200
        issuer.misbehave("error", path="/introspect")
        assert status(token, place) == 503
        issuer.behave()
        issuer.revoke(token)
        assert status(token, place) == 401
    assert status(issuer.mint_opaque(scope="orders:list"), place) == 403
