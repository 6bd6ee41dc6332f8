"""One background thread with an event loop of its own, for all fetching of one guard.

Started at the first need, never at construction, so that servers may fork after building the app. Sync callers wait
for a result, async ones await it from whatever loop they are on. Work is not cancelled with the caller who asked.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context
from typing import Any, TypeVar

from tokenguard.core.effects import AnswerFailed
from tokenguard.runtime import forksafe

_T = TypeVar("_T")
#: look-ups of host names at a time. Nothing can interrupt one, so asyncio's handful would let a few names that get no
#: answer keep every other issuer from being reached
_NAME_LOOK_UPS = 64
#: seconds that `close` waits for work under way to notice its cancellation
_CLOSE_TIMEOUT = 5.0
_CLOSED = "the guard is closed"


class IOThread:
    """Runs coroutines on its own loop. `on_close`: awaited there last, to release what lives on the loop."""

    def __init__(self, on_close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._on_close = on_close
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        forksafe.register(self)

    def submit(self, work: Coroutine[Any, Any, _T], done: Future[_T]) -> None:
        """Begin `work`; its result or error goes to `done`, at the latest when the thread is closed.

        Raises `AnswerFailed`, and leaves `done` alone, where it can't begin: after `close`, or without resources.
        """
        try:
            with self._lock:
                loop = self._running_loop()
                # in a context of its own: the work is for everybody, and its log records are no single request's
                loop.call_soon_threadsafe(_start, work, done, context=Context())
        except AnswerFailed:
            work.close()
            raise

    def close(self) -> None:
        """End the thread and whatever it is doing. May be called twice."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSE_TIMEOUT)

    def renew_after_fork(self) -> None:
        """The thread stayed with the parent."""
        self._lock = threading.Lock()
        self._loop = self._thread = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise AnswerFailed(_CLOSED)
        if self._loop is None:
            try:
                self._loop, self._thread = self._begin()
            except (RuntimeError, OSError) as cause:  # no thread, or no file descriptor, to be had
                raise AnswerFailed(f"the I/O thread can't be started: {type(cause).__name__}") from None
        return self._loop

    def _begin(self) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(_NAME_LOOK_UPS, "tokenguard-names"))
        thread = threading.Thread(target=self._run, args=(loop,), name="tokenguard-io", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            loop.close()
            raise
        return loop, thread

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
            loop.run_until_complete(self._wind_up())
        finally:
            # does not wait for the look-up of a host name, which nothing can interrupt
            loop.close()

    async def _wind_up(self) -> None:
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished & _tasks:  # the tasks that these began are theirs to end, which has to be done in order
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._on_close()
        # answers that were read in part only: generators in generators, each closed by a task that begins when the one
        # around it has ended
        await asyncio.get_running_loop().shutdown_asyncgens()
        while True:
            await asyncio.sleep(0)
            closing = asyncio.all_tasks() - {asyncio.current_task()}
            if not closing:
                return
            await asyncio.gather(*closing, return_exceptions=True)


async def _contained(work: Coroutine[Any, Any, _T]) -> _T:
    """What would end the loop, and with it all fetching, ends this work alone."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as cause:
        raise AnswerFailed(f"it raised {type(cause).__name__}") from None


_tasks: set[asyncio.Task[Any]] = set()  # a loop keeps only weak references to its tasks


def _start(work: Coroutine[Any, Any, _T], done: Future[_T]) -> None:
    def settle(task: asyncio.Task[_T]) -> None:
        _tasks.discard(task)
        if task.cancelled():
            done.set_exception(AnswerFailed(_CLOSED))
        elif (error := task.exception()) is not None:
            done.set_exception(error)
        else:
            done.set_result(task.result())

    task = asyncio.get_running_loop().create_task(_contained(work))
    _tasks.add(task)
    # not within the task: one that is cancelled before its first step would leave `done` open for ever
    task.add_done_callback(settle)
