"""Run suites one after the other behind a progress bar, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.child import Failed, run_suite
from benchmarks.child import Progress as Said
from benchmarks.rows import Row
from benchmarks.suites import Suite


def run_all(
    console: Console, planned: Sequence[tuple[Suite, float]], *, quick: bool
) -> Iterator[tuple[Suite, list[Row] | Failed]]:
    """Each suite, given the seconds it measures, with its rows or its failure."""
    columns = (TextColumn("{task.description:<50}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=sum(seconds for _, seconds in planned))
        before = 0.0
        for suite, seconds in planned:
            for said in run_suite(suite, seconds, quick=quick):
                if isinstance(said, Said):
                    done = before + min(said.seconds, seconds)
                    bar.update(task, completed=done, description=f"{suite.name}: {said.doing}")
                else:
                    yield suite, said
            before += seconds
            bar.update(task, completed=before)
