"""Where the time of a cold and of a warm check goes: the pipeline's own functions, in its order, stopped after each.

A step's cost is what walking up to it takes beyond walking up to the one before. Called alone in a loop, the steps
would take less than together: whatever runs after a signature check finds the processor's caches full of OpenSSL's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from benchmarks import world
from benchmarks.measure import Case, Samples, in_turn, measure, same
from benchmarks.rows import Row, timing
from benchmarks.suites import Plan
from tokenguard import Request, Requirement, TokenGuard
from tokenguard.core import jws, strict_json
from tokenguard.core.claims import check_now, read_claims
from tokenguard.core.credentials import read_credential
from tokenguard.core.model import AccessToken
from tokenguard.core.requirements import authorize

_TOKENS = 128
_COLD = (
    "token to bytes",
    "BLAKE2b of the token",
    "look up in the token cache",
    "split",
    "look up the header",
    "base64url of the signature",
    "check the signature",
    "base64url of the payload",
    "JSON of the payload",
    "claims",
    "times and binding",
    "remember in the token cache",
    "AccessToken",
)
_WARM = (*_COLD[:3], "times and binding", "AccessToken")
_REST = "clocks, calls"
Walk = Callable[[str, int], object]


def run(plan: Plan) -> list[Row]:
    """A table a path, the steps in the order of the pipeline; at last what an HTTP request adds before and after."""
    rows = []
    share = 0.3
    for position, (name, algorithm) in enumerate({"RS256": "RS256", "ES256": "ES256"}.items()):
        tokens = world.mint_many(_TOKENS, algorithm)
        guard = world.guard(algorithm, token_cache=_TOKENS // 4)
        measured = plan.part(f"steps of a cold {name}", share, position * share)
        rows += _path(f"cold {name}", tokens, guard, (_cold(guard), _COLD), measured)
    token, guard = world.mint(), world.guard()
    rows += _path("warm", [token], guard, (_warm(guard), _WARM), plan.part("steps of a warm check", 0.2, 0.6))
    return [*rows, *_around(plan, 0.2)]


def _path(
    path: str, tokens: list[str], guard: TokenGuard, walked: tuple[Walk, Sequence[str]], measured: Any
) -> list[Row]:
    walk, steps = walked
    algorithm = "ES256" if "ES256" in path else "RS256"
    bare = f"bare {algorithm}"
    for token in tokens:
        guard.validate(token)
    cases = [
        world.bare_check(algorithm, tokens, bare),
        Case("whole check", guard.validate, in_turn([(token,) for token in tokens])),
        *(Case(step, walk, in_turn([(token, stop) for token in tokens])) for stop, step in enumerate(steps)),
    ]
    walks = measure(cases, *measured)
    samples = {bare: walks[bare], "whole check": walks["whole check"], steps[0]: walks[steps[0]]}
    for before, step in pairwise(steps):
        samples[step] = walks[step].beyond(walks[before])
    samples[_REST] = walks["whole check"].beyond(walks[steps[-1]])
    return [timing(f"steps, {path}", step, samples, bare) for step in (*steps, _REST, "whole check", bare)]


def _cold(guard: TokenGuard) -> Walk:
    """The way of a token nobody has seen, as `core/pipeline.py` goes it, up to and including step number `stop`."""
    setup, now = guard._setup, time.time()
    memory, limits, trusted = setup.tokens, setup.limits, setup.only
    assert memory is not None
    assert trusted is not None

    def walk(token: str, stop: int) -> object:
        received = token.encode("ascii")
        if stop == 0:
            return None
        digest = hashlib.blake2b(received).digest()
        if stop == 1:
            return None
        memory.get(digest)
        if stop == 2:
            return None
        signed, header_segment, payload_segment, signature_segment = jws.split(received)
        if stop == 3:
            return None
        settled = setup.headers.get(header_segment)
        assert settled is not None
        if stop == 4:
            return None
        signature = jws.read_signature(signature_segment)
        if stop == 5:
            return None
        settled.verifiers[0](signature, signed)
        if stop == 6:
            return None
        payload = jws.decode_base64url(payload_segment)
        if stop == 7:
            return None
        claims = strict_json.parse(payload, limits)
        if stop == 8:
            return None
        verified = read_claims(claims, payload, trusted, settled.generation)
        if stop == 9:
            return None
        check_now(verified, now, setup.leeway)
        if stop == 10:
            return None
        memory.put(digest, verified)
        if stop == 11:
            return None
        return AccessToken(verified)

    return walk


def _warm(guard: TokenGuard) -> Walk:
    """The way of a token that is remembered."""
    setup, now = guard._setup, time.time()
    memory = setup.tokens
    assert memory is not None

    def walk(token: str, stop: int) -> object:
        received = token.encode("ascii")
        if stop == 0:
            return None
        digest = hashlib.blake2b(received).digest()
        if stop == 1:
            return None
        verified = memory.get(digest)
        if stop == 2:
            return None
        assert verified is not None
        check_now(verified, now, setup.leeway)
        if stop == 3:
            return None
        return AccessToken(verified)

    return walk


def _around(plan: Plan, share: float) -> list[Row]:
    """What `check` adds to `validate`: the request's headers before, the scopes after; and what is done once a key."""
    token = world.mint()
    guard = world.guard()
    setup, verified, requirement = guard._setup, guard.validate(token), Requirement("orders:read")
    headers = {"host": "api.example.com", "accept": "*/*", "authorization": f"Bearer {token}"}
    request = Request("GET", "https://api.example.com/orders", headers)
    header = token.partition(".")[0].encode()
    cases = [
        world.bare_check("RS256", [token], "bare RS256"),
        Case("Request(...)", Request, same("GET", "https://api.example.com/orders", headers)),
        Case("find the credential", lambda: read_credential(request, form_body=False), same()),
        Case("authorize", authorize, same(verified, requirement, time.time(), 30.0)),
        Case("whole warm guard.check", lambda: guard.check(request, "orders:read"), same()),
        Case("a header not remembered", jws.read_header, same(header, setup.algorithms, setup.limits)),
    ]
    samples: dict[str, Samples] = measure(cases, *plan.part("around a check", share, 1 - share))
    return [timing("steps, around a check", case.name, samples, "bare RS256") for case in cases[1:]]
