"""The budgets of ARCHITECTURE.md as data, and the verdict on each.

A budget in microseconds holds where a bare RS256 check takes 20 µs, which is where they were set; on a slower machine
everything else is slower too, so what is compared is the number of bare checks that fit in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.rows import Row

#: microseconds of a bare RS256 check where the budgets in microseconds were set
REFERENCE = 20.0

_MILLION = "warm, 1,000,000 held"

Verdict = Literal["ok", "over", "not measured"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What the row `name` of a suite's group may cost at most. `unit` "checks": its ratio to the bare check."""

    what: str
    suite: str
    group: str
    name: str
    limit: float
    unit: Literal["checks", "µs", "bytes", "fetches"]


def _cold() -> Iterator[Budget]:
    limits = {"RS256": (1.65, 1.5), "ES256": (1.22, 1.15), "Ed25519": (1.16, 1.10)}
    for name, (default, fast) in limits.items():
        yield Budget(f"cold {name}, fast JSON extra", "paths-fast", "cold", f"cold {name}", fast, "checks")
        yield Budget(f"cold {name}, default", "paths", "cold", f"cold {name}", default, "checks")


def _refusals() -> Iterator[Budget]:
    limits = {"over the size cap": 0.05, "no dots": 0.15, "bad signature": 1.5, "bad signature, 12 KB": 1.5}
    for name, limit in limits.items():
        yield Budget(f"refusing: {name}", "refusals", "refusals", name, limit, "checks")
    # these can't be refused before some JSON is read
    limits = {
        "wrong alg": 0.25,
        "unknown issuer": 0.5,
        "unknown issuer, of two": 0.5,
        "unknown kid": 0.5,
        "unknown kid, of two issuers": 0.5,
    }
    for name, limit in limits.items():
        yield Budget(f"refusing: {name}, fast JSON extra", "refusals-fast", "refusals", name, limit, "checks")
        yield Budget(f"refusing: {name}, default", "refusals", "refusals", name, limit, "checks")
    yield Budget("refusing: keys fetched", "refusals", "refusals", "fetches", 0, "fetches")


BUDGETS = (
    *_cold(),
    Budget("warm, one token", "paths", "warm", "warm, one token", 0.10, "checks"),
    Budget("warm, 10,000 tokens", "paths", "warm", "warm, 10,000 tokens", 0.10, "checks"),
    Budget("avalidate over validate, nothing awaited", "paths", "warm", "warm, avalidate", 1.5, "µs"),
    *_refusals(),
    Budget(
        "DPoP, all but 1.35 ES256 checks", "dpop", "DPoP", "DPoP, key remembered, beyond 1.35 ES256 checks", 8, "µs"
    ),
    Budget("FastAPI dependency over the plain endpoint", "fastapi", "FastAPI", "Protect, warm", 18, "µs"),
    Budget("Flask decorator over a no-op one", "flask", "Flask", "Protect, warm", 8, "µs"),
    Budget("Django middleware over a no-op one, WSGI", "django", "Django", "WSGI, middleware, warm", 6, "µs"),
    Budget("Django middleware over a no-op one, ASGI", "django", "Django", "ASGI, middleware, warm", 8, "µs"),
    Budget("memory of a cached token", "memory", "memory", "a cached token", 900, "bytes"),
    Budget("memory of a revocation", "revocations", "revocations", "a revoked subject", 250, "bytes"),
    Budget("1,000,000 revocations, added to a warm check", "revocations", "revocations", _MILLION, 1, "µs"),
    Budget("1,000 tasks on a cold key set", "concurrency", "cold key set", "1,000 tasks at once", 1, "fetches"),
    Budget("200 threads on a cold key set", "concurrency", "cold key set", "200 threads at once", 1, "fetches"),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A budget beside what was measured."""

    budget: Budget
    row: Row | None

    @property
    def verdict(self) -> Verdict:
        """By the median."""
        figure = None if self.row is None else self.row.ratio if self.in_checks else self.row.value
        if figure is None:
            return "not measured"
        return "over" if figure.median > self.limit else "ok"

    @property
    def in_checks(self) -> bool:
        """Is it the ratio to a bare check that counts?"""
        return self.budget.unit in ("checks", "µs")

    @property
    def limit(self) -> float:
        """In bare checks, bytes or fetches."""
        return self.budget.limit / REFERENCE if self.budget.unit == "µs" else self.budget.limit


def judge(results: Mapping[str, Sequence[Row]]) -> list[Judged]:
    """Every budget with its row, by suite; None where the suite has no such row."""
    return [
        Judged(budget, next((row for row in results.get(budget.suite, ()) if _is_of(row, budget)), None))
        for budget in BUDGETS
    ]


def _is_of(row: Row, budget: Budget) -> bool:
    return row.group == budget.group and row.name == budget.name and row.value is not None
