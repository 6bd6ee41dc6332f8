"""unprotected_routes: nothing that can be reached without a token is missing from the list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from tests.adapters.in_process import CountingGuard, NotingApp

from tokenguard import any_of
from tokenguard.asgi import TokenGuardMiddleware
from tokenguard.fastapi import Protect, UnprotectedRoute, unprotected_routes


@pytest.fixture
def protect(guard: CountingGuard) -> Protect:
    """What protects."""
    return Protect(guard)


async def endpoint() -> None:
    """Any endpoint."""


async def websocket_endpoint(websocket: WebSocket) -> None:
    """Any WebSocket endpoint."""


def undocumented(*dependencies: Any, **settings: Any) -> FastAPI:
    """An application without documentation pages."""
    return FastAPI(openapi_url=None, dependencies=dependencies, **settings)


def listed(app: Any) -> list[tuple[str, str]]:
    """Paths and kinds."""
    return [(route.path, route.kind) for route in unprotected_routes(app)]


def test_a_route_without_protect_is_listed_with_its_methods() -> None:
    """HTTP and WebSocket."""
    app = undocumented()
    app.add_api_route("/orders/{number}", endpoint, methods=["PUT", "GET"])
    app.add_api_websocket_route("/feed", websocket_endpoint)
    assert unprotected_routes(app) == [
        UnprotectedRoute("/orders/{number}", ("GET", "PUT"), "open"),
        UnprotectedRoute("/feed", ("WEBSOCKET",), "open"),
    ]


@pytest.mark.parametrize("way", ["Depends", "Security", "requires", "nested", "parameter"])
def test_a_protected_route_is_not_listed(protect: Protect, way: str) -> None:
    """However the dependency gets there."""

    async def user(token: Any = Depends(protect)) -> Any:  # noqa: B008 - as users write it
        return token

    async def with_parameter(token: Any = Depends(user)) -> None:  # noqa: B008 - as users write it
        """An endpoint that uses the token."""

    dependency = {
        "Depends": Depends(protect),
        "Security": Security(protect, scopes=["a"]),
        "requires": Depends(protect.requires(any_of("a", "b"))),
        "nested": Depends(user),
    }
    app = undocumented()
    app.add_api_route(
        "/",
        with_parameter if way == "parameter" else endpoint,
        dependencies=[dependency[way]] if way in dependency else [],
    )
    app.add_api_websocket_route("/feed", websocket_endpoint, dependencies=[Depends(protect)])
    assert listed(app) == []


def test_dependencies_of_application_and_routers_protect(protect: Protect) -> None:
    """At any depth of nesting, of the router or of its inclusion; the router beside stays open."""
    inner, middle, beside = APIRouter(prefix="/inner"), APIRouter(prefix="/middle"), APIRouter(prefix="/beside")
    for router in (inner, beside):
        router.add_api_route("/x", endpoint)
        router.add_api_websocket_route("/feed", websocket_endpoint)
    middle.include_router(inner)
    app = undocumented()
    app.include_router(middle, prefix="/safe", dependencies=[Depends(protect)])
    app.include_router(middle, prefix="/unsafe")
    app.include_router(beside)
    unsafe = ["/unsafe/middle/inner/x", "/unsafe/middle/inner/feed", "/beside/x", "/beside/feed"]
    assert listed(app) == [(path, "open") for path in unsafe]
    covered = undocumented(Depends(protect))
    covered.include_router(middle)
    assert listed(covered) == []


def test_an_optional_protect_is_said_to_be_one(guard: CountingGuard, protect: Protect) -> None:
    """Strangers get in; beside a strict one they don't."""
    welcome = Depends(Protect(guard, optional=True))
    app = undocumented()
    app.add_api_route("/greeting", endpoint, dependencies=[welcome])
    app.add_api_route("/me", endpoint, dependencies=[welcome, Depends(protect)])
    assert listed(app) == [("/greeting", "optional")]


def test_documentation_is_listed_as_such(protect: Protect) -> None:
    """Dependencies of an application do not reach its own pages."""
    app = FastAPI(dependencies=[Depends(protect)], docs_url="/swagger")
    paths = ["/openapi.json", "/swagger", "/docs/oauth2-redirect", "/redoc"]
    assert listed(app) == [(path, "documentation") for path in paths]


def test_mounted_applications_are_walked(protect: Protect, tmp_path: Path) -> None:
    """Dependencies do not reach them; what can't be looked into is listed whole."""
    inner = undocumented()
    inner.add_api_route("/safe", endpoint, dependencies=[Depends(protect)])
    inner.add_api_route("/open", endpoint)
    app = undocumented(Depends(protect))
    app.mount("/inner", CORSMiddleware(inner))
    app.mount("/static", StaticFiles(directory=tmp_path))
    app.mount("/plain", Router(routes=[Route("/page", PlainTextResponse("page"))]))
    app.router.routes.append(Host("docs.example.com", app=Router(routes=[Route("/host", PlainTextResponse("host"))])))
    included = APIRouter()
    included.mount("/deep", inner)
    app.include_router(included, prefix="/included")
    assert listed(app) == [
        ("/inner/open", "open"),
        ("/static/{path}", "mount"),
        ("/plain/page", "open"),
        ("/host", "open"),
        ("/included/deep/open", "open"),
    ]


def test_the_middleware_protects_all_that_it_does_not_exempt(guard: CountingGuard) -> None:
    """Its exemptions are listed, and so are parameters that can take an exempt value."""
    app = FastAPI(docs_url=None, redoc_url=None)
    for path in ("/health", "/health/{probe}", "/orders", "/orders/{number}", "/{page}"):
        app.add_api_route(path, endpoint)
    app.mount("/files", NotingApp())
    app.add_middleware(TokenGuardMiddleware, guard=guard, exempt_paths=["/health", "/openapi.json"])
    assert listed(app) == [
        ("/openapi.json", "documentation"),
        ("/health", "exempt"),
        ("/health/{probe}", "exempt"),
        ("/{page}", "exempt"),
    ]


def test_a_middleware_around_the_application_or_in_a_mount_counts(guard: CountingGuard) -> None:
    """Its paths are seen from where it stands."""
    inner = undocumented()
    inner.add_api_route("/health", endpoint)
    inner.add_api_route("/orders", endpoint)
    assert listed(TokenGuardMiddleware(inner, guard)) == []
    app = undocumented()
    app.mount("/a", TokenGuardMiddleware(inner, guard, exempt_paths=["/health"]))
    app.mount("/b", TokenGuardMiddleware(inner, guard, exempt_paths=["/b/health"]))
    app.mount("/c", TokenGuardMiddleware(inner, guard, optional=True))
    app.router.routes.append(Mount("/d", app=TokenGuardMiddleware(NotingApp(), guard, exempt_paths=["/x"])))
    assert listed(app) == [
        ("/a/health", "exempt"),
        ("/c/health", "optional"),
        ("/c/orders", "optional"),
        ("/d/{path}", "exempt"),
    ]
