"""Recording a used proof on the I/O thread: only a plain True is a first use, and no answer is a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runtime.support import PATIENCE
from tokenguard.core.effects import AnswerFailed, RecordProof
from tokenguard.errors import Reason, Unavailable
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.replays import close_replays, record_proof
from tokenguard.stores.replays import MemoryReplays

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


def test_the_store_is_asked_once_with_what_the_pipeline_says(io: IOThread) -> None:
    """Key and times arrive as they are."""
    store = Answering(True)
    assert record_proof(QUESTION, store, io).result(PATIENCE) is True
    assert store.asked == [(b"k" * 32, 100.0, 160.0)]


@pytest.mark.req("DP-20")
@pytest.mark.parametrize("answer", [False, None, 1, "yes", object()])
def test_nothing_but_true_is_a_first_use(io: IOThread, answer: object) -> None:
    """A store that forgets to answer lets nobody in."""
    assert record_proof(QUESTION, Answering(answer), io).result(PATIENCE) is False


def test_a_store_in_memory_can_be_asked_too(io: IOThread) -> None:
    """One whose answer needs no waiting."""
    store = MemoryReplays()
    assert record_proof(QUESTION, store, io).result(PATIENCE) is True
    assert record_proof(QUESTION, store, io).result(PATIENCE) is False


def test_a_store_that_is_unavailable_says_when_to_come_back(io: IOThread) -> None:
    """Its hint and its time reach the pipeline."""
    unavailable = Unavailable(Reason.REPLAYS_UNAVAILABLE, "full").after(7)
    with pytest.raises(AnswerFailed, match="full") as failure:
        record_proof(QUESTION, Answering(unavailable), io).result(PATIENCE)
    assert failure.value.retry_after == 7


def test_what_a_store_raises_is_a_failure_and_its_text_is_not_shown(io: IOThread) -> None:
    """The text of an error that nobody expected may hold anything."""
    with pytest.raises(AnswerFailed, match="ValueError") as failure:
        record_proof(QUESTION, Answering(ValueError("hunter2")), io).result(PATIENCE)
    assert "hunter2" not in str(failure.value)


def test_a_closed_guard_records_nothing(io: IOThread) -> None:
    """And so lets nobody in."""
    io.close()
    with pytest.raises(AnswerFailed, match="closed"):
        record_proof(QUESTION, Answering(True), io).result(PATIENCE)


async def test_a_store_is_closed_if_it_can_be() -> None:
    """One in memory holds nothing that needs it."""
    store = Answering(True)
    await close_replays(store)
    assert store.closed
    await close_replays(MemoryReplays())
