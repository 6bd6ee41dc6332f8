"""How the cost of one check grows with what a guard knows: issuers, keys in a set, scopes."""

from __future__ import annotations

from typing import Any

from benchmarks import world
from benchmarks.measure import Case, each_of, measure, same
from benchmarks.rows import Row, timing
from benchmarks.suites import Plan
from tokenguard import Issuer, Request, TokenGuard
from tokenguard.config import KeyPolicy
from tokenguard.testing import SigningKey

_ISSUERS = (1, 10, 100, 1_000)
_KEYS = (1, 10, 100)
_SCOPES = (1, 10, 100)
#: different tokens a case; from as many issuers, where there are as many
_TOKENS = 64


def run(plan: Plan) -> list[Row]:
    """Rows by what grows, each compared with the smallest."""
    parts = (_issuers, _keys, _scopes_in_token, _scopes_demanded)
    rows = []
    for position, part in enumerate(parts):
        rows += part(plan, 1 / len(parts), position / len(parts))
    return rows


def _issuers(plan: Plan, share: float, before: float) -> list[Row]:
    """The issuers share one key, since a thousand RSA keys take minutes to make."""
    jwks = world.local_issuer("RS256").jwks
    cold, warm = [], []
    for number in _ISSUERS:
        names = [f"https://tenant{index}.example.com" for index in range(number)]
        issuers = [Issuer(name, jwks=jwks) for name in names]
        step = max(1, number // _TOKENS)
        tokens = [world.mint(iss=name) for name in names[::step]][:_TOKENS]
        tokens += [world.mint(iss=names[0]) for _ in range(_TOKENS - len(tokens))]
        cold.append(
            _cold(f"{number:,}, cold", tokens, TokenGuard(audience=world.AUDIENCE, issuers=issuers, token_cache=0))
        )
        warm.append(_warm(f"{number:,}, warm", tokens, TokenGuard(audience=world.AUDIENCE, issuers=issuers)))
    return _compare("issuers", [cold, warm], plan.part("many issuers", share, before))


def _keys(plan: Plan, share: float, before: float) -> list[Row]:
    jwks = world.local_issuer("ES256").jwks["keys"]
    others = [SigningKey.generate("ES256").jwk for _ in range(max(_KEYS) - 1)]
    tokens = world.mint_many(_TOKENS, "ES256")
    cold = []
    for number in _KEYS:
        key_set = {"keys": [*others[: number - 1], *jwks]}
        issuer = Issuer(world.ISSUER, jwks=key_set, keys=KeyPolicy(max_keys=max(_KEYS)))
        guard = TokenGuard(audience=world.AUDIENCE, issuers=[issuer], token_cache=0)
        cold.append(_cold(f"{number}, cold", tokens, guard))
    return _compare("keys", [cold], plan.part("many keys", share, before))


def _scopes_in_token(plan: Plan, share: float, before: float) -> list[Row]:
    cold, warm = [], []
    for number in _SCOPES:
        scope = " ".join(f"s{index:03}" for index in range(number))
        tokens = [world.mint(size=world.PAYLOAD_BYTES + 5 * number, scope=scope) for _ in range(_TOKENS)]
        cold.append(_cold(f"{number}, cold", tokens, world.guard_without_cache()))
        warm.append(_warm(f"{number}, warm", tokens, world.guard()))
    return _compare("scopes in the token", [cold, warm], plan.part("tokens of many scopes", share, before))


def _scopes_demanded(plan: Plan, share: float, before: float) -> list[Row]:
    names = [f"s{index:03}" for index in range(max(_SCOPES))]
    token = world.mint(size=world.PAYLOAD_BYTES + 5 * len(names), scope=" ".join(names))
    request = Request("GET", "https://api.example.com/", {"authorization": f"Bearer {token}"})
    guard = world.guard()
    cases = [Case("none, warm", guard.check, same(request))]
    cases += [Case(f"{number}, warm", guard.check, same(request, tuple(names[:number]))) for number in _SCOPES]
    return _compare("scopes demanded", [cases], plan.part("many scopes demanded", share, before))


def _cold(name: str, tokens: list[str], guard: TokenGuard) -> Case:
    return Case(name, guard.validate, each_of(tokens))


def _warm(name: str, tokens: list[str], guard: TokenGuard) -> Case:
    for token in tokens:
        guard.validate(token)
    return Case(name, guard.validate, each_of(tokens))


def _compare(what: str, families: list[list[Case]], measured: Any) -> list[Row]:
    """Every family of cases with its first, all measured together."""
    samples = measure([case for family in families for case in family], *measured)
    return [timing(f"scaling: {what}", case.name, samples, family[0].name) for family in families for case in family]
