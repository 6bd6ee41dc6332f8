"""An independent opinion on a token, by PyJWT and cryptography; and the keys that the tests share."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from jwt import PyJWK

from tokenguard.testing import SigningKey

MLDSA: dict[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PublicKey,
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}
PYJWT_NAMES = {"Ed25519": "EdDSA", "Ed448": "EdDSA"}  # PyJWT knows the older name alone


@cache
def key_for(algorithm: str) -> SigningKey:
    """One key an algorithm for all tests: RSA keys are slow to make."""
    return SigningKey.generate(algorithm)


def decode(segment: str) -> bytes:
    """Base64url to bytes."""
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def header_of(token: str) -> dict[str, Any]:
    """The header, unverified."""
    return dict(json.loads(decode(token.split(".", maxsplit=1)[0])))


def claims_of(token: str) -> dict[str, Any]:
    """The payload, unverified."""
    return dict(json.loads(decode(token.split(".")[1])))


def signature_holds(token: str, jwk: dict[str, Any], algorithm: str | None = None) -> bool:
    """Whether the key signed the token, under the algorithm the JWK names or under another."""
    signing_input, _, segment = token.rpartition(".")
    message, signature = signing_input.encode(), decode(segment)
    if jwk["kty"] == "AKP":
        try:
            MLDSA[jwk["alg"]].from_public_bytes(decode(jwk["pub"])).verify(signature, message)
        except InvalidSignature:
            return False
        return True
    name = algorithm or jwk["alg"]
    key = PyJWK(jwk, PYJWT_NAMES.get(name, name))
    return key.Algorithm.verify(message, key.key, signature)


def defects(token: str, jwks: dict[str, Any], *, issuer: str, audience: str, now: float) -> set[str]:
    """Everything that RFC 9068 4 finds wrong with a token; what can't be judged for want of a key is left out."""
    if token.count(".") != 2:
        return {"segments"}
    header, claims = header_of(token), claims_of(token)
    found = {f"no {name}" for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id") if name not in claims}
    checks = {
        "typ": header.get("typ") == "at+jwt",
        "crit": "crit" not in header,
        "jwk": "jwk" not in header,
        "iss": claims.get("iss", issuer) == issuer,
        "aud": claims.get("aud", audience) == audience,
        "exp": claims.get("exp", now + 1) > now,
        "iat": claims.get("iat", now) <= now,
        "nbf": claims.get("nbf", now) <= now,
    }
    found |= {name for name, holds in checks.items() if not holds}
    published = {key["kid"]: key for key in jwks["keys"]}
    if header["kid"] not in published:
        return found | {"kid"}
    key = published[header["kid"]]
    if header["alg"] != key["alg"]:
        return found | {"alg"}
    return found if signature_holds(token, key) else found | {"signature"}
