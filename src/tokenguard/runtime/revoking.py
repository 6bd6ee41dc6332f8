"""A guard's store of revocations at work: asked by the pipeline, written to by `guard.revoke`, watched by health."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

from tokenguard.core.effects import AnswerFailed, FindRevocation, WriteRevocations
from tokenguard.core.revocation import Lookup, Revocation, StoreState, WhenUnknown
from tokenguard.errors import ConfigurationError, Reason, RevocationFailed, Unavailable
from tokenguard.runtime import observe
from tokenguard.runtime.iothread import IOThread

_T = TypeVar("_T")
#: seconds after which a store has failed to answer, whatever deadlines of its own it has
_TIMEOUT = 10.0
#: revocations that are written at once
_BATCH = 1_000


class Revoking:
    """Built once with a guard. `store`: `core/revocation.py` says what one must have, and what it may.

    Raises `ConfigurationError` for a store that can be neither searched nor asked. Begins no work.
    """

    def __init__(self, store: Any, io: IOThread, clock: Callable[[], float], when_unknown: WhenUnknown) -> None:
        find, ask = getattr(store, "find", None), getattr(store, "ask", None)
        if isinstance(store, type | str | bytes) or not (callable(find) or callable(ask)):  # text has a method find
            raise ConfigurationError("revocations must be a store: with a method find(token, now), or ask(token, now)")
        if inspect.iscoroutinefunction(find):
            raise ConfigurationError("revocations: find answers from memory and is no coroutine; what must wait is ask")
        self._store = store
        self._io = io
        self._clock = clock
        self.lookup = Lookup(
            find if callable(find) else None, callable(ask), when_unknown, observe.let_in_unconfirmed
        )  # fmt: skip
        if hasattr(store, "attach"):
            store.attach(self._begin)

    def ask(self, question: FindRevocation) -> Future[Revocation | None]:
        """Have the store asked, on the I/O thread."""
        return self._begin(_answer(self._store.ask, question.token, question.now))

    def write(self, question: WriteRevocations) -> Future[None]:
        """Have the store keep them; fails with `AnswerFailed` where it kept none."""
        if hasattr(self._store, "write"):
            return self._begin(self._write(question.revocations))
        done: Future[None] = Future()
        try:
            self._add(question.revocations)
        except AnswerFailed as failure:
            done.set_exception(failure)
        else:
            done.set_result(None)
        return done

    def _add(self, revocations: Sequence[Revocation]) -> None:
        if not hasattr(self._store, "add"):
            raise AnswerFailed("the store of revocations can't be written to: it has neither add nor write")
        try:
            self._store.add(revocations, self._clock())
        except AnswerFailed:
            raise
        except Exception as error:  # a store may be anyone's: anything may come
            raise AnswerFailed(f"the store of revocations failed: {observe.unforeseen(error)}") from None
        observe.revoked(revocations)

    async def _write(self, revocations: Sequence[Revocation]) -> None:
        await _answer(self._store.write, revocations, self._clock())
        observe.revoked(revocations)

    def create(self) -> None:
        """Say of a store that counts as lost, because it is empty, that it is new. Raises `RevocationFailed`."""
        if not hasattr(self._store, "create"):
            raise ConfigurationError("the store of revocations needs no creating: it has no method create")
        try:
            self._begin(_answer(self._store.create)).result()
        except AnswerFailed as failure:
            raise RevocationFailed(Reason.REVOCATION_FAILED, str(failure)).after(failure.retry_after) from None

    # -- in bulk ---------------------------------------------------------------------------------------------------

    def held(self) -> Iterator[Revocation]:
        """All in the store that have not ended. Raises `Unavailable` where it can't be read."""
        now = self._clock()
        try:
            if hasattr(self._store, "held"):
                yield from self._store.held(now)
                return
            if not hasattr(self._store, "pages"):
                raise ConfigurationError("the store of revocations can't be listed: it has neither held nor pages")
            pages = self._store.pages(now)
            while page := self._begin(_next(pages)).result():
                yield from page
        except AnswerFailed as failure:
            raise Unavailable(Reason.REVOCATIONS_UNAVAILABLE, str(failure)).after(failure.retry_after) from None

    def write_all(self, revocations: Iterable[Revocation]) -> Iterator[int]:
        """Write however many, a batch a step, each of which tells how many it was. What has ended is left out.

        Raises `RevocationFailed` for a batch that was not kept; those before it are.
        """
        now = self._clock()
        alive = (each for each in revocations if each.until > now)
        while batch := tuple(islice(alive, _BATCH)):
            try:
                self.write(WriteRevocations(batch)).result()
            except AnswerFailed as failure:
                raise RevocationFailed(Reason.REVOCATION_FAILED, str(failure)).after(failure.retry_after) from None
            yield len(batch)

    def state(self) -> StoreState:
        """How the store is."""
        if hasattr(self._store, "state"):
            state: StoreState = self._store.state(self._clock())
            return state
        mode = "direct" if self.lookup.find is None else "memory"
        return StoreState(type(self._store).__name__, mode, entries=None, lag=None, worst_case_delay=None)

    async def close(self) -> None:
        """Release what the store holds, on the loop it lives on."""
        if hasattr(self._store, "close"):
            await self._store.close()

    def _begin(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        done: Future[_T] = Future()
        done.set_running_or_notify_cancel()  # from here on, cancelling a waiter can't cancel the work
        try:
            self._io.submit(work, done)
        except AnswerFailed as failure:
            done.set_exception(failure)
        return done


async def _answer(ask: Callable[..., Awaitable[_T]], *question: Any) -> _T:
    """The store's answer; `AnswerFailed` for whatever else comes, since a store may be anyone's."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await ask(*question)
    except AnswerFailed:
        raise
    except TimeoutError:
        raise AnswerFailed(f"the store of revocations did not answer within {_TIMEOUT} s") from None
    except Exception as error:
        raise AnswerFailed(f"the store of revocations failed: {observe.unforeseen(error)}") from None


async def _next(pages: AsyncIterator[Sequence[Revocation]]) -> Sequence[Revocation]:
    """The next page that holds something, or an empty one at the end."""
    page: Sequence[Revocation] | None = ()
    while page is not None and not page:
        page = await _answer(anext, pages, None)
    return page or ()
