"""One line of the results: what every suite makes, and what tables, charts, budgets and the JSON file are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Figure, Samples


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing. `ratio`: of `value` to that of the row named `to`. No value: `note` says why."""

    group: str
    name: str
    unit: str
    value: Figure | None
    ratio: Figure | None = None
    to: str = ""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> Row:
        """What `as_json` wrote."""
        figures = {name: Figure(**members[name]) if members[name] else None for name in ("value", "ratio")}
        return cls(**members | figures)


def timing(group: str, name: str, samples: dict[str, Samples], base: str = "", note: str = "") -> Row:
    """What a call costs, and how that compares with the case named `base`."""
    own = samples[name]
    ratio = own.ratio(samples[base]) if base else None
    return Row(group, name, "µs", own.figure, ratio, base, note)


def extra(group: str, name: str, samples: dict[str, Samples], base: str, unit_of: str) -> Row:
    """What a call costs beyond the case named `base`, also in calls of the case named `unit_of`."""
    difference = samples[name].beyond(samples[base])
    return Row(group, name, "µs more", difference.figure, difference.ratio(samples[unit_of]), unit_of, f"than {base}")


def count(group: str, name: str, unit: str, number: float, note: str = "") -> Row:
    """A number that was counted, or measured once."""
    return Row(group, name, unit, Figure(number, number, number), note=note)


def absent(group: str, name: str, why: str) -> Row:
    """Something that could not be measured is named, with the reason."""
    return Row(group, name, "", None, note=why)
