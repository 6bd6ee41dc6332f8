"""A thousand tenants and ten thousand tokens that take turns: issuers out of a table beside issuers in a list.

The tenants share one key, since a thousand take long to make; each has a key set of its own all the same.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from benchmarks import world
from benchmarks.measure import Case, each_of, measure
from benchmarks.rows import Row, count, timing
from benchmarks.suites import Plan
from tokenguard import Issuer, IssuerResolver, TokenGuard

_TENANTS = 1_000
_TOKENS = 10_000
#: signed with this, since 10,000 RSA signatures take 8 s
_ALGORITHM = "ES256"


def run(plan: Plan) -> list[Row]:
    """What a check costs, cold and warm, and what an issuer takes, with one good token of it."""
    plan.progress("making tokens", 0.0)
    names = [f"https://tenant{number:04}.example.com" for number in range(_TENANTS)]
    tokens = [world.mint(_ALGORITHM, iss=names[number % _TENANTS]) for number in range(_TOKENS)]
    jwks = world.local_issuer(_ALGORITHM).jwks
    issuers = {name: Issuer(name, jwks=jwks) for name in names}
    kinds: dict[str, Callable[[int], TokenGuard]] = {
        "listed": lambda cache: _guard(list(issuers.values()), cache),
        "looked up": lambda cache: _guard([IssuerResolver(issuers.get, ttl=3_600)], cache),
    }
    cases = [_case(f"{kind}, {how}", make(cache), tokens) for how, cache in _CACHES for kind, make in kinds.items()]
    samples = measure(cases, *plan.part("many tenants", 0.9, before=0.1))
    group = f"tenants: {_TENANTS:,} issuers, {_TOKENS:,} tokens in turn"
    rows = [timing(group, f"{kind}, {how}", samples, f"listed, {how}") for how, _ in _CACHES for kind in kinds]
    table = _guard([IssuerResolver(issuers.get)], 0)
    taken = _memory_of(table, tokens[:_TENANTS])
    rows.append(count(group, "an issuer that was looked up", "bytes", taken, "tracemalloc, one EC key, no token cache"))
    return rows


_CACHES = (("cold", 0), ("warm", _TOKENS))


def _guard(issuers: list[Issuer] | list[IssuerResolver], token_cache: int) -> TokenGuard:
    return TokenGuard(audience=world.AUDIENCE, issuers=issuers, token_cache=token_cache)


def _case(name: str, guard: TokenGuard, tokens: list[str]) -> Case:
    for token in tokens:
        guard.validate(token)
    return Case(name, guard.validate, each_of(tokens))


def _memory_of(guard: TokenGuard, tokens: list[str]) -> float:
    """Bytes an issuer; `tokens`: one of each, of which the first few bring about what is there once."""
    few = 10
    for token in tokens[:few]:
        guard.validate(token)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for token in tokens[few:]:
        guard.validate(token)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / (len(tokens) - few)
