"""`settings.TOKENGUARD`, read once.

AUDIENCE, ISSUERS, LEEWAY ...   the settings of `TokenGuard.from_mapping`, in upper case
GUARD           or, in place of these, a `TokenGuard` or its dotted path
PATHS           the middleware protects only what is at or below these paths; by default everything. A `re_path`
                without "^" matches inside a path, and so at paths outside of these
EXEMPT_PATHS    ... and nothing at or below these; "/" is the root page alone
REFUSAL         callable(request, error, challenge) -> response, or its dotted path; by default a
                `ChallengeResponse(challenge)`. Whatever it answers should keep the challenge's headers
USER            callable(token) -> user for Django REST framework, or its dotted path; see `drf`
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tokenguard._app_settings import guard_from_settings, named
from tokenguard._paths import ExemptPaths, ProtectedPaths
from tokenguard.core.challenge import Challenge
from tokenguard.core.model import AccessToken
from tokenguard.django.responses import ChallengeResponse
from tokenguard.errors import ConfigurationError, Denied, Unavailable
from tokenguard.guard import TokenGuard

Refusal: TypeAlias = Callable[[HttpRequest, Denied | Unavailable, Challenge], HttpResponseBase]
UserOf: TypeAlias = Callable[[AccessToken], Any]

_OWN_KEYS = ("PATHS", "EXEMPT_PATHS", "REFUSAL", "USER")


@dataclass(frozen=True, slots=True)
class Conf:
    """What the settings say. `paths`: None for all; `user_of`: None for the token's own principal."""

    guard: TokenGuard
    paths: ProtectedPaths | None
    exempt_paths: ExemptPaths | None
    refusal: Refusal
    user_of: UserOf | None

    def covers(self, path: str) -> bool:
        """Does the middleware protect what is at this path (`request.path_info`)?"""
        is_below = self.paths is None or path in self.paths
        return is_below and (self.exempt_paths is None or path not in self.exempt_paths)


@cache
def current() -> Conf:
    """The settings in force; raises `ConfigurationError`. A guard built from them lives as long as they do."""
    with _building:
        return _read()


_building = threading.Lock()  # the first requests of all threads share one guard, and so one fetch of keys


@cache
def _read() -> Conf:
    given = getattr(settings, "TOKENGUARD", None)
    if given is None:
        raise ConfigurationError("settings.TOKENGUARD is not set")
    guard = guard_from_settings(given, beside=_OWN_KEYS)
    paths, exempt_paths = given.get("PATHS"), given.get("EXEMPT_PATHS")
    return Conf(
        guard=guard,
        paths=None if paths is None else ProtectedPaths("TOKENGUARD.PATHS", paths),
        exempt_paths=ExemptPaths("TOKENGUARD.EXEMPT_PATHS", exempt_paths) if exempt_paths else None,
        refusal=_callable(given, "REFUSAL") or _answer,
        user_of=_callable(given, "USER"),
    )


def _callable(given: Mapping[str, Any], key: str) -> Callable[..., Any] | None:
    value = given.get(key)
    if isinstance(value, str):
        value = named(key, value)
    if value is not None and not callable(value):
        raise ConfigurationError(f"TOKENGUARD.{key} must be a callable, or the dotted path of one")
    return value


def _answer(_request: HttpRequest, _error: Denied | Unavailable, challenge: Challenge) -> HttpResponseBase:
    return ChallengeResponse(challenge)


def _forget(*, setting: str, **_: Any) -> None:
    """Tests change settings (`override_settings`)."""
    if setting == "TOKENGUARD":
        current.cache_clear()
        _read.cache_clear()


setting_changed.connect(_forget)
