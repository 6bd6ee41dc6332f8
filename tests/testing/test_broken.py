"""Broken tokens are broken in the way they say, and in no other."""

from __future__ import annotations

import hmac

import jwt
import pytest

from testing.judge import claims_of, decode, defects, header_of, key_for, signature_holds
from tokenguard.testing import Broken, LocalIssuer

NOW = 1_790_000_000.0
ALGORITHMS = ("RS256", "ES256", "Ed25519", "ML-DSA-44")

DEFECTS = {
    Broken.EXPIRED: {"exp"},
    Broken.NOT_YET_VALID: {"nbf"},
    Broken.ISSUED_IN_FUTURE: {"iat"},
    Broken.OTHER_AUDIENCE: {"aud"},
    Broken.OTHER_ISSUER: {"iss"},
    Broken.NO_ISS: {"no iss"},
    Broken.NO_SUB: {"no sub"},
    Broken.NO_AUD: {"no aud"},
    Broken.NO_EXP: {"no exp"},
    Broken.NO_IAT: {"no iat"},
    Broken.NO_JTI: {"no jti"},
    Broken.NO_CLIENT_ID: {"no client_id"},
    Broken.OTHER_TYPE: {"typ"},
    Broken.ID_TOKEN: {"typ", "aud", "no jti", "no client_id"},
    Broken.CRITICAL_HEADER: {"crit"},
    Broken.TAMPERED: {"signature"},
    Broken.BAD_SIGNATURE: {"signature"},
    Broken.NO_SIGNATURE: {"signature"},
    Broken.ALG_NONE: {"alg"},
    Broken.HS256_PUBLIC_KEY: {"alg"},
    Broken.WRONG_KEY: {"signature"},
    Broken.UNKNOWN_KEY: {"kid"},
    Broken.EMBEDDED_KEY: {"signature", "jwk"},
    Broken.MALFORMED: {"segments"},
}

PYJWT_ERRORS = {
    Broken.EXPIRED: jwt.ExpiredSignatureError,
    Broken.NOT_YET_VALID: jwt.ImmatureSignatureError,
    Broken.ISSUED_IN_FUTURE: jwt.ImmatureSignatureError,
    Broken.OTHER_AUDIENCE: jwt.InvalidAudienceError,
    Broken.OTHER_ISSUER: jwt.InvalidIssuerError,
    Broken.NO_ISS: jwt.MissingRequiredClaimError,
    Broken.NO_SUB: jwt.MissingRequiredClaimError,
    Broken.NO_AUD: jwt.MissingRequiredClaimError,
    Broken.NO_EXP: jwt.MissingRequiredClaimError,
    Broken.NO_IAT: jwt.MissingRequiredClaimError,
    Broken.NO_JTI: jwt.MissingRequiredClaimError,
    Broken.NO_CLIENT_ID: jwt.MissingRequiredClaimError,
    Broken.ID_TOKEN: jwt.MissingRequiredClaimError,
    Broken.CRITICAL_HEADER: jwt.InvalidTokenError,
    Broken.TAMPERED: jwt.InvalidSignatureError,
    Broken.BAD_SIGNATURE: jwt.InvalidSignatureError,
    Broken.NO_SIGNATURE: jwt.InvalidSignatureError,
    Broken.ALG_NONE: jwt.InvalidAlgorithmError,
    Broken.HS256_PUBLIC_KEY: jwt.InvalidAlgorithmError,
    Broken.WRONG_KEY: jwt.InvalidSignatureError,
    Broken.UNKNOWN_KEY: jwt.InvalidSignatureError,
    Broken.EMBEDDED_KEY: jwt.InvalidSignatureError,
    Broken.MALFORMED: jwt.DecodeError,
}


def make_issuer(algorithm: str = "ES256") -> LocalIssuer:
    """An issuer at a fixed time."""
    return LocalIssuer(signing_key=key_for(algorithm), clock=lambda: NOW)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", Broken)
def test_a_broken_token_has_the_defects_of_its_kind_and_no_other(kind: Broken, algorithm: str) -> None:
    """Whatever the algorithm."""
    issuer = make_issuer(algorithm)
    token = issuer.broken(kind, scope="orders:read")
    found = defects(token, issuer.jwks, issuer=issuer.issuer, audience="https://api.example.com", now=NOW)
    assert found == DEFECTS[kind]


@pytest.mark.parametrize("kind", PYJWT_ERRORS)
def test_pyjwt_refuses_a_broken_token_for_the_reason_meant(kind: Broken) -> None:
    """All kinds but other_type, which PyJWT does not look at."""
    issuer = LocalIssuer(signing_key=key_for("RS256"))
    token = issuer.broken(kind)
    required = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]
    with pytest.raises(PYJWT_ERRORS[kind]):
        jwt.decode(
            token,
            jwt.PyJWK(issuer.signing_key.jwk),
            algorithms=["RS256"],
            audience=issuer.audience,
            issuer=issuer.issuer,
            options={"require": required},
        )


@pytest.mark.parametrize("kind", sorted(set(Broken) - {Broken.ID_TOKEN, Broken.MALFORMED}))
def test_a_broken_token_carries_the_claims_asked_for(kind: Broken) -> None:
    """So that nothing but the defect can be the reason of a refusal."""
    assert claims_of(make_issuer().broken(kind, scope="orders:read"))["scope"] == "orders:read"


def test_the_kind_prevails_over_the_claims() -> None:
    """A token asked to be expired is expired."""
    assert claims_of(make_issuer().broken("expired", exp=NOW + 60))["exp"] < NOW


def test_a_tampered_token_names_another_subject() -> None:
    """The signature is of the token before."""
    assert claims_of(make_issuer().broken("tampered", sub="user-7"))["sub"] == "someone-else"


def test_a_bad_signature_is_well_formed() -> None:
    """It is as long as a right one, so that only the mathematics refuses it."""
    issuer = make_issuer()
    segments = [token.rpartition(".")[2] for token in (issuer.mint(), issuer.broken("bad_signature"))]
    assert [len(decode(segment)) for segment in segments] == [64, 64]


@pytest.mark.parametrize("kind", ["no_signature", "alg_none"])
def test_an_unsigned_token_keeps_its_last_dot(kind: str) -> None:
    """Three parts, the last of them empty."""
    token = make_issuer().broken(kind)
    assert token.endswith(".")
    assert token.count(".") == 2


def test_the_confused_hmac_is_over_the_published_key() -> None:
    """A verifier that takes the PEM for a secret would accept it."""
    issuer = make_issuer("RS256")
    signing_input, _, signature = issuer.broken("hs256_public_key").rpartition(".")
    pem = issuer.signing_key.public_pem
    assert pem.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert decode(signature) == hmac.digest(pem, signing_input.encode(), "sha256")


def test_an_embedded_key_did_sign_the_token() -> None:
    """A verifier that trusts the jwk header would accept it."""
    token = make_issuer().broken("embedded_key")
    assert signature_holds(token, header_of(token)["jwk"])


def test_an_unknown_key_did_sign_the_token() -> None:
    """Publishing the key is all that it lacks."""
    issuer = make_issuer()
    token = issuer.broken("unknown_key")
    stranger = header_of(issuer.broken("embedded_key"))["jwk"]
    assert header_of(token)["kid"] == stranger["kid"]
    assert signature_holds(token, stranger)


def test_there_is_no_other_kind() -> None:
    """A misspelt kind is an error, not a good token."""
    with pytest.raises(ValueError, match="exipred"):
        make_issuer().broken("exipred")
