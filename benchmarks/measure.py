"""The measuring itself: cases called in turn, in many short rounds, and what the rounds say.

All cases of one comparison run in one process, a batch of each a round, in an order that changes from round to round:
what disturbs the machine disturbs them all. A ratio is taken within a round, before any median. What counts is the
thread's processor time, which leaves out the time in which the machine ran something else; nothing here waits.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, repeat
from typing import Any

#: seconds that one batch of one case should take: far above the clock's resolution, short enough for many rounds
BATCH = 0.003
#: calls at the beginning of a batch that don't count
UNCOUNTED = 3
MIN_ROUNDS = 7
MAX_CALLS = 4_000

Call = Callable[..., Any]
Arguments = Callable[[int], Sequence[tuple[Any, ...]]]
#: told after each round how many seconds have gone into measuring
Tick = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to be measured. `arguments(n)` makes those of n calls, outside the time that counts."""

    name: str
    call: Call
    arguments: Arguments
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A median with its quartiles: half of all rounds lie between `low` and `high`."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """The median and quartiles of at least two values."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True, slots=True)
class Samples:
    """Microseconds a call, one number a round; the same round has the same position in every case's samples."""

    rounds: tuple[float, ...]

    @property
    def figure(self) -> Figure:
        """What a call costs."""
        return Figure.of(self.rounds)

    def ratio(self, base: Samples) -> Figure:
        """How many times the base's cost, taken round by round."""
        return Figure.of([own / other for own, other in zip(self.rounds, base.rounds, strict=True)])

    def beyond(self, base: Samples) -> Samples:
        """How much more than the base, taken round by round."""
        return Samples(tuple(own - other for own, other in zip(self.rounds, base.rounds, strict=True)))


def same(*arguments: Any) -> Arguments:
    """Every call gets these."""
    return lambda count: list(repeat(arguments, count))


def each_of(values: Sequence[Any]) -> Arguments:
    """The calls get one value after the other, round and round."""
    return in_turn([(value,) for value in values])


def in_turn(calls: Sequence[tuple[Any, ...]]) -> Arguments:
    """The calls get these arguments one after the other, round and round."""
    source = cycle(calls)
    return lambda count: list(islice(source, count))


def fresh(make: Callable[[], tuple[Any, ...]]) -> Arguments:
    """Each call gets arguments made for it alone."""
    return lambda count: [make() for _ in range(count)]


def measure(cases: Sequence[Case], seconds: float, tick: Tick = lambda _: None) -> dict[str, Samples]:
    """The samples of each case by its name, after about `seconds`; the garbage collector runs between rounds only."""
    samples: dict[str, list[float]] = {case.name: [] for case in cases}
    assert len(samples) == len(cases), "two cases of one name"
    order = list(cases)
    shuffle = random.Random(0).shuffle  # noqa: S311 - no secret
    with asyncio.Runner() as loop:
        calls = {case.name: _calls_in_a_batch(case, loop) for case in cases}
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            began = time.perf_counter()
            rounds = 0
            while rounds < MIN_ROUNDS or time.perf_counter() - began < seconds:
                shuffle(order)
                for case in order:
                    samples[case.name].append(_batch(case, calls[case.name], loop))
                gc.collect()
                rounds += 1
                tick(time.perf_counter() - began)
        finally:
            gc.enable()
            gc.unfreeze()
    return {name: Samples(tuple(values)) for name, values in samples.items()}


def _calls_in_a_batch(case: Case, loop: asyncio.Runner) -> int:
    """How many calls fill a batch, once the first calls have prepared what they prepare."""
    for _ in range(3):
        _batch(case, 3, loop)
    count, microseconds = 4, 0.0
    while count * microseconds < BATCH * 1e6 and count < MAX_CALLS:
        count *= 4
        microseconds = min(_batch(case, count, loop) for _ in range(3))
    return max(1, min(MAX_CALLS, round(BATCH * 1e6 / microseconds)))


def _batch(case: Case, count: int, loop: asyncio.Runner) -> float:
    """Microseconds a call, after a few that don't count: they find other cases' data in the processor's caches."""
    calls = case.arguments(UNCOUNTED + count)
    if case.is_async:
        loop.run(_await_all(case.call, calls[:UNCOUNTED]))
        return loop.run(_await_all(case.call, calls[UNCOUNTED:])) / count * 1e6
    _call_all(case.call, calls[:UNCOUNTED])
    return _call_all(case.call, calls[UNCOUNTED:]) / count * 1e6


def _call_all(call: Call, calls: Sequence[tuple[Any, ...]]) -> float:
    began = time.thread_time()
    for arguments in calls:
        call(*arguments)
    return time.thread_time() - began


async def _await_all(call: Call, calls: Sequence[tuple[Any, ...]]) -> float:
    began = time.thread_time()
    for arguments in calls:
        await call(*arguments)
    return time.thread_time() - began
