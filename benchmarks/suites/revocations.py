"""What a million revocations cost: the bytes of each, and what they add to the check of a remembered token.

A subject's takes most, since the time until which it holds is its own; so the budget is about that. With a sixteenth of
a million Python's dictionaries are filled to the same degree, which gives the same number of bytes in a fraction of the
time that counting them takes.
"""

from __future__ import annotations

import gc
import math
import time
import tracemalloc

from benchmarks import world
from benchmarks.measure import Case, each_of, measure
from benchmarks.rows import Row, count, extra, timing
from benchmarks.suites import Plan
from tokenguard import MemoryRevocations, TokenGuard
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Level, Revocation

ENTRIES = 1_000_000
_COUNTED = ENTRIES // 16
_BATCH = 10_000
_LEVELS = (Level.TOKEN, Level.SESSION, Level.SUBJECT, Level.CLIENT)
#: tokens that the warm check goes round through, none of them revoked
_TOKENS = 256
_HOUR = 3_600


class _NoRevocations:
    """What a check costs where nothing can be revoked."""

    def find(self, token: Verified, now: float) -> None:
        """Never."""


def run(plan: Plan) -> list[Row]:
    """Bytes an entry, then warm checks over a store that does nothing, an empty one, and a full one."""
    plan.progress("counting the bytes of revocations", 0.0)
    rows = [
        count("revocations", f"a revoked {level}", "bytes", _allocated(level), f"tracemalloc, {_COUNTED:,} entries")
        for level in (Level.TOKEN, Level.SUBJECT)
    ]
    plan.progress("revoking a million times", 0.0)
    tokens = world.mint_many_long(_TOKENS)
    full = MemoryRevocations(max_entries=ENTRIES)
    for begin in range(0, ENTRIES, _BATCH):
        full.add([_revocation(_LEVELS[number % 4], number) for number in range(begin, begin + _BATCH)], time.time())
    guards = {
        "nothing can be revoked": world.guard("ES256", revocations=_NoRevocations()),
        "none held": world.guard("ES256"),
        f"{ENTRIES:,} held": world.guard("ES256", revocations=full),
    }
    cases = [world.bare_check("RS256", [world.mint()], "bare RS256")]
    cases += [_warm(name, guard, tokens) for name, guard in guards.items()]
    samples = measure(cases, *plan.part("warm checks among revocations", 1.0))
    bare, nothing, *held = (case.name for case in cases)
    return [
        *rows,
        timing("revocations", nothing, samples),
        *(extra("revocations", name, samples, nothing, bare) for name in held),
    ]


def _warm(name: str, guard: TokenGuard, tokens: list[str]) -> Case:
    for token in tokens:
        guard.validate(token)
    return Case(f"warm, {name}", guard.validate, each_of(tokens))


def _allocated(level: Level) -> float:
    store = MemoryRevocations()
    store.add([_revocation(level, -1)], time.time())  # what the first alone brings about
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for begin in range(0, _COUNTED, _BATCH // 16):
        store.add([_revocation(level, number) for number in range(begin, begin + _BATCH // 16)], time.time())
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / (len(store) - 1)


def _revocation(level: Level, number: int) -> Revocation:
    """As long an identifier as a UUID; each ends within an hour."""
    now = time.time()
    before = math.inf if level in {Level.TOKEN, Level.SESSION} else now
    return Revocation(world.ISSUER, level, f"{number:036}", before, now + _HOUR + number % _HOUR)
