"""An introspection answer as a signed JWT (RFC 9701): the envelope, down to the members inside."""

from __future__ import annotations

import json
from typing import Any

from tokenguard.config import Limits
from tokenguard.core import jws
from tokenguard.core.effects import Flow
from tokenguard.core.forms import NUMBERS
from tokenguard.core.introspection import SIGNED, AnswerError, NoAnswer, media_type
from tokenguard.core.keyuse import verify_signature
from tokenguard.core.trust import Trusted
from tokenguard.errors import InvalidToken

#: seconds between an answer's making and its reading; it was asked for a moment ago
_MAX_AGE = 60.0
#: between the five parts of a compact JWE (RFC 7516 7.1)
_JWE_DOTS = 4


def open_signed(
    content_type: str,
    body: bytes,
    trusted: Trusted,
    limits: Limits,
    *,
    now: float,
    leeway: float,
    monotonic: float,
) -> Flow[tuple[bytes, dict[str, Any]]]:
    """The members of the answer, as bytes and as a mapping; `AnswerError` where it can't be believed."""
    # a plain answer where a signed one was demanded is a downgrade (RFC 9701 5)
    if media_type(content_type) != SIGNED:
        raise NoAnswer(f"the answer is not {SIGNED}, which Introspection.signed demands")
    if body.count(b".") == _JWE_DOTS:
        raise AnswerError("the signed answer is encrypted (RFC 9701 5), which can't be read: see Introspection.signed")
    try:
        claims = yield from _verified_claims(body.strip(), trusted, limits, monotonic)
    except InvalidToken as refusal:  # the issuer's answer is at fault, and not the caller's token
        raise AnswerError(f"the signed answer is refused: {refusal.reason}: {refusal.hint}") from None
    _check_envelope(claims, trusted, now, leeway)
    members = claims.get("token_introspection")
    if not isinstance(members, dict):
        raise AnswerError("the signed answer has no object token_introspection")
    return json.dumps(members).encode(), members


def _verified_claims(body: bytes, trusted: Trusted, limits: Limits, monotonic: float) -> Flow[dict[str, Any]]:
    signing_input, header_segment, payload_segment, signature_segment = jws.split(body)
    header = jws.read_header(header_segment, frozenset(trusted.config.algorithms), limits)
    # not an access token, nor any other JWT that the issuer signs (RFC 9701 5, 8.1)
    if header.typ != "token-introspection+jwt":
        raise AnswerError("typ of the signed answer is not token-introspection+jwt")
    signature = jws.read_signature(signature_segment)
    yield from verify_signature(trusted, header, signing_input, signature, monotonic)
    return jws.read_payload(payload_segment, limits)[1]


def _check_envelope(claims: dict[str, Any], trusted: Trusted, now: float, leeway: float) -> None:
    """Who made the answer, for whom, and when (RFC 9701 5)."""
    if claims.get("iss") != trusted.config.issuer:
        raise AnswerError("iss of the signed answer is another")
    settings = trusted.config.introspection
    ours = trusted.audiences | {settings.client_id if settings is not None else None}
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name in ours for name in named):
        raise AnswerError("aud of the signed answer is neither our client_id nor our audience")
    issued_at: Any = claims.get("iat")
    # compared and not subtracted: an integer may be larger than any float
    if type(issued_at) not in NUMBERS or not now - _MAX_AGE - leeway <= issued_at <= now + leeway:
        raise AnswerError("iat of the signed answer is missing, or not that of one just made")
    # it is about the answer, and not to be mistaken for a token (RFC 9701 5)
    if not {"sub", "exp"}.isdisjoint(claims):
        raise AnswerError("the signed answer has sub or exp, like a token")
