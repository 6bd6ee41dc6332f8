"""`MemoryRevocations`: revocations of this process alone, which end with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from tokenguard._checks import require_number
from tokenguard.core.effects import AnswerFailed
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Revocation, StoreState
from tokenguard.errors import ConfigurationError
from tokenguard.runtime import forksafe
from tokenguard.stores.book import RevocationBook

#: ended entries that a look at the state clears away: some milliseconds, where a million would take a second
_CLEARED_AT_A_LOOK = 5_000


class MemoryRevocations:
    """A guard's store by default: for a service of one process, or of processes that are each told.

    `max_entries`: a write that would bring more raises `RevocationFailed` out of `guard.revoke`, and nothing is
    dropped. `monotonic`: seconds on a clock that nobody sets. Guards may share one. A forked child begins with what its
    parent held, and goes its own way from there. Raises `ConfigurationError` when built.
    """

    def __init__(self, *, max_entries: int = 1_000_000, monotonic: Callable[[], float] = time.monotonic) -> None:
        require_number("MemoryRevocations.max_entries", max_entries, low=1)
        if not callable(monotonic):
            raise ConfigurationError("MemoryRevocations.monotonic must be a callable that answers seconds")
        self._max_entries = max_entries
        self._book = RevocationBook(max_entries, monotonic)
        #: the book's own method, since it is asked on every request
        self.find: Callable[[Verified, float], Revocation | None] = self._book.find
        self._lock = threading.Lock()
        forksafe.register(self)

    def __len__(self) -> int:
        return len(self._book)

    def add(self, revocations: Sequence[Revocation], now: float) -> None:
        """Remember them all, or raise `AnswerFailed` where there is no room, and remember none."""
        with self._lock:
            if not self._book.fits(revocations):
                self._book.clear_ended(now)
                if not self._book.fits(revocations):
                    raise AnswerFailed(f"the store is full (MemoryRevocations.max_entries is {self._max_entries})")
            self._book.add(revocations, now)

    def held(self, now: float) -> Iterator[Revocation]:
        """All that have not ended."""
        return self._book.held(now)

    def state(self, now: float) -> StoreState:
        """For health endpoints; other processes never learn of a revocation here. Counts what is yet to be cleared."""
        with self._lock:
            self._book.clear_ended(now, most=_CLEARED_AT_A_LOOK)
            return StoreState("MemoryRevocations", "memory", len(self._book), lag=0.0, worst_case_delay=0.0)

    def renew_after_fork(self) -> None:
        """The lock may have been held, and the book half written, by a thread that does not exist here."""
        self._lock = threading.Lock()
        self._book.recount()
