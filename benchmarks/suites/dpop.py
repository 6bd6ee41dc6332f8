"""What a request with DPoP costs: the token is remembered, and each proof is new, verified and recorded as used."""

from __future__ import annotations

import time
from functools import partial

from benchmarks import world
from benchmarks.measure import Arguments, Case, Samples, fresh, measure, same
from benchmarks.rows import Row, timing
from benchmarks.suites import Plan
from tokenguard import DPoP, Request, TokenGuard
from tokenguard.stores.replays import MemoryReplays
from tokenguard.testing import DPoPKey

_URL = f"{world.AUDIENCE}/orders/17"
#: room for all that can be measured within a window
_ENTRIES = 5_000_000
#: the budget: so many bare checks, and what goes beyond them in microseconds
_CHECKS = 1.35
_REMEMBERED = "DPoP, key remembered"
_BEYOND = f"{_REMEMBERED}, beyond {_CHECKS} ES256 checks"


def run(plan: Plan) -> list[Row]:
    """Rows of the group "DPoP"."""
    key = DPoPKey("ES256")
    token = world.mint("ES256", cnf={"jkt": key.thumbprint})
    unbound = {"Authorization": f"Bearer {world.mint('ES256')}"}
    guard = _guard()
    algorithms = ("ES256", "RS256")
    bare = [world.bare_check(name, world.mint_many(64, name), f"bare {name}") for name in algorithms]

    def signed(nonce: str | None = None) -> Arguments:
        return fresh(lambda: (key.headers("GET", _URL, token, nonce=nonce),))

    cases = [Case(_REMEMBERED, partial(_check, guard), signed())]
    if not plan.quick:
        demanding = _guard(nonces="always", nonce_secrets=("a secret for nonces that is long enough",))
        nonces = demanding._setup.senders.dpop.nonces
        cases += [
            Case("DPoP, with nonces", partial(_check, demanding), signed(nonces.make(time.time()))),
            Case("DPoP, nothing remembered", partial(_check, _guard(token_cache=0)), signed()),
            Case("Bearer, remembered", partial(_check, guard), same(unbound)),
        ]
    samples = measure([*bare, *cases], *plan.part("requests with DPoP", 1.0))
    return [
        *(timing("DPoP", case.name, samples) for case in bare),
        *(timing("DPoP", case.name, samples, "bare ES256") for case in cases),
        _beyond(samples),
    ]


def _guard(token_cache: int = 10_000, **settings: object) -> TokenGuard:
    dpop = DPoP(replays=MemoryReplays(_ENTRIES), **settings)  # type: ignore[arg-type]
    return world.guard("ES256", dpop=dpop, token_cache=token_cache)


def _check(guard: TokenGuard, headers: dict[str, str]) -> None:
    guard.check(Request("GET", _URL, headers), "orders:read")


def _beyond(samples: dict[str, Samples]) -> Row:
    """What the budget in microseconds is for: everything but the check of the proof's signature."""
    checks = Samples(tuple(_CHECKS * each for each in samples["bare ES256"].rounds))
    rest = samples[_REMEMBERED].beyond(checks)
    note = f"than {_CHECKS} of bare ES256"
    return Row("DPoP", _BEYOND, "µs more", rest.figure, rest.ratio(samples["bare RS256"]), "bare RS256", note)
