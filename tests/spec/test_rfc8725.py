"""RFC 8725 2 and 3: algorithms by list, keys that can't be confused, and no encrypted or unsecured tokens."""

from __future__ import annotations

import itertools
import json
import secrets
import zlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.spec.support import claims_for, guard_for, header_for, local_issuer, octets, refused, signing_key, trust

from tokenguard import Issuer, TokenGuard
from tokenguard.config import DEFAULT_ALGORITHMS, KNOWN_ALGORITHMS
from tokenguard.errors import ConfigurationError, Reason
from tokenguard.testing import LocalIssuer
from tokenguard.testing.jws import b64url, compact, unsigned

OPT_IN = sorted(KNOWN_ALGORITHMS - set(DEFAULT_ALGORITHMS))


# none (RFC 8725 3.2)


@pytest.mark.req("A-021", "AT-04", "JW-18", "JB-03")
@pytest.mark.parametrize("alg", ["".join(letters) for letters in itertools.product(*zip("none", "NONE", strict=True))])
def test_none_is_refused_in_every_letter_case(guard: TokenGuard, issuer: LocalIssuer, alg: str) -> None:
    """All sixteen spellings, without a signature and with junk, are on no list."""
    unsecured = compact(header_for(issuer, alg=alg), claims_for(issuer), unsigned)
    assert unsecured.endswith(".")
    for token in (unsecured, unsecured + "AAAA", issuer.mint(header={"alg": alg})):
        refused(guard, token, Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("A-022", "JB-03")
@pytest.mark.parametrize(
    "alg", ["none ", " none", "none\u0000", "n\u043ene", "non\u0435", "none\n", "\ufeffnone", "\uff4eone", "no\u00adne"]
)
def test_none_in_disguise_is_refused(guard: TokenGuard, issuer: LocalIssuer, alg: str) -> None:
    """Spaces, NUL and look-alike letters are on no list either: there is no list of what is forbidden."""
    refused(guard, compact(header_for(issuer, alg=alg), claims_for(issuer), unsigned), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("A-027", "JW-07", "JB-03")
@pytest.mark.parametrize(
    "alg", ["es256", "Es256", "ES256 ", " ES256", "ES256\u0000", "\u0415S256", "ES-256", "ES2560", "E"]
)
def test_an_algorithm_is_named_to_the_letter(guard: TokenGuard, issuer: LocalIssuer, alg: str) -> None:
    """Another case, spaces and look-alikes are not the algorithm, though the signature is."""
    refused(guard, issuer.mint(header={"alg": alg}), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("JW-18", "AT-04", "A-164", "AL-12", "JB-07", "AL-11")
@pytest.mark.parametrize("name", ["none", "None", "NONE", "HS256", "HS384", "HS512", "hs256", "HS1", "HS256/64"])
def test_no_setting_allows_none_or_a_mac(name: str) -> None:
    """Neither unsecured tokens nor shared secrets can be configured, alone or beside others."""
    for algorithms in ((name,), ("RS256", name)):
        with pytest.raises(ConfigurationError, match="never accepted"):
            Issuer("https://issuer.test", algorithms=algorithms)


@pytest.mark.req("JB-01", "A-164", "AL-17", "AL-20")
@pytest.mark.parametrize(
    "algorithms",
    [None, (), [], "RS256", ("",), (None,), ("RSA1_5",), ("dir",), ("PBES2-HS256+A128KW",), ("RSA-OAEP",),
     ("A128GCMKW",), ("rs256",), ("*",), ("ESP256",), ("RS1",), 5, {"RS256": True}],
    ids=repr,
)  # fmt: skip
def test_a_list_of_algorithms_names_known_ones(algorithms: Any) -> None:
    """An empty list, a wildcard and names for encryption are wrong settings."""
    with pytest.raises(ConfigurationError, match=r"Issuer\.algorithms"):
        Issuer("https://issuer.test", algorithms=algorithms)


@pytest.mark.req("AL-18", "AL-19", "JB-01", "AL-14")
@pytest.mark.parametrize("algorithm", sorted(KNOWN_ALGORITHMS))
def test_the_default_list_is_small_and_the_rest_is_opted_in(algorithm: str) -> None:
    """Five algorithms are taken unless others are named; nothing in a token or key widens the list."""
    assert set(DEFAULT_ALGORITHMS) == {"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}
    issuer = local_issuer(algorithm)
    keys = {"keys": [issuer.signing_key.jwk, signing_key("ES256", "beside").jwk, signing_key("RS256", "beside").jwk]}
    default = guard_for(trust(issuer, jwks=keys))
    if algorithm in DEFAULT_ALGORITHMS:
        assert default.validate(issuer.mint())
    else:
        refused(default, issuer.mint(), Reason.UNSUPPORTED_ALGORITHM)
    assert guard_for(trust(issuer, jwks=keys, algorithms=(algorithm,))).validate(issuer.mint())
    narrow = guard_for(trust(issuer, jwks=keys, algorithms=("RS256" if algorithm != "RS256" else "ES256",)))
    refused(narrow, issuer.mint(), Reason.UNSUPPORTED_ALGORITHM)


# keys in another role (RFC 8725 2.1)


def guises(issuer: LocalIssuer) -> dict[str, bytes]:
    """What of a published key an attacker might use as a secret."""
    public = issuer.signing_key.private.public_key()
    pem = issuer.signing_key.public_pem
    jwk = issuer.signing_key.jwk
    point = "n" if jwk["kty"] == "RSA" else "x"
    pkcs1 = {"PKCS#1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)} if jwk["kty"] == "RSA" else {}
    return {
        "PEM": pem,
        "PEM without a newline": pem.strip(),
        "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk).encode(),
        "compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "JWK Set": json.dumps(issuer.jwks).encode(),
        "modulus or point": octets(jwk[point]),
        "modulus or point as text": jwk[point].encode(),
        "x and y": octets(jwk["x"]) + octets(jwk.get("y", "")) if point == "x" else b"",
        **pkcs1,
    }


@pytest.mark.req("A-024", "A-025", "AL-12", "JB-02")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
@pytest.mark.parametrize("mac", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret(algorithm: str, mac: str) -> None:
    """A MAC keyed with whatever is published is refused for its algorithm, under any name."""
    issuer = local_issuer(algorithm)
    guard = guard_for(issuer)
    for secret in guises(issuer).values():
        refused(guard, issuer.mint(algorithm=mac, key=secret), Reason.UNSUPPORTED_ALGORITHM)
        disguised = issuer.mint(algorithm=mac, key=secret, header={"alg": algorithm})
        refused(guard, disguised, Reason.BAD_SIGNATURE)


@pytest.mark.req("A-026", "JB-07", "AL-11")
@pytest.mark.parametrize("secret", [b"", b"secret", bytes(32), b"password", b"key-1"])
def test_a_guessable_secret_opens_nothing(guard: TokenGuard, issuer: LocalIssuer, secret: bytes) -> None:
    """A MAC under an empty or well-known secret is refused like any MAC."""
    refused(guard, issuer.mint(algorithm="HS256", key=secret), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("A-028", "JB-02", "JK-08")
@pytest.mark.parametrize(("alg", "named"), list(itertools.permutations(["RS256", "ES256", "Ed25519"], 2)))
def test_the_algorithm_and_the_named_key_agree(alg: str, named: str) -> None:
    """A token whose alg is one key's and whose kid another's is refused, whoever signed it."""
    keys = {name: signing_key(name, f"kid-of-{name}") for name in ("RS256", "ES256", "Ed25519")}
    issuer = local_issuer("ES256")
    guard = guard_for(trust(issuer, jwks={"keys": [key.jwk for key in keys.values()]}))
    for signer in keys.values():
        token = issuer.mint(key=signer, header={"alg": alg, "kid": f"kid-of-{named}"})
        refused(guard, token, Reason.UNSUPPORTED_ALGORITHM)


# encryption (RFC 8725 3.3, 8725bis 3.13, 3.15)


def jwe(issuer: LocalIssuer, header: dict[str, Any], content: bytes) -> str:
    """A real JWE to the issuer's RSA key (RFC 7516 7.1): valid, and made without any secret of the issuer."""
    public: Any = issuer.signing_key.private.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    key, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    protected = b64url(json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "key-1", **header}).encode())
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sealed = AESGCM(key).encrypt(nonce, content, protected.encode())
    parts = (public.encrypt(key, oaep), nonce, sealed[:-16], sealed[-16:])
    return ".".join([protected, *map(b64url, parts)])


@pytest.mark.req("A-058", "JW-29", "JW-01", "JB-05", "A-059")
@pytest.mark.parametrize(
    "header", [{}, {"cty": "JWT"}, {"typ": "at+jwt"}, {"alg": "RS256"}, {"typ": "at+jwt", "alg": "RS256"}], ids=repr
)
def test_an_encrypted_token_is_refused_before_anything_in_it_counts(header: dict[str, Any]) -> None:
    """Anybody can encrypt to a public key, so encrypted claims prove nothing; a token within neither."""
    issuer = local_issuer("RS256")
    guard = guard_for(issuer)
    for content in (json.dumps(claims_for(issuer)).encode(), issuer.mint().encode()):
        refused(guard, jwe(issuer, header, content), Reason.MALFORMED_TOKEN)


@pytest.mark.req("A-076", "JB-17")
def test_a_compressed_bomb_is_not_unpacked() -> None:
    """Ten megabytes in a few hundred octets stay packed."""
    issuer = local_issuer("RS256")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b" " * 10_000_000) + packer.flush()
    guard = guard_for(issuer)
    refused(guard, jwe(issuer, {"zip": "DEF"}, bomb[:9_000]), Reason.MALFORMED_TOKEN)
    refused(guard, issuer.signing_key.jws(header_for(issuer, zip="DEF"), bomb[:9_000]), Reason.MALFORMED_TOKEN)


@pytest.mark.req("A-077", "JB-18", "AL-20")
@pytest.mark.parametrize("p2c", [2**31, 10**9, -1, "many"])
def test_no_iteration_count_is_ever_followed(guard: TokenGuard, issuer: LocalIssuer, p2c: Any) -> None:
    """A JWE that asks for two thousand million rounds of PBKDF2 is refused for its form, or for its alg."""
    header = {"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": p2c, "p2s": "AAAA", "kid": "key-1"}
    protected = b64url(json.dumps(header).encode())
    refused(guard, f"{protected}.AAAA.AAAA.AAAA.AAAA", Reason.MALFORMED_TOKEN)
    refused(guard, f"{protected}.{b64url(json.dumps(claims_for(issuer)).encode())}.AAAA", Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("AL-20", "JW-29", "JB-05")
@pytest.mark.parametrize("alg", ["RSA1_5", "RSA-OAEP", "dir", "A128KW", "ECDH-ES", "PBES2-HS512+A256KW"])
def test_an_encryption_algorithm_signs_nothing(guard: TokenGuard, issuer: LocalIssuer, alg: str) -> None:
    """Names for encryption in a signed token are on no list."""
    refused(guard, issuer.mint(header={"alg": alg, "enc": "A128GCM"}), Reason.UNSUPPORTED_ALGORITHM)
