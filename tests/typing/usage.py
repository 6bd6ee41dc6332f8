"""How a typed application uses tokenguard; read by mypy in `make check`, never run.

An ignored error is part of the promise: mypy reports the comment as unused once the mistake would pass.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, Security, WebSocket
from fastapi.responses import StreamingResponse

from tokenguard import (
    AccessToken,
    BackchannelLogout,
    BearerToken,
    ClaimNames,
    ClientSecret,
    DPoP,
    Introspection,
    Issuer,
    PrivateKeyJWT,
    Request,
    Requirement,
    TokenGuard,
    all_of,
    any_of,
    errors,
    providers,
)
from tokenguard.asgi import ResponseHeadersMiddleware
from tokenguard.config import KeyPolicy
from tokenguard.fastapi import Protect, backchannel_logout, ending_with_token, until_token_ends
from tokenguard.flask import Protect as FlaskProtect
from tokenguard.flask import current_token
from tokenguard.possession import Replays
from tokenguard.stores.redis_replays import RedisReplays
from tokenguard.stores.replays import MemoryReplays
from tokenguard.testing import DPoPKey, LocalIssuer

guard = TokenGuard(audience="https://api.example.com", issuers=["https://auth.example.com"])
TokenGuard(
    audience=("https://api.example.com", "orders"),
    issuers=[
        Issuer("https://auth.example.com", algorithms=("RS256",), keys=KeyPolicy(cooldown=60)),
        Issuer("https://login.example.com", jwks_uri="https://login.example.com/keys", audience="orders"),
        Issuer("https://local.example.com", jwks={"keys": []}),
    ],
    leeway=30,
    clock=time.time,
    monotonic=time.monotonic,
    token_cache=10_000,
)
assert_type(providers.entra("tenant", "api"), Issuer)
assert_type(providers.entra(["tenant", "another"], "api", version=1), list[Issuer])
providers.okta("example.okta.com", profile="jwt")  # type: ignore[call-arg]  # that is what the preset knows
Issuer("https://auth.example.com", claims=ClaimNames(roles=["groups", ("realm_access", "roles")], tenant="tid"))
Issuer("https://auth.example.com", max_lifetime=3600, logout=BackchannelLogout("orders-web", ends="subject"))
BackchannelLogout("orders-web", ends="user")  # type: ignore[arg-type]  # a session, or what a subject holds
BackchannelLogout()  # type: ignore[call-arg]  # told to whom?
ClaimNames(roles=1)  # type: ignore[arg-type]  # a name, a path, or several
TokenGuard(issuers=["https://auth.example.com"])  # type: ignore[call-arg]  # whose tokens, but meant for whom?
Issuer("https://auth.example.com", profile="anything")  # type: ignore[arg-type]  # only the two that exist


def checks_requests(raw: str, url: str) -> None:
    """The synchronous way."""
    request = Request("GET", url, {"Authorization": f"Bearer {raw}"})
    Request("GET", url, [("Authorization", f"Bearer {raw}")], client_certificate=b"der", peer="192.0.2.1", form=None)
    assert_type(guard.validate(raw), AccessToken)
    assert_type(guard.authenticate(request), AccessToken)
    assert_type(guard.check(request), AccessToken)
    guard.check(request, scopes="orders:read")
    guard.check(request, scopes=["orders:read", "orders:write"])
    guard.check(request, scopes=all_of("orders:read", any_of("eu", "us")))
    guard.check(request, requirement=Requirement(scopes="orders:read", issuers=["https://auth.example.com"], live=True))
    guard.authorize(guard.validate(raw), Requirement(scopes="orders:read"))
    assert_type(guard.confirm(request, Requirement(live=True)), AccessToken)
    Issuer("https://auth.example.com", introspection=Introspection(ClientSecret("api", "secret"), mode="live"))
    Introspection(PrivateKeyJWT("api", b"pem", algorithm="ES256"), signed=True)
    Introspection(BearerToken(lambda: "token"))
    Introspection("api")  # type: ignore[arg-type]  # who we are is said by one of the four kinds
    guard.check(raw)  # type: ignore[arg-type]  # a bare token goes to validate


async def checks_requests_async(raw: str, request: Request) -> None:
    """The asynchronous way: the same names with an a."""
    assert_type(await guard.avalidate(raw), AccessToken)
    assert_type(await guard.aauthenticate(request), AccessToken)
    assert_type(await guard.acheck(request, scopes="orders:read"), AccessToken)
    await guard.awarm()
    await guard.aclose()
    async with TokenGuard(audience="orders", issuers=["https://auth.example.com"]) as inner:
        assert_type(inner, TokenGuard)


def reads_a_token(token: AccessToken) -> None:
    """What a token says."""
    assert_type(token.issuer, str)
    assert_type(token.audience, tuple[str, ...])
    assert_type(token.scopes, frozenset[str])
    assert_type(token.expires_at, float)
    # What the "jwt" profile lets be absent may be None.
    _identity: tuple[str | None, str | None, str | None] = (token.subject, token.client_id, token.id)
    _issued_at: float | None = token.issued_at
    _claims: Mapping[str, Any] = token.claims
    _confirmation: Mapping[str, Any] | None = token.confirmation
    token.subject = "someone else"  # type: ignore[misc]  # a verified token can't be changed


class OwnReplays:
    """A store of used proofs that is the deployment's own."""

    async def record(self, key: bytes, now: float, until: float) -> bool:
        """Is it new?"""
        return bool(key) and now < until


def remembers_used_proofs() -> list[Replays]:
    """In this process, in a Redis, in a store of one's own."""
    stores: list[Replays] = [MemoryReplays(max_entries=1_000), RedisReplays("redis://localhost"), OwnReplays()]
    for store in stores:
        TokenGuard(audience="orders", issuers=["https://auth.example.com"], dpop=DPoP(required=True, replays=store))
    DPoP(replays=object())  # type: ignore[arg-type]  # has no method record
    return stores


def answers_errors(raw: str) -> tuple[int, list[tuple[str, str]], Mapping[str, Any]]:
    """What a refusal says, and the response it becomes."""
    try:
        guard.validate(raw)
    except errors.Denied as denied:
        assert_type(denied.status, int)
        assert_type(denied.error, str | None)
        assert_type(denied.reason, errors.Reason)
        assert_type(denied.description, str)
        challenge = guard.challenge(denied)
    except errors.Unavailable as unavailable:
        challenge = guard.challenge(unavailable)
    else:
        return 200, [], {}
    return challenge.status, challenge.headers, challenge.body


def runs_a_service() -> None:
    """Start, health and end."""
    with TokenGuard(audience="orders", issuers=["https://auth.example.com"]) as inner:
        assert_type(inner, TokenGuard)
        inner.warm()
        inner.health()
    guard.close()


def tests_an_application() -> None:
    """Tokens for an application's own tests."""
    issuer = LocalIssuer()
    assert_type(issuer.issuer, str)
    assert_type(issuer.mint(scope="orders:read"), str)
    key = DPoPKey("ES256")
    assert_type(issuer.mint(scope="orders:read", dpop_key=key), str)
    assert_type(key.headers("GET", "https://api.example.com/orders", "token", nonce="n"), dict[str, str])
    issuer.rotate()
    with issuer.serve():
        TokenGuard(audience="orders", issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)])


def protects_fastapi() -> FastAPI:
    """Dependencies give the token."""
    app = FastAPI()
    app.add_middleware(ResponseHeadersMiddleware)
    protect = Protect(guard)

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(protect, scopes=["orders:read"])]) -> str:
        return token.issuer

    @app.get("/any", dependencies=[Depends(protect.requires(any_of("orders:read", "admin")))])
    async def anything(token: Annotated[AccessToken, Depends(protect)]) -> str:
        return token.issuer

    return app


def ends_with_the_token(app: FastAPI) -> None:
    """Connections that last, and the address for logouts."""
    protect = Protect(guard)
    app.post("/backchannel-logout")(backchannel_logout(guard))

    @app.websocket("/chat")
    async def chat(websocket: WebSocket, token: Annotated[AccessToken, Depends(protect)]) -> None:
        async with ending_with_token(websocket, token, guard):
            await websocket.receive_text()
        assert_type(await guard.until_ended(token), errors.Denied | errors.Unavailable)

    async def numbers() -> AsyncIterator[int]:
        yield 1

    @app.get("/numbers")
    async def stream(token: Annotated[AccessToken, Depends(protect)]) -> StreamingResponse:
        items = until_token_ends(numbers(), token, guard)
        assert_type(items, AsyncIterator[int])
        return StreamingResponse(str(item) async for item in items)


def protects_flask() -> None:
    """A decorated view keeps its type."""
    protect = FlaskProtect(guard)

    @protect("orders:read")
    def order(number: int) -> str:
        return str(number)

    @protect()
    async def orders() -> list[str]:
        return [current_token.issuer]

    assert_type(order(3), str)
    order("three")  # type: ignore[arg-type]  # the view's own parameters are still checked
