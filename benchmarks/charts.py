"""The charts in results/, drawn from results/latest.json: `python -m benchmarks.charts`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.svg import Bar, bar_chart

RESULTS = Path(__file__).parent / "results"
LATEST = RESULTS / "latest.json"
Suites = Mapping[str, list[Row]]


def draw_all(latest: Path = LATEST) -> list[str]:
    """Every chart for which there are numbers, beside the file that has them; answers their file names."""
    document = json.loads(latest.read_text(encoding="utf-8"))
    suites = {name: [Row.from_json(row) for row in rows] for name, rows in document["suites"].items()}
    where = f"{document['machine']['cpu']}, {document['machine']['python'].partition(',')[0]}, {document['date']}"
    drawn = []
    for name, (draw, needed) in _CHARTS.items():
        if needed <= suites.keys():
            (latest.parent / f"{name}.svg").write_text(draw(suites, where), encoding="utf-8")
            drawn.append(f"{name}.svg")
    return drawn


def _peers(suites: Suites, where: str) -> str:
    rows = [row for row in suites["peers"] if row.group == "peers RS256" and row.value is not None]
    bars = [
        _bar(row, label=row.name.replace("bare RS256", "the signature check alone")) for row in _cheapest_first(rows)
    ]
    return bar_chart("One RS256 access token checked", "microseconds, less is better", bars, where)


def _frameworks(suites: Suites, where: str) -> str:
    rows = [row for name in ("fastapi", "flask", "django") for row in suites[name] if row.unit == "µs more"]
    bars = [_bar(row, label=f"{row.group}: {row.name}") for row in rows]
    return bar_chart("What protecting an endpoint adds to a request", "microseconds, in process", bars, where)


def _servers(suites: Suites, where: str) -> str:
    rows = [row for row in suites["servers"] if row.unit == "requests/s"]
    bars = [_bar(row, label=f"{row.group}: {row.name}") for row in rows]
    return bar_chart("Requests a second, plain and protected", "more is better", bars, where)


def _steps(suites: Suites, where: str) -> str:
    rows = [row for row in suites["steps"] if row.group == "steps, cold RS256" and not row.name.startswith("bare")]
    return bar_chart("Where a cold RS256 check goes", "microseconds", [_bar(row) for row in rows], where)


def _cheapest_first(rows: Iterable[Row]) -> Iterator[Row]:
    yield from sorted(rows, key=lambda row: row.value.median if row.value else 0.0)


def _bar(row: Row, label: str | None = None) -> Bar:
    assert row.value is not None
    return Bar(label or row.name, row.value.median, row.value.low, row.value.high, _is_ours(row))


def _is_ours(row: Row) -> bool:
    return any(word in row.name for word in ("tokenguard", "Protect", "middleware, ", "check the signature"))


#: a chart's file name: what draws it, and the suites that it shows
_CHARTS: dict[str, tuple[Callable[[Suites, str], str], set[str]]] = {
    "peers": (_peers, {"peers"}),
    "frameworks": (_frameworks, {"fastapi", "flask", "django"}),
    "servers": (_servers, {"servers"}),
    "steps": (_steps, {"steps"}),
}


if __name__ == "__main__":
    draw_all()
