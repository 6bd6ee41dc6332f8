"""A circuit breaker: whoever fails again and again is left alone for a while, then tried by one."""

from __future__ import annotations

import math
from typing import Literal

State = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """Closed while things go well; open for `cooldown` seconds after `failures` in a row; then one may try.

    Times are monotonic seconds, handed in. Not thread-safe by itself.
    """

    def __init__(self, failures: int, cooldown: float) -> None:
        self._limit = failures
        self._cooldown = cooldown
        self._failures = 0
        self._open_until = -math.inf
        self._probing = False

    def admit(self, now: float) -> float:
        """0 where a try may begin, which must then be reported; else the seconds until one may."""
        if self._failures < self._limit:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        if self._probing:
            return self._cooldown
        self._probing = True
        return 0.0

    def succeeded(self) -> bool:
        """A try went well. True where that closed the circuit."""
        was_open = self._failures >= self._limit
        self._failures, self._probing = 0, False
        return was_open

    def failed(self, now: float) -> bool:
        """A try went wrong. True where that opened the circuit, or kept it open after a probe."""
        self._failures += 1
        opened = self._failures == self._limit or self._probing
        if opened:
            self._open_until, self._probing = now + self._cooldown, False
        return opened

    def abandoned(self) -> None:
        """A try ended in a way that says nothing of the other side."""
        self._probing = False

    def state(self, now: float) -> State:
        """For health endpoints."""
        if self._failures < self._limit:
            return "closed"
        return "open" if now < self._open_until else "half-open"
