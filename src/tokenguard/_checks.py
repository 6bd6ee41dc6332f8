"""What a setting must be; each raises `ConfigurationError` naming the one that is not."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from tokenguard.errors import ConfigurationError

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.1, 5.6.2
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def string_tuple(name: str, value: object, *, one_string: bool = True) -> tuple[str, ...]:
    """`value` as a tuple of non-empty strings; a single string is one of them where `one_string` allows it."""
    if isinstance(value, str) and one_string:
        value = (value,)
    if isinstance(value, str) or not isinstance(value, (tuple, list, set, frozenset)):
        raise ConfigurationError(f"{name} must be a tuple of strings" + (" or a string" if one_string else ""))
    if not value or not all(isinstance(item, str) and item for item in value):
        raise ConfigurationError(f"{name} must hold non-empty strings, at least one")
    return tuple(value)


def require_number(name: str, value: object, *, low: float, high: float = math.inf) -> None:
    """A finite number from `low` to `high`, and no boolean."""
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
        upper = "" if high == math.inf else f" and at most {high}"
        raise ConfigurationError(f"{name} must be a number of at least {low}{upper}")


def require_flag(name: str, value: object) -> None:
    """True or False, nothing that merely looks so."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False")


def require_field_name(name: str, value: object) -> None:
    """The name of an HTTP header field."""
    if not isinstance(value, str) or not _FIELD_NAME.fullmatch(value):
        raise ConfigurationError(f"{name} must be the name of a header field")


def require_url(name: str, value: object, *, insecure_http: bool) -> None:
    """An https URL with a host and without user information; http only on loopback, unless `insecure_http`."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{name} must be a URL of printable ASCII characters")
    if "@" in value:  # not shown: there may be a password before it
        raise ConfigurationError(f"{name} must be a URL without user information")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{name}: {value} is not a URL") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigurationError(f"{name}: {value} must be an https URL with a host")
    if parts.scheme == "http" and host not in _LOOPBACK_HOSTS and not insecure_http:
        raise ConfigurationError(f"{name}: {value} must be https (insecure_http=True if you must)")
