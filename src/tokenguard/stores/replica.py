"""A copy of the store in this process, and the task that keeps it: how a check needs no round trip and misses nothing.

**Loading.** Read the two marks (`wire.EPOCH`, `wire.TIP`), then every entry in pages, then what changed since that tip.
Reading pages a hash may miss only what was added meanwhile, and that is in the stream after the tip: no gap.

**Following.** Wait on the stream (XREAD BLOCK) for a record after the last one read, or for the tick to end; either
way `wire.PULL` reads marks and records at one moment. Only its answer counts, so that whatever the waiting missed costs
a tick and no more. Records are numbered without a gap, and the pull begins with the record one already has: if that is
gone (the stream was trimmed, or lost), or another (a server that was restored from an older copy), everything is loaded
again. So it is when the time of day was set back, for what seemed to be over until then was not taken in.

**Lag.** The copy is as old as the sending of the last pull that came up to the tip. That is the heartbeat: no clock but
this process's own is in it, nobody has to write for it, and an idle store is no reason to be called behind. Beyond
`max_lag` the copy alone lets nobody in any more. A forked child has the copy, but no follower: its first check asks the
server, and starts one, which goes on from where the parent's was.

**What a process holds and the store has not, it writes back**, whenever it loads anew: a server that came back empty,
or with a part of what it had, gets from each process what that one still knows. Revocations are only ever added and
joined, so any number may do this, in any order.

**The epoch** marks a store that is known to be whole. One without it is new, or lost what it held, and who holds
nothing can't tell which. So it is set by a process that had the whole store before, after it wrote back what it holds;
or by the operator's word (`create`). Until then the store has no answer, and the policy decides. An epoch that changed
means that the store was lost and is filled anew: the same loading and writing back.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from tokenguard.core.effects import AnswerFailed
from tokenguard.core.revocation import Revocation
from tokenguard.runtime import forksafe, observe
from tokenguard.stores.book import RevocationBook
from tokenguard.stores.server import Server
from tokenguard.stores.wire import ORIGIN

_log = logging.getLogger("tokenguard.revocations")

UNMARKED = (
    "the revocation store has no epoch: it is new, or lost what it held; a process that still holds it brings it back, "
    "`tokenguard revocations create` says that it is new, RedisRevocations.create takes any for new"
)
#: revocations of one write, so that the server is not held up
_BATCH = 500
#: seconds between attempts to reach the store: at first, and at most
_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
#: seconds that an idle follower waits on the stream before it makes sure
_TICK = 0.5
#: seconds; a clock set back by more has what seemed to be over loaded again. Revocations outlast tokens by more
_SET_BACK = 60.0
#: ended entries that are forgotten a tick
_CLEARED = 2000


class Replica:
    """Follows `server` into `book`. `clock` in epoch seconds, `monotonic` in seconds, as `max_lag` is.

    Everything but `current_until`, which any thread may read, belongs to the guard's I/O thread.
    """

    def __init__(  # noqa: PLR0917 - built in one place
        self,
        server: Server,
        book: RevocationBook,
        max_lag: float,
        create: bool,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._server = server
        self._book = book
        self._max_lag = max_lag
        self._create = create
        self._clock = clock
        self._monotonic = monotonic
        self._epoch = b""  # of the store when it was loaded whole; empty before that
        self._tip = ORIGIN
        self._is_begun = False
        self._is_behind = False  # was it said that the copy is too old?
        self._confirmed_at: float | None = None
        self._taken_at = -math.inf  # time of day, less `monotonic`, at which entries were taken in
        #: monotonic time up to which the copy may be answered from
        self.current_until = -math.inf
        #: why the store can't be followed; empty where it can, as far as is known
        self.failure = ""
        forksafe.register(self)

    @property
    def lag(self) -> float | None:
        """Seconds by which the copy may be behind; None before it was loaded."""
        return None if self._confirmed_at is None else self._monotonic() - self._confirmed_at

    def begin(self, begin: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """Follow, unless this process does already."""
        if not self._is_begun:
            self._is_begun = True
            begin(self._follow())

    def add(self, revocations: Iterable[Revocation]) -> None:
        """Into the copy. Raises `AnswerFailed` where they do not fit."""
        listed, now = list(revocations), self._clock()
        self._taken_at = max(self._taken_at, now - self._monotonic())
        if not self._book.fits(listed):
            self._book.clear_ended(now)
            if not self._book.fits(listed):
                raise AnswerFailed("the store holds more revocations than RedisRevocations.max_entries")
        self._book.add(listed, now)

    def renew_after_fork(self) -> None:
        """The follower stayed with the parent. The copy is here, but the first check asks, and so begins to follow."""
        self._is_begun = False
        self.current_until = -math.inf
        self.failure = ""
        self._book.recount()

    async def _follow(self) -> None:
        pause = _PAUSE
        while True:
            try:
                if not self._epoch:
                    await self._load()
                tick, is_woken = min(_TICK, self._max_lag / 4), False
                while True:
                    has_news = await self._pull()
                    pause = _PAUSE
                    if is_woken and not has_news:
                        await asyncio.sleep(tick)  # a stream that is at odds with the tip must not keep us busy
                    is_woken = await self._server.wait_for_news(self._tip, tick)
            except AnswerFailed as failure:
                self._fail(str(failure))
            except Exception as error:  # whatever it was, the copy ages and the policy holds
                self._fail(observe.unforeseen(error))
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all come at once
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _pull(self) -> bool:
        """Come up to the tip. Was there anything new?"""
        has_news = False
        while True:
            sent = self._monotonic()
            pulled = await self._server.pull(self._tip)
            was_set_back = self._clock() - self._monotonic() < self._taken_at - _SET_BACK
            if pulled.records is None or not pulled.epoch or pulled.epoch != self._epoch or was_set_back:
                await self._load()
                has_news = True
                continue
            for name, revocations in pulled.records:
                self.add(revocations)
                self._tip, has_news = name, True
            if self._tip == pulled.tip:
                self._confirm(sent)
                return has_news

    async def _load(self) -> None:
        """Read everything, write back what the store has not; the next pull says what changed meanwhile."""
        epoch, tip = await self._server.marks()
        self._taken_at = self._clock() - self._monotonic()
        holds_any, present = len(self._book) > 0, set[int]()  # hashes only: there may be a million
        async for page in self._server.pages():
            self.add(page)
            if holds_any:
                present.update(map(hash, page))
        lacking = [held for held in self._book.held(self._clock()) if hash(held) not in present] if holds_any else []
        for first in range(0, len(lacking), _BATCH):
            await self._server.write(lacking[first : first + _BATCH], self._clock())
        if lacking:
            _log.warning("the store lacked %d revocations that are held here; they are written back", len(lacking))
        if not epoch:
            if not self._epoch and not self._create:
                raise AnswerFailed(UNMARKED)
            await self._server.write([], self._clock(), mark=True)
            _log.warning("the store had no epoch; it counts as whole from now on")
            epoch, _ = await self._server.marks()
        self._epoch, self._tip = epoch, tip

    def _confirm(self, sent: float) -> None:
        self._confirmed_at, self.current_until = sent, sent + self._max_lag
        if self.failure:
            _log.warning("the revocation store is followed again; %d revocations", len(self._book))
        self.failure, self._is_behind = "", False
        self._book.clear_ended(self._clock(), most=_CLEARED)

    def _fail(self, failure: str) -> None:
        if not self.failure:
            _log.warning("the revocation store can't be followed: %s", failure)
        self.failure = failure
        if not self._is_behind and self._monotonic() > self.current_until:
            self._is_behind = True
            _log.error("the copy of the revocations is older than max_lag (%g s): %s", self._max_lag, failure)
