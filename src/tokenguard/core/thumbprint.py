"""The thumbprint of a public JSON Web Key (RFC 7638)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: what is hashed, in this order: the required members of a key's type and nothing else (RFC 7638 3.2, RFC 8037 2,
#: RFC 9964 6)
_MEMBERS = {
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
    "OKP": ("crv", "kty", "x"),
    "AKP": ("alg", "kty", "pub"),
}


def thumbprint(jwk: Mapping[str, Any]) -> bytes:
    """The SHA-256 thumbprint, 32 octets; ValueError where the type is not known or a member is missing.

    Of the members as they are written: it does not check that they make a key.
    """
    members = _MEMBERS.get(str(jwk.get("kty")))
    if members is None or not all(isinstance(jwk.get(name), str) for name in members):
        raise ValueError("not a JWK of a known type with all its members")
    text = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).digest()
