"""What is remembered, for how long, and that nothing else is done for a token that is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Never

import pytest

from runtime.support import DAY, JWKS, UNAVAILABLE, Clock, Protect, attempted, averdict, refreshed, unpublished, verdict
from tokenguard import Issuer, Request, TokenGuard
from tokenguard.runtime.tokencache import BoundedMemory
from tokenguard.testing import LocalIssuer


def entry(number: int) -> bytes:
    """A key."""
    return number.to_bytes(4)


def remembered(guard: TokenGuard) -> int:
    """How many tokens the guard remembers."""
    return len(guard._setup.tokens)  # type: ignore[arg-type]


# The memory itself


def test_the_oldest_is_forgotten() -> None:
    """First in, first out; to be put again is not to be new."""
    memory: BoundedMemory[int] = BoundedMemory(3)
    for number in (1, 2, 3, 1, 4):
        memory.put(entry(number), number)
    assert [memory.get(entry(number)) for number in (1, 2, 3, 4)] == [None, 2, 3, 4]
    assert len(memory) == 3


def test_a_value_can_be_replaced() -> None:
    """Without room for another."""
    memory: BoundedMemory[str] = BoundedMemory(1)
    memory.put(b"key", "old")
    memory.put(b"key", "new")
    assert memory.get(b"key") == "new"
    assert len(memory) == 1


def test_it_stays_bounded_and_right_under_many_threads() -> None:
    """What is there belongs to its key, and there is never more than was asked for."""
    memory: BoundedMemory[int] = BoundedMemory(100)

    def work(seed: int) -> bool:
        right = True
        for step in range(3000):
            number = (seed * 7919 + step * 31) % 400
            memory.put(entry(number), number)
            found = memory.get(entry(number))
            right &= found in (None, number) and len(memory) <= 100
        return right

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))
    assert len(memory) == 100
    assert sum(memory.get(entry(number)) == number for number in range(400)) == 100


# Tokens


def test_a_token_is_remembered_by_a_digest(issuer: LocalIssuer, protect: Protect) -> None:
    """Nothing in memory holds the token itself (RFC 9700 4.9.3)."""
    guard = protect(issuer)
    token = issuer.mint()
    guard.validate(token)
    [(key, value)] = guard._setup.tokens._entries.items()  # type: ignore[union-attr]
    assert len(key) == 64
    assert token.split(".")[2].encode() not in key
    assert token.split(".")[2] not in repr(tuple(value))


def test_refusals_are_not_remembered(issuer: LocalIssuer, protect: Protect) -> None:
    """Nobody can fill the memory with what is refused anyway, and a token that was too early is good later."""
    guard = protect(issuer)
    bad = [issuer.broken(kind) for kind in ("expired", "not_yet_valid", "other_audience", "bad_signature", "tampered")]
    for token in [*bad, unpublished(issuer), "garbage", issuer.mint(cnf={"jkt": "x"})]:
        assert verdict(guard, token) != "user-1"
    assert remembered(guard) == 0


def test_a_refused_requirement_does_not_matter(issuer: LocalIssuer, protect: Protect) -> None:
    """The token is good; the scopes are looked at every time."""
    guard = protect(issuer)
    request = Request("GET", "https://api.example.com/", {"Authorization": f"Bearer {issuer.mint(scope='read')}"})
    for _ in range(2):
        with pytest.raises(Exception, match="insufficient_scope"):
            guard.check(request, scopes="write")
        assert guard.check(request, scopes="read").subject == "user-1"
    assert remembered(guard) == 1


def test_expiry_is_checked_every_time(issuer: LocalIssuer, protect: Protect) -> None:
    """A remembered token expires like any other, with the leeway and to the second."""
    wall = Clock(1_800_000_000)
    issuer.clock = wall
    guard = protect(issuer, clock=wall)
    token = issuer.mint(exp=1_800_000_100)
    assert verdict(guard, token) == "user-1"
    wall.now = 1_800_000_129.5
    assert verdict(guard, token) == "user-1"
    wall.now = 1_800_000_130
    assert verdict(guard, token) == "expired"


def test_zero_turns_it_off(issuer: LocalIssuer, protect: Protect) -> None:
    """Every token is verified, and none is kept."""
    guard = protect(issuer, token_cache=0)
    token = issuer.mint()
    for _ in range(3):
        assert verdict(guard, token) == "user-1"
    assert guard._setup.tokens is None


def test_the_number_of_tokens_is_bounded(issuer: LocalIssuer, protect: Protect) -> None:
    """As configured; those forgotten are verified again."""
    guard = protect(issuer, token_cache=5)
    tokens = [issuer.mint() for _ in range(12)]
    for token in tokens * 2:
        assert verdict(guard, token) == "user-1"
    assert remembered(guard) == 5


def test_headers_are_remembered_only_of_tokens_that_verified(issuer: LocalIssuer, protect: Protect) -> None:
    """So that no attacker turns that memory over."""
    guard = protect(issuer)
    guard.validate(issuer.mint())
    for number in range(100):
        assert verdict(guard, unpublished(issuer, f"kid-{number}")) == "unknown_key"
        assert verdict(guard, issuer.broken("bad_signature")) == "bad_signature"
    assert len(guard._setup.headers) == 1  # type: ignore[arg-type]


@pytest.mark.req("JK-17")
def test_a_generation_ends_with_the_keys(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """What was remembered is verified again by the new keys, and refused where its key has gone."""
    guard = protect(issuer)
    stays = issuer.signing_key
    issuer.rotate()
    by_old, by_new = issuer.mint(key=stays), issuer.mint()
    assert verdict(guard, by_old) == verdict(guard, by_new) == "user-1"
    issuer.retire()
    clock.advance(600)
    guard.warm()
    assert verdict(guard, by_old) == "unknown_key"
    assert verdict(guard, by_new) == "user-1"


@pytest.mark.req("JK-16")
def test_a_service_that_only_sees_remembered_tokens_still_refreshes(
    issuer: LocalIssuer, protect: Protect, clock: Clock
) -> None:
    """And still notices when keys are too old to serve."""
    guard = protect(issuer)
    token = issuer.mint(exp=2**40)
    guard.validate(token)
    clock.advance(600)
    assert verdict(guard, token) == "user-1"
    refreshed(guard)
    assert issuer.count(JWKS) == 2
    issuer.misbehave("down")
    clock.advance(DAY - 1)
    assert verdict(guard, token) == "user-1"
    attempted(guard)
    clock.advance(1)
    assert verdict(guard, token) == UNAVAILABLE
    assert remembered(guard) == 1


def test_two_guards_remember_nothing_of_each_other(issuer: LocalIssuer) -> None:
    """What one accepts says nothing to the other, which has another audience."""
    config = Issuer(issuer.issuer, jwks=issuer.jwks)
    ours = TokenGuard(audience="https://api.example.com", issuers=[config])
    theirs = TokenGuard(audience="https://other.test", issuers=[config])
    token = issuer.mint()
    assert verdict(ours, token) == "user-1"
    assert verdict(theirs, token) == "wrong_audience"


# What a remembered token costs


class Forbidden:
    """A lock that must not be taken."""

    def __enter__(self) -> Never:
        raise AssertionError("a lock was taken")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Never reached."""


@contextmanager
def nothing_but_memory(guard: TokenGuard, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail if a lock is taken, a thread begun, a question asked or the issuer heard of in this block."""
    asked: list[Any] = []
    source: Any = guard._issuers.sources[issuer.issuer]
    with monkeypatch.context() as patch:
        for holder in (guard._setup.tokens, guard._setup.headers, source, guard._issuers.io):
            patch.setattr(holder, "_lock", Forbidden())
        patch.setattr(threading.Thread, "start", asked.append)
        patch.setattr(guard, "_ask", asked.append)
        requests = len(issuer.requests)
        yield
        assert asked == []
        assert len(issuer.requests) == requests


async def test_a_remembered_token_costs_no_io_no_thread_no_lock(
    issuer: LocalIssuer, protect: Protect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sync and async, bare or with a request around it; a refusal takes no lock either."""
    guard = protect(issuer)
    token = issuer.mint(scope="read")
    request = Request("GET", "https://api.example.com/", {"Authorization": f"Bearer {token}"})
    guard.validate(token)
    with nothing_but_memory(guard, issuer, monkeypatch):
        for _ in range(3):
            assert verdict(guard, token) == await averdict(guard, token) == "user-1"
            assert guard.check(request, scopes="read").subject == "user-1"
            assert (await guard.acheck(request, scopes="read")).subject == "user-1"
            assert verdict(guard, issuer.broken("bad_signature")) == "bad_signature"
            assert guard.health().ready


def test_the_measure_would_notice(issuer: LocalIssuer, protect: Protect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token not seen before is remembered under a lock."""
    guard = protect(issuer)
    guard.warm()
    with nothing_but_memory(guard, issuer, monkeypatch), pytest.raises(AssertionError, match="a lock was taken"):
        guard.validate(issuer.mint())
