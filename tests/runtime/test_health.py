"""What a health endpoint sees in each state of the keys."""

from __future__ import annotations

import json

import pytest

from runtime.support import DAY, JWKS, Clock, Protect, attempted, key_state, until, verdict
from tokenguard import Issuer, TokenGuard
from tokenguard.errors import Unavailable
from tokenguard.testing import LocalIssuer


def test_before_the_first_fetch(issuer: LocalIssuer, protect: Protect) -> None:
    """Cold: not ready, nothing known."""
    guard = protect(issuer)
    assert guard.health().as_dict() == {
        "ready": False,
        "issuers": (
            {
                "issuer": issuer.issuer, "state": "cold", "key_count": 0, "age": None, "refresh_in": None,
                "cooling_down": False, "last_error": "", "skipped_keys": (),
            },
        ),
        "introspection": (),
        "revocations": {
            "store": "MemoryRevocations", "mode": "memory", "entries": 0, "lag": 0.0, "worst_case_delay": 0.0,
            "serving": True, "last_error": "",
        },
    }  # fmt: skip


@pytest.mark.req("AS-16", "JK-16")
def test_the_life_of_a_key_set(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Fresh, stale while refreshing fails, expired at the limit, and fresh again."""
    guard = protect(issuer)
    issuer.extra_keys = [{"kty": "oct", "k": "AAAA"}]
    guard.warm()
    state = key_state(guard)
    assert (state.state, state.key_count, state.age, state.cooling_down) == ("fresh", 1, 0, True)
    assert state.refresh_in is not None
    assert 540 <= state.refresh_in <= 600
    assert len(state.skipped_keys) == 1

    clock.advance(600)
    state = key_state(guard)
    assert (state.state, state.age, state.refresh_in, state.cooling_down) == ("fresh", 600, 0, False)

    issuer.misbehave("error", path=JWKS)
    verdict(guard, issuer.mint())
    attempted(guard)
    state = key_state(guard)
    assert (state.state, state.age, state.refresh_in, state.cooling_down) == ("stale", 600, 30, True)
    assert state.last_error.endswith("answered 500")
    assert guard.health().ready

    issuer.behave()
    clock.advance(DAY - 600)
    health = guard.health()  # once: it begins a fetch
    assert (health.issuers[0].state, health.issuers[0].serving, health.ready) == ("expired", False, False)

    verdict(guard, issuer.mint())
    state = key_state(guard)
    assert (state.state, state.age, state.last_error) == ("fresh", 0, "")


def test_a_failure_at_a_cold_start(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Still cold, with the reason, and cooling down until the next attempt may begin."""
    issuer.misbehave("down")
    guard = protect(issuer)
    verdict(guard, issuer.mint())
    state = key_state(guard)
    assert (state.state, state.cooling_down) == ("cold", True)
    assert "can't be reached" in state.last_error
    clock.advance(30)
    assert not key_state(guard).cooling_down


def test_configured_keys(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Static: always ready, of no age."""
    guard = protect(issuer, jwks=issuer.jwks)
    clock.advance(365 * DAY)
    state = key_state(guard)
    assert (state.state, state.key_count, state.age, state.refresh_in) == ("static", 1, None, None)
    assert not state.cooling_down
    assert guard.health().ready


def test_ready_means_every_issuer(issuer: LocalIssuer) -> None:
    """One that serves does not speak for one that does not."""
    other = Issuer("https://other.test", jwks=issuer.jwks)
    with TokenGuard(audience=issuer.audience, issuers=[other, issuer.issuer]) as guard:
        health = guard.health()
        assert [state.serving for state in health.issuers] == [True, False]
        assert not health.ready
        guard.warm()
        assert guard.health().ready


def test_it_is_json(issuer: LocalIssuer, protect: Protect) -> None:
    """In every state: no infinity, nothing that needs help."""
    cold, static, warm = protect(issuer), protect(issuer, jwks=issuer.jwks), protect(issuer)
    warm.warm()
    for guard in (cold, static, warm):
        assert (
            json.loads(json.dumps(guard.health().as_dict(), allow_nan=False))["issuers"][0]["issuer"] == issuer.issuer
        )


def test_asking_begins_the_fetch_that_makes_ready(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """A service that gets no requests until it is ready becomes so by being asked, and is not held up meanwhile."""
    issuer.misbehave("error")
    guard = protect(issuer)
    assert not guard.health().ready
    with pytest.raises(Unavailable):
        guard.warm()  # joins the fetch under way, or finds it failed
    issuer.behave()
    clock.advance(30)
    before = issuer.count("/jwks")
    assert not guard.health().ready
    until(lambda: guard.health().ready)
    assert issuer.count("/jwks") == before + 1
