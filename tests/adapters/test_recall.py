"""Adapters ask the memory before they make a request of what came: never where more than the one line decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import flask
import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from fastapi import Depends, FastAPI, WebSocket
from tests.adapters import django_project  # noqa: F401 - configures Django
from tests.adapters.in_process import NOW, NotingApp, exchange, http_scope, websocket_scope

import tokenguard.fastapi
import tokenguard.flask
from tokenguard import AccessToken, Issuer, Request, Requirement, TokenGuard
from tokenguard.asgi import TokenGuardMiddleware, access_token
from tokenguard.django import requires
from tokenguard.errors import InvalidToken, Reason
from tokenguard.testing import LocalIssuer

Lines: TypeAlias = list[tuple[str, str]]
#: sends a GET with these header lines to a route of an application that the guard protects, and gives the status
Get: TypeAlias = Callable[[TokenGuard, Requirement, Lines], int]


class Whimsical(TokenGuard):
    """Authenticates in a way of its own: lets in nobody whom it has let in before."""

    seen = 0

    def authenticate(self, request: Request, **policy: Any) -> AccessToken:
        self.seen += 1
        if self.seen > 1:
            raise InvalidToken(Reason.CLAIM_REFUSED)
        return super().authenticate(request, **policy)

    async def aauthenticate(self, request: Request, **policy: Any) -> AccessToken:
        self.seen += 1
        if self.seen > 1:
            raise InvalidToken(Reason.CLAIM_REFUSED)
        return await super().aauthenticate(request, **policy)


class Sync(TokenGuard):
    """Has one of the two."""

    def authenticate(self, request: Request, **policy: Any) -> AccessToken:
        return super().authenticate(request, **policy)


class Async(TokenGuard):
    """Has the other."""

    async def aauthenticate(self, request: Request, **policy: Any) -> AccessToken:
        return await super().aauthenticate(request, **policy)


def guard_of(issuer: LocalIssuer, kind: type[TokenGuard] = TokenGuard, **settings: Any) -> TokenGuard:
    """A guard that trusts the issuer, at its time."""
    trusted = Issuer(issuer.issuer, jwks=issuer.jwks)
    return kind(audience=issuer.audience, issuers=[trusted], clock=lambda: NOW, **settings)


def asgi_get(guard: TokenGuard, requirement: Requirement, lines: Lines) -> int:
    """The middleware."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in lines]
    scope = {**http_scope("/orders"), "headers": headers}
    sent = asyncio.run(exchange(TokenGuardMiddleware(NotingApp(), guard, requirement=requirement), scope))
    return int(sent[0]["status"])


def fastapi_get(guard: TokenGuard, requirement: Requirement, lines: Lines) -> int:
    """A dependency."""
    app = FastAPI()
    app.get("/orders", dependencies=[Depends(tokenguard.fastapi.Protect(guard).requires(requirement))])(lambda: None)

    async def get() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return (await client.get("/orders", headers=lines)).status_code

    return asyncio.run(get())


def joined(lines: Lines) -> dict[str, str]:
    """The lines as servers hand them to WSGI (PEP 3333): those of a name with commas between them."""
    headers: dict[str, str] = {}
    for name, value in lines:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def flask_get(guard: TokenGuard, requirement: Requirement, lines: Lines) -> int:
    """A decorator."""
    app = flask.Flask(__name__)
    app.get("/orders")(tokenguard.flask.Protect(guard).requires(requirement)(lambda: ""))
    return app.test_client().get("/orders", headers=joined(lines)).status_code


def ok(_request: HttpRequest) -> HttpResponse:
    """A view."""
    return HttpResponse()


def django_get(guard: TokenGuard, requirement: Requirement, lines: Lines) -> int:
    """A decorator, sync."""
    with override_settings(TOKENGUARD={"GUARD": guard}):
        return requires(requirement)(ok)(RequestFactory().get("/orders", headers=joined(lines))).status_code


def django_async_get(guard: TokenGuard, requirement: Requirement, lines: Lines) -> int:
    """The same, async."""

    async def view(request: HttpRequest) -> HttpResponse:
        return ok(request)

    with override_settings(TOKENGUARD={"GUARD": guard}):
        return asyncio.run(
            requires(requirement)(view)(RequestFactory().get("/orders", headers=joined(lines)))  # type: ignore[arg-type]
        ).status_code


everywhere = pytest.mark.parametrize("get", [asgi_get, fastapi_get, flask_get, django_get, django_async_get])


def test_the_memory_says_what_authenticate_would(issuer: LocalIssuer) -> None:
    """Of a token that it has seen; of any other it says nothing."""
    guard, token = guard_of(issuer), issuer.mint(sub="alice")
    line = f"Bearer {token}"
    assert guard.recall(line) is None
    guard.authenticate(Request("GET", "", {"Authorization": line}))
    recalled = guard.recall(line)
    assert recalled is not None
    assert (recalled.subject, recalled.is_unconfirmed) == ("alice", False)
    recalled.claims["sub"] = "mallory"
    again = guard.recall(line)
    assert again is not None
    assert again.claims["sub"] == "alice"


@pytest.mark.parametrize(
    "settings",
    [{"form_body": True}, {"token_cache": 0}, {"kind": Sync}, {"kind": Async}],
    ids=["form_body", "token_cache", "sync", "async"],
)
def test_where_more_decides_the_memory_says_nothing(issuer: LocalIssuer, settings: dict[str, Any]) -> None:
    """A form may hold a second token, and a class of its own may know more."""
    guard, token = guard_of(issuer, **settings), issuer.mint()
    guard.validate(token)
    assert guard.recall(f"Bearer {token}") is None


@pytest.mark.parametrize("scheme", ["Digest ", "DPoP   ", "bearer ", "Bearer\t", "Bearer", ""])
def test_another_line_is_for_the_whole_way(issuer: LocalIssuer, scheme: str) -> None:
    """With another scheme there may be a proof to look at, and whoever is lax about one line is so about all."""
    guard, token = guard_of(issuer), issuer.mint()
    guard.validate(token)
    assert guard.recall(scheme + token) is None
    assert guard.recall(f"Bearer {token}") is not None


@everywhere
def test_a_guard_that_authenticates_in_its_own_way_is_asked_each_time(issuer: LocalIssuer, get: Get) -> None:
    """That the token is remembered is not for the adapter to decide by."""
    guard, lines = guard_of(issuer, Whimsical), [("Authorization", f"Bearer {issuer.mint()}")]
    assert [get(guard, Requirement(), lines) for _ in range(2)] == [200, 401]


@everywhere
def test_a_remembered_token_is_one_credential_among_several(issuer: LocalIssuer, get: Get) -> None:
    """Whatever the other is (RFC 6750 2), and on whichever side it stands."""
    guard, line = guard_of(issuer), f"Bearer {issuer.mint()}"
    assert get(guard, Requirement(), [("Authorization", line)]) == 200
    for other in (line, "Bearer x", "bearer x"):
        for pair in ([line, other], [other, line]):
            assert get(guard, Requirement(), [("Authorization", value) for value in pair]) == 400


@everywhere
@pytest.mark.parametrize(
    ("requirement", "status"),
    [
        (Requirement("orders:write"), 403),
        (Requirement(issuers=("https://other.test",)), 401),
        (Requirement(acr_values=("gold",)), 401),
        (Requirement(max_age=60), 401),
        (Requirement(bound_by="dpop"), 401),
        (Requirement(live=True), 503),
    ],
    ids=["scopes", "issuers", "acr_values", "max_age", "bound_by", "live"],
)
def test_what_the_route_demands_is_looked_at_each_time(
    issuer: LocalIssuer, get: Get, requirement: Requirement, status: int
) -> None:
    """Of a token that another route has let in."""
    guard, lines = guard_of(issuer), [("Authorization", f"Bearer {issuer.mint(scope='orders:read')}")]
    statuses = [get(guard, wanted, lines) for wanted in (Requirement("orders:read"), requirement)]
    assert statuses == [200, status]


@everywhere
def test_what_is_refused_is_reported_once(issuer: LocalIssuer, get: Get, caplog: pytest.LogCaptureFixture) -> None:
    """A remembered token that is revoked, by the way that says why."""
    guard, token = guard_of(issuer), issuer.mint()
    lines = [("Authorization", f"Bearer {token}")]
    assert get(guard, Requirement(), lines) == 200
    guard.revoke(token)
    with caplog.at_level("INFO", "tokenguard"):
        assert get(guard, Requirement(), lines) == 401
    refusals = [record for record in caplog.records if record.name == "tokenguard"]
    assert [record.getMessage().split(": ")[1] for record in refusals] == [Reason.REVOKED]


def test_each_guard_has_its_own_memory(issuer: LocalIssuer) -> None:
    """What one of two middlewares has let in says nothing to the other."""
    inner = TokenGuard(audience="https://other.example.com", issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)])
    outer, app = guard_of(issuer), NotingApp()
    scope = http_scope("/", headers={"Authorization": f"Bearer {issuer.mint()}"})
    for _ in range(2):
        asked = dict(scope)
        sent = asyncio.run(exchange(TokenGuardMiddleware(TokenGuardMiddleware(app, inner), outer), asked))
        assert sent[0]["status"] == 401
        assert access_token(asked, outer) is not None
        assert access_token(asked, inner) is None
    assert app.scopes == []


def chat(protect: tokenguard.fastapi.Protect) -> FastAPI:
    """A WebSocket endpoint."""
    app = FastAPI()

    @app.websocket("/", dependencies=[Depends(protect)])
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    return app


def test_a_token_among_the_subprotocols_counts_beside_a_remembered_one(issuer: LocalIssuer) -> None:
    """Two credentials are one too many (RFC 6750 2), whichever is looked at first."""
    guard, token = guard_of(issuer), issuer.mint()
    guard.validate(token)
    headers = [(b"authorization", f"Bearer {token}".encode())]
    for app in (
        TokenGuardMiddleware(NotingApp(), guard, websocket_subprotocol="tokenguard.bearer"),
        chat(tokenguard.fastapi.Protect(guard, websocket_subprotocol="tokenguard.bearer")),
    ):
        once = websocket_scope(headers=headers)
        assert asyncio.run(exchange(app, once, {"type": "websocket.connect"}))[0]["type"] == "websocket.accept"
        twice = websocket_scope(headers=headers, subprotocols=["tokenguard.bearer", token])
        assert asyncio.run(exchange(app, twice, {"type": "websocket.connect"}))[0]["type"] == "websocket.close"


def test_a_token_that_a_test_has_set_opens_no_preflight(issuer: LocalIssuer) -> None:
    """A view gets none in any case."""
    request: Any = RequestFactory().options(
        "/orders", headers={"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    )
    guard = guard_of(issuer)
    request.access_token = guard.validate(issuer.mint())
    with override_settings(TOKENGUARD={"GUARD": guard}):
        assert requires()(ok)(request).status_code == 204


def test_what_others_call_a_token_is_none_of_ours(issuer: LocalIssuer) -> None:
    """Whether or not ours is remembered: another package keeps what it has not verified by the same name."""
    guard, headers = guard_of(issuer), {"Authorization": f"Bearer {issuer.mint(sub='alice')}"}
    with override_settings(TOKENGUARD={"GUARD": guard}):
        for _ in range(2):
            request: Any = RequestFactory().get("/orders", headers=headers)
            request.access_token = "whatever the header says"
            assert requires()(ok)(request).status_code == 200
            assert request.access_token.subject == "alice"


def test_an_environ_without_the_line_may_say_so_with_none(issuer: LocalIssuer) -> None:
    """As a test's `environ_overrides` do."""
    app = flask.Flask(__name__)
    app.get("/")(tokenguard.flask.Protect(guard_of(issuer))()(lambda: ""))
    assert app.test_client().get("/", environ_overrides={"HTTP_AUTHORIZATION": None}).status_code == 401
