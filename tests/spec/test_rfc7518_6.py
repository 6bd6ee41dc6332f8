"""RFC 7518 6: which RSA and EC keys of a key set can be trusted, and which are skipped."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.spec.support import NOW, guard_for, local_issuer, octets, refused, signing_key, skipped, trust

from tokenguard.errors import Reason
from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.jws import b64url

FIELDS = {"P-256": 32, "P-384": 48, "P-521": 66, "secp256k1": 32}
CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "secp256k1"}


def number(value: int) -> str:
    """Base64urlUInt (RFC 7518 2)."""
    return b64url(value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


@cache
def modulus_of(bits: int) -> int:
    """An odd number of exactly so many bits: of a modulus nobody can tell more at sight."""
    return 1 << (bits - 1) | secrets.randbits(bits - 1) | 1


def rsa_jwk(n: int | str = 0, e: int | str = 65537) -> dict[str, Any]:
    """An RSA key of this modulus (one of 2048 bits for 0) and exponent; text is taken as it is."""
    n = n or modulus_of(2048)
    members = {"n": number(n) if isinstance(n, int) else n, "e": number(e) if isinstance(e, int) else e}
    return {"kty": "RSA", "kid": "wrong", "alg": "RS256", **members}


def is_used(jwk: dict[str, Any]) -> bool:
    """Is this RSA key in use, so that a token that names it is refused for its signature?"""
    issuer = local_issuer("RS256")
    guard = guard_for(trust(issuer, jwks={"keys": [jwk]}))
    refused(guard, issuer.mint(header={"kid": "wrong"}), Reason.BAD_SIGNATURE)
    return True


@pytest.mark.req("AL-01", "A-032")
@pytest.mark.parametrize("bits", [512, 1024, 2040, 2047])
def test_a_short_rsa_key_is_skipped(bits: int) -> None:
    """Below 2048 bits a modulus does not count."""
    skipped(rsa_jwk(modulus_of(bits)), "RS256")


@pytest.mark.req("AL-01", "A-032")
@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384"])
def test_tokens_of_a_1024_bit_key_are_refused(algorithm: str) -> None:
    """A real key of 1024 bits, which really signed, verifies nothing."""
    weak = SigningKey(algorithm, rsa.generate_private_key(public_exponent=65537, key_size=1024), "weak")  # noqa: S505
    issuer = LocalIssuer(signing_key=weak, clock=lambda: NOW)
    both = {"keys": [weak.jwk, signing_key("ES256").jwk]}
    guard = guard_for(trust(issuer, jwks=both, algorithms=(algorithm, "ES256")))
    refused(guard, issuer.mint(), Reason.UNKNOWN_KEY)
    skipped(weak.jwk, algorithm)


@pytest.mark.req("AL-01", "AL-02")
@pytest.mark.parametrize("bits", [2048, 2049, 3072, 4096, 8192])
def test_an_rsa_key_of_sane_size_is_used(bits: int) -> None:
    """From 2048 to 8192 bits a modulus counts."""
    assert is_used(rsa_jwk(modulus_of(bits)))


@pytest.mark.req("AL-02", "A-033")
@pytest.mark.parametrize("bits", [8193, 16384, 65536])
def test_a_giant_rsa_key_is_skipped(bits: int) -> None:
    """Beyond 8192 bits a check costs more than any issuer needs."""
    skipped(rsa_jwk(modulus_of(bits)), "RS256")


@pytest.mark.req("AL-02", "A-033")
@pytest.mark.parametrize("e", [3, 5, 17, 257, 65537, 2**63 + 1])
def test_an_odd_exponent_is_used(e: int) -> None:
    """Exponents that a key may have, up to 64 bits."""
    assert is_used(rsa_jwk(e=e))


@pytest.mark.req("AL-02", "A-033")
@pytest.mark.parametrize("e", [0, 1, 2, 4, 65536, 2**64 + 1, 2**64, 2**4096 + 1], ids=lambda e: f"e{e % 10**6}")
def test_a_degenerate_exponent_is_skipped(e: int) -> None:
    """With exponent 1 everybody signs; even and giant ones belong to no sane key."""
    skipped(rsa_jwk(e=e), "RS256")


@pytest.mark.req("AL-02", "A-033")
def test_an_even_modulus_is_skipped() -> None:
    """No product of two odd primes is even."""
    skipped(rsa_jwk(modulus_of(2048) + 1), "RS256")


@pytest.mark.req("AL-03")
def test_the_roca_fingerprint_is_skipped() -> None:
    """A modulus that is a power of 65537 modulo every small prime came from a faulty generator (CVE-2017-15361)."""
    primes = [n for n in range(2, 168) if all(n % d for d in range(2, n))]
    product = 1
    for prime in primes:
        product *= prime
    shortest = 1 << 2047
    for exponent in (0, 1, 123_456_789):
        residue = pow(65537, exponent, product)
        faulty = shortest - shortest % product + product + residue
        skipped(rsa_jwk(faulty), "RS256")
        assert is_used(rsa_jwk(faulty + 2))


@pytest.mark.req("AL-10")
def test_a_zero_octet_before_a_modulus_is_forgiven() -> None:
    """Some issuers write n with a sign octet: the number is the same, and so is the key."""
    issuer = local_issuer("RS256")
    jwk = issuer.signing_key.jwk
    guard = guard_for(trust(issuer, jwks={"keys": [jwk | {"n": b64url(b"\0" + octets(jwk["n"]))}]}))
    assert guard.validate(issuer.mint())


@pytest.mark.req("AL-10")
@pytest.mark.parametrize(
    "e", ["AAEAAQ", "AAM", "AA", "", "AQAB=", "AQAC", "A", "AQ AB", "AQ+B", "\u0410QAB", 65537, None, ["AQAB"]]
)
def test_an_exponent_is_written_in_one_way(e: Any) -> None:
    """Zero octets in front, other encodings and other types are no Base64urlUInt; zero itself is no exponent."""
    skipped({**rsa_jwk(), "e": e}, "RS256")


@pytest.mark.req("AL-10", "JK-03")
@pytest.mark.parametrize(
    "change", ["padded", "standard alphabet", "white space", "unused bits", "empty", "absent", "number"]
)
def test_a_modulus_is_written_in_one_way(change: str) -> None:
    """n in another encoding or of another type is not read."""
    good = number(modulus_of(2048))  # 256 octets: the last character has four unused bits
    jwk = rsa_jwk(good)
    jwk["n"] = {
        "padded": good + "==",
        "standard alphabet": good[:-2] + "+" + good[-1],
        "white space": good[:8] + "\n" + good[8:],
        "unused bits": good[:-1] + chr(ord(good[-1]) + 1),
        "empty": "",
        "absent": None,
        "number": modulus_of(2048),
    }[change]
    skipped({name: value for name, value in jwk.items() if value is not None}, "RS256")


# EC (RFC 7518 6.2, RFC 8725 3.4)


@pytest.mark.req("AL-09", "A-046", "JB-06")
@pytest.mark.parametrize("algorithm", CURVE_OF)
def test_a_point_off_the_curve_is_skipped(algorithm: str) -> None:
    """A point that is nearly a key's, the origin, and coordinates beyond the field are no points."""
    jwk = signing_key(algorithm).jwk
    length = FIELDS[CURVE_OF[algorithm]]
    x, y = octets(jwk["x"]), octets(jwk["y"])
    for wrong_x, wrong_y in [
        (x, y[:-1] + bytes([y[-1] ^ 1])),
        (x[:-1] + bytes([x[-1] ^ 1]), y),
        (y, x),
        (bytes(length), bytes(length)),
        (bytes(length - 1) + b"\1", bytes(length - 1) + b"\1"),
        (b"\xff" * length, y),
        (x, b"\xff" * length),
    ]:
        skipped({**jwk, "kid": "wrong", "x": b64url(wrong_x), "y": b64url(wrong_y)}, algorithm)


@pytest.mark.req("AL-09", "A-046")
@pytest.mark.parametrize("algorithm", CURVE_OF)
@pytest.mark.parametrize("coordinate", ["x", "y"])
def test_a_coordinate_has_the_length_of_the_field(algorithm: str, coordinate: str) -> None:
    """One octet less or more, zeros in front too, and the key is skipped, though the number may be the same."""
    jwk = signing_key(algorithm).jwk
    value = octets(jwk[coordinate])
    for wrong in (value[1:], value[:-1], b"\0" + value, value + b"\0", b"\0" * 34 + value, b"\4" + value):
        skipped({**jwk, "kid": "wrong", coordinate: b64url(wrong)}, algorithm)


@pytest.mark.req("AL-09", "A-046")
def test_a_coordinate_that_is_short_by_its_zero_is_skipped() -> None:
    """A key whose x begins with a zero octet is used with it, and skipped without."""
    key = next(key for key in iter(lambda: SigningKey.generate("ES256", "wrong"), None) if octets(key.jwk["x"])[0] == 0)
    issuer = LocalIssuer(signing_key=key, clock=lambda: NOW)
    assert guard_for(issuer).validate(issuer.mint())
    skipped({**key.jwk, "x": b64url(octets(key.jwk["x"])[1:])})


@pytest.mark.req("AL-08", "AL-09", "A-030")
@pytest.mark.parametrize(
    "crv", ["P-384", "P-521", "secp256k1", "p-256", "P256", "secp256r1", "Ed25519", "", None, 256, ["P-256"]]
)
def test_a_curve_is_the_points_and_is_known(crv: Any) -> None:
    """A P-256 point under another curve's name, or under a name nobody knows, is skipped."""
    skipped({**signing_key("ES256").jwk, "kid": "wrong", "crv": crv}, "ES256")


@pytest.mark.req("AL-08", "A-030", "JK-08")
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "ES256K"])
def test_an_alg_that_does_not_fit_the_curve_makes_a_key_useless(algorithm: str) -> None:
    """A JWK whose alg belongs to another curve serves neither."""
    for curve in CURVE_OF:
        if curve != algorithm:
            skipped({**signing_key(curve).jwk, "kid": "wrong", "alg": algorithm}, algorithm)


@pytest.mark.req("AL-09", "JK-03", "JK-04")
@pytest.mark.parametrize("member", ["x", "y", "crv"])
@pytest.mark.parametrize("value", [None, "", 1, [], {}, "!", "="])
def test_a_member_that_is_missing_or_odd_costs_the_key(member: str, value: Any) -> None:
    """A key that can't be read is skipped, whatever is there in its place."""
    jwk = {**signing_key("ES256").jwk, "kid": "wrong", member: value}
    skipped({name: value for name, value in jwk.items() if value is not None})
