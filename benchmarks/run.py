"""`make bench`: every suite, every table, results/latest.json and the charts."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import charts, machine, report
from benchmarks.budgets import judge
from benchmarks.child import Failed
from benchmarks.rows import Row
from benchmarks.session import run_all
from benchmarks.suites import SUITES

RESULTS = Path(__file__).parent / "results"
LATEST = "latest.json"
#: columns where the output is no terminal, so that no table is folded
_WIDTH = 160


def main() -> int:
    """Measure and print; the exit status is 1 where a suite broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", type=float, default=1.0, help="times the usual seconds")
    parser.add_argument("--only", nargs="+", choices=[suite.name for suite in SUITES], help="these suites")
    parser.add_argument("--results", type=Path, help="write to this folder, even a part of a run")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)

    described, versions = machine.describe(), machine.versions()
    report.print_machine(console, described, versions)
    chosen = [suite for suite in SUITES if options.only is None or suite.name in options.only]
    results: dict[str, list[Row]] = {}
    broken = 0
    for suite, outcome in run_all(console, [(suite, suite.seconds * options.effort) for suite in chosen], quick=False):
        if isinstance(outcome, Failed):
            broken += 1
            console.print(f"[bold red]{suite.title}: failed[/]")
            console.print(outcome.traceback, markup=False)
        else:
            results[suite.name] = outcome
            report.print_rows(console, suite.title, outcome)
    names = {suite.name for suite in chosen}
    report.print_budgets(console, [one for one in judge(results) if one.budget.suite in names])
    _name_the_missing(console, results)

    if options.results is None and (broken or options.only or options.effort < 1):
        console.print("A part of a run, or a hasty one: results/ stays as it is.")
    else:
        folder = options.results or RESULTS
        _write(folder / LATEST, described, versions, results)
        drawn = charts.draw_all(folder / LATEST)
        console.print(f"Written to {folder.name}: {', '.join([LATEST, *drawn])}")
    return 1 if broken else 0


def _name_the_missing(console: Console, results: dict[str, list[Row]]) -> None:
    for suite, rows in results.items():
        for row in rows:
            if row.value is None:
                console.print(f"Not measured: {suite}, {row.group}, {row.name}: {row.note}")


def _write(latest: Path, described: dict[str, str], versions: dict[str, str], results: dict[str, list[Row]]) -> None:
    document = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": described,
        "versions": versions,
        "suites": {name: [row.as_json() for row in rows] for name, rows in results.items()},
    }
    latest.parent.mkdir(exist_ok=True)
    latest.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
