"""How long keys serve, when they are fetched again, and what an outage does to them."""

from __future__ import annotations

import json

import pytest

from runtime.servers import canned, http_answer
from runtime.support import (
    DAY,
    ENDLESS,
    JWKS,
    Clock,
    Protect,
    attempted,
    averdict,
    io_threads,
    key_state,
    refreshed,
    unpublished,
    until,
    verdict,
)
from tokenguard import DPoP, Issuer, Request, TokenGuard, errors
from tokenguard.core.revocation import Level, Revocation
from tokenguard.errors import ConfigurationError, Reason
from tokenguard.stores import MemoryRevocations
from tokenguard.testing import DPoPKey, LocalIssuer

# Configured keys


def test_configured_keys_need_no_network_and_no_thread(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Not at first, not for an unknown kid, not after years, and `warm` has nothing to do."""
    before = io_threads()
    guard = protect(issuer, jwks=issuer.jwks)
    guard.warm()
    for _ in range(3):
        assert verdict(guard, issuer.mint()) == "user-1"
        assert verdict(guard, unpublished(issuer)) == "unknown_key"
        clock.advance(365 * DAY)
    assert issuer.requests == []
    assert io_threads() == before
    assert guard.health().ready


@pytest.mark.parametrize(
    "jwks", [{}, {"keys": []}, {"keys": {}}, {"keys": [{"kty": "oct", "k": "AAAA"}]}, {"keys": [7]}]
)
def test_configured_keys_must_be_usable(jwks: dict[str, object]) -> None:
    """Said at construction, with the setting's name."""
    with pytest.raises(ConfigurationError, match=r"Issuer\.jwks of https://auth\.test"):
        TokenGuard(audience="a", issuers=[Issuer("https://auth.test", jwks=jwks)])


@pytest.mark.parametrize(
    ("required", "is_bound", "alone", "sent"),
    [
        (True, False, Reason.BINDING_REQUIRED, Reason.BINDING_REQUIRED),
        (False, True, Reason.NOT_BOUND, Reason.WRONG_SCHEME),
    ],
)
def test_that_keys_were_fetched_first_spares_no_check(  # noqa: PLR0917
    issuer: LocalIssuer, protect: Protect, required: bool, is_bound: bool, alone: Reason, sent: Reason
) -> None:
    """A token on which the fetch waited must come from whom it is bound to, and be bound where all must, as any."""
    token = issuer.mint(dpop_key=DPoPKey() if is_bound else None)
    request = Request("GET", "https://api.example.com/", {"Authorization": f"Bearer {token}"})
    with pytest.raises(errors.InvalidToken) as refusal:
        protect(issuer, dpop=DPoP(required=required)).validate(token)
    assert refusal.value.reason is alone
    with pytest.raises(errors.InvalidToken) as refusal:
        protect(issuer, dpop=DPoP(required=required)).check(request)
    assert refusal.value.reason is sent


def test_that_keys_were_fetched_first_lets_no_revoked_token_in(issuer: LocalIssuer, protect: Protect) -> None:
    """Alone or in a request."""
    store = MemoryRevocations()
    store.add([Revocation(issuer.issuer, Level.SUBJECT, "alice", 2**33, 2**33)], 0)
    token = issuer.mint(sub="alice")
    request = Request("GET", "https://api.example.com/", {"Authorization": f"Bearer {token}"})
    assert verdict(protect(issuer, revocations=store), token) == "revoked"
    with pytest.raises(errors.InvalidToken) as refusal:
        protect(issuer, revocations=store).check(request)
    assert refusal.value.reason is Reason.REVOKED


def test_a_given_jwks_uri_needs_no_discovery(issuer: LocalIssuer, protect: Protect) -> None:
    """One request in all."""
    protect(issuer, jwks_uri=issuer.jwks_uri).validate(issuer.mint())
    assert [request.path for request in issuer.requests] == [JWKS]


# How long they are fresh


@pytest.mark.req("JK-16")
@pytest.mark.parametrize(
    ("cache_control", "age"),
    [
        (None, 600),
        ("max-age=120", 120),
        ("public, MAX-AGE=120, must-revalidate", 120),
        ('max-age="120"', 120),
        ("max-age=31536000", 600),
        ("max-age=" + "9" * 4000, 600),
        ("max-age=5", 30),
        ("max-age=0", 30),
        ("no-store", 30),
        ("no-cache, max-age=120", 30),
        ("max-age=-1", 600),
        ("max-age=1e9", 600),
        ("max-age=\N{SUPERSCRIPT TWO}", 600),
        ("max-age", 600),
        ("s-maxage=60", 600),
        (",,=,", 600),
    ],
)  # fmt: skip
def test_cache_control_holds_within_bounds(protect: Protect, cache_control: str | None, age: float) -> None:
    """From the cool-down to max_age, less up to a tenth that spreads the refreshes of many processes."""
    issuer = LocalIssuer(algorithm="ES256")
    header = [] if cache_control is None else [f"Cache-Control: {cache_control}"]
    with canned(http_answer(json.dumps(issuer.jwks).encode(), *header)) as server:
        guard = protect(issuer, jwks_uri=server.url)
        guard.warm()
        due = key_state(guard).refresh_in
        assert due is not None
        assert max(30, 0.9 * age) <= due <= age


@pytest.mark.req("JK-16")
def test_refreshes_are_spread(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Processes that started together do not ask together for ever."""
    guard = protect(issuer)
    due = set()
    for _ in range(8):
        clock.advance(30)
        guard.warm()
        due.add(key_state(guard).refresh_in)
    assert len(due) == 8
    assert all(540 <= seconds <= 600 for seconds in due if seconds)


@pytest.mark.req("JK-16", "AS-16")
def test_keys_are_asked_for_again_when_due_and_not_before(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """By whatever request comes then."""
    guard = protect(issuer)
    guard.validate(issuer.mint())
    clock.advance(539)
    guard.validate(issuer.mint())
    assert issuer.count(JWKS) == 1
    clock.advance(61)
    guard.validate(issuer.mint())
    refreshed(guard)
    assert issuer.count(JWKS) == 2


@pytest.mark.req("JK-16", "A-139")
@pytest.mark.parametrize("fault", ["hang", "drip"])
@pytest.mark.timeout(30)
async def test_known_tokens_never_wait_for_a_refresh(
    issuer: LocalIssuer, protect: Protect, clock: Clock, fault: str
) -> None:
    """The server never ends its answer, and tokens seen and unseen are checked as if nothing were."""
    guard = protect(issuer)
    seen = issuer.mint()
    guard.validate(seen)
    issuer.misbehave(fault, path=JWKS, seconds=ENDLESS)
    clock.advance(600)
    for _ in range(3):
        assert verdict(guard, seen) == await averdict(guard, seen) == "user-1"
        assert verdict(guard, issuer.mint(sub="new")) == await averdict(guard, issuer.mint(sub="new")) == "new"
        clock.advance(30)
    until(lambda: issuer.count(JWKS) == 2)
    assert key_state(guard).age == 690
    issuer.behave()
    until(lambda: key_state(guard).age == 90)
    assert issuer.count(JWKS) == 2


async def test_warm_keeps_to_the_cool_down(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """However often it is called: it is content with keys that were fetched just now, and as quick about a failure."""
    guard = protect(issuer)
    issuer.misbehave("error", path=JWKS)
    for _ in range(3):
        with pytest.raises(errors.Unavailable):
            guard.warm()
        with pytest.raises(errors.Unavailable):
            await guard.awarm()
    issuer.behave()
    clock.advance(30)
    for _ in range(3):
        guard.warm()
        await guard.awarm()
    assert issuer.count(JWKS) == 2


# ETag


def test_an_unchanged_key_set_is_not_sent_again(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """304 renews the time of the keys at hand, and what was remembered stays so."""
    guard = protect(issuer)
    token = issuer.mint()
    guard.validate(token)
    generation = guard._issuers.sources[issuer.issuer].snapshot.generation
    clock.advance(DAY - 1)
    guard.warm()
    assert issuer.requests[-1].headers["if-none-match"].startswith('"')
    assert key_state(guard).age == 0
    assert guard._issuers.sources[issuer.issuer].snapshot.generation == generation
    clock.advance(500)
    assert verdict(guard, token) == "user-1"


@pytest.mark.req("JK-16")
def test_the_cache_control_of_a_304_counts(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """It replaces that of the answer it stands for (RFC 9110 15.4.5)."""
    issuer.cache_control = "max-age=60"
    guard = protect(issuer)
    guard.warm()
    clock.advance(60)
    guard.warm()
    assert "if-none-match" in issuer.requests[-1].headers
    due = key_state(guard).refresh_in
    assert due is not None
    assert 54 <= due <= 60


def test_a_changed_key_set_is_sent(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """The tag asked with is that of the keys at hand."""
    guard = protect(issuer)
    guard.warm()
    issuer.rotate()
    clock.advance(30)
    assert verdict(guard, issuer.mint()) == "user-1"
    issuer.rotate()
    clock.advance(30)
    assert verdict(guard, issuer.mint()) == "user-1"


@pytest.mark.req("A-140")
def test_the_tag_of_an_unusable_answer_is_not_believed(protect: Protect, clock: Clock) -> None:
    """Else 304 would confirm the broken document, and the old keys would seem fresh for ever."""
    issuer = LocalIssuer(algorithm="ES256")
    with canned(http_answer(json.dumps(issuer.jwks).encode(), 'ETag: "good"')) as server:
        guard = protect(issuer, jwks_uri=server.url)
        guard.warm()
        server.answer = http_answer(b'{"keys": []}', 'ETag: "broken"')
        clock.advance(600)
        verdict(guard, issuer.mint())
        attempted(guard)
        server.answer = http_answer(b"", status="304 Not Modified")
        clock.advance(30)
        verdict(guard, issuer.mint())
        until(lambda: len(server.requests) == 3)
        attempted(guard)
        assert b"broken" not in server.requests[2]
        assert key_state(guard).age == 630
        assert key_state(guard).state == "stale"


def test_a_304_that_was_not_asked_for_is_a_failure(protect: Protect) -> None:
    """There is nothing it could stand for."""
    with canned(http_answer(b"", status="304 Not Modified")) as server:
        guard = protect("https://auth.test", jwks_uri=server.url)
        with pytest.raises(errors.Unavailable):
            guard.warm()


def test_a_tag_that_can_not_be_sent_back_is_not_kept(protect: Protect, clock: Clock) -> None:
    """RFC 9110 8.8.3 allows octets beyond ASCII; no later refresh may fail of it."""
    issuer = LocalIssuer(algorithm="ES256")
    with canned(http_answer(json.dumps(issuer.jwks).encode(), 'ETag: "\xe9"')) as server:
        guard = protect(issuer, jwks_uri=server.url)
        for _ in range(3):
            guard.warm()
            assert key_state(guard).age == 0
            assert key_state(guard).last_error == ""
            clock.advance(30)
        assert not any(b"if-none-match" in request.lower() for request in server.requests)


def test_a_tag_belongs_to_one_address(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """The keys' new home is not asked whether it has the old home's document."""
    guard = protect(issuer)
    guard.warm()
    with LocalIssuer(signing_key=issuer.signing_key).serve() as new_home:
        issuer.misbehave("wrong_jwks_uri", url=new_home.jwks_uri)
        clock.advance(DAY)
        guard.warm()
        assert new_home.count(JWKS) == 1
        assert "if-none-match" not in new_home.requests[0].headers
