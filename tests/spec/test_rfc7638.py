"""RFC 7638: thumbprints of keys, which tokens are bound by."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.possession import client_key, guard_with, proving

from tokenguard.core.thumbprint import thumbprint
from tokenguard.testing import ALGORITHMS
from tokenguard.testing.jws import b64url

#: RFC 7638 3.1, and RFC 8037 A.3
VECTORS = [
    (
        {
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX"
            "jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJ"
            "ZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIq"
            "bw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        },
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    ),
    (
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    ),
]


@pytest.mark.req("JK-21")
@pytest.mark.parametrize(("jwk", "expected"), VECTORS)
def test_the_standards_own_examples(jwk: dict[str, Any], expected: str) -> None:
    """The required members alone count, in their order, whatever the order and the rest of the JWK."""
    assert b64url(thumbprint(jwk)) == expected
    assert b64url(thumbprint(dict(reversed(jwk.items())) | {"use": "sig"})) == expected


@pytest.mark.req("JK-21", "MD-06")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_type_of_key_has_one(algorithm: str) -> None:
    """The same as the client's side makes, which is written apart; a token bound by it is let in."""
    key = client_key(algorithm)
    assert b64url(thumbprint(key.signing_key.jwk)) == key.thumbprint
    assert guard_with(algorithms=(algorithm,)).check(proving(key=key))


@pytest.mark.req("JK-21", "A-161")
@pytest.mark.parametrize(
    "jwk", [{}, {"kty": "oct", "k": "AA"}, {"kty": ["EC"]}, {"kty": "EC", "crv": "P-256", "x": "AA"}, {"kty": None}]
)
def test_what_is_no_public_key_has_none(jwk: dict[str, Any]) -> None:
    """An unknown type, or a member that is missing or of another form."""
    with pytest.raises(ValueError, match="JWK"):
        thumbprint(jwk)
