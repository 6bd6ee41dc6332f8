"""What the presets' arguments must be, and the settings of `Issuer` that each of them passes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

from tokenguard._checks import require_url
from tokenguard.config import ClaimCheck, Issuer, KeyPolicy
from tokenguard.errors import ConfigurationError
from tokenguard.introspection import Introspection
from tokenguard.logout import BackchannelLogout

# a host name with a dot in it, and perhaps a port
_HOST = re.compile(r"(?=.{4,253}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d{1,5})?")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# one segment of a path
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}")


class Settings(TypedDict, total=False):
    """The settings of `Issuer` that a preset leaves to its caller."""

    audience: str | tuple[str, ...] | None
    jwks: Mapping[str, Any] | None
    jwks_uri: str | None
    max_lifetime: float | None
    checks: tuple[ClaimCheck, ...]
    keys: KeyPolicy
    introspection: Introspection | None
    logout: BackchannelLogout | None
    insecure_http: bool


def built(provider: str, issuer: str, given: Settings, **own: Any) -> Issuer:
    """The issuer: what the preset knows, and what its caller gave; a caller's checks come after the preset's."""
    unknown = given.keys() - Settings.__annotations__.keys()
    if unknown:
        raise ConfigurationError(f"{provider}: unknown setting {min(unknown)}; write an Issuer for other rules")
    own["checks"] = (*own.get("checks", ()), *given.get("checks", ()))
    return Issuer(issuer, **{**own, **{name: value for name, value in given.items() if name != "checks"}})


def host(name: str, value: object) -> str:
    """A host name, as `example.eu.auth0.com`: no scheme, no path."""
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise ConfigurationError(f"{name} must be a host name, with no https:// before and no / after it")
    return value.lower()


def guid(name: str, value: object) -> str:
    """An id of the form that Microsoft and others use, in lower case."""
    if not isinstance(value, str) or not _GUID.fullmatch(value):
        raise ConfigurationError(f"{name} must be an id like 8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
    return value.lower()


def is_guid(value: object) -> bool:
    """Is it such an id?"""
    return isinstance(value, str) and _GUID.fullmatch(value) is not None


def one_name(name: str, value: object) -> str:
    """What stands for itself in a URL's path: a realm, a slug, an id."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value in {".", ".."}:
        raise ConfigurationError(f"{name} must be one name of letters, digits and . _ ~ -")
    return value


def base_url(name: str, value: object, given: Settings) -> str:
    """An https URL under which an issuer lives, without the slash at its end."""
    require_url(name, value, insecure_http=given.get("insecure_http", False))
    return str(value).rstrip("/")


def text(name: str, value: object) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} must be a non-empty string")
    return value
