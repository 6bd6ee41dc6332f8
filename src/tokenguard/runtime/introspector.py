"""Asking an issuer about tokens: one question a token at a time, answers remembered, a failing issuer left alone.

The answers are remembered by SHA-256 of the token, in memories of this issuer, endpoint and client alone. A refusal
never takes an active answer's place but its own token's, so that made-up tokens push out nothing that counts.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from tokenguard.config import HTTPSettings, Limits
from tokenguard.core import introspection
from tokenguard.core.discovery import MetadataError, introspection_endpoint_of
from tokenguard.core.effects import AnswerFailed, Introspect, Outcome, Question
from tokenguard.core.introspection import AnswerError, NoAnswer
from tokenguard.core.signed_answer import open_signed
from tokenguard.core.trust import Trusted
from tokenguard.errors import Unavailable
from tokenguard.introspection import Introspection, MutualTLS
from tokenguard.runtime import forksafe, observe
from tokenguard.runtime.breaker import CircuitBreaker
from tokenguard.runtime.clientauth import check_credentials, credentials_for
from tokenguard.runtime.drivers import arun
from tokenguard.runtime.health import IntrospectionState
from tokenguard.runtime.http import AnswerTooLong, ConnectionDropped, Document, HTTPClient, HTTPStatusFailed
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.metadata import METADATA_MAX_AGE, fetch_metadata
from tokenguard.runtime.tokencache import BoundedMemory


class Clocks(NamedTuple):
    """`epoch` and `monotonic` seconds, and the seconds of skew that are forgiven."""

    epoch: Callable[[], float]
    monotonic: Callable[[], float]
    leeway: float


class _Remembered(NamedTuple):
    outcome: Outcome
    until: float  # monotonic


class _Asked:
    """A question under way. `sent`: its answer may already be out of date. `following`: asked when this one is over."""

    __slots__ = ("done", "following", "sent")

    def __init__(self) -> None:
        self.done: Future[Outcome] = Future()
        self.done.set_running_or_notify_cancel()  # from here on, cancelling a waiter can't cancel the work
        self.sent = False
        self.following: tuple[Introspect, _Asked] | None = None


class Introspector:
    """Answers `Introspect` for one issuer. `bind` tells it whom, before the first question."""

    def __init__(  # noqa: PLR0917 - built in one place
        self,
        settings: Introspection,
        io: IOThread,
        client: HTTPClient,
        http: HTTPSettings,
        clocks: Clocks,
        limits: Limits,
    ) -> None:
        self._settings = settings
        self._io = io
        self._client = self._shared_client = client
        if isinstance(settings.authentication, MutualTLS):
            # connections of its own: our certificate is for this issuer to see
            self._client = HTTPClient(http, (settings.authentication.certificate, settings.authentication.key))
        self._clocks = clocks
        self._limits = limits
        self._endpoint: tuple[str, float] | None = None  # discovered, and until when it is believed
        self._active = BoundedMemory[_Remembered](settings.cache_size)
        self._refused = BoundedMemory[_Remembered](settings.cache_size)
        self._last_error = ""
        self._begin()
        forksafe.register(self)

    def bind(self, trusted: Trusted, ask: Callable[[Question], Future[None]]) -> None:
        """Whose tokens these are, and who fetches its keys; `ConfigurationError` if our credentials can't be used."""
        self._trusted, self._ask = trusted, ask
        check_credentials(self._settings.authentication, trusted.config.issuer)

    def recall(self, digest: bytes) -> Outcome | None:
        """The answer about the token of this SHA-256, if it is still good."""
        now = self._clocks.monotonic()
        for memory in (self._active, self._refused):
            remembered = memory.get(digest)
            if remembered is not None and now < remembered.until:
                return remembered.outcome
        return None

    def ask(self, question: Introspect) -> Future[Outcome]:
        """Ask, unless someone is asking about this very token: then that answer is everybody's.

        Of those who want a fresh answer, all that come while a question is on its way share the one after it.
        """
        asked = _Asked()
        with self._lock:
            running = self._running.get(question.digest)
            if running is not None and not (question.fresh and running.sent):
                return running.done
            if running is not None and running.following is not None:
                return running.following[1].done
            most = self._settings.concurrency + self._settings.queue
            if self._count >= most:
                asked.done.set_exception(AnswerFailed(f"{most} questions wait already (Introspection.queue)"))
                return asked.done
            self._count += 1
            if running is not None:
                running.following = (question, asked)
                return asked.done
            self._running[question.digest] = asked
        self._start(question, asked)
        return asked.done

    def _start(self, question: Introspect, asked: _Asked) -> None:
        asked.done.add_done_callback(lambda _: self._finish(question.digest, asked))
        with self._lock:
            wait = self._breaker.admit(self._clocks.monotonic())
            failure = f"the circuit is open (Introspection.cooldown) since: {self._last_error}" if wait > 0 else ""
        if failure:
            asked.done.set_exception(AnswerFailed(failure, wait))
            return
        try:
            self._io.submit(self._answer(question, asked), asked.done)
        except AnswerFailed as cause:
            with self._lock:
                self._breaker.abandoned()
            asked.done.set_exception(cause)

    def state(self) -> IntrospectionState:
        """For health endpoints."""
        with self._lock:
            circuit = self._breaker.state(self._clocks.monotonic())
            return IntrospectionState(self._trusted.config.issuer, circuit, self._count, self._last_error)

    async def close(self) -> None:
        """Close the connections that are no one else's, on the loop they live on."""
        if self._client is not self._shared_client:
            await self._client.close()

    def renew_after_fork(self) -> None:
        """What was under way is the parent's."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()  # never held across I/O
        self._running: dict[bytes, _Asked] = {}  # by the digest of the token
        self._count = 0  # of those, and of what follows them
        # both bind to the I/O thread's loop
        self._turns = asyncio.Semaphore(self._settings.concurrency)
        self._discovering = asyncio.Lock()
        self._breaker = CircuitBreaker(self._settings.failures, self._settings.cooldown)

    def _finish(self, digest: bytes, asked: _Asked) -> None:
        with self._lock:
            if self._running.get(digest) is not asked:  # the parent's, before a fork
                return
            self._count -= 1
            if asked.following is None:
                del self._running[digest]
                return
            question, following = asked.following
            self._running[digest] = following
        self._start(question, following)

    async def _answer(self, question: Introspect, asked: _Asked) -> Outcome:
        timeout, now = self._settings.timeout, asyncio.get_running_loop().time
        late = now() + timeout / 2
        turn_at = math.inf
        try:
            async with asyncio.timeout(timeout), self._turns:
                turn_at = now()
                asked_at = self._clocks.monotonic()
                with self._lock:
                    asked.sent = True
                outcome = await self._introspect(question.token)
        except NoAnswer as cause:
            raise self._failed(str(cause)) from None
        # The issuer answers, and this is about one token: whoever has so many groups that the answer is too long, or a
        # claim that the issuer writes badly, must not keep everybody else's tokens from being asked about.
        except (AnswerError, AnswerTooLong) as cause:
            raise self._failed(str(cause), counts=False) from None
        except MetadataError as cause:
            raise self._failed(str(cause)) from None
        except TimeoutError:
            # nor must whoever sends so many tokens that the last of them wait too long for their turn
            if turn_at > late:
                failure = f"no turn, or one too late, within {timeout} s (Introspection.concurrency)"
                raise self._failed(failure, counts=False) from None
            raise self._failed(f"no complete answer within {timeout} s") from None
        except Unavailable as cause:  # the keys for a signed answer
            raise self._failed(cause.hint, cause.retry_after) from None
        except _NotTaken as cause:
            raise self._failed(str(cause), counts=False) from None
        except AnswerFailed as cause:
            raise self._failed(str(cause)) from None
        except asyncio.CancelledError:
            self._failed("the guard was closed", counts=False)
            raise
        except Exception as cause:  # what no test foresaw, here or in a library, must not end asking for good
            raise self._failed(observe.unforeseen(cause)) from None
        self._remember(question.digest, outcome, asked_at)
        with self._lock:
            closed = self._breaker.succeeded()
            self._last_error = ""
        if closed:
            observe.circuit_closed(self._trusted.config.issuer)
        return outcome

    async def _introspect(self, token: str) -> Outcome:
        trusted, signed = self._trusted, self._settings.signed
        document = await self._post(token)
        body = document.body or b""
        if not signed:
            members = introspection.read_members(document.content_type, body, self._limits)
            return introspection.read_outcome(members, body, trusted)
        clocks = self._clocks
        flow = open_signed(
            document.content_type,
            body,
            trusted,
            self._limits,
            now=clocks.epoch(),
            leeway=clocks.leeway,
            monotonic=clocks.monotonic(),
        )
        payload, members = await arun(flow, self._ask)
        return introspection.read_outcome(members, payload, trusted)

    async def _post(self, token: str) -> Document:
        """The answer over a connection that lasts: one that was dropped is replaced once, for the question is safe."""
        try:
            return await self._post_once(token)
        except ConnectionDropped:
            return await self._post_once(token)

    async def _post_once(self, token: str) -> Document:
        settings, issuer = self._settings, self._trusted.config.issuer
        endpoint = settings.endpoint or await self._discover()
        credentials = await credentials_for(settings.authentication, issuer, self._clocks.epoch)
        accept = introspection.SIGNED if settings.signed else introspection.PLAIN
        try:
            return await self._client.post(
                endpoint,
                introspection.question(token) | credentials.form,
                max_bytes=settings.max_bytes,
                headers={"Accept": accept, **credentials.headers},
            )
        except HTTPStatusFailed as cause:
            if cause.status in {401, 403}:  # about us, and not about the token (RFC 7662 2.3)
                raise AnswerFailed(f"{cause}: it refuses Introspection.authentication") from None
            if cause.status in {400, 413, 422}:
                raise _NotTaken(str(cause)) from None
            raise

    async def _discover(self) -> str:
        async with self._discovering:  # once for all who ask at the same time
            now = self._clocks.monotonic()
            if self._endpoint is None or now >= self._endpoint[1]:
                config = self._trusted.config
                metadata = await fetch_metadata(self._client, config, "Introspection.endpoint")
                mutual_tls = isinstance(self._settings.authentication, MutualTLS)
                found = introspection_endpoint_of(metadata, config, mutual_tls=mutual_tls)
                self._endpoint = found, now + METADATA_MAX_AGE
            return self._endpoint[0]

    def _remember(self, digest: bytes, outcome: Outcome, asked_at: float) -> None:
        settings = self._settings
        if outcome.verified is None:
            # in the place of an active answer to the same token, if there is one: it has been revoked since
            memory = self._refused if self._active.get(digest) is None else self._active
            memory.put(digest, _Remembered(outcome, asked_at + min(settings.negative_cache, settings.cache)))
            return
        # never past exp (RFC 7662 4)
        left = outcome.verified.expires_at - self._clocks.epoch()
        self._active.put(digest, _Remembered(outcome, asked_at + min(settings.cache, left)))

    def _failed(self, failure: str, retry_after: float = 1.0, *, counts: bool = True) -> AnswerFailed:
        opened = False
        with self._lock:
            self._last_error = failure
            if counts:
                self._endpoint = None  # perhaps it has moved
                opened = self._breaker.failed(self._clocks.monotonic())
            else:
                self._breaker.abandoned()
        issuer = self._trusted.config.issuer
        observe.not_introspected(issuer, failure)
        if opened:
            observe.circuit_opened(issuer, self._settings.failures, self._settings.cooldown)
        return AnswerFailed(failure, retry_after)


class _NotTaken(AnswerFailed):
    """The issuer did not take this very question; that says nothing of the next one, so it opens no circuit."""
