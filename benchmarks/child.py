"""One suite in one fresh process, so that no suite finds another's caches, garbage or imports."""

from __future__ import annotations

import multiprocessing
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection

from benchmarks.rows import Row
from benchmarks.suites import FAST_PARSERS, Plan, Suite


@dataclass(frozen=True, slots=True)
class Progress:
    """What the suite is doing, and how many of its seconds have passed."""

    doing: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The suite broke; the traceback as text."""

    traceback: str


def run_suite(suite: Suite, seconds: float, *, quick: bool) -> Iterator[Progress | Failed | list[Row]]:
    """Run a suite in a process of its own and yield what it says; the rows, or the failure, come last."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_main, args=(theirs, suite, seconds, quick))
    process.start()
    theirs.close()
    try:
        while True:
            said = ours.recv()
            yield said
            if not isinstance(said, Progress):
                break
    except EOFError:
        yield Failed("the process ended without a word")
    finally:
        process.join()


def _main(pipe: Connection, suite: Suite, seconds: float, quick: bool) -> None:
    try:
        if suite.json == "default":
            for parser in FAST_PARSERS:  # importing it fails, as if it were not installed
                sys.modules[parser] = None  # type: ignore[assignment]
        warnings.showwarning = lambda *_, **__: None  # peers warn about each other while they are imported
        plan = Plan(seconds, quick, suite.json, lambda doing, gone: pipe.send(Progress(doing, gone)))
        pipe.send(Progress("importing", 0.0))
        pipe.send(import_module(f"benchmarks.suites.{suite.module}").run(plan))
    except BaseException:
        pipe.send(Failed(traceback.format_exc()))
