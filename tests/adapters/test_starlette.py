"""Starlette: blocks and streams that end with their token, in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from tests.adapters.in_process import CountingGuard, exchange, websocket_scope

from tokenguard import AccessToken
from tokenguard.core.effects import AnswerFailed
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Revocation
from tokenguard.starlette import ending_with_token, until_token_ends
from tokenguard.testing import LocalIssuer

ACCEPTED = {"type": "websocket.accept", "subprotocol": None, "headers": []}


@pytest.fixture
def token(guard: CountingGuard, issuer: LocalIssuer) -> AccessToken:
    """A token that `guard` has let in."""
    return guard.validate(issuer.mint())


async def chat(guard: CountingGuard, token: AccessToken, talk: Callable[[], Any]) -> list[Any]:
    """What an application sends over a WebSocket whose block does `talk`."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with ending_with_token(websocket, token, guard):
            await talk()

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    return await exchange(app, websocket_scope(), {"type": "websocket.connect"})


async def test_a_block_is_left_whatever_it_waits_for(guard: CountingGuard, token: AccessToken) -> None:
    """Not only when a message comes."""
    guard.revoke(token)
    sent = await chat(guard, token, asyncio.Event().wait)
    assert sent == [ACCEPTED, {"type": "websocket.close", "code": 1008, "reason": "revoked"}]


async def test_a_block_that_is_done_leaves_the_socket_alone(guard: CountingGuard, token: AccessToken) -> None:
    """It is the application's to close, and nobody watches the token any longer."""
    before = asyncio.all_tasks()
    assert await chat(guard, token, lambda: asyncio.sleep(0)) == [ACCEPTED]
    await asyncio.gather(*asyncio.all_tasks() - before, return_exceptions=True)


async def test_the_blocks_own_time_out_is_its_own(guard: CountingGuard, token: AccessToken) -> None:
    """It is not taken for the token's end."""

    async def hurry() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await chat(guard, token, hurry)


async def test_the_blocks_own_error_is_not_lost(guard: CountingGuard, token: AccessToken) -> None:
    """Whatever it is."""

    async def stumble() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await chat(guard, token, stumble)


class Forgetful:
    """A store that can't tell, once it has forgotten."""

    forgot = False

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def find(self, _token: Verified, _now: float) -> Revocation | None:
        """Nothing is revoked."""
        self.asked.set()
        if self.forgot:
            raise AnswerFailed("forgot")
        return None


@pytest.mark.parametrize("policy", ["closed", "open"])
async def test_where_nobody_can_tell_the_policy_decides(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, policy: str
) -> None:
    """Closed with 1013, to be tried again later; or left open, without an alarm for every look."""
    store = Forgetful()
    guard = make_guard(revocations=store, when_revocations_unknown=policy)
    token = guard.validate(issuer.mint())
    store.forgot = True
    store.asked.clear()
    if policy == "closed":
        sent = await chat(guard, token, asyncio.Event().wait)
        assert sent[1:] == [{"type": "websocket.close", "code": 1013, "reason": "revocations_unavailable"}]
    else:
        assert await chat(guard, token, store.asked.wait) == [ACCEPTED]


async def test_an_open_policy_raises_no_alarm_for_each_look(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """The request's own has been raised: two a second for each connection would drown it."""
    store = Forgetful()
    store.forgot = True
    guard = make_guard(revocations=store, when_revocations_unknown="open")
    token = guard.validate(issuer.mint())
    assert "let_in_unconfirmed" in caplog.text
    caplog.clear()
    store.asked.clear()
    assert await chat(guard, token, store.asked.wait) == [ACCEPTED]
    assert caplog.records == []


async def test_a_client_that_is_gone_is_not_closed_again(guard: CountingGuard, token: AccessToken) -> None:
    """The token may end in the moment in which the client leaves."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with ending_with_token(websocket, token, guard):
            await websocket.close(1000)
            guard.revoke(token)
            await asyncio.Event().wait()

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    sent = await exchange(app, websocket_scope(), {"type": "websocket.connect"})
    assert [message.get("code") for message in sent] == [None, 1000]


class Source:
    """Counts up; waits for ever at `stop_at`. Notes when it was closed."""

    def __init__(self, stop_at: int | None = None, last: int = 3) -> None:
        self.closed = False
        self._stop_at, self._last = stop_at, last

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            for number in range(self._last):
                if number == self._stop_at:
                    await asyncio.Event().wait()
                yield number
        finally:
            self.closed = True


async def test_a_stream_is_all_of_its_source_while_the_token_lasts(guard: CountingGuard, token: AccessToken) -> None:
    """And over with it."""
    source = Source()
    assert [item async for item in until_token_ends(source, token, guard)] == [0, 1, 2]
    assert source.closed


async def test_a_stream_ends_with_its_token_though_its_source_waits(guard: CountingGuard, token: AccessToken) -> None:
    """The source is closed, so that it can release what it holds."""
    source = Source(stop_at=1)
    items = []
    async for item in until_token_ends(source, token, guard):
        items.append(item)
        guard.revoke(token)
    assert items == [0]
    assert source.closed


async def test_a_stream_that_never_waits_ends_with_its_token_too(guard: CountingGuard, token: AccessToken) -> None:
    """Its reader waits, as a connection does that takes so much at a time."""
    source = Source(last=1_000_000)
    guard.revoke(token)
    items = []
    async for item in until_token_ends(source, token, guard):
        items.append(item)
        await asyncio.sleep(0)
    assert len(items) < 100
    assert source.closed


async def test_a_stream_that_nobody_reads_on_lets_go_of_its_source(guard: CountingGuard, token: AccessToken) -> None:
    """As when it is thrown away after a client has gone."""
    source = Source()
    before = asyncio.all_tasks()
    stream = until_token_ends(source, token, guard)
    assert await anext(stream) == 0
    await stream.aclose()  # type: ignore[attr-defined]
    assert source.closed
    await asyncio.gather(*asyncio.all_tasks() - before, return_exceptions=True)


async def test_a_source_need_be_no_generator(guard: CountingGuard, token: AccessToken) -> None:
    """Any asynchronous iterator will do."""

    class Once:
        left = 1

        def __aiter__(self) -> Once:
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return "item"

    assert [item async for item in until_token_ends(Once(), token, guard)] == ["item"]


async def test_an_error_of_the_source_is_not_lost(guard: CountingGuard, token: AccessToken) -> None:
    """It comes out of the stream."""

    async def stumbling() -> AsyncIterator[int]:
        yield 0
        raise LookupError

    with pytest.raises(LookupError):
        async for _ in until_token_ends(stumbling(), token, guard):
            pass


async def test_a_watch_that_somebody_ends_ends_what_it_watched(guard: CountingGuard, token: AccessToken) -> None:
    """A connection that nobody watches is worse than none."""
    before = asyncio.all_tasks()

    async def end_the_watch() -> None:
        for task in asyncio.all_tasks() - before - {asyncio.current_task()}:
            task.cancel()
        await asyncio.Event().wait()

    sent = await chat(guard, token, end_the_watch)
    assert sent[1:] == [{"type": "websocket.close", "code": 1013, "reason": "check_failed"}]
