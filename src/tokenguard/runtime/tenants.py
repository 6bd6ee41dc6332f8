"""Issuers that an `IssuerResolver` knows: looked up once for all who wait, believed for a while, kept within bounds.

Answers are remembered by name. What the function answers or raises that is no answer is never remembered as one.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import NamedTuple

from tokenguard.config import Issuer
from tokenguard.core.effects import AnswerFailed
from tokenguard.core.tenants import LOOK_UPS, issuer_of, same_settings
from tokenguard.core.trust import Trusted
from tokenguard.errors import ConfigurationError
from tokenguard.resolver import Found, IssuerResolver
from tokenguard.runtime import forksafe, observe
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.tenantmemory import TenantMemory

#: issuers that were looked up together are not looked up again together
_JITTER = 0.1


class _Refused(NamedTuple):
    """A name without an issuer: not in the table where `failure` is empty, else not to be told. `until`: monotonic."""

    failure: str
    until: float


class Tenants:
    """Answers `ResolveIssuer`. `build`: puts an issuer to work; `retire`: told of each that is kept no longer."""

    def __init__(
        self,
        resolver: IssuerResolver,
        io: IOThread,
        monotonic: Callable[[], float],
        build: Callable[[Issuer], Trusted],
        retire: Callable[[Trusted], None],
    ) -> None:
        self._resolver = resolver
        self._io = io
        self._monotonic = monotonic
        self._build = build
        self._retire = retire
        self._is_async = _is_async(resolver.resolve)
        self._memory: TenantMemory[Trusted] = TenantMemory(int(resolver.max_issuers))
        self._refused: OrderedDict[str, _Refused] = OrderedDict()
        self.last_error = ""
        self._begin()
        forksafe.register(self)

    # What the pipeline sees

    def recall(self, issuer: str, monotonic: float) -> Trusted | None:
        """The issuer of this name, if it has been looked up and is still believed. Takes no lock."""
        place = self._memory.find(issuer)
        return place.value if place is not None and monotonic < place.until else None

    def reuse(self, issuer: str, monotonic: float) -> Trusted | None:
        """`recall` and `touch`, in one call for the sake of remembered tokens."""
        place = self._memory.established(issuer)
        if place is None:
            trusted = self.recall(issuer, monotonic)
            if trusted is not None:
                self.touch(issuer)
            return trusted
        place.used = True
        return place.value if monotonic < place.until else None

    def touch(self, issuer: str) -> None:
        """A token of this issuer was good. Takes a lock the first time only."""
        if not self._memory.touch(issuer):
            with self._lock:
                self._memory.establish(issuer)

    # Looking up

    def resolve(self, issuer: str) -> Future[Trusted | None]:
        """Look it up, unless someone does (that answer is then everybody's) or the answer is known."""
        with self._lock:
            now = self._monotonic()
            known = self._memory.find(issuer)
            if known is not None and now < known.until:
                return _done(known.value)
            running = self._running.get(issuer)
            if running is not None:
                return running
            refused = self._refused.get(issuer)
            if refused is not None and now < refused.until:
                return _failed(refused.failure, refused.until - now) if refused.failure else _done(None)
            if known is None and self._newcomers >= self._resolver.concurrency + self._resolver.queue:
                return _failed(f"{self._newcomers} look-ups wait already (IssuerResolver.queue)", 1.0)
            done: Future[Trusted | None] = Future()
            done.set_running_or_notify_cancel()  # from here on, cancelling a waiter can't cancel the work
            self._running[issuer] = done
            self._newcomers += known is None
        done.add_done_callback(lambda _: self._over(issuer, done, newcomer=known is None))
        self._start(issuer, now, done, self._new_turns if known is None else self._known_turns)
        return done

    def remove(self, issuer: str) -> bool:
        """Forget all about it, and what is being looked up now: was there anything? The next token has it looked up."""
        with self._lock:
            # whoever waits for a running look-up asked before now; its answer is not kept
            running = self._running.pop(issuer, None)
            gone = self._memory.drop(issuer)
            self._refused.pop(issuer, None)
        if gone is not None:
            self._retire(gone)
        return gone is not None or running is not None

    def trusted(self) -> list[Trusted]:
        """Those that are kept now."""
        with self._lock:
            return self._memory.values()

    def counts(self) -> tuple[int, int]:
        """How many names are remembered as unknown, and how many look-ups run or wait."""
        with self._lock:
            return sum(not refused.failure for refused in self._refused.values()), len(self._running)

    def renew_after_fork(self) -> None:
        """Issuers and their keys stay; what was being looked up is the parent's."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()  # never held across a look-up
        self._running: dict[str, Future[Trusted | None]] = {}
        self._newcomers = 0  # look-ups that run or wait, of names not known yet
        # they bind to the I/O thread's loop. Two, so that made-up names keep no known one from being looked up again
        self._new_turns = asyncio.Semaphore(int(self._resolver.concurrency))
        self._known_turns = asyncio.Semaphore(int(self._resolver.concurrency))

    def _over(self, issuer: str, done: Future[Trusted | None], *, newcomer: bool) -> None:
        with self._lock:
            self._newcomers -= newcomer
            if self._running.get(issuer) is done:
                del self._running[issuer]

    def _start(self, issuer: str, now: float, done: Future[Trusted | None], turns: asyncio.Semaphore) -> None:
        """See to it that `done` gets an answer, whatever comes."""
        answer: object = None
        try:
            answer = None if self._is_async else self._resolver.resolve(issuer)
            if self._is_async or inspect.isawaitable(answer):
                self._io.submit(self._await(issuer, answer, now, done, turns), done)
            else:
                done.set_result(self._judged(issuer, answer, now, done))
        except AnswerFailed as cause:
            _close(answer)
            done.set_exception(self._not_told(issuer, str(cause), done))
        except Exception as cause:  # the function is the deployment's code: anything may come
            done.set_exception(self._not_told(issuer, _stumbled(cause), done))
        except BaseException:  # meant for this thread alone, while others may wait for the answer
            done.set_exception(AnswerFailed(f"{LOOK_UPS} was interrupted"))
            raise

    async def _await(
        self,
        issuer: str,
        begun: object,
        now: float,
        done: Future[Trusted | None],
        turns: asyncio.Semaphore,
    ) -> Trusted | None:
        timeout = self._resolver.timeout
        try:
            async with asyncio.timeout(timeout) as deadline, turns:
                answer = await (begun if inspect.isawaitable(begun) else _awaitable(self._resolver.resolve(issuer)))
            return self._judged(issuer, answer, now, done)
        except AnswerFailed as cause:
            raise self._not_told(issuer, str(cause), done) from None
        except TimeoutError as cause:
            late = f"{LOOK_UPS} has not answered within {timeout} s (IssuerResolver.timeout)"
            failure = late if deadline.expired() else _stumbled(cause)
            raise self._not_told(issuer, failure, done) from None
        except Exception as cause:
            raise self._not_told(issuer, _stumbled(cause), done) from None
        finally:
            _close(begun)

    def _judged(self, issuer: str, answer: object, asked_at: float, done: Future[Trusted | None]) -> Trusted | None:
        """What an answer means; remembered, unless the issuer was removed while it was on its way."""
        resolver = self._resolver
        if answer is None:
            with self._lock:
                dropped = self._memory.drop(issuer) if self._running.get(issuer) is done else None
                self._refuse(issuer, _Refused("", asked_at + resolver.unknown_ttl), done)
            if dropped is not None:
                self._retire(dropped)
            return None
        config = issuer_of(issuer, answer)
        known = self._memory.find(issuer)
        is_new = known is None or not same_settings(known.value.config, config)
        trusted = known.value if known is not None and not is_new else self._built(config)
        ttl = resolver.ttl * (1 - _JITTER * random.random())  # noqa: S311 - spreads load, no secret
        with self._lock:
            if self._running.get(issuer) is done:
                gone = self._memory.put(issuer, trusted, asked_at + ttl)
                self._refused.pop(issuer, None)
                self.last_error = ""
            else:
                gone = [trusted] if is_new else []
        for each in gone:
            if is_new or each is not trusted:
                self._retire(each)
        return trusted

    def _built(self, config: Issuer) -> Trusted:
        try:
            return self._build(config)
        except ConfigurationError as cause:
            raise AnswerFailed(f"{LOOK_UPS} answered with settings that can't be used: {cause}") from None

    def _not_told(self, issuer: str, failure: str, done: Future[Trusted | None]) -> AnswerFailed:
        retry_after = self._resolver.retry_after
        with self._lock:
            self.last_error = failure
            self._refuse(issuer, _Refused(failure, self._monotonic() + retry_after), done)
        observe.not_resolved(failure)
        return AnswerFailed(failure, retry_after)

    def _refuse(self, issuer: str, refused: _Refused, done: Future[Trusted | None]) -> None:
        if self._running.get(issuer) is not done:
            return
        self._refused.pop(issuer, None)
        self._refused[issuer] = refused
        if len(self._refused) > self._resolver.max_issuers:
            self._refused.popitem(last=False)


def _is_async(function: Callable[[str], Found | Awaitable[Found]]) -> bool:
    called = getattr(type(function), "__call__", None)  # noqa: B004 - looked at, not asked for
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def _awaitable(answer: Found | Awaitable[Found]) -> Awaitable[Found]:
    if not inspect.isawaitable(answer):
        raise TypeError
    return answer


def _close(answer: object) -> None:
    """A coroutine that was never begun would be complained about; to one that has ended this does nothing."""
    if inspect.iscoroutine(answer):
        answer.close()


def _stumbled(cause: Exception) -> str:
    return f"{LOOK_UPS} failed: {observe.unforeseen(cause)}"


def _done(trusted: Trusted | None) -> Future[Trusted | None]:
    done: Future[Trusted | None] = Future()
    done.set_result(trusted)
    return done


def _failed(failure: str, retry_after: float) -> Future[Trusted | None]:
    done: Future[Trusted | None] = Future()
    done.set_exception(AnswerFailed(failure, retry_after))
    return done
