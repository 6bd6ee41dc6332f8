"""What changes and outages do to keys: those that went, those that can't be fetched, and clocks that jump."""

from __future__ import annotations

import pytest

from runtime.support import (
    DAY,
    JWKS,
    UNAVAILABLE,
    Clock,
    Protect,
    attempted,
    key_state,
    refreshed,
    unpublished,
    verdict,
)
from tokenguard import errors
from tokenguard.testing import LocalIssuer, SigningKey

# Keys that go


@pytest.mark.req("JK-17")
def test_a_key_that_left_the_set_stops_verifying(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """With the next refresh, for tokens that were remembered too."""
    guard = protect(issuer)
    old = issuer.mint()
    guard.validate(old)
    issuer.rotate(keep=1)
    clock.advance(30)
    assert verdict(guard, issuer.mint()) == verdict(guard, old) == "user-1"
    issuer.retire()
    assert verdict(guard, old) == "user-1"
    clock.advance(600)
    verdict(guard, issuer.mint())
    refreshed(guard)
    assert verdict(guard, old) == "unknown_key"
    assert verdict(guard, issuer.mint()) == "user-1"


@pytest.mark.req("JK-17")
def test_another_key_under_the_same_kid_refuses_what_the_first_signed(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """A remembered token is checked against the key that is published now."""
    guard = protect(issuer)
    old = issuer.mint()
    guard.validate(old)
    issuer.rotate(keep=0, kid=issuer.signing_key.kid)
    clock.advance(600)
    guard.warm()
    assert verdict(guard, old) == "bad_signature"
    assert verdict(guard, issuer.mint()) == "user-1"


def test_a_key_that_came_changes_nothing_for_the_others(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Remembered tokens are verified once more, and pass."""
    guard = protect(issuer)
    token = issuer.mint()
    guard.validate(token)
    before = guard._issuers.sources[issuer.issuer].snapshot.generation
    issuer.extra_keys = [SigningKey.generate("ES256", "next").jwk]
    clock.advance(600)
    guard.warm()
    assert guard._issuers.sources[issuer.issuer].snapshot.generation > before
    assert verdict(guard, token) == "user-1"


def test_generations_are_never_shared_between_issuers(issuer: LocalIssuer, protect: Protect) -> None:
    """One counter for the process, so that no key set can be taken for another."""
    with LocalIssuer(algorithm="ES256").serve() as other:
        guards = [protect(issuer), protect(other), protect(issuer, jwks=issuer.jwks)]
        for guard in guards:
            guard.warm()
        assert len({guard._issuers.sources[guard.issuers[0]].snapshot.generation for guard in guards}) == 3


# Outages


@pytest.mark.req("JK-16", "A-139")
def test_the_last_good_keys_serve_through_an_outage_up_to_the_limit(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """A remembered token is no exception; after the limit it is our fault, never the token's."""
    guard = protect(issuer)
    seen = issuer.mint(exp=2**40)
    guard.validate(seen)
    issuer.misbehave("down")
    for _ in range(23):
        clock.advance(3600)
        assert verdict(guard, seen) == verdict(guard, issuer.mint()) == "user-1"
        attempted(guard)
        assert key_state(guard).state == "stale"
    clock.advance(3600 - 1)
    assert verdict(guard, seen) == verdict(guard, issuer.mint()) == "user-1"
    attempted(guard)
    clock.advance(1)
    assert verdict(guard, seen) == verdict(guard, issuer.mint()) == UNAVAILABLE
    assert key_state(guard).state == "expired"
    assert not guard.health().ready


@pytest.mark.req("JK-16")
def test_it_ends_with_the_outage(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """The first request after the cool-down brings new keys and is served."""
    guard = protect(issuer)
    guard.validate(issuer.mint())
    issuer.misbehave("down")
    clock.advance(DAY)
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    issuer.behave()
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    clock.advance(30)
    assert verdict(guard, issuer.mint()) == "user-1"
    assert key_state(guard).state == "fresh"


@pytest.mark.req("JK-16", "AS-16")
async def test_an_outage_without_keys_is_a_503_with_retry_after(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """The time given is what is left of the cool-down."""
    issuer.misbehave("down")
    guard = protect(issuer)
    with pytest.raises(errors.Unavailable) as refusal:
        guard.validate(issuer.mint())
    assert (refusal.value.status, refusal.value.retry_after) == (503, 30)
    clock.advance(18)
    with pytest.raises(errors.Unavailable) as refusal:
        await guard.avalidate(issuer.mint())
    assert refusal.value.retry_after == 12
    assert refusal.value.issuer == issuer.issuer


@pytest.mark.req("A-138", "JK-15")
@pytest.mark.parametrize("fault", ["error", "garbage", "empty", "html"])
def test_failures_count_for_the_cool_down(issuer: LocalIssuer, protect: Protect, clock: Clock, fault: str) -> None:
    """However many ask, known and unknown, an issuer in trouble hears from us once in 30 seconds."""
    guard = protect(issuer)
    issuer.misbehave(fault, path=JWKS)
    for attempt in range(1, 4):
        for _ in range(20):
            assert verdict(guard, issuer.mint()) == verdict(guard, unpublished(issuer)) == UNAVAILABLE
            clock.advance(1)
        assert issuer.count(JWKS) == attempt
        clock.advance(10)


def test_in_an_outage_a_due_refresh_is_tried_once_a_cool_down(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """The keys serve meanwhile, and requests do not ask again."""
    guard = protect(issuer)
    guard.warm()
    issuer.misbehave("error", path=JWKS)
    clock.advance(600)
    for attempt in range(2, 5):
        for _ in range(29):
            assert verdict(guard, issuer.mint()) == "user-1"
            attempted(guard)
            clock.advance(1)
        assert issuer.count(JWKS) == attempt
        clock.advance(1)


# Clocks


@pytest.mark.req("A-150")
def test_the_wall_clock_moves_no_cache(issuer: LocalIssuer, protect: Protect) -> None:
    """An hour forth and back: no fetch; the token is judged by the wall clock, remembered or not."""
    wall = Clock(1_800_000_000)
    issuer.clock = wall
    guard = protect(issuer, clock=wall)
    seen = issuer.mint()
    assert verdict(guard, seen) == "user-1"
    for jump, judgement in [(3600, "expired"), (-3600, "user-1"), (-3600, "issued_in_future"), (3600, "user-1")]:
        wall.advance(jump)
        assert verdict(guard, seen) == judgement
    wall.advance(365 * DAY)
    assert verdict(guard, issuer.mint(sub="later")) == "later"
    assert issuer.count(JWKS) == 1
    assert key_state(guard).age == 0


@pytest.mark.req("A-150")
def test_the_caches_go_by_the_monotonic_clock(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """The wall clock stands still, and keys are refreshed all the same."""
    wall = Clock(1_800_000_000)
    issuer.clock = wall
    guard = protect(issuer, clock=wall)
    assert verdict(guard, issuer.mint()) == "user-1"
    clock.advance(600)
    assert verdict(guard, issuer.mint()) == "user-1"
    refreshed(guard)
    assert issuer.count(JWKS) == 2


@pytest.mark.parametrize("start", [0.0, -5.0, 0.001, 1e12])
def test_the_monotonic_clock_may_begin_anywhere(issuer: LocalIssuer, protect: Protect, start: float) -> None:
    """Just after booting, too, the first fetch is not in anybody's cool-down."""
    guard = protect(issuer, monotonic=Clock(start))
    assert verdict(guard, issuer.mint()) == "user-1"
