"""The ASGI middleware: who gets through, what the application sees, what the others get."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.middleware.cors import CORSMiddleware
from tests.adapters.in_process import Ask, CountingGuard, NotingApp, exchange, http_scope

from tokenguard import Challenge, Issuer, Requirement, TokenGuard, any_of
from tokenguard.asgi import Receive, Scope, Send, TokenGuardMiddleware, access_token
from tokenguard.errors import ConfigurationError, Denied, Unavailable
from tokenguard.testing import Broken, LocalIssuer

PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}


@pytest.fixture
def app() -> NotingApp:
    """The application behind the middleware."""
    return NotingApp()


Behind = Callable[..., TokenGuardMiddleware]


@pytest.fixture
def behind(app: NotingApp, guard: TokenGuard) -> Behind:
    """The middleware before the application, with settings of one's own."""
    return partial(TokenGuardMiddleware, app, guard)


async def test_a_good_token_gets_through_and_the_application_finds_it(
    app: NotingApp, guard: TokenGuard, issuer: LocalIssuer, ask: Ask
) -> None:
    """`access_token(scope)` is the verified token."""
    response = await ask(TokenGuardMiddleware(app, guard), token=issuer.mint(sub="alice"))
    assert response.status_code == 200
    token = access_token(app.scopes[0])
    assert token is not None
    assert token.subject == "alice"


@pytest.mark.req("BT-12", "BT-15")
async def test_a_request_without_a_token_never_reaches_the_application(
    app: NotingApp, guard: TokenGuard, ask: Ask
) -> None:
    """401, the challenge with the scope to ask for, a JSON body, and nothing for caches."""
    response = await ask(TokenGuardMiddleware(app, guard, scopes="orders:read"))
    assert app.scopes == []
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="api.example.com", scope="orders:read"'
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"error_description": "An access token is required."}
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize(
    ("demands", "status"),
    [
        ({"scopes": "orders:read"}, 200),
        ({"scopes": ["orders:read", "orders:write"]}, 403),
        ({"scopes": any_of("orders:write", "orders:read")}, 200),
        ({"requirement": Requirement("orders:read", acr_values=["gold"])}, 401),
        ({"requirement": Requirement(issuers=["https://other.example.com"])}, 401),
    ],
)
async def test_what_is_demanded_is_needed(
    behind: Behind, issuer: LocalIssuer, ask: Ask, demands: dict[str, Any], status: int
) -> None:
    """Scopes in every form, and whole requirements."""
    assert (await ask(behind(**demands), token=issuer.mint(scope="orders:read"))).status_code == status


async def test_several_challenges_are_separate_lines(app: NotingApp, issuer: LocalIssuer, ask: Ask) -> None:
    """Clients that read only the first challenge of a line would miss the others."""

    class TwoSchemes(TokenGuard):
        def challenge(self, error: Denied | Unavailable) -> Challenge:
            status, headers, body = super().challenge(error)
            return Challenge(status, [*headers, ("WWW-Authenticate", 'DPoP algs="ES256"')], body)

    guard = TwoSchemes(audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)])
    response = await ask(TokenGuardMiddleware(app, guard))
    assert response.headers.get_list("www-authenticate") == ['Bearer realm="api.example.com"', 'DPoP algs="ES256"']


@pytest.mark.parametrize(
    ("token", "status"),
    [(None, 200), ("good", 200), ("scopeless", 403), (Broken.EXPIRED, 401)],
)
async def test_optional_forgives_only_a_missing_token(
    behind: Behind, issuer: LocalIssuer, ask: Ask, token: Any, status: int
) -> None:
    """A token, if there is one, must be good and have the scopes."""
    minted = {
        None: None,
        "good": issuer.mint(scope="orders:read"),
        "scopeless": issuer.mint(),
        Broken.EXPIRED: issuer.broken(Broken.EXPIRED, scope="orders:read"),
    }
    middleware = behind(scopes="orders:read", optional=True)
    assert (await ask(middleware, token=minted[token])).status_code == status


@pytest.mark.parametrize(
    ("path", "is_exempt"),
    [
        ("/health", True),
        ("/health/", True),
        ("/health/live", True),
        ("/healthz", False),
        ("/Health", False),
        ("/api/health", False),
        ("//health", False),
        ("/", True),
        ("/orders", False),
        ("/health/../orders", False),
        ("/health/%2e%2e/orders", False),
        ("/health/..%2Forders", False),
        ("/health/./live", False),
        ("/health/a%2f..%2f..", False),
    ],
)
async def test_exempt_paths_match_by_segment(behind: Behind, path: str, is_exempt: bool) -> None:
    """No path that only begins alike, and none that means another one once somebody normalises it."""
    sent = await exchange(behind(exempt_paths=("/health", "/")), http_scope(unquote(path)))
    assert sent[0]["status"] == (200 if is_exempt else 401)


@pytest.mark.parametrize(
    ("root_path", "path", "is_exempt"),
    [
        ("/api", "/api/health", True),
        ("/api/", "/api/health", True),
        ("/api", "/health", True),  # the proxy took /api away
        ("/api", "/apis/health", False),
        ("/api", "/api", True),
        ("/health", "/health/orders", False),
    ],
)
async def test_exempt_paths_are_seen_from_the_mount(behind: Behind, root_path: str, path: str, is_exempt: bool) -> None:
    """As the application's own routes are."""
    sent = await exchange(behind(exempt_paths=("/health", "/")), http_scope(path, root_path=root_path))
    assert sent[0]["status"] == (200 if is_exempt else 401)


async def test_an_exempt_path_ignores_even_a_bad_token(behind: Behind, issuer: LocalIssuer, ask: Ask) -> None:
    """A health check does not fail because of a header."""
    middleware = behind(exempt_paths=("/health",))
    assert (await ask(middleware, "/health", token=issuer.broken(Broken.EXPIRED))).status_code == 200


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("OPTIONS", PREFLIGHT, 204),
        ("OPTIONS", {}, 401),
        ("OPTIONS", {"Origin": "https://app.example.com"}, 401),
        ("OPTIONS", {"Access-Control-Request-Method": "GET"}, 401),
        ("OPTIONS", {**PREFLIGHT, "Authorization": "Bearer nonsense"}, 401),
        ("GET", PREFLIGHT, 401),
        ("options", PREFLIGHT, 401),
    ],
)
async def test_a_preflight_gets_an_empty_answer_and_never_the_application(
    behind: Behind, app: NotingApp, method: str, headers: dict[str, str], status: int
) -> None:
    """A browser sends it without credentials, but so can anybody, to an application that ignores the method."""
    sent = await exchange(behind(), http_scope("/orders", method=method, headers=headers))
    assert sent[0]["status"] == status
    assert (sent[1]["body"] == b"") is (status == 204)
    assert app.scopes == []


async def test_cors_middleware_stands_outside(behind: Behind, ask: Ask) -> None:
    """It answers preflights before us, and puts its headers on refusals."""
    cors = CORSMiddleware(behind(), allow_origins=["https://app.example.com"])
    preflight = await ask(cors, method="OPTIONS", headers=PREFLIGHT)
    refused = await ask(cors, headers={"Origin": "https://app.example.com"})
    assert (preflight.status_code, refused.status_code) == (200, 401)
    for response in (preflight, refused):
        assert response.headers["access-control-allow-origin"] == "https://app.example.com"


async def test_lifespan_events_pass(app: NotingApp, guard: TokenGuard) -> None:
    """The application starts and stops."""
    await exchange(TokenGuardMiddleware(app, guard), {"type": "lifespan"})
    assert len(app.scopes) == 1


async def test_a_protocol_it_does_not_know_never_reaches_the_application(app: NotingApp, guard: TokenGuard) -> None:
    """What can't be checked does not slip by."""
    with pytest.raises(RuntimeError, match="webtransport"):
        await exchange(TokenGuardMiddleware(app, guard), {**http_scope("/"), "type": "webtransport"})
    assert app.scopes == []


async def test_nested_middlewares_authenticate_once_and_authorize_each(
    app: NotingApp, guard: CountingGuard, issuer: LocalIssuer, ask: Ask
) -> None:
    """A second look at a proof of possession would take it for a replay."""
    inner = TokenGuardMiddleware(app, guard, scopes="orders:write")

    async def copies_the_scope(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(dict(scope), receive, send)

    outer = TokenGuardMiddleware(copies_the_scope, guard, scopes="orders:read")
    assert (await ask(outer, token=issuer.mint(scope="orders:read orders:write"))).status_code == 200
    assert guard.authenticated == 1
    assert (await ask(outer, token=issuer.mint(scope="orders:read"))).status_code == 403
    assert guard.authenticated == 2


async def test_each_guard_authenticates_for_itself(
    app: NotingApp, guard: CountingGuard, make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, ask: Ask
) -> None:
    """What one guard has verified says nothing to another, and the application can ask for either's token."""
    other = make_guard(audience=(issuer.audience, "other"))
    await ask(TokenGuardMiddleware(TokenGuardMiddleware(app, other), guard), token=issuer.mint())
    assert (guard.authenticated, other.authenticated) == (1, 1)
    (scope,) = app.scopes
    assert access_token(scope, guard) is not access_token(scope, other) is access_token(scope)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"scopes": "a", "requirement": Requirement("b")}, "scopes or a requirement"),
        ({"scopes": "two words"}, "two words"),
        ({"optional": "yes"}, "optional"),
        ({"exempt_paths": ("health",)}, "exempt_paths"),
        ({"exempt_paths": "/health"}, "exempt_paths"),
        ({"exempt_paths": ("",)}, "exempt_paths"),
        ({"guard": "guard"}, "guard"),
    ],
)
def test_a_wrong_setting_is_named_when_built(
    app: NotingApp, guard: TokenGuard, settings: dict[str, Any], named: str
) -> None:
    """No request has to come first."""
    with pytest.raises(ConfigurationError, match=named):
        TokenGuardMiddleware(app, **{"guard": guard, **settings})
