"""`RedisRevocations`: revocations in Redis or Valkey, for every process of every machine. Needs the extra `redis`.

Two modes. `direct`: a check is one round trip, and sees every write that was over before it began. `replica`: a check
is a look into this process's memory, which follows the store (`stores/replica.py` has the protocol); a revocation is
seen after milliseconds, and after `max_lag` the copy alone lets nobody in any more.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Literal, TypeAlias

from tokenguard._checks import require_flag, require_number
from tokenguard.core.effects import AnswerFailed, AskRemotely
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Revocation, StoreState, hits
from tokenguard.errors import ConfigurationError
from tokenguard.stores.book import RevocationBook
from tokenguard.stores.replica import UNMARKED, Replica
from tokenguard.stores.server import ClientFactory, Server, check_source
from tokenguard.stores.wire import Keys

Mode: TypeAlias = Literal["direct", "replica"]
WhenLagging: TypeAlias = Literal["closed", "direct", "open"]

#: seconds between two attempts to reach a server that failed, when nothing else asks it
_PAUSE = 1.0
_PREFIX = re.compile(r"[A-Za-z0-9._:/-]{1,128}")


class RedisRevocations:
    """A store that processes share, in Redis 5 or Valkey 7.2 and newer. Belongs to one guard.

    `source`: a URL (redis://, rediss://, unix://), or a callable that makes a `redis.asyncio` client, for Sentinel or
    credentials of your own. `prefix`: of the names of its three keys (`stores/wire.py`). `mode`: "direct": each check
    is one round trip; "replica": it is a look into this process's memory, which follows the store. `timeout`: seconds
    for one question to the server. `create`: take a store without an epoch for a new one; else it counts as lost until
    a process that held it brings it back, or `create()` is called once.
    For replicas: `max_lag`: seconds that the copy may be behind. `when_lagging`: beyond that, "closed": no answer, so
    that the guard's policy decides; "direct": ask the server each time; "open": the copy answers, and the log has an
    error. A revocation that the copy does hold is honoured at any age. `max_entries`: more are not followed.
    `history`: records that the stream keeps, at least; who falls back further loads everything anew.
    `clock` and `monotonic`: as the guard's.

    Raises `ConfigurationError`, naming the setting. Opens no connection before the first question.
    """

    def __init__(
        self,
        source: str | ClientFactory,
        *,
        mode: Mode = "direct",
        prefix: str = "tokenguard",
        timeout: float = 1.0,
        create: bool = False,
        max_lag: float = 5.0,
        when_lagging: WhenLagging = "closed",
        max_entries: int = 1_000_000,
        history: int = 10_000,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        check_source(source)
        if mode not in ("direct", "replica"):
            raise ConfigurationError('RedisRevocations.mode must be "direct" or "replica"')
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise ConfigurationError("RedisRevocations.prefix must be letters, digits and . _ : / -, at most 128")
        require_number("RedisRevocations.timeout", timeout, low=0.001, high=60)
        require_flag("RedisRevocations.create", create)
        require_number("RedisRevocations.max_lag", max_lag, low=0.1, high=3600)
        if when_lagging not in ("closed", "direct", "open"):
            raise ConfigurationError('RedisRevocations.when_lagging must be "closed", "direct" or "open"')
        require_number("RedisRevocations.max_entries", max_entries, low=1)
        require_number("RedisRevocations.history", history, low=1)
        if not callable(clock) or not callable(monotonic):
            raise ConfigurationError("RedisRevocations.clock and monotonic must be callables that answer seconds")
        self._server = Server(source, Keys(prefix), timeout=timeout, kept=int(history))
        self._clock, self._monotonic = clock, monotonic
        self._create = create
        self._max_lag, self._when_lagging = max_lag, when_lagging
        self._begin: Callable[[Coroutine[Any, Any, None]], object] | None = None
        self._last_error = ""
        self._tried_again_at = -math.inf
        self._book = RevocationBook(max_entries, monotonic)
        self._replica: Replica | None = None
        if mode == "replica":
            self._replica = Replica(self._server, self._book, max_lag, create, clock, monotonic)
        #: the revocation that hits a token, from memory; raises `AskRemotely` or `AnswerFailed` where it must
        self.find: Callable[[Verified, float], Revocation | None] = self._finding()

    def attach(self, begin: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """Called by the guard: `begin` starts work on its I/O thread."""
        if self._begin is not None:
            raise ConfigurationError("a RedisRevocations belongs to one guard; make another for the other")
        self._begin = begin

    # -- reading ---------------------------------------------------------------------------------------------------

    async def ask(self, token: Verified, now: float) -> Revocation | None:
        """The revocation that hits this token, from the server. Raises `AnswerFailed`."""
        self._follow()
        try:
            is_whole, entries = await self._server.look_up(token)
            if not is_whole and self._create:
                await self._server.write([], now, mark=True)
                is_whole = True
            found = next((entry for entry in entries if hits(entry, token, now)), None)
            if found is None and not is_whole:
                raise AnswerFailed(UNMARKED)
        except AnswerFailed as failure:
            self._last_error = str(failure)
            raise
        self._last_error = ""
        return found

    async def pages(self, now: float) -> AsyncIterator[Sequence[Revocation]]:
        """All that have not ended, some at a time, each once."""
        seen: set[int] = set()  # the server may show an entry twice
        async for page in self._server.pages():
            fresh = [entry for entry in page if entry.until > now and hash(entry) not in seen]
            seen.update(map(hash, fresh))
            yield fresh

    # -- writing ---------------------------------------------------------------------------------------------------

    async def write(self, revocations: Sequence[Revocation], now: float) -> None:
        """Return when the server has them all. Raises `AnswerFailed`; it is safe to try again."""
        await self._server.write(revocations, now, mark=self._create)
        if self._replica is not None:
            with contextlib.suppress(AnswerFailed):  # full: they are written all the same, and the follower will say so
                self._replica.add(revocations)

    async def create(self) -> None:
        """Say that the store is new, so that what it lacks was never revoked. Changes nothing for one in use."""
        await self._server.write([], self._clock(), mark=True)

    # -- the rest --------------------------------------------------------------------------------------------------

    def state(self, now: float) -> StoreState:  # noqa: ARG002 - the port's
        """For `guard.health()`. Not serving: it was asked, or followed, and failed.

        A store that only answers when asked is asked once more then, now and again: a service that gets no requests
        while it is not ready would otherwise never be.
        """
        replica = self._replica
        if replica is None:
            if self._last_error and self._begin is not None and self._monotonic() >= self._tried_again_at + _PAUSE:
                self._tried_again_at = self._monotonic()
                with contextlib.suppress(AnswerFailed):
                    self._begin(self._try_again())
            return StoreState(
                "RedisRevocations", "direct", None, 0.0, 0.0, serving=not self._last_error, last_error=self._last_error
            )
        is_current = self._monotonic() <= replica.current_until
        return StoreState(
            "RedisRevocations",
            f"replica, {self._when_lagging} beyond {self._max_lag:g} s",
            len(self._book),
            replica.lag,
            worst_case_delay=None if self._when_lagging == "open" else self._max_lag,
            # one that was not asked yet will start to follow, and ask the server meanwhile
            serving=is_current or not replica.failure or self._when_lagging == "open",
            last_error=replica.failure,
        )

    async def close(self) -> None:
        """Release the connections."""
        await self._server.close()

    async def _try_again(self) -> None:
        try:
            epoch, _ = await self._server.marks()
        except AnswerFailed as failure:
            self._last_error = str(failure)
        else:
            self._last_error = "" if epoch or self._create else UNMARKED

    def _finding(self) -> Callable[[Verified, float], Revocation | None]:
        """`find` of this mode, which is called on every request: with the least of look-ups (0.5 µs, not 1.0)."""
        find, monotonic, replica, check_without = self._book.find, self._monotonic, self._replica, self._check_without

        def find_in_copy(token: Verified, now: float) -> Revocation | None:
            found = find(token, now)
            if found is None and (replica is None or monotonic() > replica.current_until):
                check_without(replica)
            return found

        return find_in_copy

    def _check_without(self, replica: Replica | None) -> None:
        """No copy to go by: none at all or yet, one of a forked parent, or one that is too old."""
        if replica is not None and replica.failure and self._when_lagging == "open":
            return
        if replica is not None and replica.failure and self._when_lagging == "closed":
            raise AnswerFailed(f"the copy of the revocations is older than max_lag: {replica.failure}")
        raise AskRemotely("there is no copy of the revocations that is recent enough")

    def _follow(self) -> None:
        if self._replica is not None and self._begin is not None:
            self._replica.begin(self._begin)
