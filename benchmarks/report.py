"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from benchmarks.budgets import REFERENCE, Judged
from benchmarks.measure import Figure
from benchmarks.rows import Row

_STYLES = {"ok": "green", "over": "bold red", "not measured": "yellow"}


def print_rows(console: Console, title: str, rows: Iterable[Row]) -> None:
    """A suite's rows, a table for each group; after each median stand its quartiles."""
    console.rule(title, align="left")
    for group, members in groupby(rows, key=lambda row: row.group):
        table = Table("", "median", "quartiles", "", "ratio", "quartiles", "to", "", title=group, title_justify="left")
        for column in (1, 2, 4, 5):
            table.columns[column].justify = "right"
        for row in members:
            value, spread = _shown(row.value)
            ratio, ratio_spread = _shown(row.ratio)
            table.add_row(row.name, value, spread, row.unit, ratio, ratio_spread, row.to, row.note)
        console.print(table)


def print_budgets(console: Console, judged: Sequence[Judged]) -> None:
    """The budget table: value, budget, and whether it is held."""
    table = Table("", "here", "value", "quartiles", "budget", "", "", title="Budgets", title_justify="left")
    for column in (1, 2, 3, 4):
        table.columns[column].justify = "right"
    for one in judged:
        figure = None if one.row is None else one.row.ratio if one.in_checks else one.row.value
        here = f"{number(one.row.value.median)} µs" if one.in_checks and one.row and one.row.value else ""
        unit = "bare checks" if one.in_checks else one.budget.unit
        if one.budget.unit == "µs":
            unit += f": {one.budget.limit:g} µs where one takes {REFERENCE:g}"
        value, spread = _shown(figure)
        verdict = f"[{_STYLES[one.verdict]}]{one.verdict}[/]"
        table.add_row(one.budget.what, here, value, spread, number(one.limit), unit, verdict)
    console.print(table)


def print_machine(console: Console, machine: Mapping[str, str], versions: Mapping[str, str]) -> None:
    """What was measured on, and with what."""
    table = Table("", "", title="Machine and versions", title_justify="left", show_header=False)
    for name, value in machine.items():
        table.add_row(name, value)
    table.add_row("packages", ", ".join(f"{name} {version}" for name, version in versions.items()))
    console.print(table)


def number(value: float) -> str:
    """As many digits as a measurement deserves."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _shown(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "-", ""
    if figure.low == figure.high:
        return number(figure.median), ""
    return number(figure.median), f"{number(figure.low)} to {number(figure.high)}"
