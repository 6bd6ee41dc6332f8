"""Starlette, and so FastAPI: connections that last, and the address at which issuers tell of logouts.

    @app.websocket("/chat")
    async def chat(websocket: WebSocket, token: Annotated[AccessToken, Security(protect, scopes=["chat"])]) -> None:
        await websocket.accept()
        async with ending_with_token(websocket, token, guard):
            async for text in websocket.iter_text():
                await websocket.send_text(text)

    @app.get("/events")
    async def events(token: Annotated[AccessToken, Depends(protect)]) -> StreamingResponse:
        return StreamingResponse(until_token_ends(prices(), token, guard), media_type="text/event-stream")

    app.post("/backchannel-logout")(backchannel_logout(guard))

A request's token is checked when the request comes. What goes on for longer asks to be told when the token ends: when
it expires or is revoked, or when the guard can't tell and its policy is to refuse then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from tokenguard._backchannel import aanswer, check_guard
from tokenguard.asgi import close_code
from tokenguard.core.credentials import MAX_FORM_BODY
from tokenguard.core.model import AccessToken
from tokenguard.errors import Denied, Reason, Unavailable
from tokenguard.guard import TokenGuard

_T = TypeVar("_T")


def backchannel_logout(guard: TokenGuard) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for POST: the `backchannel_logout_uri` of a client, see `BackchannelLogout`.

    It takes no access token: it must stand outside of what protects the others. Raises `ConfigurationError` where no
    issuer of the guard has `Issuer.logout`.
    """
    check_guard(guard)

    async def receive_logout(request: Request) -> Response:
        answer = await aanswer(guard, request.headers.get("content-type", ""), await _read_body(request))
        headers = dict(answer.headers)
        if answer.body:
            return JSONResponse(answer.body, answer.status, headers)
        return Response(status_code=answer.status, headers=headers)

    return receive_logout


@asynccontextmanager
async def ending_with_token(websocket: WebSocket, token: AccessToken, guard: TokenGuard) -> AsyncIterator[None]:
    """A block that ends when the token does, within a second: whatever it waits for, and the WebSocket with it.

    The socket is closed with 1008 (policy violation) and the reason, as "expired" or "revoked"; with 1013 (try again
    later) where the guard can't tell. The block must run in the task that entered it, as with `asyncio.timeout`, and
    what comes after it finds the socket closed.
    """
    watched = _Watched(token, guard)
    try:
        async with watched.limit():
            yield
    finally:
        watched.close()
    if watched.end is not None:
        # the client may have gone at the same moment, and then there is nothing to close
        with suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(close_code(watched.end), str(watched.end.reason))


async def until_token_ends(items: AsyncIterable[_T], token: AccessToken, guard: TokenGuard) -> AsyncIterator[_T]:
    """The items, until the token ends; for a response that is sent piece by piece, as server-sent events are.

    Whatever the source waits for is cancelled then, and the response is over. An EventSource connects again by itself,
    and is answered as any request with that token: 401.
    """
    source = aiter(items)
    watched = _Watched(token, guard)
    try:
        while watched.end is None:
            async with watched.limit():
                try:
                    item = await anext(source)
                except StopAsyncIteration:
                    return
            if watched.end is None:
                yield item
    finally:
        watched.close()
        if isinstance(source, AsyncGenerator):
            await source.aclose()


class _Watched:
    """A token's end, as a deadline for what a task waits for. `end`: why, once it has come."""

    def __init__(self, token: AccessToken, guard: TokenGuard) -> None:
        self.end: Denied | Unavailable | None = None
        self._deadline: asyncio.Timeout | None = None
        self._task = asyncio.create_task(guard.until_ended(token))
        self._task.add_done_callback(self._ended)

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """A block that is left when the end comes."""
        try:
            async with asyncio.timeout(None) as deadline:
                self._deadline = deadline
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
        finally:
            self._deadline = None

    def close(self) -> None:
        """Watch no longer."""
        self._task.remove_done_callback(self._ended)
        self._task.cancel()

    def _ended(self, task: asyncio.Task[Denied | Unavailable]) -> None:
        # a watch that somebody else has ended watches no more: better no connection than that
        self.end = Unavailable(Reason.CHECK_FAILED, "the watch was cancelled") if task.cancelled() else task.result()
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())


async def _read_body(request: Request) -> bytes:
    """The body, or so much of it that it is too long."""
    body = bytearray()
    with suppress(ClientDisconnect):  # there is nobody left to answer, so whatever is answered will do
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM_BODY:
                break
    return bytes(body)
