"""One small app in every framework, protected twice over: whole app or router, and route. For test_dpop.py.

Every app has GET /orders, which needs orders:read, and GET /files/<anything>; the views say how the token is bound,
and wrongly that their answer may be kept.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import flask
import httpx
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.test import Client, override_settings
from django.urls import path
from fastapi import APIRouter, Depends, FastAPI, Response, Security
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response as RestResponse
from rest_framework.views import APIView
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from tests.adapters import django_project

import tokenguard.fastapi
import tokenguard.flask
from tokenguard import AccessToken, TokenGuard
from tokenguard.asgi import ResponseHeadersMiddleware, TokenGuardMiddleware, access_token
from tokenguard.django import requires
from tokenguard.django.drf import HasScopes, TokenAuthentication

HOST = "api.example.com"
BASE = f"https://{HOST}"
KEEP = {"Cache-Control": "public, max-age=60"}


class Answer(NamedTuple):
    """What came back; `lines` are the headers, their names in lower case."""

    status: int
    lines: list[tuple[str, str]]
    body: Any

    def values(self, name: str) -> list[str]:
        """Every line of a header."""
        return [value for key, value in self.lines if key == name]


#: sends a GET: path as in the request line, and headers
Send = Callable[[str, Mapping[str, str]], Answer]


def described(token: AccessToken | None) -> dict[str, Any]:
    """What the views answer."""
    return {"bound_by": sorted(token.bound_by) if token else None}


def to_asgi(app: Any) -> Send:
    """Send to an ASGI application."""

    async def get(target: str, headers: Mapping[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
            return await client.get(target, headers=headers)

    def send(target: str, headers: Mapping[str, str]) -> Answer:
        response = asyncio.run(get(target, headers))
        return Answer(response.status_code, [*response.headers.multi_items()], response.json())

    return send


@contextmanager
def fastapi_app(guard: TokenGuard) -> Iterator[Send]:
    """Router and route each have a `Protect`; the middleware adds what answers need."""
    protect = tokenguard.fastapi.Protect(guard)
    router = APIRouter(dependencies=[Depends(protect)])

    @router.get("/orders")
    async def orders(
        response: Response,
        token: AccessToken = Security(protect, scopes=["orders:read"]),  # noqa: B008 - FastAPI's way
    ) -> Any:
        response.headers.update(KEEP)
        return described(token)

    @router.get("/files/{name:path}")
    async def files(token: AccessToken = Depends(protect)) -> Any:  # noqa: B008
        return JSONResponse(described(token), headers=KEEP)

    app = FastAPI()
    app.include_router(router)
    app.add_middleware(ResponseHeadersMiddleware)
    yield to_asgi(app)


@contextmanager
def asgi_app(guard: TokenGuard) -> Iterator[Send]:
    """The middleware stands outside, and again around what is mounted."""

    async def view(request: StarletteRequest) -> JSONResponse:
        return JSONResponse(described(access_token(request.scope, guard)), headers=KEEP)

    orders = TokenGuardMiddleware(Starlette(routes=[Route("/orders", view)]), guard, scopes="orders:read")
    files = Starlette(routes=[Route("/{name:path}", view)])
    mounts = Starlette(routes=[Route("/orders", orders), Mount("/files", files)])
    yield to_asgi(TokenGuardMiddleware(mounts, guard))


@contextmanager
def flask_app(guard: TokenGuard) -> Iterator[Send]:
    """The whole app is protected, and the view is decorated."""
    app = flask.Flask(__name__)
    protect = tokenguard.flask.Protect(guard)
    protect.all(app)

    @app.get("/orders")
    @protect("orders:read")
    def orders() -> Any:
        return described(tokenguard.flask.current_token), KEEP

    @app.get("/files/<path:name>")
    @protect()
    async def files(name: str) -> Any:
        return described(tokenguard.flask.current_token), KEEP

    def send(target: str, headers: Mapping[str, str]) -> Answer:
        response = app.test_client().get(target, base_url=BASE, headers=dict(headers))
        return Answer(response.status_code, [(name.lower(), value) for name, value in response.headers], response.json)

    yield send


@requires("orders:read")
def django_orders(request: Any) -> JsonResponse:
    """The token, by the decorator."""
    return JsonResponse(described(request.access_token), headers=KEEP)


@requires()
def django_files(request: Any, name: str) -> JsonResponse:
    """The token, by the decorator."""
    return JsonResponse(described(request.access_token), headers=KEEP)


@requires("orders:read")
async def django_async_orders(request: Any) -> JsonResponse:
    """The token, by the decorator."""
    return JsonResponse(described(request.access_token), headers=KEEP)


@requires()
async def django_async_files(request: Any, name: str) -> JsonResponse:
    """The token, by the decorator."""
    return JsonResponse(described(request.access_token), headers=KEEP)


class RestOrders(APIView):
    """The token, by authentication and permission."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated, HasScopes("orders:read"))

    def get(self, request: Request) -> RestResponse:
        """Of REST framework's request."""
        return RestResponse(described(request.auth), headers=KEEP)


class RestFiles(RestOrders):
    """The same for any token."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request, **_: str) -> RestResponse:
        """Of REST framework's request."""
        return super().get(request)


def to_django_under_wsgi() -> Send:
    """Send to the project, as gunicorn does: it tells what came in the request line."""

    def send(target: str, headers: Mapping[str, str]) -> Answer:
        response = Client().get(target, secure=True, RAW_URI=target, headers={"Host": HOST, **headers})
        lines = [(name.lower(), value) for name, value in response.items()]
        return Answer(response.status_code, lines, json.loads(response.content))

    return send


def to_django_under_asgi() -> Send:
    """Send to the project."""
    return to_asgi(get_asgi_application())


def _django(
    to_django: Callable[[], Send], orders: Callable[..., Any], files: Callable[..., Any], *middleware: str
) -> Callable[[TokenGuard], AbstractContextManager[Send]]:
    urls = (path("orders", orders), path("files/<path:name>", files))

    @contextmanager
    def site(guard: TokenGuard) -> Iterator[Send]:
        with override_settings(ROOT_URLCONF=urls, TOKENGUARD={"GUARD": guard}, MIDDLEWARE=[*middleware]):
            yield to_django()

    return site


APPS: dict[str, Callable[[TokenGuard], AbstractContextManager[Send]]] = {
    "fastapi": fastapi_app,
    "asgi": asgi_app,
    "flask": flask_app,
    "django": _django(to_django_under_wsgi, django_orders, django_files, django_project.OURS, django_project.CSRF),
    "django without middleware": _django(to_django_under_wsgi, django_orders, django_files),
    "django under asgi": _django(to_django_under_asgi, django_async_orders, django_async_files, django_project.OURS),
    "django under asgi without middleware": _django(to_django_under_asgi, django_async_orders, django_async_files),
    "drf": _django(to_django_under_wsgi, RestOrders.as_view(), RestFiles.as_view(), django_project.OURS),
    "drf without middleware": _django(to_django_under_wsgi, RestOrders.as_view(), RestFiles.as_view()),
}
