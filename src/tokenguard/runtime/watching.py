"""When a token ends that a connection was opened with: one task an event loop looks after all of them.

A second one asks, while there is something to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TypeAlias
from weakref import WeakKeyDictionary

from tokenguard.core.effects import Flow
from tokenguard.core.model import AccessToken
from tokenguard.errors import Denied, Reason, Unavailable
from tokenguard.runtime import observe
from tokenguard.runtime.drivers import Ask, arun

#: why a token is no longer good: what a request with it would now get
End: TypeAlias = Denied | Unavailable
Look: TypeAlias = Callable[[AccessToken], Flow[None]]
_Watched: TypeAlias = tuple[asyncio.Future[End], AccessToken]

#: seconds between two looks, so that an end is seen within one second, on a busy loop too
INTERVAL = 0.5
#: tokens looked at before other tasks have their turn, and questions on their way to a store at a time
_AT_A_TIME = 100


class Watches:
    """The watches of a guard, one an event loop. `look`: whether a token still holds; `ask`: answers what that asks.

    `tell`: told of each end, which is a refusal as any other.
    """

    def __init__(self, look: Look, ask: Ask, tell: Callable[[End], None]) -> None:
        self._look = look
        self._ask = ask
        self._tell = tell
        self._watches: WeakKeyDictionary[asyncio.AbstractEventLoop, TokenWatch] = WeakKeyDictionary()

    async def until_ended(self, token: AccessToken) -> End:
        """Wait until a request with this token would be refused, and give the refusal."""
        loop = asyncio.get_running_loop()
        watch = self._watches.get(loop)
        if watch is None:
            watch = self._watches[loop] = TokenWatch(self._look, self._ask)
        end = await watch.until_ended(token)
        self._tell(end)
        return end


class TokenWatch:
    """Watches tokens on one event loop; its task runs only while there are some. `pause`: sleeps for seconds."""

    def __init__(self, look: Look, ask: Ask, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._look = look
        self._ask = ask
        self._pause = pause
        self._watched: dict[asyncio.Future[End], AccessToken] = {}
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def until_ended(self, token: AccessToken) -> End:
        """Wait until a request with this token would be refused, and give the refusal."""
        ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._watched[ended] = token
        if self._task is None:
            # in a context of its own: it is no single connection's
            self._task = asyncio.create_task(self._watch(), name="tokenguard-watch", context=Context())
        try:
            return await ended
        finally:
            del self._watched[ended]
            if not self._watched:
                for task in (self._task, self._asking):
                    if task is not None:
                        task.cancel()
                self._task = self._asking = None

    async def _watch(self) -> None:
        try:
            while True:
                unknown = await self._look_at_all()
                # beside the looks: a store that hangs must keep nobody from being told that a token has expired
                if unknown and (self._asking is None or self._asking.done()):
                    self._asking = asyncio.create_task(self._find_out(unknown), name="tokenguard-watch-asks")
                await self._pause(INTERVAL)
        except Exception as cause:  # what no test foresaw must not leave connections open that nobody watches
            for ended in list(self._watched):
                _settle(ended, _failed(cause))
            self._task = None

    async def _look_at_all(self) -> list[_Watched]:
        """Settle what is known here, without a task of its own, which would cost ten times the look; the rest."""
        watched, unknown = list(self._watched.items()), list[_Watched]()
        for first in range(0, len(watched), _AT_A_TIME):
            unknown += [each for each in watched[first : first + _AT_A_TIME] if self._must_ask(*each)]
            await asyncio.sleep(0)
        return unknown

    def _must_ask(self, ended: asyncio.Future[End], token: AccessToken) -> bool:
        """Settle what is known without a question."""
        flow = self._look(token)
        try:
            next(flow)
        except StopIteration:
            return False
        except (Denied, Unavailable) as end:
            _settle(ended, end)
            return False
        flow.close()
        return True

    async def _find_out(self, unknown: list[_Watched]) -> None:
        for first in range(0, len(unknown), _AT_A_TIME):
            await asyncio.gather(*(self._ask_about(*each) for each in unknown[first : first + _AT_A_TIME]))

    async def _ask_about(self, ended: asyncio.Future[End], token: AccessToken) -> None:
        try:
            await arun(self._look(token), self._ask)
        except (Denied, Unavailable) as end:
            _settle(ended, end)
        except Exception as cause:  # as above
            _settle(ended, _failed(cause))


def _failed(cause: Exception) -> Unavailable:
    return Unavailable(Reason.CHECK_FAILED, observe.unforeseen(cause))


def _settle(ended: asyncio.Future[End], end: End) -> None:
    if not ended.done():
        ended.set_result(end)
