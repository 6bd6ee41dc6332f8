"""Whole checks of good tokens: cold (nobody has seen the token) and warm (it is remembered), sync and async."""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks import world
from benchmarks.measure import Case, each_of, measure, same
from benchmarks.rows import Row, absent, extra, timing
from benchmarks.suites import FAST_PARSERS, Plan

#: different tokens that a cold check goes round through, more than the guard remembers
_TOKENS = 128
_REMEMBERED = 32
_WARM_TOKENS = 10_000


def run(plan: Plan) -> list[Row]:
    """Rows of the groups "cold" and "warm"."""
    if plan.json == "fast":
        if not any(map(find_spec, FAST_PARSERS)):
            return [absent("cold", "with the extra fast", "it is not installed")]
        return _cold(plan, 1.0)
    return [*_cold(plan, 0.6), *_warm(plan, 0.4)]


def _cold(plan: Plan, share: float) -> list[Row]:
    cases: list[Case] = []
    for name, algorithm in world.ALGORITHMS.items():
        tokens = world.mint_many(_TOKENS, algorithm)
        guard = world.guard(algorithm, token_cache=_REMEMBERED)
        without = world.guard_without_cache(algorithm)
        cases += [
            world.bare_check(algorithm, tokens, f"bare {name}"),
            Case(f"cold {name}", guard.validate, each_of(tokens)),
            Case(f"cold {name}, no cache", without.validate, each_of(tokens)),
        ]
    samples = measure(cases, *plan.part("cold checks", share))
    rows = []
    for name in world.ALGORITHMS:
        base = f"bare {name}"
        rows += [
            timing("cold", base, samples),
            timing("cold", f"cold {name}", samples, base, "a remembered token is pushed out for it"),
            timing("cold", f"cold {name}, no cache", samples, base, "token_cache=0"),
        ]
    return rows


def _warm(plan: Plan, share: float) -> list[Row]:
    token = world.mint()
    many = world.mint_many_long(_WARM_TOKENS)
    guard = world.guard("RS256")
    of_many = world.guard("ES256", token_cache=_WARM_TOKENS)
    for every in many:
        of_many.validate(every)
    guard.validate(token)
    cases = [
        world.bare_check("RS256", [token], "bare RS256"),
        Case("warm, one token", guard.validate, same(token)),
        Case("warm, 10,000 tokens", of_many.validate, each_of(many)),
        Case("warm, avalidate", guard.avalidate, same(token), is_async=True),
    ]
    samples = measure(cases, *plan.part("warm checks", share, 1 - share))
    return [
        timing("warm", "bare RS256", samples),
        *(timing("warm", case.name, samples, "bare RS256") for case in cases[1:-1]),
        extra("warm", "warm, avalidate", samples, "warm, one token", "bare RS256"),
    ]
