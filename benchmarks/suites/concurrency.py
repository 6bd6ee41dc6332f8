"""Many at once: checks over threads and over processes, and a crowd that finds no keys."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable
from multiprocessing.pool import Pool

from benchmarks import world
from benchmarks.measure import Figure
from benchmarks.rows import Row, count
from benchmarks.suites import Plan
from tokenguard import Issuer, TokenGuard
from tokenguard.testing import LocalIssuer

_WORKERS = (1, 2, 4)
_TASKS = 1_000
_THREADS = 200
#: checks of one worker in one round
_CHECKS = 400
_MIN_ROUNDS = 3

_in_process: Callable[[], float]


def run(plan: Plan) -> list[Row]:
    """How often keys are fetched when a thousand ask at once; then checks a second, by workers."""
    rows = _cold_key_set()
    if plan.quick:
        return rows
    for kind, make in {"threads": _Threads, "processes": _Processes}.items():
        plan.progress(f"checks over {kind}", 0.0)
        rows += _throughput(kind, make, plan.seconds / 2)
    return rows


def _cold_key_set() -> list[Row]:
    """Tasks of one event loop, then threads, each crowd before a guard that has never fetched."""
    rows = []
    crowds: dict[str, Callable[[TokenGuard, str], None]] = {
        f"{_TASKS:,} tasks at once": _crowd_of_tasks,
        f"{_THREADS} threads at once": _crowd_of_threads,
    }
    for name, ask in crowds.items():
        local = LocalIssuer(audience=world.AUDIENCE, signing_key=world.signing_key("RS256"))
        with local.serve(), TokenGuard(audience=world.AUDIENCE, issuers=[Issuer(local.issuer)]) as guard:
            ask(guard, local.mint())
            fetches = sum(request.path.startswith("/jwks") for request in local.requests)
            asked = f"of the key set; {len(local.requests)} requests with metadata"
        rows.append(count("cold key set", name, "fetches", fetches, asked))
    return rows


def _crowd_of_tasks(guard: TokenGuard, token: str) -> None:
    async def crowd() -> None:
        await asyncio.gather(*(guard.avalidate(token) for _ in range(_TASKS)))

    asyncio.run(crowd())


def _crowd_of_threads(guard: TokenGuard, token: str) -> None:
    failures: list[Exception] = []
    together = threading.Barrier(_THREADS)

    def ask() -> None:
        together.wait()
        try:
            guard.validate(token)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _throughput(kind: str, make: type[_Threads | _Processes], seconds: float) -> list[Row]:
    """Cold RS256 checks a second of all workers together, round after round with 1, 2 and 4 of them."""
    teams = {number: make(number) for number in _WORKERS}
    rounds: dict[int, list[float]] = {number: [] for number in _WORKERS}
    began = time.perf_counter()
    while len(rounds[1]) < _MIN_ROUNDS or time.perf_counter() - began < seconds:
        for number, team in teams.items():
            rounds[number].append(number * _CHECKS / team.work())
    for team in teams.values():
        team.close()
    base = statistics.median(rounds[1])
    return [
        Row(
            f"cold RS256 over {kind}",
            str(number),
            "checks/s",
            Figure.of(rounds[number]),
            Figure.of([rate / base for rate in rounds[number]]),
            "1",
        )
        for number in _WORKERS
    ]


def _checks() -> Callable[[], float]:
    """A guard of one's own, and what makes it check for a while; answers the wall clock's seconds."""
    validate, tokens = world.guard_without_cache().validate, world.mint_many(16) * (_CHECKS // 16)

    def work() -> float:
        began = time.perf_counter()
        for token in tokens:
            validate(token)
        return time.perf_counter() - began

    work()
    return work


class _Threads:
    """Workers that share a process, and a guard."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._work = _checks()

    def work(self) -> float:
        """Seconds until the last has done its checks."""
        threads = [threading.Thread(target=self._work) for _ in range(self._number)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    def close(self) -> None:
        """Nothing is left behind."""


class _Processes:
    """Workers of a process each."""

    def __init__(self, number: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        # pools of one, so that each process gets its share and no other's
        self._pools: list[Pool] = [spawn.Pool(1, initializer=_prepare) for _ in range(number)]
        for pool in self._pools:
            pool.apply(_work_in_process)

    def work(self) -> float:
        """Seconds until the last has done its checks."""
        began = time.perf_counter()
        for answer in [pool.apply_async(_work_in_process) for pool in self._pools]:
            answer.get()
        return time.perf_counter() - began

    def close(self) -> None:
        """End the processes."""
        for pool in self._pools:
            pool.terminate()


def _prepare() -> None:
    global _in_process  # noqa: PLW0603 - what a pool's process keeps between calls
    _in_process = _checks()


def _work_in_process() -> float:
    return _in_process()
