"""Token introspection (RFC 7662): the question about a token, and what its answer means.

The answer becomes what a verified JWT becomes, and every check of claims, times, binding and requirement follows. An
answer that can't be believed is an `AnswerError`: the issuer's fault, never the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tokenguard.config import Limits
from tokenguard.core import strict_json
from tokenguard.core.claims import read_claims
from tokenguard.core.effects import Outcome
from tokenguard.core.model import INTROSPECTED, Verified
from tokenguard.core.trust import Trusted
from tokenguard.errors import InvalidToken, Reason

PLAIN = "application/json"
SIGNED = "application/token-introspection+jwt"  # RFC 9701 4, 5
#: bound tokens say so (RFC 9449 6.2), bound by certificate or not at all is Bearer (RFC 8705 3, RFC 6750 2.1)
_ACCESS_TOKEN_TYPES = frozenset({"bearer", "dpop"})
#: where widespread servers tell access tokens from refresh and ID tokens, which the endpoint knows too
_KINDS: dict[str, frozenset[str]] = {
    "token_use": frozenset({"access_token", "access"}),  # Ory Hydra, Amazon Cognito
    "typ": frozenset({"bearer", "dpop", "at+jwt", "jwt"}),  # Keycloak; a JWT's own header
}


class AnswerError(ValueError):
    """The answer must not be believed; the text says why, for the operator's log."""


class NoAnswer(AnswerError):
    """It is no introspection answer at all, but a proxy's page or the like."""


def question(token: str) -> dict[str, str]:
    """The members of the form that is posted (RFC 7662 2.1), but for our own credentials."""
    return {"token": token, "token_type_hint": "access_token"}


def media_type(content_type: str) -> str:
    """Of an answer, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def read_members(content_type: str, body: bytes, limits: Limits) -> dict[str, Any]:
    """The members of a plain answer; `AnswerError` for what is no JSON object, or has a member twice."""
    if media_type(content_type) != PLAIN:
        raise NoAnswer(f"the answer is not {PLAIN}")
    try:
        members = strict_json.parse(body, limits)
    except ValueError as cause:
        raise AnswerError(f"the answer can't be read: {cause}") from None
    if not isinstance(members, dict):
        raise AnswerError("the answer is not a JSON object")
    return members


def read_outcome(members: Mapping[str, Any], payload: bytes, trusted: Trusted) -> Outcome:
    """What the answer says; `payload` is it as bytes. Does not look at the clock."""
    # a JSON boolean: neither 1 nor "true" will do (RFC 7662 2.2)
    active = members.get("active")
    if type(active) is not bool:
        raise AnswerError("active is not true or false")
    if not active:
        return Outcome(False, None, Reason.INACTIVE, "the issuer says: not active, or not for us to know")
    try:
        return Outcome(True, _read_active(members, payload, trusted), Reason.INACTIVE, "")
    except InvalidToken as refusal:
        return Outcome(True, None, refusal.reason, refusal.hint)


def _read_active(members: Mapping[str, Any], payload: bytes, trusted: Trusted) -> Verified:
    _check_kind(members)
    settings = trusted.config.introspection
    believed_audience = "aud" not in members and settings is not None and settings.without_audience
    if "aud" not in members and not believed_audience:
        raise InvalidToken(Reason.MISSING_CLAIM, "the answer has no aud (see Introspection.without_audience)")
    # only active is required (RFC 7662 2.2): who was asked is the issuer, and who may be asked again needs no exp
    claims = {"iss": trusted.config.issuer, "exp": math.inf, **members}
    if believed_audience:
        claims["aud"] = next(iter(trusted.audiences))
    verified = read_claims(claims, payload, trusted, generation=INTROSPECTED, introspected=True)
    return verified._replace(audience=()) if believed_audience else verified


def _check_kind(members: Mapping[str, Any]) -> None:
    """Refuse what is active but no access token: whoever has a refresh token could send it here."""
    token_type = members.get("token_type", "Bearer")
    if not isinstance(token_type, str) or token_type.lower() not in _ACCESS_TOKEN_TYPES:
        raise InvalidToken(Reason.WRONG_TYPE, "token_type in the answer is not that of an access token")
    # a sender-constrained token without the key that it is bound to can't be confirmed (RFC 9449 6.2)
    if token_type.lower() == "dpop" and "cnf" not in members:
        raise InvalidToken(Reason.NOT_BOUND, "token_type in the answer is DPoP, but there is no cnf")
    for name, kinds in _KINDS.items():
        kind = members.get(name)
        if isinstance(kind, str) and kind.lower() not in kinds:
            raise InvalidToken(Reason.WRONG_TYPE, f"{name} in the answer is not that of an access token")
