"""The guard that a framework's settings describe: Flask's `app.config["TOKENGUARD"]`, Django's `TOKENGUARD`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pkgutil import resolve_name
from typing import Any

from tokenguard.errors import ConfigurationError
from tokenguard.guard import TokenGuard
from tokenguard.settings import GUARD_SETTINGS, known_settings


def guard_from_settings(settings: object, *, beside: Collection[str] = ()) -> TokenGuard:
    """The guard of {"AUDIENCE": ..., "ISSUERS": [...]} or {"GUARD": ...}.

    The former has the settings of `TokenGuard.from_mapping` in upper case; GUARD is a `TokenGuard` or the dotted path
    of one. `beside`: further keys that the framework's adapter reads itself.
    """
    if not isinstance(settings, Mapping):
        raise ConfigurationError("TOKENGUARD must be a mapping")
    own = {name.upper() for name in GUARD_SETTINGS}
    given = known_settings(settings, own | {"GUARD", *beside}, "TOKENGUARD.")
    described = {name.lower(): value for name, value in given.items() if name in own}
    if "GUARD" not in given:
        return _built(described)
    if described:
        raise ConfigurationError(f"TOKENGUARD.GUARD has its own settings: remove {', '.join(described).upper()}")
    guard = given["GUARD"]
    guard = named("GUARD", guard) if isinstance(guard, str) else guard
    if not isinstance(guard, TokenGuard):
        raise ConfigurationError("TOKENGUARD.GUARD must be a TokenGuard, or the dotted path of one")
    return guard


def named(setting: str, dotted: str) -> Any:
    """What a dotted path leads to."""
    try:
        return resolve_name(dotted)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"TOKENGUARD.{setting}: {dotted} can't be imported") from error


def _built(described: Mapping[str, Any]) -> TokenGuard:
    try:
        return TokenGuard.from_mapping(described)
    except ConfigurationError as error:
        raise ConfigurationError(f"TOKENGUARD: {error}") from None
