"""Run a flow of the pipeline to its end, answering what it asks: `run` for sync callers, `arun` for async ones.

Both only begin and wait. A failure is thrown back into the flow, so that the pipeline decides what it means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from tokenguard.core.effects import AnswerFailed, Flow, Question

_T = TypeVar("_T")
#: begins whatever answers a question
Ask = Callable[[Question], Future[Any]]


def run(flow: Flow[_T], ask: Ask) -> _T:
    """The flow's result; blocks the calling thread while it waits for an answer."""
    try:
        question = next(flow)
        while True:
            answer = ask(question)
            try:
                answered = answer.result() if question.wait else None
            except AnswerFailed as failure:
                question = flow.throw(_own(failure))
            else:
                question = flow.send(answered)
    except StopIteration as end:
        result: _T = end.value
        return result


async def arun(flow: Flow[_T], ask: Ask) -> _T:
    """The flow's result; awaits answers on whatever event loop is running."""
    try:
        question = next(flow)
        while True:
            answer = ask(question)
            try:
                # cancelling one who waits leaves the shared work alone: its future is marked as running
                answered = await asyncio.wrap_future(answer) if question.wait else None
            except AnswerFailed as failure:
                question = flow.throw(_own(failure))
            else:
                question = flow.send(answered)
    except StopIteration as end:
        result: _T = end.value
        return result


def _own(failure: AnswerFailed) -> AnswerFailed:
    """One for each flow: that of shared work would collect in its traceback the frames of all who waited for it."""
    return AnswerFailed(str(failure), failure.retry_after)
