"""Revoking by the guard: what is refused from then on, for whom, until when, and what a caller must say."""

from __future__ import annotations

import asyncio
import base64
import logging
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runtime.support import Clock, averdict, verdict
from tokenguard import ClaimNames, ClientSecret, Introspection, Issuer, MemoryRevocations, TokenGuard, errors
from tokenguard.config import MAX_LEEWAY
from tokenguard.core.model import AccessToken
from tokenguard.core.revocation import MAX_TIME
from tokenguard.errors import ConfigurationError, InvalidToken, Reason, RevocationFailed
from tokenguard.testing import LocalIssuer, SigningKey

OTHER = "https://other.test"
LIFETIME = 3_600.0
#: the time of day at which each test begins
START = 1_800_000_000.0
IDENTITY: dict[str, Any] = {"jti": "t-1", "sid": "s-1", "sub": "alice", "client_id": "c-1"}
OTHER_NAMES: dict[str, Any] = {"jti": "t-2", "sid": "s-2", "sub": "bob", "client_id": "c-2"}


@pytest.fixture
def local(signing_key: SigningKey) -> LocalIssuer:
    """An issuer whose keys are at hand."""
    return LocalIssuer(signing_key=signing_key, clock=lambda: START)


@pytest.fixture
def day() -> Clock:
    """The time of day."""
    return Clock(START)


@pytest.fixture
def guard(local: LocalIssuer, day: Clock) -> Iterator[TokenGuard]:
    """One with two issuers, of which the other has the same key and may send the same names."""
    names = (local.issuer, OTHER)
    issuers = [Issuer(name, jwks=local.jwks, max_lifetime=LIFETIME, profile="jwt") for name in names]
    with TokenGuard(audience=local.audience, issuers=issuers, clock=day, monotonic=Clock()) as built:
        yield built


def mint(local: LocalIssuer, **claims: Any) -> str:
    """A token of alice in session s-1 at client c-1; what is None is left out."""
    wanted = IDENTITY | {"exp": START + LIFETIME} | claims
    absent = [name for name, value in wanted.items() if value is None]
    return local.mint(without=absent, **{name: value for name, value in wanted.items() if value is not None})


def revoke_in_a_loop(guard: TokenGuard, **named: Any) -> object:
    """`arevoke`, from sync code."""
    return asyncio.run(guard.arevoke(**named))


@pytest.mark.req("RV-02")
@pytest.mark.parametrize("revoke", [TokenGuard.revoke, revoke_in_a_loop], ids=["revoke", "arevoke"])
@pytest.mark.parametrize(
    "named", [{"id": "t-1"}, {"session": "s-1"}, {"subject": "alice"}, {"client": "c-1"}, {"everything": True}],
    ids=lambda named: next(iter(named)),
)  # fmt: skip
def test_what_is_revoked_is_refused_at_once_and_nothing_else_is(
    guard: TokenGuard, local: LocalIssuer, named: dict[str, Any], revoke: Callable[..., object]
) -> None:
    """Remembered tokens too; never the same names from another issuer, nor other names from this one."""
    token = mint(local)
    others = [mint(local, iss=OTHER)] + ([mint(local, **OTHER_NAMES)] if "everything" not in named else [])
    for each in (token, *others):
        assert verdict(guard, each) in {"alice", "bob"}
    revoke(guard, issuer=local.issuer, **named)
    assert verdict(guard, token) == asyncio.run(averdict(guard, token)) == Reason.REVOKED
    assert verdict(guard, mint(local, aud=[local.audience])) == Reason.REVOKED, "one that was never seen before"
    for other in others:
        assert verdict(guard, other) in {"alice", "bob"}


@pytest.mark.parametrize("verified", [False, True], ids=["as sent", "as verified"])
@pytest.mark.parametrize("jti", ["t-1", None], ids=["with jti", "without"])
def test_a_whole_token_is_revoked(guard: TokenGuard, local: LocalIssuer, jti: str | None, verified: bool) -> None:
    """By its jti, or by its fingerprint where it has none; until it ends by itself."""
    token = mint(local, jti=jti)
    revocation = guard.revoke(guard.validate(token) if verified else token)
    assert verdict(guard, token) == Reason.REVOKED
    assert (revocation.level, revocation.until) == ("token", START + LIFETIME + MAX_LEEWAY)
    assert revocation.value.startswith("t-1" if jti else "fingerprint:")
    assert verdict(guard, mint(local, jti=jti and "t-2", sub="bob")) == "bob"
    guard.revoke(token)
    assert list(guard.revocations.held())[1:] == [], "the same one twice is one"


def test_an_ecdsa_signature_spelled_anew_hides_no_token(guard: TokenGuard, local: LocalIssuer) -> None:
    """The fingerprint is of what was signed: (r, n - s) verifies as (r, s) does."""
    token = mint(local, jti=None)
    signed, _, signature = token.rpartition(".")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    raw = base64.urlsafe_b64decode(signature + "==")
    again = raw[:32] + (order - int.from_bytes(raw[32:])).to_bytes(32)
    respelled = f"{signed}.{base64.urlsafe_b64encode(again).decode().rstrip('=')}"
    assert verdict(guard, respelled) == "alice"
    guard.revoke(token)
    assert verdict(guard, respelled) == Reason.REVOKED


def test_a_revocation_lasts_for_the_service_with_the_most_leeway(local: LocalIssuer, day: Clock) -> None:
    """Whoever revokes may have less than another who shares the store, as a command has that knows the default only."""
    store = MemoryRevocations()
    issuer = Issuer(local.issuer, jwks=local.jwks, max_lifetime=LIFETIME)
    strict, lenient = (
        TokenGuard(audience=local.audience, issuers=[issuer], clock=day, revocations=store, leeway=leeway)
        for leeway in (0, MAX_LEEWAY)
    )
    whole, named = mint(local), mint(local, jti="t-2", sid="s-2", iat=START + MAX_LEEWAY, exp=START + LIFETIME)
    strict.revoke(whole)
    strict.revoke(session="s-2")
    day.advance(LIFETIME + MAX_LEEWAY - 1)
    assert [verdict(lenient, token) for token in (whole, named)] == [Reason.REVOKED] * 2


@pytest.mark.parametrize("exp", [START + 1, 1e15], ids=["ended a moment ago", "never ends"])
def test_a_verified_token_can_be_revoked_whenever_it_ends(local: LocalIssuer, day: Clock, exp: float) -> None:
    """A route that revokes its own token is not to fail because that ended meanwhile, or names a time without end."""
    guard = TokenGuard(audience=local.audience, issuers=[Issuer(local.issuer, jwks=local.jwks)], clock=day, leeway=0)
    token = guard.validate(mint(local, exp=exp))
    day.advance(2 * MAX_LEEWAY)
    revocation = guard.revoke(token)
    assert START < revocation.until <= MAX_TIME


@pytest.mark.parametrize("raw", ["nonsense", "expired", "forged"])
def test_a_token_that_is_good_for_nothing_revokes_nothing(guard: TokenGuard, local: LocalIssuer, raw: str) -> None:
    """A forged one could name the id of someone else's."""
    tokens = {
        "nonsense": "a.b",
        "expired": mint(local, iat=START - LIFETIME, exp=START - 60),
        "forged": local.mint(**IDENTITY, key=SigningKey.generate("ES256")),
    }
    with pytest.raises(InvalidToken):
        guard.revoke(tokens[raw])
    assert list(guard.revocations.held()) == []


@pytest.mark.req("A-157")
@pytest.mark.parametrize("named", [{"subject": "alice"}, {"client": "c-1"}, {"everything": True}, {"session": "s-1"}])
def test_what_is_issued_after_goes_on(guard: TokenGuard, local: LocalIssuer, day: Clock, named: dict[str, Any]) -> None:
    """`before` says until when a token must have been issued to be hit: by default now; a session has to say it."""
    if "session" in named:
        named = {**named, "before": START}
    guard.revoke(issuer=local.issuer, **named)
    day.advance(10)
    assert verdict(guard, mint(local)) == Reason.REVOKED
    assert verdict(guard, mint(local, iat=START + 1, exp=START + 60)) == "alice"


def test_a_revocation_ends_when_no_token_it_hits_is_alive(guard: TokenGuard, local: LocalIssuer) -> None:
    """The issuer's longest lifetime from then, and the most leeway of both clocks; or what the caller says."""
    revocation = guard.revoke(subject="alice", issuer=local.issuer)
    assert (revocation.before, revocation.until) == (START, START + LIFETIME + 2 * MAX_LEEWAY)
    later = guard.revoke(client="c-1", issuer=local.issuer, before=START + 100)
    assert later.until == START + 100 + LIFETIME + 2 * MAX_LEEWAY
    session = guard.revoke(session="s-1", issuer=local.issuer, until=START + 5)
    assert (session.before, session.until) == (math.inf, START + 5)


def test_without_a_horizon_nothing_is_revoked(local: LocalIssuer) -> None:
    """Nobody knows how long the issuer's tokens live, so the caller must; a whole token says it."""
    guard = TokenGuard(audience=local.audience, issuers=[Issuer(local.issuer, jwks=local.jwks)], clock=lambda: START)
    with pytest.raises(ConfigurationError, match=r"Issuer\.max_lifetime"):
        guard.revoke(subject="alice")
    guard.revoke(subject="alice", until=START + 60)
    guard.revoke(mint(local, jti="t-9", sub="bob"))
    assert len(list(guard.revocations.held())) == 2


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ({}, "name one of token, id"),
        ({"id": "t-1", "session": "s-1"}, "name one of token, id"),
        ({"everything": False}, "name one of token, id"),
        ({"id": "t-1"}, "issuer must say whose"),
        ({"id": "t-1", "issuer": "https://stranger.test"}, "none of the configured issuers"),
        ({"id": "", "issuer": OTHER}, "Revocation.value"),
        ({"id": 5, "issuer": OTHER}, "Revocation.value"),
        ({"id": "t-1", "issuer": OTHER, "before": START}, "Revocation.before"),
        ({"subject": "alice", "issuer": OTHER, "before": "now"}, "before must be a number"),
        ({"subject": "alice", "issuer": OTHER, "before": math.inf}, "before must be a number"),
        ({"session": "s-1", "issuer": OTHER, "until": START - 1}, "until must be a number"),
        ({"session": "s-1", "issuer": OTHER, "until": math.inf}, "until must be a number"),
        ({"session": "s-1", "issuer": OTHER, "until": 1e300}, "Revocation.until must be a number"),
        ({"sub": "alice", "issuer": OTHER}, "sub is no argument"),
        ({"token": "a.b.c", "issuer": OTHER}, "beside it goes only until"),
        ({"token": 5}, "a token is"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(guard: TokenGuard, named: dict[str, Any], complaint: str) -> None:
    """And nothing is revoked."""
    with pytest.raises(ConfigurationError, match=complaint):
        guard.revoke(**named)
    assert list(guard.revocations.held()) == []


def test_a_full_store_fails_the_write_loudly(local: LocalIssuer) -> None:
    """As our fault, with a time to try again; what was revoked before still is."""
    guard = TokenGuard(
        audience=local.audience,
        issuers=[Issuer(local.issuer, jwks=local.jwks, max_lifetime=LIFETIME)],
        clock=lambda: START,
        revocations=MemoryRevocations(max_entries=1),
    )
    guard.revoke(session="s-1")
    for revoke in (TokenGuard.revoke, revoke_in_a_loop):
        with pytest.raises(RevocationFailed, match="revocation_failed") as failed:
            revoke(guard, session="s-2")
        assert isinstance(failed.value, errors.Unavailable)
        assert "max_entries" in failed.value.hint
        assert failed.value.retry_after >= 1
    assert verdict(guard, mint(local)) == Reason.REVOKED


def test_a_session_stands_where_the_issuer_puts_it(local: LocalIssuer) -> None:
    """A family of refresh tokens under a name of its own, say; what is not text there is refused."""
    names = ClaimNames(session=[("ctx", "family"), "sid"])
    issuer = Issuer(local.issuer, jwks=local.jwks, max_lifetime=LIFETIME, claims=names)
    guard = TokenGuard(audience=local.audience, issuers=[issuer], clock=lambda: START)
    token = mint(local, ctx={"family": "f-1"})
    assert guard.validate(token).session == "f-1"
    guard.revoke(session="f-1")
    assert verdict(guard, token) == Reason.REVOKED
    assert verdict(guard, mint(local)) == "alice"
    assert verdict(guard, mint(local, ctx={"family": 1})) == Reason.MALFORMED_CLAIMS


def test_a_session_id_of_the_wrong_form_is_refused(guard: TokenGuard, local: LocalIssuer) -> None:
    """It could be revoked by no name."""
    assert guard.validate(mint(local)).session == "s-1"
    for wrong in (5, "", ["s-1"], {}):
        assert verdict(guard, mint(local, sid=wrong)) == Reason.MALFORMED_CLAIMS


def test_a_tenants_tokens_are_revoked_under_its_own_name(local: LocalIssuer) -> None:
    """The same names of another tenant of the same provider count on; the pattern itself is no one's name."""
    pattern = "https://login.test/{tenantid}/v2"
    issuer = Issuer(pattern, jwks=local.jwks, profile="jwt", claims=ClaimNames(tenant="tid"), max_lifetime=LIFETIME)
    guard = TokenGuard(audience=local.audience, issuers=[issuer], clock=lambda: START)
    tokens = {tid: mint(local, iss=pattern.replace("{tenantid}", tid), tid=tid) for tid in ("one", "two")}
    guard.revoke(subject="alice", issuer="https://login.test/one/v2")
    assert (verdict(guard, tokens["one"]), verdict(guard, tokens["two"])) == (Reason.REVOKED, "alice")
    for wrong in (pattern, "https://login.test/a/b/v2", "https://login.test/v2", "https://login.test//v2"):
        with pytest.raises(ConfigurationError, match="none of the configured"):
            guard.revoke(subject="alice", issuer=wrong)


@pytest.mark.req("A-147")
@pytest.mark.parametrize("mode", ["opaque", "every"])
def test_tokens_that_the_issuer_vouches_for_are_revoked_too(issuer: LocalIssuer, mode: Any) -> None:
    """Without waiting for the remembered answer to grow old: by jti, by fingerprint and by the rest."""
    introspection = Introspection(ClientSecret(*issuer.resource_server), mode=mode, cache=600, timeout=20)
    config = Issuer(issuer.issuer, introspection=introspection, max_lifetime=LIFETIME)
    with TokenGuard(audience=issuer.audience, issuers=[config]) as guard:
        make = issuer.mint_opaque if mode == "opaque" else issuer.mint
        nameless, named, third = make(without="jti", sub="alice"), make(sub="bob"), make(sub="carol", sid="s-3")
        for token in (nameless, named, third):
            guard.validate(token)
        guard.revoke(nameless)
        assert (verdict(guard, nameless), verdict(guard, named)) == (Reason.REVOKED, "bob")
        guard.revoke(guard.validate(named))
        guard.revoke(session="s-3")
        assert [verdict(guard, token) for token in (named, third)] == [Reason.REVOKED] * 2
        assert verdict(guard, make(without="jti", sub="dave")) == "dave"


def test_a_refusal_names_the_level_and_both_are_audit_events(
    guard: TokenGuard, local: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Who revoked what can be followed, and no record holds a token, a subject or a session."""
    token = mint(local)
    with caplog.at_level(logging.INFO, "tokenguard.audit"):
        guard.revoke(token)
        guard.revoke(session="secret-session", issuer=local.issuer)
        guard.revoke(subject="secret-subject", issuer=local.issuer)
        guard.revoke(client="c-9", issuer=local.issuer)
        with pytest.raises(InvalidToken) as refused:
            guard.validate(token)
    assert (refused.value.reason, refused.value.level) == (Reason.REVOKED, "token")
    assert (refused.value.issuer, refused.value.client_id, refused.value.token_id) == (local.issuer, "c-1", "t-1")
    events = [record.__dict__["tokenguard"] for record in caplog.records if record.name == "tokenguard.audit"]
    assert [event["event"] for event in events] == ["revoked"] * 4 + ["revoked_token_refused"]
    assert [event["level"] for event in events] == ["token", "session", "subject", "client", "token"]
    assert (events[0]["jti"], events[3]["client_id"], events[4]["jti"]) == ("t-1", "c-9", "t-1")
    assert {event["issuer"] for event in events} == {local.issuer}
    assert not any(secret in caplog.text for secret in (token, "secret-session", "secret-subject"))


async def test_a_connection_that_a_revocation_ends_is_an_audit_event(
    guard: TokenGuard, local: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """As a request that is refused is: whoever looks for what a revocation did finds both."""
    token = guard.validate(mint(local))
    guard.revoke(session="s-1", issuer=local.issuer)
    with caplog.at_level(logging.INFO, "tokenguard.audit"):
        assert (await guard.until_ended(token)).reason is Reason.REVOKED
    (event,) = [record.__dict__["tokenguard"] for record in caplog.records if record.name == "tokenguard.audit"]
    assert (event["event"], event["level"], event["jti"]) == ("revoked_token_refused", "session", "t-1")


@pytest.mark.req("A-163")
def test_64_threads_revoke_and_check(guard: TokenGuard, local: LocalIssuer) -> None:
    """From the return of `revoke` on each thread finds its own token refused, and its neighbour's as it should be."""
    tokens = [mint(local, jti=f"t-{number}", sid=f"s-{number}") for number in range(128)]
    wrong: list[str] = []
    together = threading.Barrier(64)

    def work(number: int) -> None:
        together.wait()
        guard.revoke(session=f"s-{number}", issuer=local.issuer)
        for _ in range(20):
            wrong.extend(
                verdict_of
                for index, expected in ((number, Reason.REVOKED), (number + 64, "alice"))
                if (verdict_of := verdict(guard, tokens[index])) != expected
            )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(list(guard.revocations.held())) == 64


def test_a_clock_set_ahead_and_back_revives_nothing(guard: TokenGuard, local: LocalIssuer, day: Clock) -> None:
    """What ended while the clock was wrong is held on to until it would have ended by the other one."""
    guard.revoke(mint(local))
    day.advance(2 * LIFETIME)
    guard.revoke(session="s-5", issuer=local.issuer)
    guard.health()
    day.advance(-2 * LIFETIME)
    assert verdict(guard, mint(local)) == Reason.REVOKED


def test_what_one_guard_holds_another_takes_over(guard: TokenGuard, local: LocalIssuer, day: Clock) -> None:
    """In bulk, a batch a step; what has ended is left out, and what is of no issuer of theirs is refused."""
    for number in range(2_500):
        guard.revoke(session=f"s-{number}", issuer=local.issuer)
    guard.revoke(session="soon", issuer=local.issuer, until=START + 1)
    issuers = [Issuer(name, jwks=local.jwks, profile="jwt") for name in guard.issuers]
    heir = TokenGuard(audience=local.audience, issuers=issuers, clock=lambda: START + 120)
    assert list(heir.revocations.write_all(guard.revocations.held())) == [1_000, 1_000, 500]
    assert verdict(heir, mint(local)) == Reason.REVOKED
    assert len(list(heir.revocations.held())) == 2_500


def test_a_token_of_another_guard_is_revoked_by_what_it_says(guard: TokenGuard, local: LocalIssuer) -> None:
    """Both have verified it, and the issuer is one that both trust."""
    other = TokenGuard(audience=local.audience, issuers=[Issuer(local.issuer, jwks=local.jwks)], clock=lambda: START)
    token = mint(local)
    verified = other.validate(token)
    assert isinstance(verified, AccessToken)
    guard.revoke(verified)
    assert (verdict(guard, token), verdict(other, token)) == (Reason.REVOKED, "alice")
