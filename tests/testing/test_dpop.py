"""The client's key for DPoP, judged by PyJWT and cryptography."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from testing.judge import claims_of, decode, header_of, key_for, signature_holds
from tokenguard.testing import ALGORITHMS, DPoPKey, LocalIssuer, SigningKey

URL = "https://api.example.com/orders"
NOW = 1_700_000_000.5


def client_key(algorithm: str = "ES256") -> DPoPKey:
    """A client's key at a fixed time."""
    return DPoPKey(signing_key=key_for(algorithm), clock=lambda: NOW)


def hashed(octets: bytes) -> str:
    """SHA-256 as base64url without padding."""
    return urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_proof_is_signed_by_the_key_it_carries(algorithm: str) -> None:
    """Typ, alg and the bare public key, for every asymmetric algorithm (RFC 9449 4.2)."""
    proof = client_key(algorithm).proof("GET", URL)
    header = header_of(proof)
    assert set(header) == {"typ", "alg", "jwk"}
    assert (header["typ"], header["alg"]) == ("dpop+jwt", algorithm)
    assert not {"d", "p", "q", "dp", "dq", "qi", "k", "priv", "kid", "use"} & set(header["jwk"])
    assert signature_holds(proof, header["jwk"], algorithm)


def test_a_proof_says_what_the_request_is() -> None:
    """Method, URL without query and fragment, time, and the hash of the token that goes along (RFC 9449 4.2)."""
    claims = claims_of(client_key().proof("GET", URL + "?page=2#top", "a-token", nonce="n-1"))
    assert claims.pop("jti")
    assert claims == {"htm": "GET", "htu": URL, "iat": int(NOW), "ath": hashed(b"a-token"), "nonce": "n-1"}


def test_a_proof_without_a_token_or_nonce_names_none() -> None:
    """As a client sends it to a token endpoint."""
    assert set(claims_of(client_key().proof("POST", URL))) == {"jti", "htm", "htu", "iat"}


def test_no_two_proofs_have_the_same_id() -> None:
    """A client that sends the same request twice signs twice."""
    key = client_key()
    assert claims_of(key.proof("GET", URL))["jti"] != claims_of(key.proof("GET", URL))["jti"]


def test_a_proof_can_be_wrong_in_any_claim_and_header() -> None:
    """Claims and header members are replaced or left out as a test says."""
    proof = client_key().proof("GET", URL, "t", header={"typ": "JWT", "jwk": None}, without="jti", htm="get", iat="now")
    assert set(header_of(proof)) == {"typ", "alg"}
    assert header_of(proof)["typ"] == "JWT"
    assert "jti" not in claims_of(proof)
    assert (claims_of(proof)["htm"], claims_of(proof)["iat"]) == ("get", "now")


def test_a_proof_can_be_signed_by_another_key() -> None:
    """The header still carries the client's own."""
    key, other = client_key(), key_for("ES384")
    proof = key.proof("GET", URL, key=SigningKey.generate("ES256"))
    assert header_of(proof)["jwk"] == key.jwk
    assert not signature_holds(proof, key.jwk, "ES256")
    assert signature_holds(key.proof("GET", URL, key=other, header={"jwk": other.jwk}), other.jwk)


def test_a_proof_can_have_no_signature_or_a_symmetric_one() -> None:
    """What RFC 9449 4.2 forbids: alg none, and a MAC."""
    unsigned = client_key().proof("GET", URL, algorithm="none")
    assert unsigned.endswith(".")
    assert header_of(unsigned)["alg"] == "none"
    assert header_of(client_key().proof("GET", URL, key=b"secret"))["alg"] == "HS256"


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """The example of RFC 8037 A.1 to A.3."""
    private = Ed25519PrivateKey.from_private_bytes(decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
    key = DPoPKey(signing_key=SigningKey("Ed25519", private, "a"))
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_request_has_both_headers() -> None:
    """Authorization with the scheme DPoP, and the proof for this token (RFC 9449 7.1)."""
    key = client_key()
    headers = key.headers("GET", URL, "a-token", nonce="n-1")
    assert headers["Authorization"] == "DPoP a-token"
    assert claims_of(headers["DPoP"])["ath"] == hashed(b"a-token")
    assert claims_of(headers["DPoP"])["nonce"] == "n-1"


def test_a_token_is_bound_to_key_and_certificate() -> None:
    """`cnf` names one or both (RFC 9449 6.1, RFC 8705 3.1), and none unless asked."""
    issuer, key = LocalIssuer(signing_key=key_for("ES256")), client_key()
    both = {"jkt": key.thumbprint, "x5t#S256": hashed(b"DER")}
    assert claims_of(issuer.mint(dpop_key=key))["cnf"] == {"jkt": key.thumbprint}
    assert claims_of(issuer.mint(certificate=b"DER"))["cnf"] == {"x5t#S256": hashed(b"DER")}
    assert claims_of(issuer.mint(dpop_key=key, certificate=b"DER"))["cnf"] == both
    assert claims_of(issuer.mint(dpop_key=key, cnf={"kid": "1"}))["cnf"] == {"kid": "1"}
    assert "cnf" not in claims_of(issuer.mint())


def test_an_opaque_token_is_bound_in_what_the_issuer_says_of_it() -> None:
    """The answer about it has `cnf`, and DPoP for its token_type (RFC 9449 6.2)."""
    issuer, key = LocalIssuer(signing_key=key_for("ES256")), client_key()
    answer = issuer.introspect(issuer.mint_opaque(dpop_key=key))
    assert (answer["token_type"], answer["cnf"]) == ("DPoP", {"jkt": key.thumbprint})
    by_certificate = issuer.introspect(issuer.mint_opaque(certificate=b"DER"))
    assert (by_certificate["token_type"], by_certificate["cnf"]) == ("Bearer", {"x5t#S256": hashed(b"DER")})
