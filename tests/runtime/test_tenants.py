"""Issuers that a function looks up: whom it is asked for, what its answers mean, and for how long."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from runtime.support import IO_THREAD, PATIENCE, Clock, averdict, io_threads, until, verdict
from runtime.tenancy import UNKNOWN, UNRESOLVED, Table, Tenancy, served, settings_of, tenant
from tokenguard import ClientSecret, Introspection, errors
from tokenguard.testing import LocalIssuer

RED, BLUE = tenant(1), tenant(2)

#: both kinds of function, by the name of the method of `Table`
either_kind = pytest.mark.parametrize("kind", ["find", "afind"])


def both() -> Table:
    """A table of the two."""
    return Table(settings_of(RED), settings_of(BLUE))


# Whom it is asked for


@either_kind
async def test_an_issuer_is_looked_up_for_its_first_token_and_then_remembered(tenancy: Tenancy, kind: str) -> None:
    """From sync and from async code, whichever kind of function it is."""
    table = both()
    guard = tenancy(getattr(table, kind))
    for _ in range(3):
        assert verdict(guard, RED.mint(sub="red")) == "red"
        assert await averdict(guard, BLUE.mint(sub="blue")) == "blue"
    assert table.asked == {RED.issuer: 1, BLUE.issuer: 1}
    assert guard.issuers == ()
    assert guard.validate(RED.mint()).issuer == RED.issuer


def test_a_plain_function_runs_in_place_and_an_async_one_on_the_io_thread(tenancy: Tenancy) -> None:
    """As documented: the one must not block, the other has an event loop of its own."""
    plain, waiting = both(), both()
    verdict(tenancy(plain.find), RED.mint())
    assert plain.threads == {threading.current_thread().name}
    verdict(tenancy(waiting.afind), RED.mint())
    assert waiting.threads == {IO_THREAD}


def test_any_callable_will_do(tenancy: Tenancy) -> None:
    """A partial, an object that is called, and a plain function that hands on an awaitable."""

    class Database:
        async def __call__(self, issuer: str) -> Any:
            return await table.afind(issuer)

    table = both()
    ways: list[Callable[[str], Any]] = [partial(table.afind), Database(), lambda issuer: table.afind(issuer)]  # noqa: PLW0108
    for way in ways:
        assert verdict(tenancy(way), RED.mint()) == "user-1"


def test_a_string_stands_for_an_issuer_of_that_name(issuer: LocalIssuer, tenancy: Tenancy) -> None:
    """Its keys are discovered."""
    guard = tenancy(Table(issuer.issuer).find)
    assert verdict(guard, issuer.mint()) == "user-1"


@pytest.mark.req("A-087", "A-088", "AT-07")
@either_kind
def test_an_issuer_that_is_not_in_the_table_is_refused_and_never_asked(tenancy: Tenancy, kind: str) -> None:
    """An attacker who runs a perfect issuer is refused, nobody connects to it, and no other tenant's keys serve."""
    table = both()
    guard = tenancy(getattr(table, kind))
    with LocalIssuer(signing_key=RED.signing_key).serve() as attacker:
        assert verdict(guard, attacker.mint()) == UNKNOWN
        assert table.asked == {attacker.issuer: 1}
        assert attacker.requests == []


@pytest.mark.req("A-087")
@pytest.mark.parametrize(
    "iss",
    [None, 1, True, "", [RED.issuer], {RED.issuer: 1}, RED.issuer + "/", RED.issuer.upper(), f" {RED.issuer}",
     "https://user@tenant-1.test", RED.issuer + "?", RED.issuer + "#", "tenant-1.test", "file:///etc/passwd",
     "https://tenant-1.test\x00", "https://tenant-1.test\n", "https://ten\u0430nt-1.test", "https://{tenantid}.test",
     "https://tenant-1.test/' OR '1'='1 ", "https://" + "a" * 600, "https://"],
    ids=repr,
)  # fmt: skip
def test_iss_is_compared_to_the_code_point_and_only_what_may_be_one_is_looked_up(tenancy: Tenancy, iss: object) -> None:
    """What is no issuer identifier never reaches the function: it is no text to put into anybody's query."""
    table = Table(settings_of(RED))
    guard = tenancy(table.find)
    assert verdict(guard, RED.mint(iss=iss)) == UNKNOWN
    assert set(table.asked) <= {RED.issuer + "/"}


@pytest.mark.req("A-087")
def test_a_token_without_iss_is_from_nobody(tenancy: Tenancy) -> None:
    """Nothing is looked up."""
    table = both()
    assert verdict(tenancy(table.find), RED.mint(without="iss")) == UNKNOWN
    assert not table.asked


def test_nothing_is_looked_up_for_what_is_no_token(tenancy: Tenancy) -> None:
    """Form, header, and the limits of the payload come first."""
    table = both()
    guard = tenancy(table.find)
    for kind in ("alg_none", "hs256_public_key", "critical_header", "malformed"):
        verdict(guard, RED.broken(kind))
    verdict(guard, RED.mint(padding="x" * 13_000))
    verdict(guard, RED.mint(nested=[[]] * 200))
    assert not table.asked


def test_a_listed_issuer_is_never_looked_up(tenancy: Tenancy) -> None:
    """The list counts before the table."""
    table = Table(settings_of(RED, jwks_uri="https://nowhere.test"), settings_of(BLUE))
    guard = tenancy(table.find, listed=[settings_of(RED)])
    assert [verdict(guard, one.mint()) for one in (RED, BLUE)] == ["user-1", "user-1"]
    assert table.asked == {BLUE.issuer: 1}
    assert guard.issuers == (RED.issuer,)


def test_each_issuers_rules_are_its_own(tenancy: Tenancy) -> None:
    """Algorithms, profile and audience, as for one that is listed."""
    table = Table(settings_of(RED, jwks_uri="https://nowhere.test", algorithms=("RS256",)), settings_of(BLUE))
    guard = tenancy(table.find)
    assert verdict(guard, RED.mint()) == "unsupported_algorithm"
    assert verdict(guard, BLUE.mint(aud="https://other.test")) == "wrong_audience"
    assert verdict(guard, BLUE.mint(header={"typ": "JWT"})) == "wrong_type"


# What the answers mean


@either_kind
@pytest.mark.parametrize(
    "answer",
    [settings_of(BLUE), BLUE.issuer, RED.issuer + "/", b"bytes", 7, True, {"issuer": RED.issuer},
     settings_of(RED, introspection=Introspection(ClientSecret("a", "b"))), settings_of(RED, jwks={"keys": []})],
    ids=["another", "another name", "nearly", "bytes", "int", "bool", "mapping", "introspection", "no keys"],
)  # fmt: skip
def test_what_is_no_answer_is_our_fault(
    tenancy: Tenancy, kind: str, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    """503 with a hint, and never remembered as unknown: nobody is logged out by a careless table."""
    table = Table()
    table.rows[RED.issuer] = answer
    guard = tenancy(getattr(table, kind))
    with pytest.raises(errors.Unavailable, match=UNRESOLVED) as caught:
        guard.validate(RED.mint())
    assert "IssuerResolver.resolve answered with" in caught.value.hint
    assert caught.value.retry_after == 1
    table.rows[RED.issuer] = settings_of(RED)
    guard.remove_issuer(RED.issuer)
    assert verdict(guard, RED.mint()) == "user-1"


def test_an_answer_that_names_a_host_without_tls_is_our_fault(tenancy: Tenancy) -> None:
    """Not that of whoever sent the token."""
    red = LocalIssuer("http://tenant-1.test", signing_key=RED.signing_key)
    assert verdict(tenancy(Table(red.issuer).find), red.mint()) == UNRESOLVED


@either_kind
@pytest.mark.parametrize("fault", [OSError("https://tenant-1.test"), TimeoutError(), KeyError(), AssertionError()])
def test_what_the_function_raises_is_our_fault(
    tenancy: Tenancy, kind: str, fault: Exception, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """503, told to the operator without a word from the token; the next look-up may begin a second later."""
    table = both()
    table.fault = fault
    guard = tenancy(getattr(table, kind))
    with caplog.at_level(logging.WARNING):
        assert verdict(guard, RED.mint()) == verdict(guard, RED.mint()) == UNRESOLVED
    assert type(fault).__name__ in caplog.text
    assert RED.issuer not in caplog.text
    assert table.asked == {RED.issuer: 1}
    state = guard.health().tenants
    assert state is not None
    assert type(fault).__name__ in state.last_error
    table.fault = None
    clock.advance(1)
    assert verdict(guard, RED.mint()) == "user-1"
    assert guard.health().tenants.last_error == ""  # type: ignore[union-attr]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), SystemExit()])
def test_an_interruption_ends_the_look_up_but_nobody_waits_for_ever(tenancy: Tenancy, fault: BaseException) -> None:
    """It passes, for it is meant for the thread; whoever joined gets 503, and the next one looks up again."""
    table = both()
    table.fault = fault
    table.hold()
    guard = tenancy(table.find)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(verdict, guard, RED.mint())
        until(lambda: table.asked)
        second = pool.submit(verdict, guard, RED.mint())
        until(lambda: guard._issuers.tenants.counts()[1] == 1)  # type: ignore[union-attr]
        table.go.set()
        assert type(first.exception(PATIENCE)) is type(fault)
        assert second.exception(PATIENCE) is None or second.result() == UNRESOLVED
    table.fault = None
    assert verdict(guard, RED.mint()) == "user-1"


def test_a_look_up_has_a_deadline(tenancy: Tenancy) -> None:
    """An answer that does not come is no answer."""
    table = both()
    table.hold()
    guard = tenancy(table.afind, timeout=0.05)
    with pytest.raises(errors.Unavailable, match=UNRESOLVED) as caught:
        guard.validate(RED.mint())
    assert "IssuerResolver.timeout" in caught.value.hint
    table.go.set()


async def test_after_close_nothing_is_looked_up_by_an_async_function(tenancy: Tenancy) -> None:
    """What is known serves on; the rest gets 503, and whoever waits is not left waiting."""
    table = both()
    guard = tenancy(table.afind)
    assert await averdict(guard, RED.mint()) == "user-1"
    table.hold()
    waiting = asyncio.create_task(averdict(guard, BLUE.mint()))
    await asyncio.to_thread(until, lambda: table.asked[BLUE.issuer])
    table.go.set()
    await guard.aclose()
    assert await waiting in {"user-1", UNRESOLVED}
    assert await averdict(guard, RED.mint()) == "user-1"
    assert await averdict(guard, tenant(3).mint()) == UNRESOLVED
    assert verdict(tenancy(lambda issuer: table.afind(issuer)), RED.mint()) == "user-1"  # noqa: PLW0108
    closed = tenancy(lambda issuer: table.afind(issuer))  # noqa: PLW0108
    closed.close()
    assert verdict(closed, RED.mint()) == UNRESOLVED


# For how long


def test_an_answer_is_believed_for_its_time(tenancy: Tenancy, clock: Clock) -> None:
    """Then it is asked for again, by a remembered token too; one that has left the table is refused."""
    table = both()
    guard = tenancy(table.find, ttl=100)
    token = RED.mint()
    verdict(guard, token)
    clock.advance(89)
    assert verdict(guard, token) == "user-1"
    assert table.asked[RED.issuer] == 1
    clock.advance(11)
    del table.rows[RED.issuer]
    assert verdict(guard, token) == UNKNOWN
    assert table.asked[RED.issuer] == 2
    assert guard.health().tenants.known == 0  # type: ignore[union-attr]


def test_the_same_settings_again_keep_the_keys(issuer: LocalIssuer, tenancy: Tenancy, clock: Clock) -> None:
    """Though they are another object; other settings bring new keys."""
    table = Table(served(issuer))
    guard = tenancy(table.find, ttl=10)
    token = issuer.mint()
    for _ in range(3):
        assert verdict(guard, token) == "user-1"
        clock.advance(10)
        table.rows[issuer.issuer] = served(issuer)
    assert table.asked[issuer.issuer] == 3
    assert issuer.count("/jwks") == 1
    table.rows[issuer.issuer] = served(issuer, max_age=500)
    assert verdict(guard, token) == "user-1"
    assert issuer.count("/jwks") == 2


def test_other_settings_hold_for_remembered_tokens(tenancy: Tenancy, clock: Clock) -> None:
    """What was accepted under the old ones is judged again."""
    table = both()
    guard = tenancy(table.find, ttl=10)
    token = RED.mint()
    assert verdict(guard, token) == "user-1"
    table.rows[RED.issuer] = settings_of(RED, jwks=RED.jwks, audience="https://elsewhere.test")
    clock.advance(10)
    assert verdict(guard, token) == "wrong_audience"


def test_a_failing_table_lets_nobody_in_beyond_the_time(tenancy: Tenancy, clock: Clock) -> None:
    """503, not 401; and what was known serves again, with its keys, as soon as the table answers."""
    table = both()
    guard = tenancy(table.find, ttl=10)
    token = RED.mint()
    verdict(guard, token)
    table.fault = OSError()
    clock.advance(10)
    assert verdict(guard, token) == UNRESOLVED
    table.fault = None
    clock.advance(1)
    assert verdict(guard, token) == "user-1"


def test_an_unknown_name_is_believed_unknown_for_a_while(tenancy: Tenancy, clock: Clock) -> None:
    """So long a new tenant may be refused, unless it is told to forget."""
    table = Table()
    guard = tenancy(table.find, unknown_ttl=10)
    for _ in range(5):
        assert verdict(guard, RED.mint()) == UNKNOWN
    assert table.asked == {RED.issuer: 1}
    table.rows[RED.issuer] = settings_of(RED)
    assert verdict(guard, RED.mint()) == UNKNOWN
    clock.advance(10)
    assert verdict(guard, RED.mint()) == "user-1"
    assert verdict(guard, BLUE.mint()) == UNKNOWN
    table.rows[BLUE.issuer] = settings_of(BLUE)
    guard.remove_issuer(BLUE.issuer)
    assert verdict(guard, BLUE.mint()) == "user-1"


# One look-up for all


@pytest.mark.timeout(60)
@either_kind
async def test_one_look_up_serves_all_who_wait(tenancy: Tenancy, kind: str) -> None:
    """Sixty-four threads and a thousand tasks, of two tenants and a name that nobody has."""
    table = both()
    guard = tenancy(getattr(table, kind))
    tokens = [one.mint(sub=one.issuer) for one in (RED, BLUE, tenant(3))]
    expected = dict(zip(tokens, (RED.issuer, BLUE.issuer, UNKNOWN), strict=True))
    table.hold()
    outcomes: list[tuple[str, str]] = []
    with ThreadPoolExecutor(64) as pool:
        threads = [pool.submit(lambda t=tokens[n % 3]: outcomes.append((t, verdict(guard, t)))) for n in range(64)]
        await asyncio.to_thread(until, lambda: len(table.asked) == 3)
        tasks = [asyncio.create_task(averdict(guard, tokens[n % 3])) for n in range(1000)]
        await asyncio.sleep(0)
        table.go.set()
        outcomes += zip((tokens[n % 3] for n in range(1000)), await asyncio.gather(*tasks), strict=True)
        await asyncio.to_thread(lambda: [thread.result(PATIENCE) for thread in threads])
    assert len(outcomes) == 1064
    assert all(expected[token] == outcome for token, outcome in outcomes)
    assert table.asked == Counter({RED.issuer: 1, BLUE.issuer: 1, tenant(3).issuer: 1})


@pytest.mark.timeout(60)
async def test_cancelling_one_who_waits_leaves_the_look_up_to_the_others(tenancy: Tenancy) -> None:
    """It is for everybody."""
    table = both()
    table.hold()
    guard = tenancy(table.afind)
    waiting = [asyncio.create_task(averdict(guard, RED.mint())) for _ in range(3)]
    await asyncio.to_thread(until, lambda: table.asked)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    table.go.set()
    assert await asyncio.gather(*waiting[1:]) == ["user-1", "user-1"]
    assert table.asked == {RED.issuer: 1}


def test_nothing_starts_before_it_must(tenancy: Tenancy) -> None:
    """No look-up and no thread when built, so that servers may fork."""
    table = both()
    before = io_threads()
    tenancy(table.afind)
    assert not table.asked
    assert io_threads() == before
