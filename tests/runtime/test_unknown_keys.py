"""A token whose kid nobody knows: when it is the token's fault, when ours, and what it may cost."""

from __future__ import annotations

import asyncio

import pytest

from runtime.support import JWKS, UNAVAILABLE, Clock, Protect, attempted, averdict, fetched, unpublished, until, verdict
from tokenguard import TokenGuard, errors
from tokenguard.testing import LocalIssuer

UNKNOWN = "unknown_key"


@pytest.mark.req("JK-15")
def test_a_fetch_that_succeeded_a_moment_ago_settles_it(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """The key does not exist: 401, and no other fetch, up to the end of the cool-down."""
    guard = protect(issuer)
    assert verdict(guard, unpublished(issuer)) == UNKNOWN
    for _ in range(29):
        clock.advance(1)
        assert verdict(guard, unpublished(issuer)) == UNKNOWN
    assert issuer.count(JWKS) == 1


@pytest.mark.req("JK-15")
def test_after_the_cool_down_it_is_worth_a_fetch(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Which finds a rotated key, though the keys at hand are fresh."""
    guard = protect(issuer)
    guard.warm()
    issuer.rotate()
    assert verdict(guard, issuer.mint()) == UNKNOWN
    clock.advance(30)
    assert verdict(guard, issuer.mint()) == "user-1"
    assert issuer.count(JWKS) == 2


@pytest.mark.req("JK-15")
def test_a_key_that_is_still_unknown_then_is_the_tokens_fault(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """The fetch that it caused succeeded, and the next one comes a cool-down later."""
    guard = protect(issuer)
    guard.warm()
    for fetches in (2, 3, 4):
        clock.advance(30)
        for _ in range(5):
            assert verdict(guard, unpublished(issuer)) == UNKNOWN
        assert issuer.count(JWKS) == fetches


@pytest.mark.req("JK-15", "A-138")
def test_while_fetches_fail_nobody_is_logged_out(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """A key rotated during an outage may exist: 503, with what is left of the cool-down, until a fetch succeeds."""
    guard = protect(issuer)
    guard.warm()
    issuer.rotate(keep=1)
    issuer.misbehave("error")
    clock.advance(30)
    with pytest.raises(errors.Unavailable) as refusal:
        guard.validate(issuer.mint())
    assert refusal.value.retry_after == 30
    clock.advance(20)
    with pytest.raises(errors.Unavailable) as refusal:
        guard.validate(issuer.mint())
    assert refusal.value.retry_after == 10
    issuer.behave()
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    clock.advance(10)
    assert verdict(guard, issuer.mint()) == "user-1"


def test_a_background_refresh_that_failed_counts_too(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Whoever caused it."""
    guard = protect(issuer)
    guard.warm()
    issuer.misbehave("error", path=JWKS)
    clock.advance(600)
    assert verdict(guard, issuer.mint()) == "user-1"
    attempted(guard)
    assert verdict(guard, unpublished(issuer)) == UNAVAILABLE
    assert issuer.count(JWKS) == 2


@pytest.mark.timeout(30)
async def test_a_refresh_under_way_is_joined(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """An unknown kid waits for the one that a known token began."""
    guard = protect(issuer)
    await guard.awarm()
    old = issuer.mint()
    issuer.rotate()
    issuer.misbehave("hang", path=JWKS)
    clock.advance(600)
    assert await averdict(guard, old) == "user-1"
    until(lambda: issuer.count(JWKS) == 2)
    waiting = asyncio.create_task(averdict(guard, issuer.mint()))
    await asyncio.sleep(0)
    issuer.behave()
    assert await waiting == "user-1"
    assert issuer.count(JWKS) == 2


@pytest.mark.req("A-138", "JK-15")
@pytest.mark.timeout(60)
async def test_a_flood_of_unknown_kids_costs_one_fetch_and_delays_nobody(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """Two thousand at once, while the server hangs: good tokens are served without waiting, in that very loop."""
    guard = protect(issuer)
    seen = issuer.mint()
    assert await averdict(guard, seen) == "user-1"
    clock.advance(30)
    issuer.misbehave("hang", path=JWKS)
    flood = [asyncio.create_task(averdict(guard, unpublished(issuer, f"kid-{number}"))) for number in range(2000)]
    for number in range(20):
        await asyncio.sleep(0)
        assert await averdict(guard, seen) == "user-1"
        assert await averdict(guard, issuer.mint(sub=f"user-{number}")) == f"user-{number}"
    assert not any(task.done() for task in flood)
    until(lambda: issuer.count(JWKS) == 2)
    issuer.behave()
    assert set(await asyncio.gather(*flood)) == {UNKNOWN}
    for number in range(2000):
        assert await averdict(guard, unpublished(issuer, f"kid-{number}")) == UNKNOWN
    assert issuer.count(JWKS) == 2


@pytest.mark.req("A-138")
def test_ten_thousand_kids_in_an_hour_cost_a_fetch_a_cool_down(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """However they are spread over the time."""
    guard = protect(issuer, cooldown=60)
    token = unpublished(issuer)
    for _ in range(10_000):
        assert verdict(guard, token) == UNKNOWN
        clock.advance(0.36)
    assert 55 <= issuer.count(JWKS) <= 3600 / 60 + 1


@pytest.mark.req("JK-15")
def test_a_token_of_somebody_else_is_not_worth_a_fetch(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Only one that says it is from the configured issuer can be signed with a new key of its."""
    guard = protect(issuer)
    guard.warm()
    clock.advance(30)
    assert verdict(guard, unpublished(issuer, iss="https://evil.test")) == "unknown_issuer"
    assert verdict(guard, unpublished(issuer) + "x") == "malformed_token"
    assert issuer.count(JWKS) == 1


@pytest.mark.req("JK-15")
def test_issuers_cool_down_by_themselves(issuer: LocalIssuer, clock: Clock) -> None:
    """An unknown kid at one asks that one, and its trouble is not the other's."""
    with (
        LocalIssuer(algorithm="ES256").serve() as other,
        TokenGuard(audience=issuer.audience, issuers=[issuer.issuer, other.issuer], monotonic=clock) as guard,
    ):
        guard.warm()
        clock.advance(30)
        other.misbehave("error", path=JWKS)
        assert verdict(guard, unpublished(other)) == UNAVAILABLE
        assert (issuer.count(JWKS), other.count(JWKS)) == (1, 2)
        issuer.rotate()
        assert verdict(guard, issuer.mint()) == verdict(guard, other.mint()) == "user-1"
        assert (issuer.count(JWKS), other.count(JWKS)) == (2, 2)


@pytest.mark.req("JK-15")
def test_a_token_without_kid_that_no_key_made_is_an_unknown_one(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """It may be by a new key, so it is worth a fetch, and at most one a cool-down."""
    guard = protect(issuer)
    guard.warm()
    issuer.rotate()
    token = issuer.mint(header={"kid": None})
    assert verdict(guard, token) == "bad_signature"
    clock.advance(30)
    assert verdict(guard, token) == "user-1"
    assert issuer.count(JWKS) == 2


def test_a_cool_down_shorter_than_the_fetch_begins_no_second_one(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """There is one at a time, however long it takes."""
    guard = protect(issuer, cooldown=1)
    guard.warm()
    issuer.misbehave("hang", path=JWKS)
    clock.advance(600)
    for _ in range(10):
        assert verdict(guard, issuer.mint()) == "user-1"
        clock.advance(5)
    until(lambda: issuer.count(JWKS) == 2)
    issuer.behave()
    fetched(guard)
    assert issuer.count(JWKS) == 2
