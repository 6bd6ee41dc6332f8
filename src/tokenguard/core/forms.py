"""The JSON forms of single claims (RFC 7519 2, 4.1), and how a wrong one is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from tokenguard.errors import InvalidToken, Reason

#: a NumericDate's types; not bool, which is an int to isinstance
NUMBERS = frozenset({int, float})


def check_optional(claims: Mapping[str, Any]) -> None:
    """Claims that may be absent, but not of another form: a wrong one could be read as none."""
    for name in OPTIONAL.keys() & claims.keys():
        fits, form = OPTIONAL[name]
        if not fits(claims[name]):
            raise malformed(f"{name} must be {form}")


def claim_text(claims: Mapping[str, Any], name: str) -> str:
    """A claim that must be a non-empty string."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise unfit(claims, name, "a non-empty string")
    return value


def list_of_text(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A claim that must be an array of strings, where it is not a string."""
    value = claims.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise unfit(claims, name, "a string or an array of strings")
    return tuple(value)


# What many tokens have in common is held once.
@lru_cache(maxsize=1024)
def split_scopes(scope: str) -> frozenset[str]:
    """The scopes of a string: whole names, split on single spaces (RFC 6749 3.3)."""
    return frozenset(scope.split(" ")) - {""}


@lru_cache(maxsize=1024)
def one_audience(audience: str) -> tuple[str, ...]:
    """An `aud` that is a string."""
    return (audience,)


def unfit(claims: Mapping[str, Any], name: str, form: str) -> InvalidToken:
    """The refusal for a claim that is missing, or of the wrong form."""
    if name not in claims:
        return InvalidToken(Reason.MISSING_CLAIM, f'{name} is missing (profile="jwt" requires fewer claims)')
    return malformed(f"{name} must be {form}")


def malformed(hint: str) -> InvalidToken:
    """The refusal for claims of the wrong form."""
    return InvalidToken(Reason.MALFORMED_CLAIMS, hint)


def _is_time(value: Any) -> bool:
    try:
        return type(value) in NUMBERS and math.isfinite(value)
    except OverflowError:  # a JSON integer may be larger than any float
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_actor(value: Any) -> bool:
    """An actor's identity is text, and so was that of each before (the cap on depth ends the recursion)."""
    return (
        isinstance(value, dict)
        and all(_is_text(value[name]) for name in ("sub", "iss") if name in value)
        and ("act" not in value or _is_actor(value["act"]))
    )


def _is_details(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("type"), str) for entry in value
    )


OPTIONAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "nbf": (_is_time, "a number"),  # RFC 7519 4.1.5
    "auth_time": (_is_time, "a number"),  # RFC 9068 2.2.1
    "acr": (_is_text, "a non-empty string"),  # RFC 9068 2.2.1
    "sid": (_is_text, "a non-empty string"),  # OpenID Connect Back-Channel Logout 2.1
    "cnf": (_is_object, "an object"),  # RFC 7800 3.1
    "act": (_is_actor, "an object that names an actor"),  # RFC 8693 4.1
    "may_act": (_is_object, "an object"),  # RFC 8693 4.4
    "authorization_details": (_is_details, "an array of objects with a type"),  # RFC 9396 9.1
}
