"""What a million revocations cost: the bytes of each, and what they add to the check of a remembered token.

A subject's takes most, since the time until which it holds is its own; so the budget is about that. With a sixteenth of
a million Python's dictionaries are filled to the same degree, which gives the same number of bytes in a fraction of the
time that counting them takes.
"""

from __future__ import annotations

import dataclasses
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
_SETTERS = [getattr(Revocation, field.name).__set__ for field in dataclasses.fields(Revocation)]


class _NoRevocations:
    """What a check costs where nothing can be revoked."""

    def find(self, token: Verified, now: float) -> None:
        """Never."""


def run(plan: Plan) -> list[Row]:
    """Bytes an entry, then warm checks over a store that does nothing, an empty one, and a full one."""
    plan.progress("counting the bytes of revocations", 0.0)
    rows = [
        count("revocations", f"a revoked {level}", "bytes", _allocated(level), f"tracemalloc, {_COUNTED:,} entries")
        for level in ((Level.SUBJECT,) if plan.quick else (Level.TOKEN, Level.SUBJECT))
    ]
    plan.progress("revoking a million times", 0.0)
    tokens = world.mint_many_long(_TOKENS)
    full = MemoryRevocations(max_entries=ENTRIES)
    gc.disable()  # it would look through all of them again and again
    for begin in range(0, ENTRIES, _BATCH):
        full.add([_revocation(_LEVELS[number % 4], number) for number in range(begin, begin + _BATCH)], time.time())
    gc.enable()
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
    """As long an identifier as a UUID; each ends within an hour. Unchecked: a million checks would take seconds."""
    now = time.time()
    revocation = object.__new__(Revocation)
    set_issuer, set_level, set_value, set_before, set_until = _SETTERS
    set_issuer(revocation, world.ISSUER)
    set_level(revocation, level)
    set_value(revocation, f"{number:036}")
    set_before(revocation, math.inf if level in {Level.TOKEN, Level.SESSION} else now)
    set_until(revocation, now + _HOUR + number % _HOUR)
    return revocation
