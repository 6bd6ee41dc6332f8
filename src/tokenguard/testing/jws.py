"""The compact serialisation of a JWS, for writing only: it refuses nothing, so that broken tokens can be written."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def b64url(octets: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def compact(
    header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, sign: Callable[[bytes], bytes]
) -> str:
    """Write `header.payload.signature` (RFC 7515 7.1), the signature being what `sign` makes of the signing input.

    Header and payload are mappings, written as JSON, or bytes, taken as they are (repeated members, no JSON at all).
    """
    signing_input = f"{b64url(_octets(header))}.{b64url(_octets(payload))}"
    return f"{signing_input}.{b64url(sign(signing_input.encode()))}"


def unsigned(_: bytes) -> bytes:
    """Make the empty signature of `alg` none (RFC 7518 3.6)."""
    return b""


def mac(algorithm: str, secret: bytes, message: bytes) -> bytes:
    """HMAC as HS256, HS384 or HS512 do it (RFC 7518 3.2), with any bytes for a secret, a public key's too."""
    return hmac.digest(secret, message, f"sha{algorithm.removeprefix('HS')}")


def _octets(part: Mapping[str, Any] | bytes) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
