"""RFC 9449 8 and 9: nonces that the server gives, and asks for in proofs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.spec.possession import (
    ISSUER,
    SECRET,
    bound,
    challenges,
    denied,
    guard_with,
    nonces_in,
    proving,
)
from tests.spec.support import NOW, Clock, asking, bearing

from tokenguard import TokenGuard
from tokenguard.core.nonces import Nonces
from tokenguard.errors import Denied, InvalidDPoPProof, MissingToken, Reason, UseDPoPNonce

LIFETIME = 80
OTHER = "o" * 32
TOKEN = bound()


def guard_asking(nonces: str = "always", *, clock: Any = lambda: NOW, **settings: Any) -> TokenGuard:
    """A guard that asks for nonces, which are good for 80 seconds."""
    return guard_with(
        clock=clock, nonces=nonces, **{"nonce_secrets": (SECRET,), "nonce_lifetime": LIFETIME, **settings}
    )


def nonce_of(guard: TokenGuard) -> str:
    """What it gives to a client that has none."""
    error = denied(guard, proving(TOKEN), Reason.PROOF_NONCE, UseDPoPNonce)
    (nonce,) = nonces_in(guard, error)
    return nonce


@pytest.mark.req("DP-15", "DP-26", "DP-28", "A-126")
def test_a_proof_without_a_nonce_is_answered_with_one() -> None:
    """One DPoP-Nonce, the error on the DPoP challenge alone; and with that nonce the next proof is let in."""
    guard = guard_asking()
    error = denied(guard, proving(TOKEN), Reason.PROOF_NONCE, UseDPoPNonce)
    (nonce,) = nonces_in(guard, error)
    read = challenges(guard, error)
    assert (list(read), read["DPoP"]["error"], read["DPoP"]["algs"].split()[0]) == (
        ["DPoP", "Bearer"],
        "use_dpop_nonce",
        "ES256",
    )
    assert guard.check(proving(TOKEN, nonce=nonce))
    # and none was remembered as given
    denied(guard, proving(TOKEN), Reason.PROOF_NONCE, UseDPoPNonce)


@pytest.mark.req("DP-15", "DP-31", "A-126")
@pytest.mark.parametrize(
    "nonce",
    [
        "",
        "the authorization server's",
        5,
        None,
        ["x"],
        "é" * 40,
        "A" * 40,
        "A" * 41,
        Nonces((OTHER.encode(),), LIFETIME).make(NOW),
        Nonces((SECRET.encode(),), LIFETIME).make(NOW) + "A",
        Nonces((SECRET.encode(),), LIFETIME).make(NOW).lower(),
    ],
)
def test_any_other_nonce_is_answered_with_one(nonce: Any) -> None:
    """Those of the authorization server, of another resource server, and what is no nonce at all."""
    guard = guard_asking()
    error = denied(guard, proving(TOKEN, nonce=nonce), Reason.PROOF_NONCE, UseDPoPNonce)
    assert len(nonces_in(guard, error)) == 1


@pytest.mark.req("DP-27")
def test_a_nonce_tells_nothing_and_keeps_to_its_characters() -> None:
    """It can't be made without the secret, and has nothing but what RFC 9449 8.1 allows."""
    first, second = (Nonces((secret.encode(),), LIFETIME).make(NOW) for secret in (SECRET, OTHER))
    assert first != second
    assert first[8:] != second[8:]
    assert re.fullmatch(r"[\x21\x23-\x5B\x5D-\x7E]{40}", first)


@pytest.mark.req("DP-27", "A-160")
def test_no_bit_of_a_nonce_can_be_changed() -> None:
    """Neither its time nor what vouches for it."""
    nonces = Nonces((SECRET.encode(),), LIFETIME)
    nonce = nonces.make(NOW)
    assert nonces.made_at(nonce, NOW, 0) is not None
    for position in range(len(nonce)):
        for character in "Aa0-":
            changed = nonce[:position] + character + nonce[position + 1 :]
            assert changed == nonce or nonces.made_at(changed, NOW, 30) is None


@pytest.mark.req("DP-30", "A-126")
def test_a_nonce_is_good_for_its_lifetime_at_every_worker() -> None:
    """While newer ones are given already; then no more."""
    clock = Clock()
    first, second = guard_asking(clock=clock), guard_asking(clock=clock)
    nonce = nonce_of(first)
    for seconds in (0, LIFETIME / 2, LIFETIME * 7 / 8 - 1):
        clock.now = NOW + seconds
        assert second.check(proving(TOKEN, nonce=nonce))
    assert nonce_of(second) != nonce
    clock.now = NOW + LIFETIME
    denied(second, proving(TOKEN, nonce=nonce, iat=clock.now), Reason.PROOF_NONCE, UseDPoPNonce)


@pytest.mark.req("DP-30")
def test_clocks_of_workers_may_differ_a_little() -> None:
    """A nonce of one whose clock is ahead by less than the leeway is good."""
    ahead, far_ahead, here = (guard_asking(clock=Clock(NOW + seconds)) for seconds in (29, 60, 0))
    assert here.check(proving(TOKEN, nonce=nonce_of(ahead)))
    denied(here, proving(TOKEN, nonce=nonce_of(far_ahead)), Reason.PROOF_NONCE, UseDPoPNonce)


@pytest.mark.req("DP-30")
def test_secrets_can_be_changed() -> None:
    """The newest makes nonces; the older ones are still good where they are named, and nowhere else."""
    old, both, new = guard_asking(), guard_asking(nonce_secrets=(OTHER, SECRET)), guard_asking(nonce_secrets=(OTHER,))
    assert both.check(proving(TOKEN, nonce=nonce_of(old)))
    assert new.check(proving(TOKEN, nonce=nonce_of(both)))
    denied(new, proving(TOKEN, nonce=nonce_of(old)), Reason.PROOF_NONCE, UseDPoPNonce)


@pytest.mark.req("DP-16")
@pytest.mark.parametrize("nonces", ["always", "when_clock_off"])
@pytest.mark.parametrize("seconds", [-86_400, -61, 0, 31, 86_400])
def test_with_a_good_nonce_the_clients_clock_does_not_matter(nonces: str, seconds: int) -> None:
    """The nonce tells when the proof can have been made at the earliest."""
    guard = guard_asking(nonces)
    nonce = nonce_of(guard_asking())
    assert guard.check(proving(TOKEN, nonce=nonce, iat=NOW + seconds))


@pytest.mark.req("DP-15", "DP-16", "DP-26")
def test_a_nonce_may_be_asked_for_only_when_a_clock_is_off() -> None:
    """Clients whose clocks are right need none; one that is there must be good."""
    guard = guard_asking("when_clock_off")
    assert guard.check(proving(TOKEN))
    for seconds in (-61, 31):
        error = denied(guard, proving(TOKEN, iat=NOW + seconds), Reason.PROOF_NONCE, UseDPoPNonce)
        (nonce,) = nonces_in(guard, error)
        assert guard.check(proving(TOKEN, iat=NOW + seconds, nonce=nonce))
    denied(guard, proving(TOKEN, nonce="stale"), Reason.PROOF_NONCE, UseDPoPNonce)


@pytest.mark.req("DP-15")
def test_without_nonces_there_are_none() -> None:
    """Whatever a proof says, and whatever is wrong."""
    guard = guard_with(nonces="never", nonce_secrets=(SECRET,))
    assert guard.check(proving(TOKEN, nonce=5))
    error = denied(guard, proving(TOKEN, iat=1), Reason.PROOF_TIME)
    assert nonces_in(guard, error) == []
    assert guard.response_headers(guard.check(proving(TOKEN))) == []


@pytest.mark.req("DP-26")
def test_nobody_else_is_given_a_nonce() -> None:
    """It goes with the error that asks for it."""
    guard = guard_asking()
    for request, kind in ((asking(), MissingToken), (proving(TOKEN, htm="POST"), InvalidDPoPProof)):
        with pytest.raises(Denied) as caught:
            guard.check(request)
        assert type(caught.value) is kind
        assert nonces_in(guard, caught.value) == []


@pytest.mark.req("DP-29")
def test_a_success_may_come_with_the_next_nonce() -> None:
    """Where each proof needs one, for whom it let in by a proof; and such an answer is not to be stored."""
    clock = Clock()
    guard = guard_asking(clock=clock)
    nonce = nonce_of(guard)
    clock.now = NOW + LIFETIME / 2
    token = guard.check(proving(TOKEN, nonce=nonce))
    headers = dict(guard.response_headers(token))
    assert headers.keys() == {"DPoP-Nonce", "Cache-Control"}
    assert headers["Cache-Control"] == "no-store"
    clock.now = NOW + LIFETIME + 1
    assert guard.check(proving(TOKEN, nonce=headers["DPoP-Nonce"]))
    assert guard.response_headers(guard.check(bearing(ISSUER.mint()))) == []
    assert guard.response_headers(None) == []
    assert guard_asking("when_clock_off").response_headers(token) == []


@pytest.mark.req("DP-15", "A-113")
def test_a_proof_with_a_nonce_counts_once() -> None:
    """Though its nonce is good for longer, and its iat long past."""
    clock, lifetime = Clock(), 280
    guard = guard_asking(clock=clock, nonce_lifetime=lifetime)
    request = proving(TOKEN, nonce=nonce_of(guard), iat=1)
    assert guard.check(request)
    for seconds in (0, lifetime / 2, lifetime * 7 / 8 - 1):
        clock.now = NOW + seconds
        denied(guard, request, Reason.PROOF_REPLAYED)


def test_a_nonce_is_made_at_any_time() -> None:
    """Clocks before the epoch and lifetimes below a second included."""
    for now in (-5.0, 0.0, 0.5, NOW):
        assert Nonces((SECRET.encode(),), 1).make(now)


def test_the_key_in_use_is_not_shown() -> None:
    """repr shows nothing of a secret."""
    assert SECRET not in repr(Nonces((SECRET.encode(),), 1))
