"""Tokens that are wrong in exactly one way: one recipe for each kind of wrong."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from tokenguard.testing.jws import b64url
from tokenguard.testing.keys import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenguard.testing.issuer import LocalIssuer

    Recipe = Callable[[LocalIssuer, dict[str, Any]], str]

_HOUR = 3600  # further off than any leeway
_LIFETIME = 300


class Broken(StrEnum):
    """What can be wrong with a token. All are refused under RFC 9068, so a test may run over the whole enumeration.

    Under a laxer profile (tokens of typ JWT, as many providers send them) `other_type` and some of the missing
    claims are legitimate.
    """

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_IN_FUTURE = "issued_in_future"
    OTHER_AUDIENCE = "other_audience"
    OTHER_ISSUER = "other_issuer"

    # The claims that RFC 9068 2.2 requires.
    NO_ISS = "no_iss"
    NO_SUB = "no_sub"
    NO_AUD = "no_aud"
    NO_EXP = "no_exp"
    NO_IAT = "no_iat"
    NO_JTI = "no_jti"
    NO_CLIENT_ID = "no_client_id"

    OTHER_TYPE = "other_type"
    """An access token in all but its typ, which is JWT."""
    ID_TOKEN = "id_token"  # noqa: S105 - a name, not a secret
    """The issuer's OpenID ID token for the client."""
    CRITICAL_HEADER = "critical_header"
    """`crit` names an extension that nobody knows (RFC 7515 4.1.11)."""

    TAMPERED = "tampered"
    """The subject was changed after signing."""
    BAD_SIGNATURE = "bad_signature"
    """A well-formed signature by the right key, over something else."""
    NO_SIGNATURE = "no_signature"
    ALG_NONE = "alg_none"
    HS256_PUBLIC_KEY = "hs256_public_key"
    """An HMAC with the published key for a secret (RFC 8725 2.1)."""
    WRONG_KEY = "wrong_key"
    """Signed by a stranger under the kid of a published key."""
    UNKNOWN_KEY = "unknown_key"
    """Signed by a stranger under a kid that is not published."""
    EMBEDDED_KEY = "embedded_key"
    """As `wrong_key`, and the stranger's key comes along in the `jwk` header (RFC 8725 3.10)."""
    MALFORMED = "malformed"
    """The signature and its dot are missing."""


def break_token(issuer: LocalIssuer, kind: Broken, claims: dict[str, Any]) -> str:
    """Mint a token with these claims that is broken in this way; where they disagree, the kind prevails."""
    return _RECIPES[kind](issuer, claims)


@cache
def stranger(algorithm: str) -> SigningKey:
    """A key that no issuer ever publishes; one an algorithm is enough for all tests."""
    return SigningKey.generate(algorithm)


def _claims(change: Callable[[int], dict[str, Any]]) -> Recipe:
    return lambda issuer, claims: issuer.mint(**(claims | change(int(issuer.clock()))))


def _without(name: str) -> Recipe:
    return lambda issuer, claims: issuer.mint(without=(name,), **claims)


def _header(**members: Any) -> Recipe:
    return lambda issuer, claims: issuer.mint(header=members, **claims)


def _resigned(sign: Callable[[SigningKey, bytes], bytes]) -> Recipe:
    """The same header and payload under another signature."""

    def recipe(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
        signing_input = issuer.mint(**claims).rpartition(".")[0]
        return f"{signing_input}.{b64url(sign(issuer.signing_key, signing_input.encode()))}"

    return recipe


def _tampered(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
    header, payload, signature = issuer.mint(**claims).split(".")
    changed = json.loads(urlsafe_b64decode(payload + "==")) | {"sub": "someone-else"}
    return f"{header}.{b64url(json.dumps(changed).encode())}.{signature}"


def _hs256_public_key(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
    return issuer.mint(algorithm="HS256", key=issuer.signing_key.public_pem, **claims)


def _wrong_key(issuer: LocalIssuer, claims: dict[str, Any], **header: Any) -> str:
    impostor = stranger(issuer.signing_key.algorithm)
    return issuer.mint(key=impostor, header={"kid": issuer.signing_key.kid, **header}, **claims)


def _embedded_key(issuer: LocalIssuer, claims: dict[str, Any]) -> str:
    return _wrong_key(issuer, claims, jwk=stranger(issuer.signing_key.algorithm).jwk)


_RECIPES: dict[Broken, Recipe] = {
    Broken.EXPIRED: _claims(lambda now: {"iat": now - _HOUR - _LIFETIME, "exp": now - _HOUR}),
    Broken.NOT_YET_VALID: _claims(lambda now: {"nbf": now + _HOUR, "exp": now + _HOUR + _LIFETIME}),
    Broken.ISSUED_IN_FUTURE: _claims(lambda now: {"iat": now + _HOUR, "exp": now + _HOUR + _LIFETIME}),
    Broken.OTHER_AUDIENCE: _claims(lambda _: {"aud": "https://other-api.test"}),
    Broken.OTHER_ISSUER: _claims(lambda _: {"iss": "https://other-issuer.test"}),
    Broken.NO_ISS: _without("iss"),
    Broken.NO_SUB: _without("sub"),
    Broken.NO_AUD: _without("aud"),
    Broken.NO_EXP: _without("exp"),
    Broken.NO_IAT: _without("iat"),
    Broken.NO_JTI: _without("jti"),
    Broken.NO_CLIENT_ID: _without("client_id"),
    Broken.OTHER_TYPE: _header(typ="JWT"),
    Broken.ID_TOKEN: lambda issuer, claims: issuer.id_token(**claims),
    Broken.CRITICAL_HEADER: _header(crit=["unheard-of"], **{"unheard-of": True}),
    Broken.TAMPERED: _tampered,
    Broken.BAD_SIGNATURE: _resigned(lambda key, message: key.sign(message + b".")),
    Broken.NO_SIGNATURE: _resigned(lambda _key, _message: b""),
    Broken.ALG_NONE: lambda issuer, claims: issuer.mint(algorithm="none", **claims),
    Broken.HS256_PUBLIC_KEY: _hs256_public_key,
    Broken.WRONG_KEY: _wrong_key,
    Broken.UNKNOWN_KEY: lambda issuer, claims: issuer.mint(key=stranger(issuer.signing_key.algorithm), **claims),
    Broken.EMBEDDED_KEY: _embedded_key,
    Broken.MALFORMED: lambda issuer, claims: issuer.mint(**claims).rpartition(".")[0],
}
