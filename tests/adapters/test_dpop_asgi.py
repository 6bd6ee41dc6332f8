"""What DPoP needs of ASGI beyond a single answer: CORS, WebSockets, copied scopes, several guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.middleware.cors import CORSMiddleware
from tests.adapters.in_process import NOW, Ask, CountingGuard, NotingApp, exchange, http_scope, websocket_scope

from tokenguard import DPoP
from tokenguard.asgi import Message, Receive, ResponseHeadersMiddleware, Scope, Send, TokenGuardMiddleware
from tokenguard.fastapi import Protect
from tokenguard.testing import DPoPKey, LocalIssuer

MakeGuard = Callable[..., CountingGuard]
SECRETS = ("a secret for nonces that is long enough",)
ORIGIN = "https://app.example.com"
KEY = DPoPKey(clock=lambda: NOW)


@pytest.fixture
def nonce_guard(make_guard: MakeGuard) -> CountingGuard:
    """Gives out nonces."""
    return make_guard(dpop=DPoP(nonces="always", nonce_secrets=SECRETS))


def nonce_of(guard: CountingGuard) -> str:
    """One that counts."""
    nonces = guard._setup.senders.dpop.nonces  # type: ignore[union-attr]
    assert nonces is not None
    return nonces.make(NOW)


def headers_for(issuer: LocalIssuer, guard: CountingGuard, url: str) -> dict[str, str]:
    """Those of a request that nothing is wrong with."""
    return KEY.headers("GET", url, issuer.mint(dpop_key=KEY), nonce=nonce_of(guard))


def nonces_in(message: Message) -> list[bytes]:
    """The lines of DPoP-Nonce."""
    return [value for name, value in message["headers"] if name == b"dpop-nonce"]


async def copying(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """A middleware that hands on a copy of the scope, as some frameworks do for what they mount."""
    await app({**scope}, receive, send)


@pytest.mark.req("DP-35")
async def test_scripts_may_read_nonce_and_challenge_where_cors_says_so(
    nonce_guard: CountingGuard, issuer: LocalIssuer, ask: Ask
) -> None:
    """CORS middleware outside, told which headers to expose: on refusals and answers (RFC 9449 8)."""
    app = CORSMiddleware(
        TokenGuardMiddleware(NotingApp(), nonce_guard),
        allow_origins=[ORIGIN],
        allow_headers=["Authorization", "DPoP"],
        expose_headers=["WWW-Authenticate", "DPoP-Nonce"],
    )
    token = issuer.mint(dpop_key=KEY)
    refused = await ask(app, headers={"Origin": ORIGIN, **KEY.headers("GET", "http://testserver/", token)})
    admitted = await ask(app, headers={"Origin": ORIGIN, **headers_for(issuer, nonce_guard, "http://testserver/")})
    assert (refused.status_code, admitted.status_code) == (401, 200)
    for response in (refused, admitted):
        assert response.headers["Access-Control-Expose-Headers"] == "WWW-Authenticate, DPoP-Nonce"
        assert response.headers["DPoP-Nonce"]
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "dpop"}
    assert (await ask(app, method="OPTIONS", headers=preflight)).status_code == 200


@pytest.mark.req("DP-29")
async def test_a_websocket_is_accepted_with_the_next_nonce(nonce_guard: CountingGuard, issuer: LocalIssuer) -> None:
    """Its handshake is a request like others, and its URL one of http(s) to the proof."""
    headers = headers_for(issuer, nonce_guard, "https://api.example.com/chat")
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = websocket_scope("/chat", scheme="wss", headers=[(b"host", b"api.example.com"), *lines])
    (accepted,) = await exchange(TokenGuardMiddleware(NotingApp(), nonce_guard), scope)
    assert accepted["type"] == "websocket.accept"
    assert len(nonces_in(accepted)) == 1


@pytest.mark.req("DP-29")
async def test_a_websocket_of_fastapi_too(nonce_guard: CountingGuard, issuer: LocalIssuer) -> None:
    """By the middleware for response headers."""
    app = FastAPI()
    app.add_middleware(ResponseHeadersMiddleware)

    @app.websocket("/chat", dependencies=[Depends(Protect(nonce_guard))])
    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    headers = headers_for(issuer, nonce_guard, "https://api.example.com/chat")
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = websocket_scope("/chat", scheme="wss", headers=[(b"host", b"api.example.com"), *lines])
    accepted, _ = await exchange(app, scope, {"type": "websocket.connect"})
    assert len(nonces_in(accepted)) == 1


async def test_the_scope_may_be_copied_on_the_way(nonce_guard: CountingGuard, issuer: LocalIssuer, ask: Ask) -> None:
    """The middleware finds the token that was verified further inside."""
    inner = FastAPI(dependencies=[Depends(Protect(nonce_guard))])

    @inner.get("/")
    async def view() -> None: ...

    async def between(scope: Scope, receive: Receive, send: Send) -> None:
        await copying(inner, scope, receive, send)

    response = await ask(
        ResponseHeadersMiddleware(between), headers=headers_for(issuer, nonce_guard, "http://testserver/")
    )
    assert (response.status_code, len(response.headers.get_list("dpop-nonce"))) == (200, 1)


@pytest.mark.req("DP-26", "DP-29")
async def test_several_middlewares_and_guards_give_one_nonce(
    make_guard: MakeGuard, issuer: LocalIssuer, ask: Ask
) -> None:
    """Never two (RFC 9449 8)."""
    guards = [make_guard(dpop=DPoP(nonces="always", nonce_secrets=SECRETS)) for _ in range(2)]
    app = ResponseHeadersMiddleware(
        TokenGuardMiddleware(TokenGuardMiddleware(NotingApp(), guards[0]), guards[1]),
    )
    response = await ask(app, headers=headers_for(issuer, guards[0], "http://testserver/"))
    assert (response.status_code, len(response.headers.get_list("dpop-nonce"))) == (200, 1)
    assert response.headers.get_list("cache-control") == ["no-store"]


async def test_what_needs_no_header_is_sent_as_it_was(make_guard: MakeGuard, issuer: LocalIssuer) -> None:
    """Without nonces, and for what is no request, the application's messages are its own."""
    app = NotingApp()
    await exchange(ResponseHeadersMiddleware(app), {"type": "lifespan"})
    assert app.scopes == [{"type": "lifespan"}]
    guard = make_guard(dpop=DPoP())
    headers = {"host": "testserver", **KEY.headers("GET", "http://testserver/", issuer.mint(dpop_key=KEY))}
    start, _ = await exchange(TokenGuardMiddleware(app, guard), http_scope("/", headers=headers))
    assert start == {"type": "http.response.start", "status": 200, "headers": []}
