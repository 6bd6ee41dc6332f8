"""The suites: each measures one thing in a process of its own. A module has `run(plan)`, which returns rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

JSON = Literal["default", "fast"]
#: what the extra `fast` brings, or brought
FAST_PARSERS = ("msgspec", "orjson")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a suite is run. `seconds`: to measure for. `quick`: only what the budgets need. `json`: which parser."""

    seconds: float
    quick: bool
    json: JSON
    #: told what is being measured, and how many of the seconds have passed
    progress: Callable[[str, float], None] = lambda _doing, _seconds: None

    def part(self, doing: str, share: float, before: float = 0.0) -> tuple[float, Callable[[float], None]]:
        """What `measure` takes for a share of the time, `before` of which has passed."""
        offset, progress = before * self.seconds, self.progress
        return share * self.seconds, lambda gone: progress(doing, offset + gone)


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite by its name in the results, and how long it measures: in seconds, in the whole run and in the quick one.

    A quick time of 0: it has no part in the budgets.
    """

    name: str
    module: str
    title: str
    seconds: float
    quick_seconds: float = 0.0
    json: JSON = "default"


SUITES = (
    Suite("paths", "paths", "Whole checks, json of the standard library", 10, 2.5),
    Suite("paths-fast", "paths", "Whole checks, with the fast JSON extra", 8, 2.0, "fast"),
    Suite("refusals", "refusals", "Refusing, json of the standard library", 6, 1.2),
    Suite("refusals-fast", "refusals", "Refusing, with the fast JSON extra", 5, 1.2, "fast"),
    Suite("dpop", "dpop", "DPoP", 5, 1.2),
    Suite("steps", "steps", "Where the time goes", 9),
    Suite("alternatives", "alternatives", "What else could be done", 5, json="fast"),
    Suite("peers", "peers", "The same job done by others", 14),
    Suite("fastapi", "fastapi", "FastAPI, in process", 6, 1.6),
    Suite("flask", "flask", "Flask, in process", 5, 1.2),
    Suite("django", "django", "Django, in process", 6, 1.6),
    Suite("servers", "servers", "Real servers", 24),
    Suite("memory", "memory", "Memory of the token cache", 16, 3.0),
    Suite("scaling", "scaling", "How cost grows", 10),
    Suite("introspection", "introspection", "Opaque tokens, and asking about them", 5),
    Suite("revocations", "revocations", "A million revocations", 5, 1.5),
    Suite("tenants", "tenants", "Many tenants", 4),
    Suite("concurrency", "concurrency", "Threads, processes, a cold key set", 8, 1.0),
)
