"""RFC 9964: ML-DSA, in three parameter sets that are never mixed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import pytest
from tests.spec.support import guard_for, local_issuer, octets, refused, signing_key, skipped, trust, with_signature

from tokenguard import TokenGuard
from tokenguard.errors import Reason
from tokenguard.testing import LocalIssuer
from tokenguard.testing.jws import b64url

#: octets of a public key and of a signature (FIPS 204 table 2)
SETS = {"ML-DSA-44": (1312, 2420), "ML-DSA-65": (1952, 3309), "ML-DSA-87": (2592, 4627)}

pytestmark = pytest.mark.parametrize("algorithm", SETS)


def trusting(issuer: LocalIssuer, **settings: Any) -> TokenGuard:
    """A guard that takes all three sets."""
    return guard_for(trust(issuer, algorithms=(*SETS, "ES256"), **settings))


@pytest.mark.req("MD-01", "MD-03", "MD-07", "AL-18")
def test_a_token_fits_and_verifies_where_it_is_opted_in(algorithm: str) -> None:
    """Keys and signatures have their exact lengths, and the default limits leave room for them."""
    issuer = local_issuer(algorithm)
    token = issuer.mint(sub="alice")
    assert (len(octets(issuer.signing_key.jwk["pub"])), len(octets(token.rpartition(".")[2]))) == SETS[algorithm]
    assert trusting(issuer).validate(token).subject == "alice"


@pytest.mark.req("AL-18", "JB-01")
def test_without_opting_in_it_is_refused(algorithm: str) -> None:
    """ML-DSA is on no default list."""
    both = {"keys": [local_issuer(algorithm).signing_key.jwk, signing_key("ES256").jwk]}
    guard = guard_for(trust(local_issuer(algorithm), jwks=both))
    refused(guard, local_issuer(algorithm).mint(), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("MD-03", "A-052", "A-053")
def test_a_signature_has_its_exact_length(algorithm: str) -> None:
    """One octet less or more, in front or behind, is refused."""
    issuer = local_issuer(algorithm)
    token = issuer.mint()
    good = octets(token.rpartition(".")[2])
    for wrong in (good[:-1], good[1:], good + b"\0", b"\0" + good, b"", good + good, bytes(len(good))):
        refused(trusting(issuer), with_signature(token, wrong), Reason.BAD_SIGNATURE)


@pytest.mark.req("A-055", "A-052")
def test_flipped_bits_are_refused(algorithm: str) -> None:
    """A bit in every part of a signature is covered: commitment hash, response and hint."""
    issuer = local_issuer(algorithm)
    guard = trusting(issuer)
    token = issuer.mint()
    good = octets(token.rpartition(".")[2])
    for position in (*range(0, len(good), 97), *range(len(good) - 90, len(good), 7)):
        changed = bytearray(good)
        changed[position] ^= 1 << position % 8
        refused(guard, with_signature(token, bytes(changed)), Reason.BAD_SIGNATURE)


@pytest.mark.req("MD-02", "A-052", "JK-08", "JB-02")
def test_a_key_serves_its_own_set_only(algorithm: str) -> None:
    """A token that names another set than the key's is refused, with a good signature and without."""
    issuer = local_issuer(algorithm)
    guard = trusting(issuer)
    for other in SETS.keys() - {algorithm}:
        refused(guard, issuer.mint(header={"alg": other}), Reason.UNSUPPORTED_ALGORITHM)
        stranger = local_issuer(other)
        refused(guard, stranger.mint(header={"alg": algorithm}), Reason.BAD_SIGNATURE)


@pytest.mark.req("MD-01", "JK-09")
@pytest.mark.parametrize(
    "alg", [None, "", "ES256", "ml-dsa-44", "ML-DSA", "ML-DSA-128", "HashML-DSA-44", 44, ["ML-DSA-44"]]
)
def test_a_key_names_its_set(algorithm: str, alg: Any) -> None:
    """alg is required of an AKP key, and it is one of the three."""
    jwk = {**signing_key(algorithm).jwk, "kid": "wrong", "alg": alg}
    skipped({name: value for name, value in jwk.items() if value is not None}, algorithm)


@pytest.mark.req("MD-03", "A-052")
def test_a_key_has_its_exact_length(algorithm: str) -> None:
    """One octet less or more, or another set's length, and the key is skipped."""
    jwk = {**signing_key(algorithm).jwk, "kid": "wrong"}
    pub = octets(jwk["pub"])
    others = [bytes(length) for name, (length, _) in SETS.items() if name != algorithm]
    for wrong in (pub[:-1], pub + b"\0", b"", *others):
        skipped({**jwk, "pub": b64url(wrong)}, algorithm)
    skipped({**jwk, "pub": jwk["pub"] + "="}, algorithm)
    skipped({name: value for name, value in jwk.items() if name != "pub"}, algorithm)


@pytest.mark.req("MD-01", "JK-14")
def test_a_key_with_its_seed_is_skipped(algorithm: str) -> None:
    """priv in a published key is a secret that everybody knows."""
    skipped({**signing_key(algorithm).jwk, "kid": "wrong", "priv": b64url(bytes(32))}, algorithm)


@pytest.mark.req("MD-01")
@pytest.mark.parametrize("kty", ["OKP", "EC", "RSA", "akp", "ML-DSA"])
def test_the_type_is_akp(algorithm: str, kty: str) -> None:
    """The same key under another type is skipped."""
    skipped({**signing_key(algorithm).jwk, "kid": "wrong", "kty": kty}, algorithm)


@pytest.mark.req("MD-04")
def test_the_context_is_empty(algorithm: str) -> None:
    """A signature by the right key in another context, as other protocols make them, is refused."""
    issuer = local_issuer(algorithm)
    token = issuer.mint()
    message = token.rpartition(".")[0].encode()
    private: Any = issuer.signing_key.private
    assert trusting(issuer).validate(with_signature(token, private.sign(message)))
    for context in (b"\0", b"JWS", message[:200]):
        refused(trusting(issuer), with_signature(token, private.sign(message, context)), Reason.BAD_SIGNATURE)


@pytest.mark.req("MD-04")
def test_the_message_is_not_hashed_first(algorithm: str) -> None:
    """A signature over a digest of the message, as external mu or HashML-DSA would have it, is refused."""
    issuer = local_issuer(algorithm)
    token = issuer.mint()
    message = token.rpartition(".")[0].encode()
    for digest in (hashlib.sha256(message).digest(), hashlib.sha512(message).digest()):
        refused(trusting(issuer), with_signature(token, issuer.signing_key.sign(digest)), Reason.BAD_SIGNATURE)


@pytest.mark.req("MD-08")
def test_without_a_backend_the_name_is_a_wrong_setting(algorithm: str) -> None:
    """Where cryptography has no ML-DSA, naming it fails at once, and its keys are skipped."""
    program = f"""
import sys
sys.modules["cryptography.hazmat.primitives.asymmetric.mldsa"] = None
from tokenguard import Issuer
from tokenguard.core.jwk import SkipKey, import_key
from tokenguard.errors import ConfigurationError
try:
    Issuer("https://issuer.test", algorithms=("{algorithm}",))
except ConfigurationError as error:
    print(error)
try:
    import_key({signing_key(algorithm).jwk!r})
except SkipKey as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.splitlines() == [
        f"Issuer.algorithms: {algorithm} is unknown, or not in the installed cryptography",
        "the installed cryptography has no ML-DSA",
    ]
