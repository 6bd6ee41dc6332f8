"""Signing keys and the JWKs of their public halves."""

from __future__ import annotations

import pytest

from testing.judge import decode, key_for, signature_holds
from tokenguard.testing import ALGORITHMS, SigningKey

PUBLIC_MEMBERS = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}, "AKP": {"pub"}}


@pytest.fixture(params=ALGORITHMS)
def key(request: pytest.FixtureRequest) -> SigningKey:
    """A key of each algorithm."""
    return key_for(request.param)


def test_every_asymmetric_algorithm_is_there() -> None:
    """RFC 7518, 8812, 9864 and 9964, and no symmetric one."""
    assert set(ALGORITHMS) == {
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "Ed448"),
        *("ML-DSA-44", "ML-DSA-65", "ML-DSA-87"),
    }


def test_a_signature_verifies_with_the_published_key(key: SigningKey) -> None:
    """The JWK is the public half of the key that signs."""
    token = key.jws({"alg": key.algorithm}, {"sub": "user-1"})
    assert signature_holds(token, key.jwk)
    assert not signature_holds(token.replace(".", ".e", 1), key.jwk)


def test_a_jwk_has_the_public_members_and_no_other(key: SigningKey) -> None:
    """No private member, no key_ops beside use (RFC 7517 4.3)."""
    jwk = key.jwk
    assert set(jwk) == {"kty", "kid", "use", "alg"} | PUBLIC_MEMBERS[jwk["kty"]]
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == (key.kid, "sig", key.algorithm)


@pytest.mark.parametrize(
    ("algorithm", "crv", "octets"),
    [("ES256", "P-256", 32), ("ES384", "P-384", 48), ("ES512", "P-521", 66), ("ES256K", "secp256k1", 32)],
)
def test_ecdsa_uses_the_curve_of_its_algorithm(algorithm: str, crv: str, octets: int) -> None:
    """The coordinates have the full length of the curve (RFC 7518 6.2.1.2), the signature twice that."""
    key = key_for(algorithm)
    assert key.jwk["crv"] == crv
    assert len(decode(key.jwk["x"])) == len(decode(key.jwk["y"])) == octets
    assert len(key.sign(b"message")) == 2 * octets


@pytest.mark.parametrize(("algorithm", "crv"), [("EdDSA", "Ed25519"), ("Ed25519", "Ed25519"), ("Ed448", "Ed448")])
def test_eddsa_uses_the_curve_of_its_name(algorithm: str, crv: str) -> None:
    """EdDSA means Ed25519 here; the newer names say their curve (RFC 9864 2.2)."""
    assert key_for(algorithm).jwk["crv"] == crv


@pytest.mark.parametrize(
    ("algorithm", "public", "signature"),
    [("ML-DSA-44", 1312, 2420), ("ML-DSA-65", 1952, 3309), ("ML-DSA-87", 2592, 4627)],
)
def test_mldsa_has_the_sizes_of_fips_204(algorithm: str, public: int, signature: int) -> None:
    """kty AKP, and the lengths of table 2."""
    key = key_for(algorithm)
    assert key.jwk["kty"] == "AKP"
    assert len(decode(key.jwk["pub"])) == public
    assert len(key.sign(b"message")) == signature


@pytest.mark.parametrize(
    ("made_for", "used_for"), [("RS256", "PS256"), ("PS512", "RS384"), ("Ed448", "EdDSA"), ("EdDSA", "Ed25519")]
)
def test_a_key_signs_under_other_algorithms_of_its_type(made_for: str, used_for: str) -> None:
    """One RSA key serves RS256 and PS256, as with many providers."""
    key = key_for(made_for)
    token = key.jws({"alg": used_for}, {}, algorithm=used_for)
    assert signature_holds(token, key.jwk, used_for)


@pytest.mark.parametrize("algorithm", ["RS256", "Ed25519", "ML-DSA-44", "HS256", "none", "unheard-of"])
def test_a_key_signs_under_no_algorithm_of_another_type(algorithm: str) -> None:
    """A mistake in a test is told at once."""
    with pytest.raises(ValueError, match=algorithm):
        key_for("ES256").sign(b"message", algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES521"])
def test_no_key_is_made_for_other_algorithms(algorithm: str) -> None:
    """The error lists the algorithms there are."""
    with pytest.raises(ValueError, match=f"{algorithm}.*RS256"):
        SigningKey.generate(algorithm)


def test_keys_have_a_kid_of_their_own_unless_one_is_given() -> None:
    """The same kid with other material is what a test must ask for."""
    assert SigningKey.generate("ES256").kid != SigningKey.generate("ES256").kid
    assert SigningKey.generate("ES256", "2026-11").jwk["kid"] == "2026-11"


def test_the_repr_does_not_show_the_private_key() -> None:
    """Only what is public is in it."""
    assert repr(SigningKey.generate("ES256", "k")) == "SigningKey(algorithm='ES256', kid='k')"


def test_bytes_are_signed_as_they_are() -> None:
    """A token whose header has a member twice can be written."""
    key = key_for("ES256")
    header = b'{"alg":"ES256","alg":"none"}'
    token = key.jws(header, b"not JSON")
    assert [decode(part) for part in token.split(".")[:2]] == [header, b"not JSON"]
    assert signature_holds(token, key.jwk)
