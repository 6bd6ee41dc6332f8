"""The one thread that fetches: begun when needed, ended when told, and nothing waits for it in vain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextvars import ContextVar

import pytest

from runtime.support import PATIENCE, closed_soon, io_threads
from tokenguard.core.effects import AnswerFailed
from tokenguard.runtime.iothread import IOThread

request_id: ContextVar[str] = ContextVar("request_id", default="none")


class Closing:
    """What `on_close` is asked to do: remember that it was, and where."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    async def __call__(self) -> None:
        self.threads.append(threading.current_thread().name)


@pytest.fixture
def closing() -> Closing:
    """Tells whether the thread has released what lives on its loop."""
    return Closing()


@pytest.fixture
def io(closing: Closing) -> Iterator[IOThread]:
    """An I/O thread, ended with the test."""
    thread = IOThread(on_close=closing)
    yield thread
    thread.close()


def begun() -> Future[str]:
    """A future as the key source makes them."""
    done: Future[str] = Future()
    done.set_running_or_notify_cancel()
    return done


async def name_of_thread() -> str:
    """Where a coroutine runs."""
    return threading.current_thread().name


async def never() -> str:
    """Work without end."""
    await asyncio.Event().wait()
    return "the end"


def test_the_thread_begins_with_the_first_work(io: IOThread) -> None:
    """Not before, so that a server may fork after it has built the app; then one does all."""
    before = io_threads()
    for _ in range(3):
        done = begun()
        io.submit(name_of_thread(), done)
        assert done.result(PATIENCE) == "tokenguard-io"
    [thread] = io_threads() - before
    assert thread.daemon


def test_an_error_goes_to_whoever_waits(io: IOThread) -> None:
    """As it was raised."""

    async def fail() -> str:
        raise ZeroDivisionError

    done = begun()
    io.submit(fail(), done)
    assert isinstance(done.exception(PATIENCE), ZeroDivisionError)


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_work_that_wants_to_exit_ends_alone(io: IOThread, raised: type[BaseException]) -> None:
    """The loop would pass these on, and end."""

    async def leave() -> str:
        raise raised

    done, after = begun(), begun()
    io.submit(leave(), done)
    assert isinstance(done.exception(PATIENCE), AnswerFailed)
    io.submit(name_of_thread(), after)
    assert after.result(PATIENCE) == "tokenguard-io"


def test_work_is_not_in_the_context_of_the_request_that_began_it(io: IOThread) -> None:
    """It is for everybody: its log records must not bear one request's id, nor keep that request's data alive."""

    async def seen() -> str:
        await asyncio.sleep(0)
        return request_id.get()

    token = request_id.set("one request")
    try:
        done = begun()
        io.submit(seen(), done)
        assert done.result(PATIENCE) == "none"
    finally:
        request_id.reset(token)


def test_close_ends_what_is_under_way(io: IOThread, closing: Closing) -> None:
    """Its future says so, then the connections are released on the thread, and the thread is gone."""
    before = io_threads()
    waiting = [begun() for _ in range(3)]
    for done in waiting:
        io.submit(never(), done)
    io.close()
    for done in waiting:
        assert isinstance(done.exception(0), AnswerFailed)
    assert closing.threads == ["tokenguard-io"]
    assert io_threads() <= before


@pytest.mark.timeout(20)
@pytest.mark.parametrize("turns", range(4))
def test_work_that_was_closed_as_it_began_ends_too(io: IOThread, turns: int) -> None:
    """Nobody waits for ever, even if the end comes before the first step."""
    first = begun()
    io.submit(name_of_thread(), first)
    first.result(PATIENCE)
    done = begun()
    with closed_soon(io, turns):
        io.submit(never(), done)
    assert isinstance(done.exception(PATIENCE), AnswerFailed)


def test_nothing_begins_after_close(io: IOThread) -> None:
    """The caller is told, and the coroutine is not left lying."""
    io.close()
    io.close()
    before = io_threads()
    done = begun()
    with pytest.raises(AnswerFailed, match="the guard is closed"):
        io.submit(never(), done)
    assert not done.done()
    assert io_threads() == before


def test_close_without_any_work_is_nothing(io: IOThread, closing: Closing) -> None:
    """There is no thread to end, and nothing on it."""
    io.close()
    assert closing.threads == []


def test_close_from_several_threads_at_once(io: IOThread, closing: Closing) -> None:
    """Releases once."""
    done = begun()
    io.submit(never(), done)
    closers = [threading.Thread(target=io.close) for _ in range(8)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(PATIENCE)
    assert isinstance(done.exception(PATIENCE), AnswerFailed)
    assert closing.threads == ["tokenguard-io"]


def test_without_a_thread_to_be_had_the_caller_is_told(io: IOThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next one gets it, when there is one again."""

    def exhausted(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", exhausted)
        with pytest.raises(AnswerFailed, match="RuntimeError"):
            io.submit(never(), begun())
    done = begun()
    io.submit(name_of_thread(), done)
    assert done.result(PATIENCE) == "tokenguard-io"


def test_without_file_descriptors_the_caller_is_told(io: IOThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event loop needs three."""

    def exhausted() -> asyncio.AbstractEventLoop:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", exhausted)
        with pytest.raises(AnswerFailed, match="OSError"):
            io.submit(never(), begun())
    done = begun()
    io.submit(name_of_thread(), done)
    assert done.result(PATIENCE) == "tokenguard-io"
