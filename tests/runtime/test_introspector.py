"""How an issuer is asked: once a token at a time, answers remembered no longer than they hold, whoever waits."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.asking import INTROSPECT, ISSUER_FAILS, asked_at, bearing, form_of, questions
from runtime.servers import canned, http_answer
from runtime.support import Clock, Protect, averdict, until, verdict
from tokenguard import Issuer, Requirement, TokenGuard, errors
from tokenguard.errors import ConfigurationError, Reason
from tokenguard.testing import LocalIssuer

# The question


@pytest.mark.req("IN-01", "IN-13")
def test_the_question_is_a_form_in_a_post(issuer: LocalIssuer, protect: Protect) -> None:
    """The token is in the body and nowhere else (RFC 7662 2.1)."""
    token = issuer.mint_opaque(sub="alice")
    assert verdict(protect(issuer, introspection=asked_at(issuer)), token) == "alice"
    (question,) = questions(issuer)
    assert (question.method, question.path) == ("POST", INTROSPECT)
    assert question.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form_of(question) == {"token": token, "token_type_hint": "access_token"}
    assert not any(token in value for value in question.headers.values())


@pytest.mark.req("IN-01")
def test_a_token_is_encoded_as_a_form_wants_it(issuer: LocalIssuer, protect: Protect) -> None:
    """Plus, slash and equals signs arrive as they are in the token."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque(prefix="a+b/c~d.e==", sub="alice").replace("==", "") + "=="
    assert verdict(guard, token) == "inactive"
    assert form_of(questions(issuer)[0])["token"] == token


def test_a_given_endpoint_needs_no_discovery(issuer: LocalIssuer, protect: Protect) -> None:
    """One request in all."""
    guard = protect(issuer, introspection=asked_at(issuer, endpoint=issuer.introspection_endpoint, mode="opaque"))
    assert verdict(guard, issuer.mint_opaque()) == "user-1"
    assert [request.path for request in issuer.requests] == [INTROSPECT]
    assert guard.health().ready


@pytest.mark.req("IN-13")
def test_what_can_be_no_token_is_not_asked_about(issuer: LocalIssuer, protect: Protect) -> None:
    """Nor a JWT that is none of the issuer's: nobody can have us ask for the sake of asking."""
    guard = protect(issuer, introspection=asked_at(issuer))
    for token in ("", " ", "a b", "a,b", "a\x00b", "a=b", "=", "a\n", "t\u00f6ken", "x" * 16_385, "a%20b"):
        assert verdict(guard, token) in {"malformed_token", "token_too_large"}
    assert verdict(guard, LocalIssuer("https://other.test", algorithm="ES256").mint()) == "unknown_issuer"
    assert questions(issuer) == []


@pytest.mark.req("IN-03", "BCP-10")
def test_tokens_are_not_sent_over_plain_http(issuer: LocalIssuer) -> None:
    """Said when configured, for an endpoint that is given."""
    for endpoint in ("http://auth.example.com/introspect", "ftp://auth.example.com/", "/introspect", "https://u:p@h/"):
        with pytest.raises(ConfigurationError, match=r"Introspection\.endpoint"):
            Issuer("https://auth.example.com", introspection=asked_at(issuer, endpoint=endpoint))


# Which tokens


@pytest.mark.parametrize(
    ("mode", "opaque", "jwt", "asked"),
    [
        ("both", "user-1", "user-1", 1),
        ("opaque", "user-1", "wrong_type", 1),
        ("every", "user-1", "user-1", 2),
        ("live", "malformed_token", "user-1", 0),
    ],
)
def test_the_mode_says_which_tokens_are_asked_about(
    issuer: LocalIssuer, protect: Protect, *, mode: str, opaque: str, jwt: str, asked: int
) -> None:
    """By the shape of the token alone."""
    guard = protect(issuer, introspection=asked_at(issuer, mode=mode))
    assert verdict(guard, issuer.mint_opaque()) == opaque
    assert verdict(guard, issuer.mint()) == jwt
    assert verdict(guard, issuer.mint(iss="https://other.test")) in {"unknown_issuer", "wrong_type"}
    assert len(questions(issuer)) == asked


def test_without_introspection_an_opaque_token_is_refused(issuer: LocalIssuer, protect: Protect) -> None:
    """And nothing is fetched for it."""
    assert verdict(protect(issuer), issuer.mint_opaque()) == "malformed_token"
    assert issuer.requests == []


@pytest.mark.parametrize("token", ["v4.public.abc", "ya29.a0Af", "a.b.c", "e.e.e", "1.2.3", "eyJhbGciOiJub25lIn0.x"])
def test_an_opaque_token_may_have_dots(issuer: LocalIssuer, protect: Protect, token: str) -> None:
    """A JWT is told by a first segment that is JSON."""
    assert verdict(protect(issuer, introspection=asked_at(issuer)), token) == "inactive"
    assert len(questions(issuer)) == 1


@pytest.mark.req("IN-17")
def test_with_several_issuers_the_prefix_chooses() -> None:
    """No token is ever sent to another issuer than its own."""
    with LocalIssuer(algorithm="ES256").serve() as first, LocalIssuer(algorithm="ES256").serve() as second:
        guard = TokenGuard(
            audience=first.audience,
            issuers=[
                Issuer(first.issuer, introspection=asked_at(first, prefix="one_")),
                Issuer(second.issuer, introspection=asked_at(second, prefix="one_two_")),
            ],
        )
        with guard:
            assert guard.validate(first.mint_opaque(prefix="one_")).issuer == first.issuer
            assert guard.validate(second.mint_opaque(prefix="one_two_")).issuer == second.issuer
            assert verdict(guard, first.mint_opaque(prefix="three_")) == "unknown_issuer"
            assert verdict(guard, second.mint_opaque(prefix="one_")) == "inactive"
            assert [len(questions(issuer)) for issuer in (first, second)] == [2, 1]
            # JWTs go their own way, by iss
            assert guard.validate(second.mint()).issuer == second.issuer


@pytest.mark.req("IN-17")
def test_issuers_must_be_told_apart(issuer: LocalIssuer) -> None:
    """Two that would be asked about the same tokens are a mistake, said when the guard is built."""
    issuers = [Issuer(f"https://{name}.test", introspection=asked_at(issuer)) for name in "ab"]
    with pytest.raises(ConfigurationError, match=r"Introspection\.prefix of https://b\.test and https://a\.test"):
        TokenGuard(audience="a", issuers=issuers)


def test_of_several_issuers_iss_chooses_whom_to_ask_about_a_jwt(issuer: LocalIssuer, protect: Protect) -> None:
    """In mode "every" nothing is verified locally, and a JWT of an issuer unknown is not asked about."""
    with LocalIssuer(algorithm="ES256").serve() as other:
        configs = [Issuer(issuer.issuer, introspection=asked_at(issuer, mode="every")), Issuer(other.issuer)]
        with TokenGuard(audience=issuer.audience, issuers=configs) as guard:
            assert guard.validate(issuer.mint()).issuer == issuer.issuer
            assert guard.validate(other.mint()).issuer == other.issuer
            assert verdict(guard, LocalIssuer("https://no.test", algorithm="ES256").mint()) == "unknown_issuer"
            assert len(questions(issuer)) == 1


# Live


def live(guard: TokenGuard, token: str) -> str:
    """The verdict of a route that wants the issuer asked."""
    try:
        return str(guard.check(bearing(token), requirement=Requirement("orders:read", live=True)).subject)
    except (errors.Denied, errors.Unavailable) as refusal:
        return str(refusal.reason)


@pytest.mark.parametrize("mode", ["both", "live"])
def test_a_live_route_asks_each_time_about_a_jwt_that_holds(issuer: LocalIssuer, protect: Protect, mode: str) -> None:
    """The local check comes first; a revoked token is let in elsewhere, and not here."""
    guard = protect(issuer, introspection=asked_at(issuer, mode=mode))
    token = issuer.mint(scope="orders:read")
    assert [live(guard, token), live(guard, token)] == ["user-1", "user-1"]
    assert len(questions(issuer)) == 2
    issuer.revoke(token)
    assert live(guard, token) == "inactive"
    assert verdict(guard, token) == "user-1"
    assert live(guard, issuer.broken("expired")) == "expired"
    assert live(guard, issuer.mint(aud="https://other.example.com")) == "wrong_audience"
    assert len(questions(issuer)) == 3


def test_a_live_route_does_not_trust_a_remembered_answer(issuer: LocalIssuer, protect: Protect) -> None:
    """What it learns holds for the other routes too."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque(scope="orders:read")
    assert verdict(guard, token) == "user-1"
    issuer.revoke(token)
    assert verdict(guard, token) == "user-1"
    assert live(guard, token) == "inactive"
    assert verdict(guard, token) == "inactive"
    assert len(questions(issuer)) == 2


def test_a_live_route_needs_an_issuer_that_can_be_asked(issuer: LocalIssuer, protect: Protect) -> None:
    """And one that answers: 503, never 401, and never let in unasked."""
    token = issuer.mint(scope="orders:read")
    assert live(protect(issuer), token) == "live_check_unavailable"
    guard = protect(issuer, introspection=asked_at(issuer))
    issuer.misbehave("error", path=INTROSPECT)
    assert live(guard, token) == ISSUER_FAILS
    with pytest.raises(errors.Unavailable):
        guard.authorize(guard.validate(token), Requirement(live=True))


def test_a_live_route_checks_scopes_as_any_other(issuer: LocalIssuer, protect: Protect) -> None:
    """403 for a token that is active and not enough."""
    guard = protect(issuer, introspection=asked_at(issuer))
    for token in (issuer.mint(scope="orders:list"), issuer.mint_opaque()):
        assert live(guard, token) == "insufficient_scope"


async def test_async_routes_ask_the_same_way(issuer: LocalIssuer, protect: Protect) -> None:
    """Awaiting what sync code waits for."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque(sub="alice")
    assert await averdict(guard, token) == "alice"
    issuer.revoke(token)
    with pytest.raises(errors.InvalidToken) as refusal:
        await guard.acheck(bearing(token), requirement=Requirement(live=True))
    assert refusal.value.reason is Reason.INACTIVE
    with pytest.raises(errors.InvalidToken):
        await guard.aconfirm(bearing(token), Requirement(live=True))


# What is remembered


@pytest.mark.req("IN-10", "A-147")
def test_an_answer_is_remembered_for_as_long_as_is_said(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """A revoked token is let in for that time, and not for a second more."""
    guard = protect(issuer, introspection=asked_at(issuer, cache=60, negative_cache=5))
    token = issuer.mint_opaque()
    assert verdict(guard, token) == "user-1"
    issuer.revoke(token)
    clock.advance(59.9)
    assert verdict(guard, token) == "user-1"
    assert len(questions(issuer)) == 1
    clock.advance(0.1)
    assert verdict(guard, token) == "inactive"


@pytest.mark.req("IN-10")
def test_a_refusal_is_remembered_for_a_shorter_time(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """A token that the issuer's replica does not know yet is soon asked about again."""
    guard = protect(issuer, introspection=asked_at(issuer, cache=60, negative_cache=5))
    for expected in (1, 1, 2):
        assert verdict(guard, "made-up") == "inactive"
        assert len(questions(issuer)) == expected
        clock.advance(2.5)


@pytest.mark.req("IN-10")
def test_nothing_is_remembered_where_that_is_off(issuer: LocalIssuer, protect: Protect) -> None:
    """Each request asks, about refused tokens too."""
    guard = protect(issuer, introspection=asked_at(issuer, cache=0))
    token = issuer.mint_opaque()
    assert [verdict(guard, token) for _ in range(3)] == ["user-1"] * 3
    assert [verdict(guard, "made-up") for _ in range(2)] == ["inactive"] * 2
    assert len(questions(issuer)) == 5


@pytest.mark.req("IN-09", "A-147")
def test_no_answer_outlives_its_token(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Not by the leeway either: whether it still counts is asked again."""
    guard = protect(issuer, introspection=asked_at(issuer, cache=3600), clock=lambda: issuer.clock() + 295)
    token = issuer.mint_opaque()  # five seconds are left of it
    assert verdict(guard, token) == "user-1"
    clock.advance(4)
    assert verdict(guard, token) == "user-1"
    assert len(questions(issuer)) == 1
    clock.advance(1)
    assert verdict(guard, token) == "user-1"
    assert len(questions(issuer)) == 2


@pytest.mark.req("IN-08", "A-146")
def test_times_are_checked_against_our_clock(issuer: LocalIssuer, protect: Protect) -> None:
    """An issuer that calls an expired token active is not believed, and a remembered answer is checked each time."""
    now = [issuer.clock()]
    guard = protect(issuer, introspection=asked_at(issuer, cache=3600), clock=lambda: now[0])
    token = issuer.mint_opaque()
    assert verdict(guard, token) == "user-1"
    now[0] += 331
    assert verdict(guard, token) == "expired"
    now[0] -= 31 + 331
    assert verdict(guard, token) == "issued_in_future"


@pytest.mark.req("IN-14", "A-146")
def test_a_bound_token_is_refused_where_nothing_confirms_the_sender(issuer: LocalIssuer, protect: Protect) -> None:
    """As a JWT would be."""
    guard = protect(issuer, introspection=asked_at(issuer))
    for confirmation in ({"jkt": "x" * 43}, {"x5t#S256": "x" * 43}, {}):
        assert verdict(guard, issuer.mint_opaque(cnf=confirmation)) == "not_bound"


def test_the_issuers_own_checks_see_an_answer(issuer: LocalIssuer, protect: Protect) -> None:
    """With every member in it."""
    guard = protect(issuer, introspection=asked_at(issuer), checks=(lambda claims: claims.get("plan") == "gold",))
    assert verdict(guard, issuer.mint_opaque(plan="gold")) == "user-1"
    assert verdict(guard, issuer.mint_opaque(plan="lead")) == "claim_refused"


@pytest.mark.req("IN-11")
def test_made_up_tokens_push_out_no_active_answer(issuer: LocalIssuer, protect: Protect) -> None:
    """Refusals and active answers are remembered apart, and both memories are bounded."""
    guard = protect(issuer, introspection=asked_at(issuer, cache_size=4))
    token = issuer.mint_opaque()
    verdict(guard, token)
    for number in range(10):
        verdict(guard, f"made-up-{number}")
    asked = len(questions(issuer))
    assert verdict(guard, token) == "user-1"
    assert len(questions(issuer)) == asked
    introspector = guard._introspectors[issuer.issuer]
    assert (len(introspector._active), len(introspector._refused)) == (1, 4)
    for number in range(10):
        assert verdict(guard, issuer.mint_opaque(sub=f"user-{number}")) == f"user-{number}"
    assert len(introspector._active) == 4


@pytest.mark.req("IN-11", "BCP-04")
def test_no_token_is_kept(issuer: LocalIssuer, protect: Protect) -> None:
    """Answers are found by SHA-256 of the token."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque()
    verdict(guard, token)
    introspector = guard._introspectors[issuer.issuer]
    assert [len(key) for key in introspector._active._entries] == [32]
    assert token not in repr(introspector._active._entries)
    assert guard._setup.tokens is not None
    assert guard._setup.tokens.get(next(iter(introspector._active._entries))) is None
    assert not introspector._running


# One at a time


async def test_a_thousand_requests_with_one_token_ask_once(issuer: LocalIssuer, protect: Protect) -> None:
    """Threads and tasks share the one question, and each gets its answer."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque()
    issuer.misbehave("hang", path=INTROSPECT)
    with ThreadPoolExecutor(100) as pool:
        threads = [pool.submit(verdict, guard, token) for _ in range(100)]
        tasks = [asyncio.create_task(averdict(guard, token)) for _ in range(900)]
        await asyncio.to_thread(until, lambda: questions(issuer))
        await asyncio.sleep(0)
        issuer.behave()
        assert set(await asyncio.gather(*tasks)) == {"user-1"}
        assert {await asyncio.wrap_future(thread) for thread in threads} == {"user-1"}
    assert len(questions(issuer)) == 1


async def test_a_cancelled_request_leaves_the_question_to_the_others(issuer: LocalIssuer, protect: Protect) -> None:
    """The work is nobody's to cancel."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque()
    issuer.misbehave("hang", path=INTROSPECT)
    first, second = (asyncio.create_task(averdict(guard, token)) for _ in range(2))
    await asyncio.to_thread(until, lambda: questions(issuer))
    first.cancel()
    issuer.behave()
    assert await second == "user-1"
    assert len(questions(issuer)) == 1


def test_refusals_of_one_question_are_each_requests_own(issuer: LocalIssuer, protect: Protect) -> None:
    """A shared exception would collect the frames of all who raise it."""
    guard = protect(issuer, introspection=asked_at(issuer))
    refusals = []
    for _ in range(2):
        with pytest.raises(errors.InvalidToken) as caught:
            guard.validate("made-up")
        refusals.append(caught.value)
    assert refusals[0] is not refusals[1]
    assert refusals[0].issuer == issuer.issuer


def test_there_is_an_end_to_how_many_wait(issuer: LocalIssuer, protect: Protect) -> None:
    """Beyond concurrency and queue a request gets 503 at once; those before it are answered."""
    guard = protect(issuer, introspection=asked_at(issuer, concurrency=2, queue=3))
    issuer.misbehave("hang", path=INTROSPECT)
    tokens = [issuer.mint_opaque(sub=f"user-{number}") for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(verdict, guard, token) for token in tokens]
        until(lambda: guard.health().introspection[0].running == 5)
        until(lambda: len(questions(issuer)) == 2)
        assert verdict(guard, issuer.mint_opaque()) == ISSUER_FAILS
        # whoever waits for an answer that is on its way takes no place
        joined = threading.Thread(target=verdict, args=(guard, tokens[0]))
        joined.start()
        assert len(questions(issuer)) == 2
        issuer.behave()
        assert sorted(answer.result() for answer in waiting) == [f"user-{number}" for number in range(5)]
        joined.join()
    assert guard.health().introspection[0].running == 0


# Connections


def test_connections_are_kept(issuer: LocalIssuer, protect: Protect) -> None:
    """The second question needs no new one."""
    guard = protect(issuer, introspection=asked_at(issuer, cache=0))
    verdict(guard, issuer.mint_opaque())
    assert issuer._server is not None
    connections = set(issuer._server._connections)
    verdict(guard, issuer.mint_opaque())
    assert set(issuer._server._connections) == connections


def test_a_dropped_connection_is_tried_again_once(issuer: LocalIssuer, protect: Protect) -> None:
    """The issuer closed what we kept open; a second drop is a failure."""
    guard = protect(issuer, introspection=asked_at(issuer, failures=1))
    token = issuer.mint_opaque()
    issuer.misbehave("disconnect", path=INTROSPECT)
    assert verdict(guard, token) == ISSUER_FAILS
    assert len(questions(issuer)) == 2


def test_an_idle_connection_that_the_issuer_closed_is_no_failure(protect: Protect) -> None:
    """Seen as a question that gets no answer at all, and answered over a new connection."""
    body = b'{"active": true, "aud": "https://api.example.com", "sub": "alice"}'
    answer = http_answer(body, "Connection: keep-alive")
    with canned(answer) as server:  # closes the connection after each answer, though it said that it would keep it
        issuer = LocalIssuer(f"http://127.0.0.1:{server.port}", algorithm="ES256")
        guard = protect(issuer, introspection=asked_at(issuer, endpoint=server.url, mode="opaque", cache=0))
        assert [verdict(guard, "token") for _ in range(5)] == ["alice"] * 5


def test_one_deadline_covers_everything(issuer: LocalIssuer, protect: Protect) -> None:
    """Discovery, the turn, the question and its retry."""
    guard = protect(issuer, introspection=asked_at(issuer, timeout=0.2))
    issuer.misbehave("hang")
    began = time.monotonic()
    assert verdict(guard, issuer.mint_opaque()) == ISSUER_FAILS
    assert time.monotonic() - began < 5
    assert "within 0.2 s" in guard.health().introspection[0].last_error


def test_a_closed_guard_asks_nobody(issuer: LocalIssuer, protect: Protect) -> None:
    """Nor does it wait for an answer."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque()
    issuer.misbehave("hang", path=INTROSPECT)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(verdict, guard, token)
        until(lambda: questions(issuer))
        guard.close()
        assert waiting.result() == ISSUER_FAILS
    assert verdict(guard, issuer.mint_opaque()) == ISSUER_FAILS
    assert len(questions(issuer)) == 1
