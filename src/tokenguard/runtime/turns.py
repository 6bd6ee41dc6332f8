"""Whose turn it is to fetch keys: issuers that hang must not keep the others waiting."""

from __future__ import annotations

import asyncio

from tokenguard.runtime import forksafe

#: fetches at a time: more than ever hang at once in a healthy world, and within the usual 1,024 file descriptors
_SOUND, _FAILING = 200, 100


class FetchTurns:
    """Turns for the fetches of all issuers of a guard, on its I/O thread's loop.

    Issuers whose last fetch failed have turns of their own: one that hangs takes a common turn once, for as long as
    `KeyPolicy.timeout` lets it, and from then on only waits among its like.
    """

    def __init__(self) -> None:
        self.renew_after_fork()
        forksafe.register(self)

    def of(self, *, failing: bool) -> asyncio.Semaphore:
        """Where an issuer has to queue."""
        return self._failing if failing else self._sound

    def renew_after_fork(self) -> None:
        """They are bound to the parent's loop, and taken by its fetches."""
        self._sound, self._failing = asyncio.Semaphore(_SOUND), asyncio.Semaphore(_FAILING)
