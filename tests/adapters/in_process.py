"""ASGI connections without a server, and guards that stand at a fixed time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tokenguard import AccessToken, Request, TokenGuard
from tokenguard.asgi import Message, Receive, Scope, Send

NOW = 1_800_000_000.0

#: sends a request to an ASGI application: `await ask(app, "/path", token="...")`
Ask = Callable[..., Awaitable[httpx.Response]]


class CountingGuard(TokenGuard):
    """Counts how often a request is authenticated."""

    authenticated = 0

    async def aauthenticate(self, request: Request, **policy: Any) -> AccessToken:
        self.authenticated += 1
        return await super().aauthenticate(request, **policy)


class NotingApp:
    """An ASGI application that notes what it gets, and answers with the body that it was sent."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def http_scope(path: str, *, method: str = "GET", headers: dict[str, str] | None = None, **rest: Any) -> Scope:
    """What a server says of a request, at the least."""
    lines = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "http", "method": method, "path": path, "headers": lines, **rest}


def websocket_scope(path: str = "/", **rest: Any) -> Scope:
    """What a server says of a WebSocket handshake, at the least."""
    return {"type": "websocket", "path": path, "query_string": b"", "headers": [], "subprotocols": [], **rest}


async def exchange(app: Any, scope: Scope, *received: Message) -> list[Message]:
    """Run an application on one connection, and give what it sends."""
    incoming = list(received) or [{"type": "http.request", "body": b""}]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent
