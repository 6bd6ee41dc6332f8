"""Where an issuer's keys come from: configured, or fetched, kept and refreshed (one source an issuer).

A source serves from memory. It fetches on the I/O thread, one fetch at a time whoever asks, and at most one a
cool-down, failures counted. What is no usable key set never replaces one that is.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from tokenguard.config import Issuer
from tokenguard.core import strict_json
from tokenguard.core.discovery import MetadataError, jwks_uri_of
from tokenguard.core.effects import AnswerFailed
from tokenguard.core.keys import NEVER_FETCHED, KeySetError, KeySnapshot, key_set_of
from tokenguard.errors import ConfigurationError
from tokenguard.runtime import forksafe, observe
from tokenguard.runtime.health import KeyState, key_state
from tokenguard.runtime.http import Document, HTTPClient
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.metadata import METADATA_MAX_AGE, fetch_metadata
from tokenguard.runtime.turns import FetchTurns

#: process-wide, so that no two key sets of any issuer ever share a generation
_generations = itertools.count(1)
#: refreshes of many processes started together spread over the last tenth of the interval
_JITTER = 0.1


class KeySource(Protocol):
    """The keys of one issuer."""

    @property
    def snapshot(self) -> KeySnapshot:
        """The newest keys and their times."""

    def refresh(self) -> Future[None]:
        """Fetch unless a fetch is running (it is joined) or the cool-down holds; done when the keys are in place."""

    def state(self) -> KeyState:
        """For health endpoints."""


class StaticKeys:
    """Keys from the configuration: never fetched, never stale."""

    def __init__(self, config: Issuer) -> None:
        try:
            keys = key_set_of(config, config.jwks)
        except KeySetError as cause:
            raise ConfigurationError(f"Issuer.jwks of {config.issuer}: {cause}") from None
        observe.keys_changed(config.issuer, keys)
        self._issuer = config.issuer
        # fetched in the infinite future: no fetch could tell anything newer
        self.snapshot = KeySnapshot(keys, next(_generations), math.inf, math.inf, math.inf, math.inf, "")

    def refresh(self) -> Future[None]:
        """Nothing to do."""
        return _done(None)

    def state(self) -> KeyState:
        """For health endpoints."""
        return key_state(self._issuer, self.snapshot, now=0.0, cooldown=0.0)


class UnusedKeys:
    """No keys, of an issuer that is asked about every token: none are fetched, and nothing waits for them."""

    def __init__(self, config: Issuer) -> None:
        self._issuer = config.issuer
        self.snapshot = NEVER_FETCHED

    def refresh(self) -> Future[None]:
        """Nothing to do."""
        return _done(None)

    def state(self) -> KeyState:
        """For health endpoints."""
        return KeyState(self._issuer, "unused", 0, None, None, cooling_down=False, last_error="", skipped_keys=())


class FetchedKeys:
    """Keys from the issuer's `jwks_uri`, given or discovered. `monotonic`: the caches' clock, in seconds."""

    def __init__(
        self, config: Issuer, io: IOThread, client: HTTPClient, turns: FetchTurns, monotonic: Callable[[], float]
    ) -> None:
        self._config = config
        self._io = io
        self._client = client
        self._turns = turns
        self._monotonic = monotonic
        self.snapshot = NEVER_FETCHED
        self._discovered: tuple[str, float] | None = None  # jwks_uri, and until when it is believed
        self._etag: tuple[str, str] = ("", "")  # jwks_uri, ETag
        self._lock = threading.Lock()  # never held across I/O
        self._running: Future[None] | None = None
        forksafe.register(self)

    def refresh(self) -> Future[None]:
        """See `KeySource`. The future is nobody's to cancel; an `AnswerFailed` in it says what went wrong."""
        with self._lock:
            if self._running is not None and not self._running.done():
                return self._running
            began = self._monotonic()
            if began < self.snapshot.attempted_at + self._config.keys.cooldown:
                failure = self.snapshot.failure
                return _done(AnswerFailed(failure) if failure else None)
            done: Future[None] = Future()
            done.set_running_or_notify_cancel()  # from here on, cancelling a waiter can't cancel the work
            self._running = done
        try:
            self._io.submit(self._refresh(began), done)
        except AnswerFailed as cause:
            done.set_exception(self._failed(str(cause), began))
        return done

    def state(self) -> KeyState:
        """For health endpoints."""
        return key_state(self._config.issuer, self.snapshot, now=self._monotonic(), cooldown=self._config.keys.cooldown)

    def renew_after_fork(self) -> None:
        """The keys stay; a fetch that was running is the parent's."""
        self._lock = threading.Lock()
        self._running = None

    async def _refresh(self, began: float) -> None:
        try:
            turns = self._turns.of(failing=bool(self.snapshot.failure))
            async with asyncio.timeout(self._config.keys.timeout), turns:
                document = await self._fetch()
            self._replace(self._renewed(document, began))
        except (AnswerFailed, MetadataError, KeySetError) as cause:
            raise self._failed(str(cause), began) from None
        except TimeoutError:
            raise self._failed(f"no complete answer within {self._config.keys.timeout} s", began) from None
        except asyncio.CancelledError:
            self._failed("the guard was closed", began)
            raise
        except Exception as cause:  # what no test foresaw, here or in a library, must not end fetching for good
            raise self._failed(observe.unforeseen(cause), began) from None

    async def _fetch(self) -> Document:
        """The JWK Set, without its body where the one we have is still current."""
        uri = self._config.jwks_uri or await self._discover()
        etag = self._etag[1] if self._etag[0] == uri and self.snapshot.keys is not None else ""
        policy = self._config.keys
        document = await self._client.get(uri, max_bytes=policy.max_bytes, accept=_ACCEPT, etag=etag)
        self._etag = (uri, document.etag)
        return document

    async def _discover(self) -> str:
        now = self._monotonic()
        if self._discovered is not None and now < self._discovered[1]:
            return self._discovered[0]
        metadata = await fetch_metadata(self._client, self._config, "Issuer.jwks_uri")
        uri = jwks_uri_of(metadata, self._config)
        self._discovered = (uri, now + METADATA_MAX_AGE)
        return uri

    def _renewed(self, document: Document, began: float) -> KeySnapshot:
        policy = self._config.keys
        old = self.snapshot
        keys = old.keys
        if document.body is not None:
            try:
                parsed = strict_json.parse_document(document.body)
            except ValueError as cause:
                raise KeySetError(f"the key set is {cause}") from None
            keys = key_set_of(self._config, parsed)
        age = _max_age(document.cache_control, policy.max_age)
        fresh_for = max(age, policy.cooldown) * (1 - _JITTER * random.random())  # noqa: S311 - spreads load, no secret
        changed = old.keys is None or keys is None or keys.identity != old.keys.identity
        return KeySnapshot(
            keys=keys,
            generation=next(_generations) if changed else old.generation,
            refresh_at=began + max(fresh_for, policy.cooldown),
            stale_at=began + policy.stale_limit,
            fetched_at=began,
            attempted_at=began,
            failure="",
        )

    def _replace(self, snapshot: KeySnapshot) -> None:
        changed = snapshot.generation != self.snapshot.generation
        self.snapshot = snapshot
        if changed and snapshot.keys is not None:
            observe.keys_changed(self._config.issuer, snapshot.keys)

    def _failed(self, failure: str, began: float) -> AnswerFailed:
        self._discovered = None  # perhaps the keys have moved
        self._etag = ("", "")  # a 304 must not confirm an answer that was no usable key set
        snapshot = self.snapshot
        retry_at = began + self._config.keys.cooldown
        self._replace(
            snapshot._replace(refresh_at=min(retry_at, snapshot.stale_at), attempted_at=began, failure=failure)
        )
        observe.keys_not_fetched(self._config.issuer, failure, serving=began < snapshot.stale_at)
        return AnswerFailed(failure)


_ACCEPT = "application/json, application/jwk-set+json"


def _max_age(cache_control: str, most: float) -> float:
    """Seconds that Cache-Control lets an answer be kept (RFC 9111 5.2.2), at most `most`; 0 for "not at all"."""
    age = most
    for directive in cache_control.lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name in {"no-store", "no-cache"}:
            return 0.0
        value = value.strip('"')
        if name == "max-age" and value.isascii() and value.isdigit():
            age = min(float(value[:10]), most)
    return age


def _done(error: AnswerFailed | None) -> Future[None]:
    done: Future[None] = Future()
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
    return done
