"""Revoking: from what a caller names to the revocation that a store keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict

from tokenguard._checks import require_number
from tokenguard.config import MAX_LEEWAY, Issuer
from tokenguard.core import pipeline
from tokenguard.core.effects import AnswerFailed, Flow, WriteRevocations
from tokenguard.core.model import AccessToken
from tokenguard.core.revocation import DATED, MAX_TIME, Level, Revocation, last_moment
from tokenguard.core.tenants import resolved_issuer
from tokenguard.core.trust import Setup, configured_for
from tokenguard.errors import ConfigurationError, InvalidToken, Reason, RevocationFailed


class Named(TypedDict, total=False):
    """What is to be revoked. One of:

    `id`: the token of this jti. `session`: the tokens of a session or family (see `ClaimNames.session`).
    `subject`, `client`: those of a user, or of a client. `everything`: True for all that the issuer issued.

    `issuer`: whose; may be left out where there is just one. `before`, `until`: epoch seconds. What was issued later
    than `before`, by the issuer's clock, goes on: by default now for a subject, a client and everything; for a session
    nothing does. From `until` on the revocation is forgotten: by default when what has been issued by now can't be
    alive, for which `Issuer.max_lifetime` must be set. A session that goes on at its issuer gets new tokens then.
    """

    id: str | None
    session: str | None
    subject: str | None
    client: str | None
    everything: bool
    issuer: str | None
    before: float | None
    until: float | None


_LEVELS = {"id": Level.TOKEN, "session": Level.SESSION, "subject": Level.SUBJECT, "client": Level.CLIENT}


def revoke(
    setup: Setup, token: str | AccessToken | None, named: Named, now: float, monotonic: float
) -> Flow[Revocation]:
    """Have the store keep the revocation of a token, or of what is named."""
    if token is None:
        revocation = yield from _of_names(setup, named, now, monotonic)
    else:
        if named.keys() - {"until"}:
            raise ConfigurationError("revoke: a token says itself whose it is; beside it goes only until")
        if not isinstance(token, str | AccessToken):
            raise ConfigurationError("revoke: a token is the string that was sent, or what a guard made of it")
        if isinstance(token, str):
            # a forged token would revoke someone else's: only one that its issuer vouches for is looked into
            token = AccessToken((yield from pipeline.vouched_for(setup, token, now, monotonic)))
        revocation = yield from _of_token(setup, token, named.get("until"), now, monotonic)
    yield from keep((revocation,))
    return revocation


def keep(revocations: tuple[Revocation, ...]) -> Flow[None]:
    """Have the store keep them all; raises `RevocationFailed` where it kept none."""
    try:
        yield WriteRevocations(revocations)
    except AnswerFailed as failure:
        raise RevocationFailed(Reason.REVOCATION_FAILED, str(failure)).after(failure.retry_after) from None


def _of_token(setup: Setup, token: AccessToken, until: float | None, now: float, monotonic: float) -> Flow[Revocation]:
    value = token.id or token.fingerprint
    if value is None:
        raise ConfigurationError("revoke: this token has neither id nor fingerprint")
    if until is None and token.expires_at != math.inf:
        # for the services with the most leeway, which may share the store; one that ended a moment ago may be revoked
        until = min(max(token.expires_at + MAX_LEEWAY, now), MAX_TIME)
    config = yield from _settings_for(setup, token.issuer, monotonic)
    return _checked(config, token.issuer, Level.TOKEN, value, math.inf, until, now)


def _of_names(setup: Setup, named: Named, now: float, monotonic: float) -> Flow[Revocation]:
    unknown = named.keys() - Named.__annotations__.keys()
    if unknown:
        raise ConfigurationError(f"revoke: {min(unknown)} is no argument of it")
    given: Mapping[str, object] = {**named}
    values = {level: value for name, level in _LEVELS.items() if (value := given.get(name)) is not None}
    if given.get("everything"):
        values[Level.ISSUER] = ""
    if len(values) != 1:
        raise ConfigurationError("revoke: name one of token, id, session, subject, client, or everything=True")
    ((level, value),) = values.items()
    issuer = named.get("issuer")
    if issuer is None:
        if setup.only is None or setup.of_many_tenants:
            raise ConfigurationError("revoke: issuer must say whose it is, since there may be several")
        issuer = setup.only.config.issuer
    before = named.get("before")
    if before is None:
        before = now if level in DATED else math.inf
    else:
        require_number("revoke: before", before, low=0)
    config = yield from _settings_for(setup, issuer, monotonic)
    return _checked(config, issuer, level, value, before, named.get("until"), now)  # type: ignore[arg-type] # Revocation looks


def _checked(  # noqa: PLR0917 - what a revocation consists of
    config: Issuer, issuer: str, level: Level, value: str, before: float, until: float | None, now: float
) -> Revocation:
    if until is None:
        until = last_moment(config, max(now, before) if level in DATED else now)
    require_number("revoke: until", until, low=now)
    return Revocation(issuer, level, value, before, until)


def _settings_for(setup: Setup, issuer: str, monotonic: float) -> Flow[Issuer]:
    """The settings for an issuer that a revocation names; an unknown one would hit nothing, in silence."""
    config = configured_for(setup, issuer)
    if config is not None:
        return config
    try:
        return (yield from resolved_issuer(setup, issuer, monotonic)).config
    except InvalidToken:  # which is how a token would be refused
        raise ConfigurationError(f"revoke: {issuer!r} is none of the configured issuers (compared exactly)") from None
