"""Turns to fetch: whoever failed last queues apart."""

from __future__ import annotations

import asyncio

from tokenguard.runtime.turns import FetchTurns


async def test_failing_issuers_take_no_turn_of_the_others() -> None:
    """However many there are."""
    turns = FetchTurns()
    while not turns.of(failing=True).locked():
        await turns.of(failing=True).acquire()
    async with asyncio.timeout(1), turns.of(failing=False):
        assert turns.of(failing=True).locked()


async def test_after_a_fork_all_turns_are_free() -> None:
    """Those of the parent are its own."""
    turns = FetchTurns()
    while not turns.of(failing=False).locked():
        await turns.of(failing=False).acquire()
    turns.renew_after_fork()
    assert not turns.of(failing=False).locked()
