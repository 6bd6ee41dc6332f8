"""Refusals as FastAPI's own errors: no handler has to be installed, and any of the app's can take over."""

from __future__ import annotations

from typing import Any

import fastapi
import pytest
import starlette.exceptions
from fastapi import Depends, FastAPI, Security
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware
from tests.adapters.in_process import Ask, CountingGuard

from tokenguard import Challenge, Issuer, TokenGuard, errors
from tokenguard.fastapi import Protect
from tokenguard.testing import Broken, LocalIssuer


@pytest.fixture
def app(guard: CountingGuard) -> FastAPI:
    """GET / needs the scope orders:read."""
    return protected_by(guard)


def protected_by(guard: TokenGuard) -> FastAPI:
    """An application whose only route is protected."""
    app = FastAPI()

    @app.get("/", dependencies=[Security(Protect(guard), scopes=["orders:read"])])
    async def root() -> None: ...

    return app


@pytest.mark.req("BT-12", "BT-13", "BT-16", "BT-17", "BT-18")
async def test_a_refusal_is_answered_without_any_handler_installed(app: FastAPI, issuer: LocalIssuer, ask: Ask) -> None:
    """Status, challenge, and the error object where FastAPI puts it."""
    response = await ask(app, token=issuer.mint(scope="profile"))
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert 'scope="orders:read"' in response.headers["www-authenticate"]
    assert response.headers["cache-control"] == "no-store"
    description = "The token does not cover what this resource requires."
    assert response.json() == {"detail": {"error": "insufficient_scope", "error_description": description}}


@pytest.mark.parametrize(
    "caught",
    [
        errors.InvalidToken,
        errors.Denied,
        errors.TokenGuardError,
        fastapi.HTTPException,
        starlette.exceptions.HTTPException,
        401,
    ],
)
async def test_the_applications_own_handler_takes_over(
    app: FastAPI, issuer: LocalIssuer, ask: Ask, caught: Any
) -> None:
    """For our classes, for the framework's, or for the status; and it sees both sides of the error."""

    @app.exception_handler(caught)
    async def handler(_request: Any, error: Any) -> JSONResponse:
        return JSONResponse({"reason": error.reason, "status": error.status_code, "detail": error.detail["error"]}, 418)

    response = await ask(app, token=issuer.broken(Broken.EXPIRED))
    assert response.status_code == 418
    assert response.json() == {"reason": "expired", "status": 401, "detail": "invalid_token"}


async def test_an_outage_is_unavailable_and_an_http_exception_too(ask: Ask) -> None:
    """503 with Retry-After, and a handler for `Unavailable` gets it."""
    with LocalIssuer(algorithm="ES256").serve() as issuer:
        issuer.misbehave("down")
        guard = TokenGuard(audience=issuer.audience, issuers=[issuer.issuer])
        app = protected_by(guard)
        response = await ask(app, token=issuer.mint())
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert "www-authenticate" not in response.headers
        assert response.json()["detail"]["error"] == "temporarily_unavailable"

        app = protected_by(guard)

        @app.exception_handler(errors.Unavailable)
        async def handler(_request: Any, error: errors.Unavailable) -> JSONResponse:
            return JSONResponse({"after": error.retry_after}, 599)

        assert (await ask(app, token=issuer.mint())).status_code == 599
        await guard.aclose()


async def test_refusals_keep_cors_headers_and_preflights_need_no_token(app: FastAPI, ask: Ask) -> None:
    """Without them a page could not read why it was refused."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["https://app.example.com"],
        allow_headers=["Authorization"],
        expose_headers=["WWW-Authenticate"],
    )
    origin = {"Origin": "https://app.example.com"}
    refused = await ask(app, headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example.com"
    assert refused.headers["access-control-expose-headers"] == "WWW-Authenticate"
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    assert (await ask(app, method="OPTIONS", headers=origin | asked)).status_code == 200


class TwoSchemes(TokenGuard):
    """Answers with a challenge for each of two schemes."""

    def challenge(self, error: errors.Denied | errors.Unavailable) -> Challenge:
        status, headers, body = super().challenge(error)
        return Challenge(status, [*headers, ("WWW-Authenticate", 'DPoP algs="ES256"')], body)


@pytest.fixture
def two_schemes(issuer: LocalIssuer) -> FastAPI:
    """An application whose refusals carry two challenges."""
    return protected_by(TwoSchemes(audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)]))


@pytest.mark.req("BT-24")
async def test_several_challenges_are_separate_lines(two_schemes: FastAPI, ask: Ask) -> None:
    """Through FastAPI's own handler, though its headers are a mapping."""
    lines = (await ask(two_schemes)).headers.get_list("www-authenticate")
    assert lines == ['Bearer realm="api.example.com", scope="orders:read"', 'DPoP algs="ES256"']


async def test_a_handler_that_makes_a_dict_of_the_headers_loses_no_challenge(two_schemes: FastAPI, ask: Ask) -> None:
    """It gets them joined by commas, which means the same (RFC 9110 5.3)."""

    @two_schemes.exception_handler(errors.Denied)
    async def handler(_request: Any, error: Any) -> JSONResponse:
        assert set(error.headers) == {"WWW-Authenticate", "Cache-Control"}
        assert len(error.headers) == 2
        assert "Retry-After" not in error.headers
        return JSONResponse({}, 401, headers={**error.headers, "X-Handled": "yes"})

    response = await ask(two_schemes)
    assert response.headers.get_list("www-authenticate") == [
        'Bearer realm="api.example.com", scope="orders:read", DPoP algs="ES256"'
    ]


async def test_an_unknown_url_stays_404_and_documentation_stays_open(app: FastAPI, ask: Ask) -> None:
    """Dependencies of routes say nothing about what is beside them."""
    assert (await ask(app, "/nowhere")).status_code == 404
    assert (await ask(app, "/openapi.json")).status_code == 200
    assert (await ask(app, "/docs")).status_code == 200


async def test_an_application_wide_dependency_leaves_unknown_urls_404(guard: CountingGuard, ask: Ask) -> None:
    """A probe learns nothing that a stranger may not know."""
    app = FastAPI(dependencies=[Depends(Protect(guard))])
    assert (await ask(app, "/nowhere")).status_code == 404


async def test_a_malformed_body_is_found_before_the_token_is_looked_at(guard: CountingGuard, ask: Ask) -> None:
    """FastAPI's order, which only the middleware changes; a body that merely does not fit comes after the token."""
    app = FastAPI()

    @app.post("/", dependencies=[Depends(Protect(guard))])
    async def root(item: dict[str, str]) -> None: ...

    json = {"Content-Type": "application/json"}
    assert (await ask(app, method="POST", content=b"{", headers=json)).status_code == 422
    assert (await ask(app, method="POST", content=b"[1]", headers=json)).status_code == 401
