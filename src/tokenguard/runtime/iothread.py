"""One background thread with an event loop of its own, for all fetching of one guard.

Started at the first need, never at construction, so that servers may fork after building the app. Sync callers wait
for a result, async ones await it from whatever loop they are on. Work is not cancelled with the caller who asked.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from tokenguard.core.effects import AnswerFailed
from tokenguard.runtime import forksafe

_T = TypeVar("_T")
#: seconds that `close` waits for work under way to notice its cancellation
_CLOSE_TIMEOUT = 5.0


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
        """Begin `work`; its result or error goes to `done`, at the latest when the thread is closed."""
        with self._lock:
            if self._closed:
                work.close()
                done.set_exception(AnswerFailed("the guard is closed"))
                return
            loop = self._running_loop()
            loop.call_soon_threadsafe(_start, work, done)

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
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, args=(self._loop,), name="tokenguard-io", daemon=True)
            self._thread.start()
        return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            unfinished = asyncio.all_tasks(loop)
            for task in unfinished:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*unfinished, return_exceptions=True))
            loop.run_until_complete(self._on_close())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


_tasks: set[asyncio.Task[None]] = set()  # a loop keeps only weak references to its tasks


def _start(work: Coroutine[Any, Any, _T], done: Future[_T]) -> None:
    task = asyncio.get_running_loop().create_task(_finish(work, done))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _finish(work: Coroutine[Any, Any, _T], done: Future[_T]) -> None:
    try:
        result = await work
    except asyncio.CancelledError:
        done.set_exception(AnswerFailed("the guard is closed"))
    except Exception as error:  # whoever waits decides what it means
        done.set_exception(error)
    else:
        done.set_result(result)
