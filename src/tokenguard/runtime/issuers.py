"""The issuers of a guard at work: each one's keys and answers, and what the pipeline asks of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, cast

from tokenguard.config import KNOWN_ALGORITHMS, TENANT_PLACE, HTTPSettings, Issuer, Limits
from tokenguard.core.effects import (
    AnswerFailed,
    FindRevocation,
    Introspect,
    Question,
    RecordProof,
    RefreshKeys,
    WriteRevocations,
)
from tokenguard.core.model import Verified
from tokenguard.core.remote import introspecting
from tokenguard.core.revocation import WhenUnknown
from tokenguard.core.tenants import same_settings
from tokenguard.core.trust import Senders, SettledHeader, Setup, Trusted
from tokenguard.errors import ConfigurationError
from tokenguard.introspection import MutualTLS
from tokenguard.possession import Replays
from tokenguard.resolver import IssuerResolver
from tokenguard.runtime import forksafe, observe, readiness
from tokenguard.runtime.health import Health
from tokenguard.runtime.http import HTTPClient
from tokenguard.runtime.introspector import Clocks, Introspector
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.keysource import FetchedKeys, KeySource, StaticKeys, UnusedKeys
from tokenguard.runtime.readiness import introspector_of, source_of
from tokenguard.runtime.revoking import Revoking
from tokenguard.runtime.senders import SharedReplays
from tokenguard.runtime.tenants import Tenants
from tokenguard.runtime.tokencache import BoundedMemory
from tokenguard.runtime.turns import FetchTurns

#: headers remembered: a handful of keys and types an issuer; of many issuers few use more than one or two
_HEADERS_AN_ISSUER, _HEADERS_A_TENANT = 16, 4


class Issuers:
    """Built once with a guard. `audiences`: the guard's; an issuer's own stand in their place.

    Opens no socket and starts no thread before it must. What says which issuers there are is replaced as a whole when
    they change, so that readers need no lock, and whoever has begun with the old one ends with it.
    """

    def __init__(  # noqa: PLR0917 - built in one place
        self,
        listed: Iterable[Issuer],
        resolver: IssuerResolver | None,
        audiences: Iterable[str],
        http: HTTPSettings,
        clocks: Clocks,
        limits: Limits,
        *,
        revocations: object,
        when_unknown: WhenUnknown,
        replays: Replays,
    ) -> None:
        self._audiences = frozenset(audiences)
        self._http, self._clocks, self._limits = http, clocks, limits
        self._client = HTTPClient(http)
        self._turns = FetchTurns()
        self._retired: set[Introspector] = set()
        #: held by whoever changes which issuers there are
        self.changing = threading.Lock()
        self.io = IOThread(on_close=self._close_clients)
        #: the store of revocations at work
        self.revoking = Revoking(revocations, self.io, clocks.epoch, when_unknown)
        self._replays = SharedReplays(replays, self.io)
        #: by issuer identifier
        self.trusted: Mapping[str, Trusted] = {config.issuer: self._at_work(config) for config in listed}
        self._resolver = resolver
        self.tenants = None
        if resolver is not None:
            self.tenants = Tenants(resolver, self.io, clocks.monotonic, self._at_work, self._retire)
        forksafe.register(self)

    @property
    def sources(self) -> dict[str, KeySource]:
        """Where the keys of the listed issuers come from."""
        return {issuer: source_of(trusted) for issuer, trusted in self.trusted.items()}

    @property
    def introspectors(self) -> dict[str, Introspector]:
        """Of the listed issuers that are asked about tokens."""
        return {each.config.issuer: asked for each in self.trusted.values() if (asked := introspector_of(each))}

    def ask(self, question: Question) -> Future[Any]:
        """Begin, or join, whatever answers a question of the pipeline."""
        if isinstance(question, RefreshKeys):
            return cast("KeySource", question.keys).refresh()
        if isinstance(question, Introspect):
            return cast("Introspector", question.answers).ask(question)
        if isinstance(question, RecordProof):
            return self._replays.ask(question)
        if isinstance(question, FindRevocation):
            return self.revoking.ask(question)
        if isinstance(question, WriteRevocations):
            return self.revoking.write(question)
        return cast("Tenants", self.tenants).resolve(question.issuer)  # nobody else's question

    # Which ones there are

    def setup(self, *, form_body: bool, tokens: BoundedMemory[Verified] | None, senders: Senders) -> Setup:
        """What the pipeline needs to know. Raises `ConfigurationError` where the issuers don't go together."""
        headers = BoundedMemory[SettledHeader](_HEADERS_AN_ISSUER)
        lookup = self.revoking.lookup
        setup = Setup(self._limits, self._clocks.leeway, form_body, tokens, headers, lookup, senders)
        return self._known(setup, self.trusted)

    def added(self, config: Issuer, setup: Setup) -> Setup:
        """`setup` with one more issuer, or one with other settings; the same settings change nothing.

        Raises `ConfigurationError`, and then leaves all as it was. To be called with `changing` held.
        """
        known = self.trusted.get(config.issuer)
        if known is not None and same_settings(known.config, config):
            return setup
        trusted = {**self.trusted, config.issuer: self._at_work(config)}
        setup = self._known(setup, trusted)
        self.trusted = trusted
        if known is not None:
            self._retire(known)
        if self.tenants is not None:
            self.tenants.remove(config.issuer)
        observe.issuer_added(config.issuer)
        return setup

    def without(self, issuer: str, setup: Setup) -> Setup | None:
        """`setup` without this issuer; None where it was not known. To be called with `changing` held."""
        was_looked_up = self.tenants is not None and self.tenants.remove(issuer)
        known = self.trusted.get(issuer)
        if known is None and not was_looked_up:
            return None
        self.trusted = {name: each for name, each in self.trusted.items() if name != issuer}
        if known is not None:
            self._retire(known)
        observe.issuer_removed(issuer)
        return self._known(setup, self.trusted)

    # Their state

    def health(self) -> Health:
        """The state of each issuer; where keys are missing, also begins to fetch them. Waits for nothing."""
        return readiness.health(self.trusted.values(), self.tenants, self.revoking)

    def warm(self, issuers: Iterable[str] | None) -> None:
        """Fetch the keys of these issuers, or of all that are listed; raises `Unavailable` if some can't be had."""
        readiness.warm(self.trusted if issuers is None else issuers, self._found)

    async def awarm(self, issuers: Iterable[str] | None) -> None:
        """`warm`, for async code."""
        await readiness.awarm(self.trusted if issuers is None else issuers, self._found)

    def close(self) -> None:
        """Stop fetching, for good, and end the I/O thread; keys at hand serve on until they are stale."""
        self.io.close()

    def renew_after_fork(self) -> None:
        """The lock may have been held."""
        self.changing = threading.Lock()

    # Inside

    def _at_work(self, config: Issuer) -> Trusted:
        """An issuer with what it takes to check its tokens. Raises `ConfigurationError`."""
        audiences = frozenset(config.audience) if config.audience else self._audiences
        source = self._source_for(config)
        if config.introspection is None:
            return Trusted(config, audiences, source)
        clocks, limits = self._clocks, self._limits
        introspector = Introspector(config.introspection, self.io, self._client, self._http, clocks, limits)
        trusted = Trusted(config, audiences, source, introspector)
        introspector.bind(trusted, self.ask)
        return trusted

    def _source_for(self, config: Issuer) -> KeySource:
        if config.jwks is not None:
            return StaticKeys(config)
        asked = config.introspection
        if asked is not None and not asked.needs_keys and config.logout is None:
            return UnusedKeys(config)
        return FetchedKeys(config, self.io, self._client, self._turns, self._clocks.monotonic)

    def _known(self, setup: Setup, trusted: Mapping[str, Trusted]) -> Setup:
        resolver = self._resolver
        tenants = int(resolver.max_issuers) if resolver is not None else 0
        algorithms = frozenset(name for each in trusted.values() for name in each.config.algorithms)
        if resolver is not None or not trusted:  # whoever it is from decides
            algorithms = KNOWN_ALGORITHMS
        return replace(
            setup,
            # new ones, which is how those of an issuer that is no more are forgotten: they come back with a token each
            headers=BoundedMemory[SettledHeader](
                _HEADERS_AN_ISSUER * max(1, len(trusted)) + _HEADERS_A_TENANT * tenants
            ),
            issuers=trusted,
            only=next(iter(trusted.values())) if len(trusted) == 1 and resolver is None else None,
            algorithms=algorithms,
            introspecting=introspecting(trusted.values()),
            of_many_tenants=tuple(each for issuer, each in trusted.items() if TENANT_PLACE in issuer),
            tenants=self.tenants,
        )

    def _found(self, issuer: str) -> Future[Trusted | None]:
        listed = self.trusted.get(issuer)
        if listed is None and self.tenants is not None:
            return self.tenants.resolve(issuer)
        found: Future[Trusted | None] = Future()
        found.set_result(listed)
        return found

    def _retire(self, trusted: Trusted) -> None:
        """An issuer has gone: close connections that are its alone, when the last questions have had their time."""
        introspector, settings = introspector_of(trusted), trusted.config.introspection
        if introspector is None or settings is None or not isinstance(settings.authentication, MutualTLS):
            return
        self._retired.add(introspector)
        with contextlib.suppress(AnswerFailed):  # the thread has ended, and all connections with it
            self.io.submit(self._close_late(introspector, settings.timeout), Future())

    async def _close_late(self, introspector: Introspector, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await introspector.close()
        self._retired.discard(introspector)

    async def _close_clients(self) -> None:
        for introspector in [*self.introspectors.values(), *self._retired]:
            await introspector.close()
        for trusted in self.tenants.trusted() if self.tenants is not None else []:
            if (asked := introspector_of(trusted)) is not None:
                await asked.close()
        await self._client.close()
        await self.revoking.close()
        await self._replays.close()


def issuer_configs(issuers: Iterable[str | Issuer | IssuerResolver]) -> tuple[list[Issuer], IssuerResolver | None]:
    """The argument `issuers` of a guard, checked; a string means `Issuer(string)`. The resolver, if one is there."""
    if isinstance(issuers, str | Issuer | IssuerResolver):
        raise ConfigurationError("issuers must be a list of issuers")
    try:
        given = list(issuers)
    except TypeError:
        raise ConfigurationError("issuers must be a list of issuers") from None
    if not given:
        raise ConfigurationError("issuers must name at least one issuer")
    resolvers = [item for item in given if isinstance(item, IssuerResolver)]
    if len(resolvers) > 1:
        raise ConfigurationError("issuers may hold one IssuerResolver: a name has one meaning")
    configs = [
        Issuer(item) if isinstance(item, str) else item for item in given if not isinstance(item, IssuerResolver)
    ]
    seen: set[str] = set()
    for config in configs:
        if not isinstance(config, Issuer):
            raise ConfigurationError("issuers must hold strings, Issuer objects and at most one IssuerResolver")
        if config.issuer in seen:
            raise ConfigurationError(f"issuers names {config.issuer} twice")
        seen.add(config.issuer)
    return configs, resolvers[0] if resolvers else None
