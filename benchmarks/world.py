"""The issuer, tokens and guards that the suites share; every payload has 260 bytes unless a suite says otherwise."""

from __future__ import annotations

import base64
import itertools
import json
import time
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from benchmarks.measure import Case, in_turn
from tokenguard import Issuer, TokenGuard
from tokenguard.testing import LocalIssuer, SigningKey

ISSUER = "https://issuer.example.com"
AUDIENCE = "https://api.example.com"
SCOPE = "orders:read orders:write"
PAYLOAD_BYTES = 260
#: the algorithms of the budgets, by the name that tables show
ALGORITHMS = {"RS256": "RS256", "ES256": "ES256", "Ed25519": "EdDSA"}
#: how much longer an RS256 signature is than an ES256 one, in bytes of payload
_LONGER_SIGNATURE = 256 - 64
_HOUR = 3600

_numbers = itertools.count(1)


@cache
def signing_key(algorithm: str) -> SigningKey:
    """One key an algorithm for the whole process, since RSA keys take long to make."""
    return SigningKey.generate(algorithm, kid=f"{algorithm}-1")


@cache
def local_issuer(algorithm: str) -> LocalIssuer:
    """The issuer whose tokens are checked."""
    return LocalIssuer(ISSUER, audience=AUDIENCE, signing_key=signing_key(algorithm))


def payload(size: int = PAYLOAD_BYTES, **claims: Any) -> bytes:
    """The claims of a new token as JSON of exactly `size` bytes; what is missing goes into the jti."""
    number, now = next(_numbers), int(time.time())
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"user-{number:07}", "client_id": "client-1", "scope": SCOPE}
    times = {"iat": now, "exp": now + _HOUR, "jti": f"{number:08}"}
    document = usual | times | claims
    document["jti"] += "-" * (size - len(_json(document)))
    return _json(document)


def mint(algorithm: str = "RS256", size: int = PAYLOAD_BYTES, **claims: Any) -> str:
    """A new token, unlike every other one."""
    key = signing_key(algorithm)
    return key.jws({"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt"}, payload(size, **claims))


def mint_many(count: int, algorithm: str = "RS256") -> list[str]:
    """That many different tokens."""
    return [mint(algorithm) for _ in range(count)]


def mint_many_long(count: int) -> list[str]:
    """Different tokens as long as RS256 ones; signed with ES256, since 10,000 RSA signatures take 8 s."""
    return [mint("ES256", PAYLOAD_BYTES + _LONGER_SIGNATURE) for _ in range(count)]


def guard(algorithm: str = "RS256", **settings: Any) -> TokenGuard:
    """A guard for that issuer, with its key set at hand."""
    local = local_issuer(algorithm)
    return TokenGuard(audience=AUDIENCE, issuers=[Issuer(ISSUER, jwks=local.jwks)], **settings)


def guard_without_cache(algorithm: str = "RS256") -> TokenGuard:
    """Every token is verified."""
    return guard(algorithm, token_cache=0)


def bare_check(algorithm: str, tokens: list[str], name: str) -> Case:
    """The check of `cryptography` alone over those tokens: the key's own `verify`, all it takes made beforehand."""
    public: Any = signing_key(algorithm).private.public_key()
    calls = [(*_taken_apart(algorithm, token), *_BARE_SETTINGS[algorithm]) for token in tokens]
    return Case(name, public.verify, in_turn(calls))


_BARE_SETTINGS: dict[str, tuple[Any, ...]] = {
    "RS256": (padding.PKCS1v15(), hashes.SHA256()),
    "ES256": (ec.ECDSA(hashes.SHA256()),),
    "EdDSA": (),
}


def _taken_apart(algorithm: str, token: str) -> tuple[bytes, bytes]:
    """Signature (DER for ECDSA, as the key wants it) and signing input."""
    signing_input, _, encoded = token.rpartition(".")
    signature = base64.urlsafe_b64decode(encoded + "==")
    if algorithm == "ES256":
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        signature = utils.encode_dss_signature(r, s)
    return signature, signing_input.encode()


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
