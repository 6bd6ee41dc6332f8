"""Revocations in memory: a few dictionary look-ups to find one, and none is looked for to forget it.

By issuer, then by level, then by value: a token of another issuer finds another issuer's dictionaries, or none. The
entries that end in the same minute are listed together, so that what has ended is known without a search.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from tokenguard.core.model import Verified
from tokenguard.core.revocation import Level, Revocation

#: before, until: see `Revocation`. Shared by those that have both in common, as most tokens and sessions do.
_Mark: TypeAlias = tuple[float, float]
#: the marks by value, a dictionary a level, in the order of `Level`
_Shelf: TypeAlias = tuple[dict[str, _Mark], dict[str, _Mark], dict[str, _Mark], dict[str, _Mark], dict[str, _Mark]]
_POSITIONS = {level: position for position, level in enumerate(Level)}
#: seconds by which an entry may stay longer than it must; fewer lists the longer
_GRAIN = 60.0
#: ended entries that a write clears away beyond its own number, so that none takes long
_CLEARED_AT_ONCE = 256


class _Ending:
    """What ends at one time. `last`: the monotonic time before which it stays, wherever the clock was moved."""

    __slots__ = ("last", "listed", "mark")

    def __init__(self, until: float) -> None:
        self.mark: _Mark = (math.inf, until)
        self.last = -math.inf
        self.listed: list[tuple[str, int, list[str]]] = []  # issuer, position of the level, values

    def values(self, issuer: str, position: int) -> list[str]:
        for listed_issuer, listed_position, values in self.listed:
            if listed_position == position and listed_issuer == issuer:
                return values
        added: list[str] = []
        self.listed.append((issuer, position, added))
        return added


class RevocationBook:
    """At most `max_entries` of them. Finding needs no lock; one thread at a time may write.

    `monotonic`: seconds on a clock that nobody sets. An entry stays until its end by both clocks: when the time of day
    jumps ahead and back, what was revoked still is.
    """

    def __init__(self, max_entries: int, monotonic: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._monotonic = monotonic
        self._shelves: dict[str, _Shelf] = {}
        self._endings: dict[float, _Ending] = {}
        self._due: list[float] = []  # a heap of the endings' times
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def find(self, token: Verified, now: float) -> Revocation | None:
        """The one that hits the token, the narrowest first."""
        shelf = self._shelves.get(token.issuer)
        if shelf is None:
            return None
        tokens, sessions, subjects, clients, issuers = shelf
        # every value of a remembered token has its hash already; None, for what the token lacks, is never a key
        if (
            (token.id or token.fingerprint) in tokens
            or token.session in sessions
            or token.subject in subjects
            or token.client_id in clients
            or issuers
        ):
            return _hit(shelf, token, now)
        return None

    def fits(self, revocations: Sequence[Revocation]) -> bool:
        """Is there room for all of them?"""
        room = self._max_entries - self._size
        return room >= len(revocations) or room >= len({_place(each) for each in revocations if not self._has(each)})

    def add(self, revocations: Sequence[Revocation], now: float) -> None:
        """Remember them: of two for the same tokens the later ends hold. Ask `fits` first."""
        monotonic = self._monotonic()
        for revocation in revocations:
            if revocation.until > now:
                self._add(revocation, monotonic + revocation.until - now)
        self.clear_ended(now, most=len(revocations) + _CLEARED_AT_ONCE)

    def clear_ended(self, now: float, *, most: float = math.inf) -> None:
        """Forget what has ended, at most so many."""
        monotonic = self._monotonic()
        while self._due and most > 0:
            ending = self._endings[self._due[0]]
            if now < ending.mark[1] or monotonic < ending.last:
                return
            while ending.listed and most > 0:
                issuer, position, values = ending.listed[-1]
                while values and most > 0:
                    self._forget(issuer, position, values.pop(), ending.mark[1])
                    most -= 1
                if not values:
                    ending.listed.pop()
            if not ending.listed:
                del self._endings[heapq.heappop(self._due)]

    def recount(self) -> None:
        """In a forked child: a thread of the parent may have stopped between an entry and its number."""
        self._size = sum(len(marks) for shelf in self._shelves.values() for marks in shelf)
        self._due = sorted(self._endings)

    def held(self, now: float) -> Iterator[Revocation]:
        """All that have not ended, as they were when this was asked for, level by level."""
        for issuer, shelf in list(self._shelves.items()):
            for level, marks in zip(Level, shelf, strict=True):
                for value, (before, until) in list(marks.items()):
                    if until > now:
                        yield Revocation(issuer, level, value, before, until)

    def _add(self, revocation: Revocation, last: float) -> None:
        issuer, position, value = _place(revocation)
        shelf = self._shelves.get(issuer)
        if shelf is None:
            shelf = self._shelves[issuer] = ({}, {}, {}, {}, {})
        known = shelf[position].get(value)
        before, until = revocation.before, math.ceil(revocation.until / _GRAIN) * _GRAIN
        if known is not None:
            before, until = max(before, known[0]), max(until, known[1])
        ending = self._endings.get(until)
        if ending is None:
            ending = self._endings[until] = _Ending(until)
            heapq.heappush(self._due, until)
        ending.last = max(ending.last, last)
        if known is None or known[1] != until:
            # listed before it can be found: what is found and not listed would stay for ever
            ending.values(issuer, position).append(value)
        self._size += known is None
        shelf[position][value] = ending.mark if before == math.inf else (before, until)

    def _forget(self, issuer: str, position: int, value: str, until: float) -> None:
        shelf = self._shelves[issuer]
        mark = shelf[position].get(value)
        if mark is None or mark[1] > until:
            return  # it was extended, and is listed again there
        del shelf[position][value]
        self._size -= 1
        if not any(shelf):
            del self._shelves[issuer]

    def _has(self, revocation: Revocation) -> bool:
        issuer, position, value = _place(revocation)
        return issuer in self._shelves and value in self._shelves[issuer][position]


def _place(revocation: Revocation) -> tuple[str, int, str]:
    return revocation.issuer, _POSITIONS[revocation.level], revocation.value


def _hit(shelf: _Shelf, token: Verified, now: float) -> Revocation | None:
    values = (token.id or token.fingerprint, token.session, token.subject, token.client_id, "")
    for level, marks, value in zip(Level, shelf, values, strict=True):
        if value is None or (mark := marks.get(value)) is None:
            continue
        before, until = mark
        # what does not say when it was issued may have been issued before
        if (token.issued_at is None or token.issued_at <= before) and now < until:
            return Revocation(token.issuer, level, value, before, until)
    return None
