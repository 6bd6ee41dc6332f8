"""JWT libraries: one call with a key and what to expect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.peers import Peer
from tokenguard.testing import LocalIssuer


def _pyjwt(local: LocalIssuer) -> Callable[[str], Any]:
    import jwt

    key, algorithms = jwt.PyJWK(local.jwks["keys"][0]).key, [local.signing_key.algorithm]
    required = {"require": ["exp", "iss", "aud"]}

    def check(token: str) -> Any:
        return jwt.decode(
            token, key, algorithms=algorithms, audience=local.audience, issuer=local.issuer, options=required
        )

    return check


def _pyjwk_client(local: LocalIssuer) -> Callable[[str], Any]:
    import jwt

    client, algorithms = jwt.PyJWKClient(local.jwks_uri, lifespan=3_600), [local.signing_key.algorithm]
    required = {"require": ["exp", "iss", "aud"]}

    def check(token: str) -> Any:
        key = client.get_signing_key_from_jwt(token)
        return jwt.decode(
            token, key, algorithms=algorithms, audience=local.audience, issuer=local.issuer, options=required
        )

    return check


def _joserfc(local: LocalIssuer) -> Callable[[str], Any]:
    from joserfc import jwt
    from joserfc.jwk import KeySet

    keys, algorithms = KeySet.import_key_set(local.jwks), [local.signing_key.algorithm]
    claims = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": local.issuer},
        aud={"essential": True, "value": local.audience},
        exp={"essential": True},
    )

    def check(token: str) -> Any:
        decoded = jwt.decode(token, keys, algorithms=algorithms)
        claims.validate(decoded.claims)
        return decoded

    return check


def _authlib(local: LocalIssuer) -> Callable[[str], Any]:
    from authlib.jose import JsonWebKey, JsonWebToken

    keys, decoder = JsonWebKey.import_key_set(local.jwks), JsonWebToken([local.signing_key.algorithm])
    options = {
        "iss": {"essential": True, "value": local.issuer},
        "aud": {"essential": True, "value": local.audience},
        "exp": {"essential": True},
    }

    def check(token: str) -> Any:
        claims = decoder.decode(token, keys, claims_options=options)
        claims.validate()
        return claims

    return check


def _python_jose(local: LocalIssuer) -> Callable[[str], Any]:
    from jose import jwt

    keys, algorithms = local.jwks, [local.signing_key.algorithm]
    required = {"require_exp": True, "require_iss": True, "require_aud": True}

    def check(token: str) -> Any:
        return jwt.decode(
            token, keys, algorithms=algorithms, audience=local.audience, issuer=local.issuer, options=required
        )

    return check


PEERS = (
    Peer("PyJWT", _pyjwt),
    Peer("PyJWKClient + PyJWT", _pyjwk_client),
    Peer("joserfc", _joserfc),
    Peer("Authlib", _authlib),
    Peer("python-jose", _python_jose, algorithms=("RS256", "ES256")),
)
