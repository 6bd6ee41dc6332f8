"""What the tests of DPoP share: a client with a key, guards that take its proofs, and what a refusal looks like."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest
from tests.spec.rfc9110 import parse_challenge
from tests.spec.support import NOW, URL, guard_for, local_issuer, signing_key

from tokenguard import DPoP, Request, TokenGuard
from tokenguard.errors import Denied, InvalidDPoPProof, InvalidToken, Reason, UseDPoPNonce
from tokenguard.testing import DPoPKey

ISSUER = local_issuer()
SECRET = "s" * 32
ALGORITHMS = ("ES256", "Ed25519", "EdDSA", "PS256", "RS256")


@cache
def client_key(algorithm: str = "ES256", kid: str = "client") -> DPoPKey:
    """A client's key, which lives at `NOW`."""
    return DPoPKey(signing_key=signing_key(algorithm, kid), clock=lambda: NOW)


def guard_with(*, token_cache: int = 100, clock: Any = lambda: NOW, **settings: Any) -> TokenGuard:
    """A guard that accepts DPoP with these settings."""
    return guard_for(ISSUER, token_cache=token_cache, clock=clock, dpop=DPoP(**settings))


def bound(key: DPoPKey | None = None, **claims: Any) -> str:
    """A token bound to a key."""
    return ISSUER.mint(dpop_key=key or client_key(), **claims)


def proving(
    token: str | None = None, *, key: DPoPKey | None = None, method: str = "GET", url: str = URL, **wrong: Any
) -> Request:
    """A request with a token bound to `key` and a proof, wrong in the ways that `DPoPKey.proof` takes."""
    key = key or client_key()
    token = token or bound(key)
    return with_proof(token, key.proof(method, url, token, **wrong), method=method, url=url)


def with_proof(token: str, *proofs: str, method: str = "GET", url: str = URL, scheme: str = "DPoP") -> Request:
    """A request with these lines of DPoP."""
    return Request(method, url, [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)])


def denied(guard: TokenGuard, request: Request, reason: Reason, kind: type[Denied] = InvalidDPoPProof) -> Denied:
    """The refusal of a request, of exactly this kind and for this reason, whichever way it is asked for."""
    with pytest.raises(Denied) as caught:
        guard.check(request)
    with pytest.raises(Denied) as awaited:
        asyncio.run(guard.acheck(request))
    error = caught.value
    assert (type(error), error.reason) == (kind, reason), error.hint
    assert (type(awaited.value), awaited.value.reason) == (kind, reason)
    answer = guard.challenge(error)
    assert answer.status == 401
    assert (
        answer.body["error"]
        == {
            InvalidDPoPProof: "invalid_dpop_proof",
            UseDPoPNonce: "use_dpop_nonce",
            InvalidToken: "invalid_token",
        }[kind]
    )
    return error


def challenges(guard: TokenGuard, error: Denied) -> dict[str, dict[str, str]]:
    """The challenges that answer a refusal, by scheme, in the order of their lines."""
    lines = [value for name, value in guard.challenge(error).headers if name == "WWW-Authenticate"]
    read = dict(map(parse_challenge, lines))
    assert len(read) == len(lines)
    return read


def nonces_in(guard: TokenGuard, error: Denied) -> list[str]:
    """Every DPoP-Nonce that answers a refusal."""
    return [value for name, value in guard.challenge(error).headers if name == "DPoP-Nonce"]
