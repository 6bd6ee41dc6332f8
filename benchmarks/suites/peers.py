"""The same job done by the packages people use today, each beside the bare check of its algorithm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks import world
from benchmarks.measure import Case, each_of, measure
from benchmarks.peers import all_peers
from benchmarks.rows import Row, absent, count, timing
from benchmarks.suites import Plan
from tokenguard.testing import Broken, LocalIssuer

_TOKENS = 128


def run(plan: Plan) -> list[Row]:
    """A row for each package and algorithm; packages that are not there, or refuse the good token, have one too."""
    rows: list[Row] = []
    with ExitStack() as stack:
        share = 1 / len(world.ALGORITHMS)
        for position, (name, algorithm) in enumerate(world.ALGORITHMS.items()):
            local = stack.enter_context(world.local_issuer(algorithm).serve())
            cases, missing = _cases(name, local, world.mint_many(_TOKENS, algorithm))
            samples = measure(cases, *plan.part(f"{name} by everybody", share, before=position * share))
            rows += [timing(f"peers {name}", case.name, samples, f"bare {name}") for case in cases]
            rows += missing
        rows += _refused(world.local_issuer("RS256"))
    return rows


def _cases(name: str, local: LocalIssuer, tokens: list[str]) -> tuple[list[Case], list[Row]]:
    algorithm = local.signing_key.algorithm
    warm = world.guard(algorithm)
    for token in tokens:
        warm.validate(token)
    cases = [
        world.bare_check(algorithm, tokens, f"bare {name}"),
        Case("tokenguard, cold", world.guard(algorithm, token_cache=_TOKENS // 4).validate, each_of(tokens)),
        Case("tokenguard, warm", warm.validate, each_of(tokens)),
    ]
    missing = []
    for peer in all_peers():
        if name not in peer.algorithms:
            missing.append(absent(f"peers {name}", peer.name, f"does not know {name}"))
            continue
        try:
            check = peer.prepare(local)
        except ImportError as error:
            missing.append(absent(f"peers {name}", peer.name, f"not installed: {error}"))
            continue
        if not _accepts(check, tokens[0], is_async=peer.is_async):
            missing.append(absent(f"peers {name}", peer.name, "does not accept the good token"))
            continue
        cases.append(Case(peer.name, check, each_of(tokens), peer.is_async))
    return cases, missing


def _refused(local: LocalIssuer) -> list[Row]:
    """Of the ways in which an access token can be wrong, how many each package refuses: that they do one job."""
    broken = {kind: local.broken(kind) for kind in Broken}
    checks: list[tuple[str, Callable[[str], Any], bool]] = [("tokenguard", world.guard().validate, False)]
    for peer in all_peers():
        try:
            checks.append((peer.name, peer.prepare(local), peer.is_async))
        except ImportError:
            continue
    rows = []
    for label, check, is_async in checks:
        accepted = [kind for kind, token in broken.items() if _accepts(check, token, is_async=is_async)]
        note = f"accepts: {', '.join(accepted)}" if accepted else ""
        rows.append(count("peers refuse", label, f"of {len(broken)}", len(broken) - len(accepted), note))
    return rows


def _accepts(check: Callable[[str], Any], token: str, *, is_async: bool) -> bool:
    try:
        answer = asyncio.run(check(token)) if is_async else check(token)
    except Exception:  # each package has its own ways to refuse
        return False
    return answer is not None
