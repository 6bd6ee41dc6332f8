"""The orders API without a framework, each route behind the ASGI middleware; for test_asgi_scenarios.py to start."""

from __future__ import annotations

import json
from typing import Any

from tests.scenarios import ROUTES

from tokenguard import TokenGuard
from tokenguard.asgi import Receive, Scope, Send, TokenGuardMiddleware, access_token

guard = TokenGuard.from_env()


async def answer(send: Send, status: int, body: Any) -> None:
    """Send JSON."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


async def orders(scope: Scope, receive: Receive, send: Send) -> None:
    """What the routes do once the middleware has let a request through."""
    token = access_token(scope)
    if scope["path"] == "/greeting":
        await answer(send, 200, {"message": f"Hello, {token.subject if token else 'stranger'}"})
    elif scope["path"] == "/me":
        assert token is not None
        await answer(send, 200, {"subject": token.subject})
    elif scope["method"] == "POST":
        await answer(send, 201, json.loads((await receive())["body"]))
    else:
        await answer(send, 200, [])


protected = {
    key: TokenGuardMiddleware(orders, guard, scopes=route.scopes, optional=route.optional)
    for key, route in ROUTES.items()
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Choose the route."""
    if scope["type"] != "http":
        return
    known = protected.get((scope["method"], scope["path"]))
    if known is not None:
        await known(scope, receive, send)
    elif scope["path"] == "/health":
        await answer(send, 200, {"status": "ok"})
    elif scope["method"] == "OPTIONS":
        await protected["GET", scope["path"]](scope, receive, send)
    else:
        await answer(send, 404, {})
