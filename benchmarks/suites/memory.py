"""What a remembered token takes, at 100,000 of them, and what finding one among them takes.

Two measures, in a process each: bytes that Python's allocators have handed out (tracemalloc, which the budget is
about), and the growth of the resident set, which has the allocators' own losses in it. With one in 32 of the
entries Python's dictionary is filled to the same degree, so the quick run gives the same number.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks import world
from benchmarks.measure import Case, each_of, measure
from benchmarks.rows import Row, count, timing
from benchmarks.suites import Plan
from tokenguard import TokenGuard

ENTRIES = 100_000
_QUICK_ENTRIES = ENTRIES // 32
#: signed with this, since RSA signatures take too long to make; the cache keeps none
_ALGORITHM = "ES256"


def run(plan: Plan) -> list[Row]:
    """Bytes an entry by both measures, and the time of a warm check by number of tokens held."""
    entries = _QUICK_ENTRIES if plan.quick else ENTRIES
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(1) as beside:
        plan.progress("filling the token cache", 0.0)
        traced = beside.apply_async(_allocated, (entries,))
        grown, rows = (0.0, []) if plan.quick else _resident(plan, entries, traced)
        allocated = traced.get()
    method = f"{entries:,} entries, payloads of {world.PAYLOAD_BYTES} bytes"
    rows.insert(0, count("memory", "a cached token", "bytes", allocated, f"tracemalloc, {method}"))
    if not plan.quick:
        rows.insert(1, count("memory", "a cached token, resident set", "bytes", grown, f"growth of RSS, {method}"))
    return rows


def _allocated(entries: int) -> float:
    """Bytes an entry that tracemalloc sees."""
    guard = world.guard(_ALGORITHM, token_cache=entries)
    guard.validate(world.mint(_ALGORITHM))  # what the first token alone brings about
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(entries - 1):
        guard.validate(world.mint(_ALGORITHM))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return (after - before) / (entries - 1)


def _resident(plan: Plan, entries: int, other: Any) -> tuple[float, list[Row]]:
    """Bytes an entry by which the resident set grows; then, undisturbed, a warm check among that many."""
    tokens = [world.mint(_ALGORITHM) for _ in range(entries)]
    guard = world.guard(_ALGORITHM, token_cache=entries)
    guard.validate(tokens[0])
    gc.collect()
    before = _resident_bytes()
    for token in tokens:
        guard.validate(token)
    gc.collect()
    grown = (_resident_bytes() - before) / (entries - 1)
    other.wait()
    return grown, _warm_among(plan, guard, tokens)


def _warm_among(plan: Plan, guard: TokenGuard, tokens: list[str]) -> list[Row]:
    shuffled = random.Random(0).sample(tokens, len(tokens))  # noqa: S311 - no secret
    held = [1, 100, 10_000, len(tokens)]
    cases = [Case(f"{number:,}, warm", guard.validate, each_of(shuffled[:number])) for number in held]
    samples = measure(cases, *plan.part("warm among many", 0.1, before=0.9))
    return [timing("scaling: tokens held", case.name, samples, cases[0].name) for case in cases]


def _resident_bytes() -> int:
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    told = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(os.getpid())], check=True, capture_output=True, text=True)
    return int(told.stdout) * 1024
