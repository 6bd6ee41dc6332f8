"""The two drivers of a flow, sync and async: they begin, wait, and hand over what came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Any

import pytest

from tokenguard.core.effects import AnswerFailed, Question, RefreshKeys
from tokenguard.core.keys import NEVER_FETCHED
from tokenguard.runtime.drivers import Ask, arun, run

Flow = Generator[Question, None, Any]
Drive = Callable[[Flow, Ask], Awaitable[Any]]


class NoKeys:
    """What is asked for, of nobody."""

    snapshot = NEVER_FETCHED


NOW = RefreshKeys(NoKeys(), wait=True)
LATER = RefreshKeys(NoKeys(), wait=False)


async def run_sync(flow: Flow, ask: Ask) -> Any:
    """`run`, in the shape of `arun`."""
    return run(flow, ask)


@pytest.fixture(params=[run_sync, arun], ids=["run", "arun"])
def drive(request: pytest.FixtureRequest) -> Drive:
    """Each of the two."""
    driver: Drive = request.param
    return driver


def answer(error: Exception | None = None) -> Future[None]:
    """One that is there already."""
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
    return done


def refuse(_: Question) -> Future[None]:
    """For flows that ask nothing."""
    raise AssertionError("asked")


async def test_a_flow_that_asks_nothing_is_answered_nothing(drive: Drive) -> None:
    """Its result is the driver's."""

    def flow() -> Flow:
        yield from ()
        return "result"

    assert await drive(flow(), refuse) == "result"


async def test_every_question_is_asked_and_answered_in_order(drive: Drive) -> None:
    """With None: the flow looks at the snapshot itself."""
    asked: list[Question] = []

    def flow() -> Flow:
        return [(yield NOW), (yield LATER), (yield NOW)]

    def ask(question: Question) -> Future[None]:
        asked.append(question)
        return answer()

    assert await drive(flow(), ask) == [None, None, None]
    assert asked == [NOW, LATER, NOW]


async def test_a_question_without_wait_is_only_begun(drive: Drive) -> None:
    """Its answer never comes, and the flow goes on; nor does it matter that it failed."""

    def flow() -> Flow:
        yield LATER
        yield LATER
        return "went on"

    answers = [Future[None](), answer(AnswerFailed("no"))]
    assert await drive(flow(), lambda _: answers.pop()) == "went on"


async def test_a_failure_is_thrown_into_the_flow_which_may_ask_again(drive: Drive) -> None:
    """The flow decides what it means."""

    def flow() -> Flow:
        try:
            yield NOW
        except AnswerFailed as failure:
            yield NOW
            return str(failure)
        return "no failure"

    answers = [answer(), answer(AnswerFailed("the issuer is down"))]
    assert await drive(flow(), lambda _: answers.pop()) == "the issuer is down"


async def test_a_shared_failure_stays_as_it_is(drive: Drive) -> None:
    """Each flow gets one of its own: the shared one would collect the frames of every flow it was thrown into."""
    shared = AnswerFailed("the issuer is down")

    def flow() -> Flow:
        yield NOW

    for _ in range(3):
        with pytest.raises(AnswerFailed, match="the issuer is down") as thrown:
            await drive(flow(), lambda _: answer(shared))
        assert thrown.value is not shared
    frames = shared.__traceback__
    assert "flow" not in _functions(frames)


async def test_what_a_flow_raises_leaves_the_driver(drive: Drive) -> None:
    """Before the first question and after it."""

    def flow(*questions: Question) -> Flow:
        yield from questions
        raise LookupError

    with pytest.raises(LookupError):
        await drive(flow(), refuse)
    with pytest.raises(LookupError):
        await drive(flow(NOW), lambda _: answer())


def _functions(traceback: Any) -> list[str]:
    names = []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    return names
