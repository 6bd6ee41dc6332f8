"""A compact JWS taken apart, and its header read (RFC 7515 5.2; RFC 8725 3).

Nothing here trusts the token: the header's `alg` is compared with an allow-list, its `kid` is a dictionary key, and
`jwk`, `jku`, `x5u`, `x5c` are never looked at (RFC 8725 3.10).
"""

from __future__ import annotations

import binascii
from functools import lru_cache
from typing import Any, NamedTuple

from tokenguard.config import Limits
from tokenguard.core import strict_json
from tokenguard.errors import InvalidToken, Reason

# base64url as base64, everything foreign as "!", which the strict decoder then refuses: one pass in C
# (PyJWT's per-character check costs as much as an RS256 signature)
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_BASE64 = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(byte, byte if byte in _ALPHABET else ord("!")) for byte in range(256)
)
#: a number, not a byte string: that is looked for in a fifth of the time
_DOT = ord(".")
_PADDING = {0: b"", 2: b"==", 3: b"="}
# the last characters whose unused bits are zero (RFC 4648 3.5), by length modulo 4
_FULL_LAST = frozenset(_ALPHABET)
_LAST = {0: _FULL_LAST, 2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}


# base64url of what begins with an opening brace begins with one of these
_OPENING_BRACES = tuple(b"e" + bytes([second]) for second in b"wxyz0123456789-_")
#: a header has a handful of members, of which at most a chain of certificates is an array
_HEADER_SHAPE = Limits(items=32, containers=8)


class Header(NamedTuple):
    """What the header says of how the token was signed. `typ` as a media type: lower case, no `application/`."""

    alg: str
    kid: str | None
    typ: str | None


def decode_base64url(segment: bytes) -> bytes:
    """Canonical, unpadded base64url (RFC 7515 2, RFC 4648 3.5, 5); ValueError for anything else."""
    if not segment:
        return b""
    length = len(segment) % 4
    if length == 1 or segment[-1] not in _LAST[length]:
        raise ValueError("not canonical base64url")
    return binascii.a2b_base64(segment.translate(_TO_BASE64) + _PADDING[length], strict_mode=True)


def received_bytes(token: str, limits: Limits) -> bytes:
    """The token as bytes, if it is short enough for anything to be done with it."""
    if not isinstance(token, str):
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the token is not a str")
    if len(token) > limits.token:
        raise InvalidToken(Reason.TOKEN_TOO_LARGE, f"Limits.token is {limits.token}")
    try:
        return token.encode("ascii")
    except UnicodeEncodeError:
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the token holds characters beyond ASCII") from None


def is_signed(received: bytes) -> bool:
    """Has it the shape of a signed JWT: three segments, of which the first is an object (RFC 7515 7.1)?"""
    return received.count(b".") == 2 and received.startswith(_OPENING_BRACES)


def split(received: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """(signing input, header, payload, signature) of a compact JWS (RFC 7515 7.1), the last three still encoded.

    The signing input is the text as received, never encoded again (RFC 7515 5.2).
    """
    signing_input, _, signature = received.rpartition(b".")
    header, _, payload = signing_input.partition(b".")
    # an empty payload segment is a detached payload (RFC 7515 appendix F): never an access token
    if not header or not payload or _DOT in payload:
        raise not_three_segments(received)
    return signing_input, header, payload, signature


def not_three_segments(received: bytes) -> InvalidToken:
    """The refusal of what is no signed JWT by its dots."""
    hint = {
        2: "a segment of the token is empty",
        0: "not a JWT: an opaque token can't be checked locally (see Issuer.introspection)",
        4: "five segments: an encrypted token (JWE), which is not supported; have the issuer only sign it",
    }.get(received.count(b"."), "a signed JWT has three segments")
    return InvalidToken(Reason.MALFORMED_TOKEN, hint)


def read_header(segment: bytes, algorithms: frozenset[str], limits: Limits) -> Header:
    """The header, checked as far as it can be without knowing the issuer.

    `algorithms`: those that any configured issuer may use.
    """
    if len(segment) * 3 // 4 > limits.header:
        raise InvalidToken(Reason.TOKEN_TOO_LARGE, f"Limits.header is {limits.header}")
    try:
        members = strict_json.parse(decode_base64url(segment), _HEADER_SHAPE)
    except ValueError as cause:
        raise InvalidToken(Reason.MALFORMED_TOKEN, f"the header can't be read: {_why(cause)}") from None
    if not isinstance(members, dict):
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the header is not a JSON object")
    # alg by allow-list, case-sensitive (RFC 8725 3.1)
    alg = members.get("alg")
    if not isinstance(alg, str) or alg not in algorithms:
        raise InvalidToken(Reason.UNSUPPORTED_ALGORITHM, f"Issuer.algorithms allows {_listed(algorithms)}")
    # no extension is understood here, so whatever is critical is refused (RFC 7515 4.1.11, RFC 7797 6)
    if "crit" in members:
        raise InvalidToken(Reason.CRITICAL_HEADER, "the header has crit; no extension is supported")
    if members.get("b64", True) is not True:
        raise InvalidToken(Reason.CRITICAL_HEADER, "the payload is not base64url (b64, RFC 7797)")
    if "zip" in members:
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the header has zip, which a signed token never has")
    kid = members.get("kid")
    if "kid" in members and (not isinstance(kid, str) or len(kid) > limits.key_id):
        raise InvalidToken(Reason.MALFORMED_TOKEN, f"kid must be a string; Limits.key_id is {limits.key_id}")
    # a nested JWT (RFC 7519 5.2)
    if "cty" in members and media_type(members["cty"]) == "jwt":
        raise InvalidToken(Reason.WRONG_TYPE, "the token holds another token (cty JWT), which is not supported")
    if "typ" not in members:
        return Header(alg, kid, None)
    typ = media_type(members["typ"])
    if typ is None:
        raise InvalidToken(Reason.MALFORMED_TOKEN, "typ must be a string")
    return Header(alg, kid, typ)


@lru_cache(maxsize=64)
def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def read_signature(segment: bytes) -> bytes:
    """The signature's octets."""
    try:
        return decode_base64url(segment)
    except ValueError:
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the signature is not canonical base64url") from None


def media_type(value: Any) -> str | None:
    """`typ` or `cty` ready to compare: case-insensitive, `application/` implied (RFC 7515 4.1.9); None if no string."""
    if not isinstance(value, str):
        return None
    lowered = value.lower()
    short = lowered.removeprefix("application/")
    return lowered if "/" in short else short


def read_payload(segment: bytes, limits: Limits) -> tuple[bytes, dict[str, Any]]:
    """The payload's bytes and its claims, a JSON object (RFC 7519 7.2)."""
    if len(segment) * 3 // 4 > limits.payload:
        raise InvalidToken(Reason.TOKEN_TOO_LARGE, f"Limits.payload is {limits.payload}")
    try:
        payload = decode_base64url(segment)
    except ValueError:
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the payload is not canonical base64url") from None
    try:
        claims = strict_json.parse(payload, limits)
    except ValueError as cause:
        raise InvalidToken(Reason.MALFORMED_CLAIMS, f"the payload can't be read: {_why(cause)}") from None
    if not isinstance(claims, dict):
        raise InvalidToken(Reason.MALFORMED_CLAIMS, "the payload is not a JSON object")
    return payload, claims


def _why(cause: ValueError) -> str:
    # binascii's own sentences and int()'s (more than 4300 digits) are the only ones not written here
    return "not canonical base64url" if isinstance(cause, binascii.Error) else str(cause).partition(";")[0]
