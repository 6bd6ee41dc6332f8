"""A logout token: which tokens end with it, if all it says can be believed (OpenID Connect Back-Channel Logout 1.0).

Not on the way of a request: it comes to an address of its own, from the issuer, and is never an access token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tokenguard.core import jws
from tokenguard.core.effects import Flow
from tokenguard.core.forms import NUMBERS
from tokenguard.core.keyuse import verify_signature
from tokenguard.core.revocation import Level, Revocation, last_moment
from tokenguard.core.tenants import resolved_issuer
from tokenguard.core.trust import Setup, Trusted, listed_issuer
from tokenguard.errors import Denied, InvalidLogoutToken, InvalidToken, Reason, Unavailable
from tokenguard.logout import BackchannelLogout

#: the member of `events` that makes a JWT a logout token (Back-Channel Logout 2.4)
EVENT = "http://schemas.openid.net/event/backchannel-logout"


class Logout(NamedTuple):
    """What a logout token says. `id` is its own `jti`; `revocation` is what follows from it."""

    id: str
    revocation: Revocation

    def __repr__(self) -> str:
        return f"Logout({self.revocation!r})"


def read_logout(setup: Setup, token: str, now: float, monotonic: float) -> Flow[Logout]:
    """Check all of a logout token but whether it came before. Raises `InvalidLogoutToken` or `Unavailable`."""
    try:
        return (yield from _read(setup, token, now, monotonic))
    except InvalidToken as refusal:
        error = InvalidLogoutToken(refusal.reason, refusal.hint)
        error.issuer, error.token_id = refusal.issuer, refusal.token_id
        raise error from None


def _read(setup: Setup, token: str, now: float, monotonic: float) -> Flow[Logout]:
    received = jws.received_bytes(token, setup.limits)
    signing_input, header_segment, payload_segment, signature_segment = jws.split(received)
    # iss chooses whose keys and rules hold; nothing else of it is used until the signature holds
    claims = jws.read_payload(payload_segment, setup.limits)[1]
    trusted = listed_issuer(setup, claims) or (yield from resolved_issuer(setup, claims.get("iss"), monotonic))
    try:
        settings = trusted.config.logout
        if settings is None:
            raise InvalidToken(Reason.UNKNOWN_ISSUER, "Issuer.logout of this issuer is not set")
        header = _read_header(header_segment, settings, setup)
        signature = jws.read_signature(signature_segment)
        yield from verify_signature(trusted, header, signing_input, signature, monotonic)
        return _read_claims(claims, trusted, settings, now, setup.leeway)
    except (Denied, Unavailable) as refusal:
        refusal.issuer = trusted.config.issuer
        raise


def _read_header(segment: bytes, settings: BackchannelLogout, setup: Setup) -> jws.Header:
    try:
        header = jws.read_header(segment, frozenset(settings.algorithms), setup.limits)
    except InvalidToken as refusal:
        if refusal.reason is Reason.UNSUPPORTED_ALGORITHM:  # alg as it is registered (Back-Channel Logout 2.6)
            hint = f"BackchannelLogout.algorithms of this issuer: {', '.join(settings.algorithms)}"
            raise InvalidToken(Reason.UNSUPPORTED_ALGORITHM, hint) from None
        raise
    # typ must not be that of another kind of JWT (Back-Channel Logout 2.4, RFC 8725 3.11)
    if header.typ not in settings.types:
        accepted = ", ".join(sorted(name or "none" for name in settings.types))
        raise InvalidToken(Reason.WRONG_TYPE, f"BackchannelLogout.types of this issuer: {accepted}")
    return header


def _read_claims(
    claims: Mapping[str, Any], trusted: Trusted, settings: BackchannelLogout, now: float, leeway: float
) -> Logout:
    """The steps of Back-Channel Logout 2.6, after the signature and iss."""
    # jti is required (Back-Channel Logout 2.4); read first, so that the log can name the token
    token_id = _text(claims, "jti")
    if token_id is None:
        raise InvalidToken(Reason.MISSING_CLAIM, "jti is missing")
    try:
        _check_audience(claims, settings)
        issued_at = _check_times(claims, settings, now, leeway)
        _check_kind(claims)
        until = last_moment(trusted.config, max(now, issued_at))
        revocation = _revocation(claims, settings, issued_at, until)
    except InvalidToken as refusal:
        refusal.token_id = token_id
        raise
    return Logout(token_id, revocation)


def _check_audience(claims: Mapping[str, Any], settings: BackchannelLogout) -> None:
    """For a client of ours, and for nobody whom we do not know (Back-Channel Logout 2.6; OIDC Core 3.1.3.7)."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not named or not all(name in settings.client_ids for name in named):
        raise InvalidToken(
            Reason.WRONG_AUDIENCE,
            f"aud holds another than BackchannelLogout.client_ids: {', '.join(sorted(settings.client_ids))}",
        )


def _check_times(claims: Mapping[str, Any], settings: BackchannelLogout, now: float, leeway: float) -> float:
    """`iat`, if the token is one that was made a moment ago."""
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    # exp and iat are required (Back-Channel Logout 2.4)
    if expires_at is None or issued_at is None:
        raise InvalidToken(Reason.MISSING_CLAIM, "exp or iat is missing")
    if now >= expires_at + leeway:
        raise InvalidToken(Reason.EXPIRED, f"exp has passed; leeway is {leeway}")
    # from the future it would end tokens that are still to be issued
    if now < issued_at - leeway:
        raise InvalidToken(Reason.ISSUED_IN_FUTURE, f"iat is ahead of our clock; leeway is {leeway}")
    not_before = _time(claims, "nbf")
    if not_before is not None and now < not_before - leeway:  # RFC 7519 4.1.5
        raise InvalidToken(Reason.NOT_YET_VALID, f"nbf is ahead of our clock; leeway is {leeway}")
    # short-lived, so that a stolen one is soon of no use (Back-Channel Logout 4)
    if not 0 <= expires_at - issued_at <= settings.max_lifetime:
        raise InvalidToken(Reason.LIFETIME_TOO_LONG, f"BackchannelLogout.max_lifetime is {settings.max_lifetime}")
    return issued_at


def _check_kind(claims: Mapping[str, Any]) -> None:
    # events is an object, and its member for logout an object (Back-Channel Logout 2.6)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise InvalidToken(Reason.WRONG_TYPE, "events is not an object that says backchannel-logout, with an object")
    # nonce must not be there, whatever its value: an ID token has one (Back-Channel Logout 2.4)
    if "nonce" in claims:
        raise InvalidToken(Reason.WRONG_TYPE, "nonce is there, as in an ID token")


def _revocation(claims: Mapping[str, Any], settings: BackchannelLogout, issued_at: float, until: float) -> Revocation:
    """What ends: the session, or where none is named all that the subject holds (Back-Channel Logout 2.7)."""
    subject, session = _text(claims, "sub"), _text(claims, "sid")
    # sub or sid, or both (Back-Channel Logout 2.4)
    if subject is None and session is None:
        raise InvalidToken(Reason.MISSING_CLAIM, "neither sub nor sid is there")
    issuer = claims["iss"]
    if session is not None and settings.ends == "session":
        return Revocation(issuer, Level.SESSION, session, math.inf, until)
    if subject is None:
        raise InvalidToken(Reason.MISSING_CLAIM, 'sub is missing, and BackchannelLogout.ends is "subject"')
    # those issued after it are of a new login
    return Revocation(issuer, Level.SUBJECT, subject, issued_at, until)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if name in claims and (not isinstance(value, str) or not value):
        raise InvalidToken(Reason.MALFORMED_CLAIMS, f"{name} must be a non-empty string")
    return value


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value: Any = claims.get(name)
    if name not in claims:
        return None
    if type(value) not in NUMBERS:  # a boolean is none (RFC 7519 2)
        raise InvalidToken(Reason.MALFORMED_CLAIMS, f"{name} must be a number")
    try:
        return float(value)
    except OverflowError:  # a JSON integer may be larger than any float
        raise InvalidToken(Reason.MALFORMED_CLAIMS, f"{name} is out of range") from None
