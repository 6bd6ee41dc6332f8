"""Are a guard's issuers ready for requests, and fetching what they need before the first one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, TypeAlias, cast

from tokenguard.core.trust import Trusted
from tokenguard.errors import ConfigurationError, Reason, Unavailable
from tokenguard.runtime.health import Health, TenantsState
from tokenguard.runtime.introspector import Introspector
from tokenguard.runtime.keysource import KeySource
from tokenguard.runtime.revoking import Revoking
from tokenguard.runtime.tenants import Tenants

#: looks an issuer up by name; None for one that is not trusted
Find: TypeAlias = Callable[[str], Future[Trusted | None]]

#: how many of the tenants that fail a health endpoint names
_EXAMPLES = 10
#: issuers that are looked up, and whose keys are fetched, at a time
_WARMED_AT_ONCE = 50


def source_of(trusted: Trusted) -> KeySource:
    """Where an issuer's keys come from; `Issuers` put it there."""
    return cast("KeySource", trusted.keys)


def introspector_of(trusted: Trusted) -> Introspector | None:
    """Who asks it about tokens; `Issuers` put it there."""
    return cast("Introspector | None", trusted.answers)


def health(listed: Iterable[Trusted], tenants: Tenants | None, revoking: Revoking) -> Health:
    """The state of each issuer and of the revocations; where keys of a listed one are missing, begins to fetch them."""
    listed = list(listed)
    sources = [source_of(trusted) for trusted in listed]
    keys = tuple(source.state() for source in sources)
    for source, state in zip(sources, keys, strict=True):
        if not state.serving:
            source.refresh()
    asked = tuple(asking.state() for trusted in listed if (asking := introspector_of(trusted)) is not None)
    revocations = revoking.state()
    ready = all(state.serving for state in keys) and all(state.serving for state in asked)
    if revoking.lookup.when_unknown == "closed":
        ready = ready and revocations.serving
    return Health(ready, keys, asked, revocations, _in_numbers(tenants) if tenants is not None else None)


def warm(names: Iterable[str], find: Find) -> None:
    """Fetch the keys of these issuers. `Unavailable` if some can't be had, `ConfigurationError` for a strange name."""
    for part in _in_parts(names):
        found = [find(name) for name in part]
        wait(found)
        sources = _sources(part, found)
        wait([source.refresh() for source in sources])
        _check_serving(sources)


async def awarm(names: Iterable[str], find: Find) -> None:
    """`warm`, for async code."""
    for part in _in_parts(names):
        found = [find(name) for name in part]
        await _all_done(found)
        sources = _sources(part, found)
        await _all_done([source.refresh() for source in sources])
        _check_serving(sources)


def _in_numbers(tenants: Tenants) -> TenantsState:
    kept = tenants.trusted()
    states = [source_of(trusted).state() for trusted in kept]
    failing = [state for state in states if state.last_error or state.state == "expired"]
    circuits = [asked.state() for trusted in kept if (asked := introspector_of(trusted)) is not None]
    silent = [state for state in circuits if not state.serving]
    names = {state.issuer for state in failing} | {state.issuer for state in silent}
    unknown, looking_up = tenants.counts()
    return TenantsState(
        known=len(states),
        serving=sum(state.serving for state in states),
        failing=len(names),
        examples=tuple(failing[:_EXAMPLES]),
        circuits=tuple(silent[:_EXAMPLES]),
        unknown=unknown,
        looking_up=looking_up,
        last_error=tenants.last_error,
    )


def _in_parts(issuers: Iterable[str]) -> list[list[str]]:
    if isinstance(issuers, str):
        raise ConfigurationError("warm: issuers must be a list of issuer identifiers")
    names = list(dict.fromkeys(issuers))
    return [names[start : start + _WARMED_AT_ONCE] for start in range(0, len(names), _WARMED_AT_ONCE)]


async def _all_done(futures: Iterable[Future[Any]]) -> None:
    await asyncio.shield(asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True))


def _sources(names: Iterable[str], found: Iterable[Future[Trusted | None]]) -> list[KeySource]:
    sources = []
    for name, future in zip(names, found, strict=True):
        failure = future.exception()
        if failure is not None:
            raise Unavailable(Reason.ISSUER_UNRESOLVED, f"{name} can't be looked up: {failure}")
        trusted = future.result()
        if trusted is None:
            raise ConfigurationError(f"warm: {name} is no issuer of this guard")
        sources.append(source_of(trusted))
    return sources


def _check_serving(sources: Iterable[KeySource]) -> None:
    for source in sources:
        state = source.state()
        if not state.serving:
            error = Unavailable(Reason.KEYS_UNAVAILABLE, f"no keys of {state.issuer}: {state.last_error}")
            error.issuer = state.issuer
            raise error
