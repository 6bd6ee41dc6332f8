"""`make bench-quick`: is every budget held? The exit status is 1 where one is not, or could not be measured."""

from __future__ import annotations

import sys

from rich.console import Console

from benchmarks import machine, report
from benchmarks.budgets import judge
from benchmarks.child import Failed
from benchmarks.rows import Row
from benchmarks.session import run_all
from benchmarks.suites import SUITES


def main() -> int:
    """Measure what the budgets need and print their table."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    described = machine.describe()
    console.print(f"{described['cpu']}, {described['python']}, {described['openssl (in cryptography)']}")
    results: dict[str, list[Row]] = {}
    for suite, outcome in run_all(
        console, [(suite, suite.quick_seconds) for suite in SUITES if suite.quick_seconds], quick=True
    ):
        if isinstance(outcome, Failed):
            console.print(f"[bold red]{suite.title}: failed[/]")
            console.print(outcome.traceback, markup=False)
        else:
            results[suite.name] = outcome
    judged = judge(results)
    report.print_budgets(console, judged)
    return 0 if all(one.verdict == "ok" for one in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
