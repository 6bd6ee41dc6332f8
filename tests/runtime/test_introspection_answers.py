"""How long answers are remembered, who shares a question, and how many may be on their way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.asking import INTROSPECT, ISSUER_FAILS, asked_at, form_of, questions
from runtime.servers import canned, http_answer
from runtime.support import Clock, Protect, averdict, until, verdict
from tokenguard import errors
from tokenguard.testing import LocalIssuer

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
    for confirmation in ({"jkt": "0" * 43}, {"x5t#S256": "0" * 43}, {}):
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
    introspector = guard._issuers.introspectors[issuer.issuer]
    assert (len(introspector._active), len(introspector._refused)) == (1, 4)
    for number in range(10):
        assert verdict(guard, issuer.mint_opaque(sub=f"user-{number}")) == f"user-{number}"
    assert len(introspector._active) == 4


@pytest.mark.req("IN-11")
def test_no_token_is_kept(issuer: LocalIssuer, protect: Protect) -> None:
    """Answers are found by SHA-256 of the token."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque()
    verdict(guard, token)
    introspector = guard._issuers.introspectors[issuer.issuer]
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


FORKING = """
import os, sys
from tokenguard import ClientSecret, Introspection, Issuer, TokenGuard
issuer, client_id, secret, before, after = sys.argv[1:]
introspection = Introspection(ClientSecret(client_id, secret), timeout=60)
guard = TokenGuard(audience="https://api.example.com", issuers=[Issuer(issuer, introspection=introspection)])
guard.validate(before)
child = os.fork()
guard.validate(after)
if child == 0:
    guard.validate(before)
    os._exit(0)
guard.close()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_asks_for_itself(issuer: LocalIssuer) -> None:
    """Over connections of its own, while its parent goes on over the old ones."""
    before, after = issuer.mint_opaque(), issuer.mint_opaque()
    arguments = [issuer.issuer, *issuer.resource_server, before, after]
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, *arguments], check=True, timeout=60)
    assert [form_of(question)["token"] for question in questions(issuer)].count(after) == 2
