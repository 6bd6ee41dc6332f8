"""The benchmarks: verdicts, charts, and that their suites still go the pipeline's way. No time is judged here."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.budgets import BUDGETS, REFERENCE, Budget, Judged, judge
from benchmarks.measure import Figure, Samples
from benchmarks.rows import Row
from benchmarks.suites import SUITES, Plan, refusals, steps
from benchmarks.svg import Bar, bar_chart

IN_MICROSECONDS = Budget("an adapter", "fastapi", "FastAPI", "Protect, warm", 18, "µs")


def adapter_row(bare_checks: float) -> Row:
    """A row as the framework suites make it: microseconds, and how many bare checks that is."""
    ratio = Figure(bare_checks, bare_checks, bare_checks)
    return Row("FastAPI", "Protect, warm", "µs more", Figure(1_000.0, 1_000.0, 1_000.0), ratio)


@pytest.mark.parametrize(("bare_checks", "verdict"), [(18 / REFERENCE, "ok"), (18 / REFERENCE + 0.01, "over")])
def test_microseconds_are_judged_in_bare_checks(bare_checks: float, verdict: str) -> None:
    """A slow machine is not over budget for being slow."""
    assert Judged(IN_MICROSECONDS, adapter_row(bare_checks)).verdict == verdict


def test_what_was_not_measured_is_not_held() -> None:
    """A suite that broke can't make a budget pass."""
    assert {one.verdict for one in judge({})} == {"not measured"}


def test_every_budget_is_measured_by_the_quick_run() -> None:
    """A budget whose suite has no part in the quick run would always fail it."""
    quick = {suite.name for suite in SUITES if suite.quick_seconds}
    assert {budget.suite for budget in BUDGETS} == quick


def test_ratios_are_taken_round_by_round() -> None:
    """A disturbance that hits a whole round leaves its ratio alone."""
    base, own = Samples((1.0, 1.0, 50.0, 1.0, 1.0)), Samples((2.0, 2.0, 100.0, 2.0, 2.0))
    assert own.ratio(base) == Figure(2.0, 2.0, 2.0)


def test_a_row_survives_the_results_file() -> None:
    """What charts are drawn from is what was measured."""
    row = adapter_row(0.5)
    assert Row.from_json(row.as_json()) == row


def test_charts_are_well_formed() -> None:
    """Any label is text, never markup, and a negative difference has no bar."""
    bars = [Bar("<a> & b", 3.0, 2.0, 4.0, is_ours=True), Bar("noise", -1.0, -2.0, 0.5)]
    chart = ElementTree.fromstring(bar_chart("T", "µs", bars, "a <machine>"))  # noqa: S314 - our own
    widths = [float(bar.attrib["width"]) for bar in chart.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[0] > 0
    assert widths[1] == 0


@pytest.mark.parametrize("suite", [refusals, steps], ids=["refusals", "steps"])
def test_suites_that_look_inside_still_fit(suite: object) -> None:
    """Refusals come for their reasons and without a fetch, and each step of the pipeline is where the suite has it."""
    rows = suite.run(Plan(0.0, quick=True, json="default"))  # type: ignore[attr-defined]
    assert all(row.value is not None for row in rows)
    assert {row.value.median for row in rows if row.unit == "fetches"} <= {0}
