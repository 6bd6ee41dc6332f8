"""Issuers that are in no list but in a table of the service's own: which names are looked up there, and what then."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from tokenguard.config import Issuer
from tokenguard.core.effects import AnswerFailed, Flow, ResolveIssuer
from tokenguard.core.model import Verified
from tokenguard.core.trust import Setup, Trusted, unknown_issuer
from tokenguard.errors import ConfigurationError, Denied, Reason, Unavailable

#: what the operator set, as hints call it
LOOK_UPS = "IssuerResolver.resolve"

# What may be shown to a look-up function before anything of the token is verified: a short URL without query,
# fragment and user information, as an issuer identifier is (RFC 8414 2; RFC 3986 2 for the characters)
_NAME = re.compile(r"https?://[A-Za-z0-9\-._~:/\[\]!$&'()*+,;=%]{1,500}")


def remembered_issuer(setup: Setup, name: object, monotonic: float) -> Trusted | None:
    """The issuer that the table had under this `iss`; None where it must be asked. Refuses what it can't have."""
    if setup.tenants is None or not isinstance(name, str) or not _NAME.fullmatch(name):
        raise unknown_issuer(setup)
    return setup.tenants.recall(name, monotonic)


def resolved_issuer(setup: Setup, name: Any, monotonic: float) -> Flow[Trusted]:
    """The issuer that the table has under this `iss`, which no list has. Refuses, or says that it can't be told.

    Nothing is fetched for a name that the table does not have (RFC 8725 3.8, 3.10).
    """
    trusted = remembered_issuer(setup, name, monotonic)
    if trusted is None:
        try:
            trusted = yield ResolveIssuer(name)
        except AnswerFailed as failure:
            unavailable = Unavailable(Reason.ISSUER_UNRESOLVED, f"the issuer can't be looked up: {failure}")
            raise unavailable.after(failure.retry_after) from None
    if trusted is None:
        raise unknown_issuer(setup)
    return trusted


def check_trusted(setup: Setup, verified: Verified, monotonic: float) -> Flow[None]:
    """Refuse a token whose issuer was one of ours when it was let in, and is none now."""
    name = verified.configured
    if name in setup.issuers or (setup.tenants is not None and setup.tenants.reuse(name, monotonic) is not None):
        return
    try:
        yield from resolved_issuer(setup, name, monotonic)
    except (Denied, Unavailable) as refusal:
        refusal.concerns(verified.issuer, verified.client_id, verified.id)
        raise


def issuer_of(name: str, answer: object) -> Issuer:
    """What a look-up function's answer means that is not None; `AnswerFailed` where it is none to go by."""
    if not isinstance(answer, Issuer | str):
        raise AnswerFailed(f"{LOOK_UPS} answered with a {type(answer).__name__}, not an Issuer, a str or None")
    # a name means the issuer of that name: not the one that a careless table finds beside it (RFC 8725 3.8)
    if (answer if isinstance(answer, str) else answer.issuer) != name:
        raise AnswerFailed(f"{LOOK_UPS} answered with an issuer of another name than the iss it was asked for")
    try:
        config = Issuer(answer) if isinstance(answer, str) else answer
    except ConfigurationError as cause:
        raise AnswerFailed(f"{LOOK_UPS} answered with what is no issuer: {cause}") from None
    if config.introspection is not None and config.introspection.mode != "live":
        raise AnswerFailed(f'{LOOK_UPS} answered with an Introspection.mode other than "live"')
    return config


def same_settings(one: Issuer, other: Issuer) -> bool:
    """Do keys and tokens of one serve under the other?"""
    return one is other or all(getattr(one, field.name) == getattr(other, field.name) for field in fields(Issuer))
