"""Closing a guard, at any moment; and refreshes that end in ways nobody foresaw."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.servers import canned, http_answer, read_head, serving
from runtime.support import (
    DAY,
    JWKS,
    PATIENCE,
    UNAVAILABLE,
    Clock,
    Protect,
    averdict,
    build_guard,
    closed_soon,
    fetched,
    io_threads,
    key_state,
    unpublished,
    until,
    verdict,
    waiting_threads,
)
from tokenguard import errors
from tokenguard.core.effects import AnswerFailed
from tokenguard.runtime import keysource
from tokenguard.testing import LocalIssuer

PROMPT = 2.0  # seconds; the fetches that are ended here would take an hour


@pytest.mark.req("A-139")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("fault", ["hang", "drip", "slow"])
async def test_close_ends_a_hanging_fetch(issuer: LocalIssuer, fault: str) -> None:
    """At once: whoever waits, sync or async, gets 503, and no thread is left."""
    before = io_threads()
    guard = build_guard(issuer)
    issuer.misbehave(fault, path=JWKS, seconds=3600)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(verdict, guard, issuer.mint()) for _ in range(4)]
        tasks = [asyncio.create_task(averdict(guard, issuer.mint())) for _ in range(4)]
        await asyncio.to_thread(until, lambda: issuer.count(JWKS) == 1)
        began = time.perf_counter()
        await guard.aclose()
        assert time.perf_counter() - began < PROMPT
        assert {future.result(PATIENCE) for future in waiting} == set(await asyncio.gather(*tasks)) == {UNAVAILABLE}
    assert io_threads() <= before
    assert verdict(guard, issuer.mint()) == UNAVAILABLE


@pytest.mark.timeout(30)
def test_close_does_not_wait_for_a_name_server(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up of a host name can't be interrupted, so it is left to itself; the deadline holds for it too."""
    answered = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        answered.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    guard = build_guard("https://auth.test", timeout=0.2)
    with pytest.raises(errors.Unavailable):
        guard.warm()
    assert "within 0.2 s" in key_state(guard).last_error
    began = time.perf_counter()
    guard.close()
    assert time.perf_counter() - began < PROMPT
    answered.set()


def test_keys_at_hand_serve_on_after_close(issuer: LocalIssuer, clock: Clock) -> None:
    """Until they are stale; health and the log say that nothing is fetched any more, and why."""
    guard = build_guard(issuer, monotonic=clock)
    guard.warm()
    guard.close()
    assert verdict(guard, issuer.mint()) == "user-1"
    clock.advance(600)
    assert verdict(guard, issuer.mint()) == "user-1"
    assert key_state(guard).last_error == "the guard is closed"
    assert verdict(guard, unpublished(issuer)) == UNAVAILABLE
    clock.advance(DAY)
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert issuer.count(JWKS) == 1


def test_a_closed_guard_complains_once_a_cool_down(
    issuer: LocalIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at every request."""
    guard = build_guard(issuer, monotonic=clock)
    guard.warm()
    guard.close()
    clock.advance(600)
    for _ in range(50):
        verdict(guard, issuer.mint())
    assert caplog.text.count("keys not fetched: the guard is closed; the last good keys serve") == 1


def test_a_guard_that_never_fetched_closes_too(issuer: LocalIssuer) -> None:
    """Twice, and as a context manager."""
    with build_guard(issuer) as guard:
        guard.close()
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert issuer.requests == []


async def test_async_with_closes(issuer: LocalIssuer) -> None:
    """The thread is gone at the end of the block."""
    before = io_threads()
    async with build_guard(issuer) as guard:
        assert await averdict(guard, issuer.mint()) == "user-1"
        assert io_threads() > before
    assert io_threads() <= before


def test_close_ends_idle_connections() -> None:
    """The server sees the end of the one that was kept."""
    ended = threading.Event()
    issuer = LocalIssuer(algorithm="ES256")
    answer = http_answer(json.dumps(issuer.jwks).encode())

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer)
        if connection.recv(1) == b"":
            ended.set()

    with serving(serve) as port:
        guard = build_guard(issuer, jwks_uri=f"http://127.0.0.1:{port}/")
        assert verdict(guard, issuer.mint()) == "user-1"
        assert not ended.wait(0.05)
        guard.close()
        assert ended.wait(PATIENCE)


def test_a_refresh_that_was_closed_leaves_a_clean_state(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """It is over, it failed, and it counts as an attempt."""
    guard = protect(issuer)
    guard.warm()
    issuer.misbehave("hang", path=JWKS)
    clock.advance(600)
    assert verdict(guard, issuer.mint()) == "user-1"
    until(lambda: issuer.count(JWKS) == 2)
    guard.close()
    state = fetched(guard)
    assert (state.state, state.last_error, state.cooling_down) == ("stale", "the guard was closed", True)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("turns", range(8))
def test_a_refresh_that_was_closed_as_it_began_leaves_nothing_lying(protect: Protect, clock: Clock, turns: int) -> None:
    """No future that stays open, and no coroutine that never ran, here or in the libraries that connect."""
    issuer = LocalIssuer(algorithm="ES256")
    with canned(http_answer(json.dumps(issuer.jwks).encode())) as server:
        guard = protect(issuer, jwks_uri=server.url)
        guard.warm()
        clock.advance(600)
        with closed_soon(guard._issuers.io, turns):
            assert verdict(guard, issuer.mint()) == "user-1"
    assert fetched(guard).last_error == "the guard was closed"
    gc.collect()  # a coroutine that never ran says so when it is collected, and warnings are errors here


@pytest.mark.parametrize(
    "error", [MemoryError, RecursionError, UnicodeError("Bearer eyJ"), KeyError("Bearer eyJ"), AssertionError]
)
def test_an_unforeseen_error_is_an_outage(
    issuer: LocalIssuer, protect: Protect, clock: Clock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Callers see the library's own, the operator its kind and place (its text may hold anything), and it passes."""

    def fail(*_: object, **__: object) -> None:
        raise error

    guard = protect(issuer)
    with monkeypatch.context() as patch:
        patch.setattr(keysource, "key_set_of", fail)
        assert verdict(guard, issuer.mint()) == UNAVAILABLE
    failure = key_state(guard).last_error
    assert "unforeseen" in failure
    assert "in fail (test_closing.py:" in failure
    assert "Bearer" not in failure
    clock.advance(30)
    assert verdict(guard, issuer.mint()) == "user-1"


def test_without_a_thread_to_be_had_it_is_an_outage(
    issuer: LocalIssuer, protect: Protect, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and a cool-down, and fetching begins when there is one again."""

    def exhausted(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    guard = protect(issuer)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", exhausted)
        for _ in range(3):
            assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert key_state(guard).last_error == "the I/O thread can't be started: RuntimeError"
    clock.advance(30)
    assert verdict(guard, issuer.mint()) == "user-1"


def test_what_went_wrong_is_told_to_each_who_waits_alone(issuer: LocalIssuer, protect: Protect) -> None:
    """A shared exception would collect the frames, and so the tokens, of all who waited."""
    issuer.misbehave("hang", path=JWKS)
    guard = protect(issuer)
    failures: list[BaseException | None] = []

    def wait_for_keys() -> None:
        try:
            guard.validate(issuer.mint())
        except errors.Unavailable as refusal:
            failures.append(refusal.__context__)

    threads = [threading.Thread(target=wait_for_keys) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: waiting_threads(guard) == 8)
    guard.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert all(isinstance(failure, AnswerFailed) for failure in failures)
    assert len({id(failure) for failure in failures}) == 8
