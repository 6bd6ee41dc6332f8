"""Protect in the OpenAPI document, as Swagger UI's Authorize needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.openapi.models import OpenAPI
from tests.adapters.in_process import CountingGuard

from tokenguard import all_of, any_of
from tokenguard.fastapi import Protect


def document(*dependencies: Any, **application: Any) -> dict[str, Any]:
    """The OpenAPI document of an application with GET /, which depends on these; checked against FastAPI's model."""
    app = FastAPI(**application)

    @app.get("/", dependencies=list(dependencies))
    async def root() -> None: ...

    OpenAPI.model_validate(app.openapi())
    return app.openapi()


def security(*dependencies: Any, **application: Any) -> Any:
    """The security requirements of GET /."""
    return document(*dependencies, **application)["paths"]["/"]["get"].get("security")


def test_it_is_an_http_bearer_scheme_by_default(guard: CountingGuard) -> None:
    """One pastes a token into Swagger UI."""
    schemes = document(Depends(Protect(guard)))["components"]["securitySchemes"]
    assert schemes == {"AccessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def test_it_is_the_authorization_code_flow_where_the_endpoints_are_given(guard: CountingGuard) -> None:
    """Swagger UI sends the user there, and offers the described scopes."""
    protect = Protect(
        guard,
        authorization_url="https://auth.example.com/authorize",
        token_url="https://auth.example.com/token",
        scopes={"orders:read": "Read orders"},
        scheme_name="ExampleLogin",
        description="Sign in at example.com.",
    )
    described = document(Security(protect, scopes=["orders:read"]))
    assert described["components"]["securitySchemes"] == {
        "ExampleLogin": {
            "type": "oauth2",
            "description": "Sign in at example.com.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": "https://auth.example.com/authorize",
                    "tokenUrl": "https://auth.example.com/token",
                    "scopes": {"orders:read": "Read orders"},
                }
            },
        }
    }
    assert described["paths"]["/"]["get"]["security"] == [{"ExampleLogin": ["orders:read"]}]


@pytest.mark.parametrize(
    ("dependency", "scopes"),
    [
        (Depends, []),
        (lambda protect: Security(protect, scopes=["a", "b"]), ["a", "b"]),
        (lambda protect: Depends(protect.requires(["a", "b"])), ["a", "b"]),
        (lambda protect: Depends(protect.requires(all_of("a", all_of("b", any_of("c", "d"))))), ["a", "b"]),
        (lambda protect: Depends(protect.requires(any_of("a", "b"))), []),
        (lambda protect: Security(protect.requires(any_of("a", "b")), scopes=["c"]), ["c"]),
    ],
)
def test_an_operation_shows_the_scopes_that_it_needs_in_any_case(
    guard: CountingGuard, dependency: Callable[[Protect], Any], scopes: list[str]
) -> None:
    """OpenAPI has no words for alternatives within a scheme."""
    assert security(dependency(Protect(guard))) == [{"AccessToken": scopes}]


def test_scopes_of_application_router_and_route_are_shown_together(guard: CountingGuard) -> None:
    """Under one scheme, also where an optional Protect stands beside."""
    protect = Protect(guard)
    app = FastAPI(dependencies=[Security(protect, scopes=["a"])])
    router = APIRouter(dependencies=[Security(protect, scopes=["b"]), Depends(Protect(guard, optional=True))])

    @router.get("/", dependencies=[Security(protect, scopes=["c"])])
    async def root() -> None: ...

    app.include_router(router, prefix="/api")
    assert app.openapi()["paths"]["/api/"]["get"]["security"] == [{"AccessToken": ["a", "b", "c"]}]


def test_a_public_operation_needs_nothing() -> None:
    """No dependency, no padlock."""
    assert security() is None
