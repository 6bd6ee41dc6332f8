"""Used DPoP proofs, in the memory of one process (RFC 9449 11.1)."""

from __future__ import annotations

import math
import threading

from tokenguard._checks import require_number
from tokenguard.errors import Reason, Unavailable
from tokenguard.runtime import forksafe

#: seconds of expiry that share a slot, and so the most that an entry is kept too long
_SLOT = 30


class MemoryReplays:
    """Remembers used proofs in this process. `max_entries`: at most so many at a time, about 150 bytes each.

    Right for one process. Several workers need a store that they share, such as `RedisReplays`: a proof that was
    replayed to another worker would be let in there.

    When it is full, requests with DPoP get 503 until the oldest proofs run out: forgetting one early would let its
    replay in (RFC 9449 11.1). It needs room for the proofs that arrive within `DPoP.window`, the guard's
    leeway and half a minute.
    Raises `ConfigurationError` when built.

    >>> replays = MemoryReplays()
    >>> replays.record(b"a proof", now=0.0, until=60.0), replays.record(b"a proof", now=1.0, until=60.0)
    (True, False)
    """

    def __init__(self, max_entries: int = 250_000) -> None:
        require_number("MemoryReplays.max_entries", max_entries, low=1)
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._slots: dict[int, set[bytes]] = {}
        self._count = 0
        self._first_end = math.inf  # when the slot that ends first does
        forksafe.register(self)

    def record(self, key: bytes, now: float, until: float) -> bool:
        """Is this the first use of a proof? Says so once, and remembers it `until` then (epoch seconds, like `now`).

        Raises `Unavailable` when full.
        """
        number = int(until // _SLOT)
        with self._lock:
            if now >= self._first_end:
                self._forget(now)
            slots = self._slots
            # a handful of slots, whatever is in them
            for slot in slots.values():
                if key in slot:
                    return False
            if self._count >= self._max_entries:
                full = Unavailable(
                    Reason.REPLAYS_UNAVAILABLE,
                    f"{self._count} used proofs are remembered already (MemoryReplays.max_entries)",
                )
                raise full.after(self._first_end - now)
            slot = slots.get(number) or self._new_slot(number)
            slot.add(key)
            self._count += 1
        return True

    def __len__(self) -> int:
        return self._count

    def renew_after_fork(self) -> None:
        """The lock may have been held by a thread that does not exist here. What was used stays used."""
        self._lock = threading.Lock()
        self._count = sum(map(len, self._slots.values()))

    def _new_slot(self, number: int) -> set[bytes]:
        slot = self._slots[number] = set()
        self._first_end = min(self._first_end, (number + 1) * _SLOT)
        return slot

    def _forget(self, now: float) -> None:
        for number in [number for number in self._slots if (number + 1) * _SLOT <= now]:
            self._count -= len(self._slots.pop(number))
        self._first_end = min(((number + 1) * _SLOT for number in self._slots), default=math.inf)
