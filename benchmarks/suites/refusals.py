"""What it costs to refuse: by a guard that fetches its keys, and that no refusal may make fetch again."""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks import world
from benchmarks.measure import Case, measure, same
from benchmarks.rows import Row, count, timing
from benchmarks.suites import Plan
from tokenguard import Issuer, TokenGuard
from tokenguard.config import KeyPolicy, Limits
from tokenguard.errors import Denied, Reason
from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.jws import b64url

#: so that no cool-down ends, and no refresh falls due, while we measure
_KEYS = KeyPolicy(cooldown=3_600, max_age=3_600)
_STRANGER = "https://stranger.example.com"
_TOKENS = 64
#: bytes of payload in a token just under the size cap
_LARGEST = 11_900


def run(plan: Plan) -> list[Row]:
    """Rows of the group "refusals", each judged by the bare check of as long a good token."""
    local = world.local_issuer("RS256")
    with local.serve():
        one = [Issuer(world.ISSUER, jwks_uri=local.jwks_uri, keys=_KEYS)]
        second = LocalIssuer("https://second.example.com", signing_key=world.signing_key("RS256"))
        two = [*one, Issuer(second.issuer, jwks=second.jwks)]
        with (
            TokenGuard(audience=world.AUDIENCE, issuers=one) as single,
            TokenGuard(audience=world.AUDIENCE, issuers=two) as several,
        ):
            single.warm()
            several.warm()
            fetched = len(local.requests)
            rows = _measure(plan, single, several)
            fetches = len(local.requests) - fetched
    return [*rows, count("refusals", "fetches", "fetches", fetches, "caused by all of the above")]


def _measure(plan: Plan, single: TokenGuard, several: TokenGuard) -> list[Row]:
    good = world.mint()
    cases = [world.bare_check("RS256", world.mint_many(_TOKENS), "bare RS256")]
    cases += [world.bare_check("RS256", [world.mint(size=_LARGEST)], "bare RS256, 12 KB")]
    large, objects = _bad_signature(_LARGEST), _bad_signature(_LARGEST, extra=_many_objects(_LARGEST - 400))
    stranger = SigningKey.generate("RS256", kid="unknown")
    header = {"alg": "RS256", "kid": "unknown", "typ": "at+jwt"}
    refusals = [
        ("over the size cap", single, "x" * 100_000, Reason.TOKEN_TOO_LARGE),
        ("no dots", single, good.replace(".", ""), Reason.MALFORMED_TOKEN),
        ("wrong alg", single, _with_header(good, {"alg": "HS256", "typ": "at+jwt"}), Reason.UNSUPPORTED_ALGORITHM),
        ("unknown issuer", single, stranger.jws(header, world.payload(iss=_STRANGER)), Reason.UNKNOWN_ISSUER),
        ("unknown issuer, of two", several, world.mint(iss=_STRANGER), Reason.UNKNOWN_ISSUER),
        ("unknown kid", single, stranger.jws(header, world.payload()), Reason.UNKNOWN_KEY),
        ("unknown kid, of two issuers", several, stranger.jws(header, world.payload()), Reason.UNKNOWN_KEY),
        ("bad signature", single, _bad_signature(), Reason.BAD_SIGNATURE),
        ("bad signature, 12 KB", single, large, Reason.BAD_SIGNATURE),
    ]
    if not plan.quick:
        refusals += [
            ("expired", single, world.mint(iat=1, exp=2), Reason.EXPIRED),
            ("bad signature, 12 KB, of two issuers", several, large, Reason.BAD_SIGNATURE),
            ("bad signature, 12 KB of objects, of two issuers", several, objects, Reason.BAD_SIGNATURE),
        ]
    for name, guard, token, reason in refusals:
        cases.append(Case(name, _refused(guard, token, reason), same(token)))
    samples = measure(cases, *plan.part("refusals", 1.0))
    rows = [timing("refusals", case.name, samples) for case in cases if case.name.startswith("bare")]
    for name, *_, reason in refusals:
        base = "bare RS256, 12 KB" if "12 KB" in name else "bare RS256"
        rows.append(timing("refusals", name, samples, base, reason))
    return rows


def _refused(guard: TokenGuard, token: str, reason: Reason) -> Callable[[str], None]:
    """Validate a token that must be refused for this reason."""

    def refuse(raw: str) -> None:
        try:
            guard.validate(raw)
        except Denied as refusal:
            if refusal.reason is not reason:
                raise AssertionError(f"refused as {refusal.reason}, not {reason}") from None
        else:
            raise AssertionError(f"a token was accepted that is {reason}")

    refuse(token)
    return refuse


def _with_header(token: str, header: dict[str, str]) -> str:
    return f"{b64url(json.dumps(header).encode())}.{token.partition('.')[2]}"


def _bad_signature(size: int = world.PAYLOAD_BYTES, **claims: object) -> str:
    """One token with another's signature."""
    return world.mint(size=size, **claims).rpartition(".")[0] + "." + world.mint().rpartition(".")[2]


def _many_objects(size: int) -> list[dict[str, int]]:
    """As many small objects as the default limits allow, or as fit: what costs the parser most a byte."""
    return [{"": 0}] * min(Limits().containers - 20, size // len('{"":0},'))
