"""The issuers of a guard at work: each one's keys and answers, and what the pipeline asks of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future, wait
from typing import Any

from tokenguard.config import HTTPSettings, Issuer, Limits
from tokenguard.core.effects import FindRevocation, Introspect, Question, WriteRevocations
from tokenguard.core.revocation import WhenUnknown
from tokenguard.core.trust import Trusted
from tokenguard.errors import ConfigurationError, Reason, Unavailable
from tokenguard.runtime.health import Health
from tokenguard.runtime.http import HTTPClient
from tokenguard.runtime.introspector import Clocks, Introspector
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.keysource import FetchedKeys, KeySource, StaticKeys, UnusedKeys
from tokenguard.runtime.revoking import Revoking


class Issuers:
    """Built once with a guard. `audiences`: the guard's; an issuer's own stand in their place.

    Opens no socket and starts no thread before it must.
    """

    def __init__(  # noqa: PLR0917 - built in one place
        self,
        configs: Iterable[Issuer],
        audiences: Iterable[str],
        http: HTTPSettings,
        clocks: Clocks,
        limits: Limits,
        revocations: object,
        when_unknown: WhenUnknown,
    ) -> None:
        self._client = HTTPClient(http)
        self.io = IOThread(on_close=self._close_clients)
        self.revoking = Revoking(revocations, self.io, clocks.epoch, when_unknown)
        self.sources: dict[str, KeySource] = {}
        self.introspectors: dict[str, Introspector] = {}
        #: by issuer identifier
        self.trusted: dict[str, Trusted] = {}
        for config in configs:
            source = self.sources[config.issuer] = self._source(config, clocks)
            introspector = None
            if config.introspection is not None:
                introspector = Introspector(config.introspection, self.io, self._client, http, clocks, limits)
                self.introspectors[config.issuer] = introspector
            trusted = Trusted(config, frozenset(config.audience or audiences), source, introspector)
            if introspector is not None:
                introspector.bind(trusted, self.ask)
            self.trusted[config.issuer] = trusted

    def ask(self, question: Question) -> Future[Any]:
        """Begin, or join, whatever answers a question of the pipeline."""
        if isinstance(question, Introspect):
            return self.introspectors[question.issuer].ask(question)
        if isinstance(question, FindRevocation):
            return self.revoking.ask(question)
        if isinstance(question, WriteRevocations):
            return self.revoking.write(question)
        return self.sources[question.issuer].refresh()

    def health(self) -> Health:
        """The state of each issuer; where keys are missing, also begins to fetch them. Waits for nothing."""
        keys = tuple(source.state() for source in self.sources.values())
        for state in keys:
            if not state.serving:
                self.sources[state.issuer].refresh()
        asked = tuple(introspector.state() for introspector in self.introspectors.values())
        revocations = self.revoking.state()
        ready = all(state.serving for state in keys) and all(state.serving for state in asked)
        if self.revoking.lookup.when_unknown == "closed":
            ready = ready and revocations.serving
        return Health(ready, keys, asked, revocations)

    def warm(self) -> None:
        """Fetch every issuer's keys; raises `Unavailable` if some can't be had."""
        wait(source.refresh() for source in self.sources.values())
        self._check_warm()

    async def awarm(self) -> None:
        """`warm`, for async code."""
        refreshes = (asyncio.wrap_future(source.refresh()) for source in self.sources.values())
        await asyncio.shield(asyncio.gather(*refreshes, return_exceptions=True))
        self._check_warm()

    def close(self) -> None:
        """Stop fetching, for good, and end the I/O thread; keys at hand serve on until they are stale."""
        self.io.close()

    def _source(self, config: Issuer, clocks: Clocks) -> KeySource:
        if config.jwks is not None:
            return StaticKeys(config)
        asked = config.introspection
        if asked is not None and not asked.needs_keys and config.logout is None:
            return UnusedKeys(config)
        return FetchedKeys(config, self.io, self._client, clocks.monotonic)

    async def _close_clients(self) -> None:
        for introspector in self.introspectors.values():
            await introspector.close()
        await self.revoking.close()
        await self._client.close()

    def _check_warm(self) -> None:
        for state in self.health().issuers:
            if not state.serving:
                error = Unavailable(Reason.KEYS_UNAVAILABLE, f"no keys of {state.issuer}: {state.last_error}")
                error.issuer = state.issuer
                raise error


def issuer_configs(issuers: Iterable[str | Issuer]) -> list[Issuer]:
    """The argument `issuers` of a guard, checked; a string means `Issuer(string)`."""
    if isinstance(issuers, str | Issuer):
        raise ConfigurationError("issuers must be a list of issuers")
    try:
        configs = [Issuer(item) if isinstance(item, str) else item for item in issuers]
    except TypeError:
        raise ConfigurationError("issuers must be a list of issuers") from None
    if not configs:
        raise ConfigurationError("issuers must name at least one issuer")
    seen: set[str] = set()
    for config in configs:
        if not isinstance(config, Issuer):
            raise ConfigurationError("issuers must hold strings and Issuer objects")
        if config.issuer in seen:
            raise ConfigurationError(f"issuers names {config.issuer} twice")
        seen.add(config.issuer)
    return configs
