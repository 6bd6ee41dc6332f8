"""A store for all workers, asked on the I/O thread: only a plain True lets anyone in, and no answer is a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from runtime.support import PATIENCE
from tokenguard import DPoP, Issuer, Request, TokenGuard
from tokenguard.core.effects import AnswerFailed, RecordProof
from tokenguard.errors import InvalidDPoPProof, Reason, Unavailable
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.senders import SharedReplays
from tokenguard.stores.replays import MemoryReplays
from tokenguard.testing import DPoPKey, LocalIssuer, SigningKey

SIGNING_KEY, CLIENT_KEY = SigningKey.generate("ES256"), SigningKey.generate("ES256")
QUESTION = RecordProof(b"k" * 32, 100.0, 160.0)


class Answering:
    """A store of the user's own, which answers or raises what it is told to."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[bytes, float, float]] = []
        self.closed = False

    async def record(self, key: bytes, now: float, until: float) -> Any:
        self.asked.append((key, now, until))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def aclose(self) -> None:
        self.closed = True


async def nothing_to_close() -> None:
    """The I/O thread here holds nothing."""


@pytest.fixture
def io() -> Iterator[IOThread]:
    """An I/O thread, ended with the test."""
    thread = IOThread(on_close=nothing_to_close)
    yield thread
    thread.close()


def test_the_store_is_asked_with_what_the_pipeline_says(io: IOThread) -> None:
    """Key and times arrive as they are, and so does the answer."""
    store = Answering(True)
    assert SharedReplays(store, io).ask(QUESTION).result(PATIENCE) is True
    assert store.asked == [(b"k" * 32, 100.0, 160.0)]


def test_a_store_that_is_unavailable_says_when_to_come_back(io: IOThread) -> None:
    """Its hint and its time reach the pipeline."""
    unavailable = Unavailable(Reason.REPLAYS_UNAVAILABLE, "full").after(7)
    with pytest.raises(AnswerFailed, match="full") as failure:
        SharedReplays(Answering(unavailable), io).ask(QUESTION).result(PATIENCE)
    assert failure.value.retry_after == 7


def test_what_a_store_raises_is_a_failure_and_its_text_is_not_shown(io: IOThread) -> None:
    """The text of an error that nobody expected may hold anything."""
    with pytest.raises(AnswerFailed, match="ValueError") as failure:
        SharedReplays(Answering(ValueError("hunter2")), io).ask(QUESTION).result(PATIENCE)
    assert "hunter2" not in str(failure.value)


def test_a_closed_guard_records_nothing(io: IOThread) -> None:
    """And so lets nobody in."""
    io.close()
    with pytest.raises(AnswerFailed, match="closed"):
        SharedReplays(Answering(True), io).ask(QUESTION).result(PATIENCE)


async def test_a_store_is_closed_if_it_can_be(io: IOThread) -> None:
    """One in memory holds nothing that needs it."""
    store = Answering(True)
    await SharedReplays(store, io).close()
    assert store.closed
    await SharedReplays(MemoryReplays(), io).close()


def dpop_request(answer: Any) -> tuple[TokenGuard, Request, Answering]:
    """A guard with such a store, and a request that nothing is wrong with."""
    issuer = LocalIssuer(signing_key=SIGNING_KEY)
    key, store = DPoPKey(signing_key=CLIENT_KEY), Answering(answer)
    guard = TokenGuard(
        audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)], dpop=DPoP(replays=store)
    )
    url = "https://api.example.com/orders"
    return guard, Request("GET", url, key.headers("GET", url, issuer.mint(dpop_key=key))), store


@pytest.mark.req("DP-20", "DP-34")
@pytest.mark.parametrize("answer", [False, None, 1, "yes", object()])
async def test_nothing_but_true_lets_anyone_in(answer: object) -> None:
    """A store that forgets to answer lets nobody in, sync or async."""
    guard, request, _ = dpop_request(answer)
    with guard:
        with pytest.raises(InvalidDPoPProof) as refusal:
            guard.check(request)
        assert refusal.value.reason is Reason.PROOF_REPLAYED
        with pytest.raises(InvalidDPoPProof):
            await guard.acheck(request)


async def test_a_first_use_lets_in_and_the_store_is_closed_with_the_guard() -> None:
    """Sync callers wait for the answer, async ones await it."""
    guard, request, store = dpop_request(True)
    with guard:
        assert guard.check(request).bound_by == {"dpop"}
        assert (await guard.acheck(request)).bound_by == {"dpop"}
        assert len(store.asked) == 2
    assert store.closed


@pytest.mark.req("DP-33", "A-130")
@pytest.mark.parametrize("failure", [OSError(), Unavailable(Reason.REPLAYS_UNAVAILABLE, "full").after(9)])
async def test_no_answer_is_our_fault(failure: Exception) -> None:
    """503 with the store's time to come back, and nobody is let in."""
    guard, request, _ = dpop_request(failure)
    with guard:
        for refusal in (await refused(guard.acheck(request)), await refused(asyncio.to_thread(guard.check, request))):
            assert refusal.reason is Reason.REPLAYS_UNAVAILABLE
            assert refusal.retry_after == (9 if isinstance(failure, Unavailable) else 1)


async def refused(checking: Awaitable[object]) -> Unavailable:
    """The 503 that comes of it."""
    with pytest.raises(Unavailable) as refusal:
        await checking
    return refusal.value
