"""One JSON Web Key to one public key, or a reason to skip it (RFC 7517 4, RFC 7518 6, RFC 8037 2, RFC 9964 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from tokenguard.core.jws import decode_base64url

#: members that only a private or secret key has (RFC 7518 6, RFC 9964 3)
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
#: what use sig allows as key_ops (RFC 7517 4.3)
_SIGNING_OPERATIONS = frozenset({"sign", "verify"})
#: curve and octets of a coordinate (RFC 7518 6.2.1.1, RFC 8812 3.1)
_EC_CURVES: dict[str, tuple[type[ec.EllipticCurve], int]] = {
    "P-256": (ec.SECP256R1, 32),
    "P-384": (ec.SECP384R1, 48),
    "P-521": (ec.SECP521R1, 66),
    "secp256k1": (ec.SECP256K1, 32),
}
#: octets of a public key (RFC 8037 2, FIPS 204 table 2)
_OKP_LENGTHS = {"Ed25519": 32, "Ed448": 57}
_ML_DSA_LENGTHS = {"ML-DSA-44": 1312, "ML-DSA-65": 1952, "ML-DSA-87": 2592}
#: RFC 7518 3.3 wants 2048 bits at least; beyond 8192 a check costs more than any issuer needs
_RSA_BITS = range(2048, 8192 + 1)
_RSA_EXPONENT_OCTETS = 8

_ED25519_PRIME = 2**255 - 19
_ED448_PRIME = 2**448 - 2**224 - 1
#: prime, and y-coordinates of the points of small order (1, 2, 4 and 8), under which anyone can make signatures
_SMALL_ORDER: dict[str, tuple[int, frozenset[int]]] = {
    "Ed25519": (
        _ED25519_PRIME,
        frozenset(
            {
                0,
                1,
                _ED25519_PRIME - 1,
                0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
                0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7,
            }
        ),
    ),
    "Ed448": (_ED448_PRIME, frozenset({0, 1, _ED448_PRIME - 1})),
}

#: what `cryptography` raises for a key it can't use: the key is wrong, or this build has no such curve
_UNUSABLE = (ValueError, UnsupportedAlgorithm)


class SkipKey(ValueError):
    """This key is not used; the text says why and shows no key material."""


class PublishedSecret(SkipKey):
    """What makes signatures is there for everyone to read: the issuer must replace it."""


class PublicKey(NamedTuple):
    """A signature key of an issuer. `alg`: the one algorithm the JWK names, or None. `key`: `cryptography`'s object."""

    kid: str | None
    kty: str
    crv: str | None
    alg: str | None
    key: Any


def import_key(jwk: object) -> PublicKey:
    """The public key in `jwk`; raises `SkipKey` for a key that is not for signatures, or that can't be trusted."""
    if not isinstance(jwk, Mapping):
        raise SkipKey("not a JSON object")
    kty = jwk.get("kty")
    if not isinstance(kty, str):
        raise SkipKey("kty is missing")
    if kty == "oct":
        raise PublishedSecret("a symmetric key has no place in a published key set")
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise PublishedSecret("its private part is published: whoever read it can sign tokens")
    _check_use(jwk)
    kid, alg = jwk.get("kid"), jwk.get("alg")
    if not isinstance(kid, str | None) or not isinstance(alg, str | None):
        raise SkipKey("kid and alg must be strings")
    if kty == "RSA":
        return PublicKey(kid, kty, None, alg, _rsa(jwk))
    if kty == "EC":
        return PublicKey(kid, kty, jwk.get("crv"), alg, _ec(jwk))
    if kty == "OKP":
        return PublicKey(kid, kty, jwk.get("crv"), alg, _okp(jwk))
    if kty == "AKP":
        return PublicKey(kid, kty, None, alg, _ml_dsa(jwk))
    raise SkipKey("its kty is not known")


def _check_use(jwk: Mapping[str, Any]) -> None:
    # RFC 7517 4.2, 4.3: absent means unrestricted
    if jwk.get("use", "sig") != "sig":
        raise SkipKey("its use is not sig")
    if "key_ops" not in jwk:
        return
    operations = jwk["key_ops"]
    if not isinstance(operations, list) or not all(isinstance(item, str) for item in operations):
        raise SkipKey("key_ops must be an array of strings")
    if "verify" not in operations or len(set(operations)) != len(operations):
        raise SkipKey("key_ops lacks verify, or repeats itself")
    if "use" in jwk and not _SIGNING_OPERATIONS.issuperset(operations):
        raise SkipKey("its use and its key_ops disagree")


def _octets(jwk: Mapping[str, Any], member: str) -> bytes:
    value = jwk.get(member)
    if not isinstance(value, str) or not value:
        raise SkipKey(f"{member} is missing")
    try:
        return decode_base64url(value.encode("ascii"))
    except ValueError:
        raise SkipKey(f"{member} is not canonical base64url") from None


def _rsa(jwk: Mapping[str, Any]) -> rsa.RSAPublicKey:
    modulus_octets, exponent_octets = _octets(jwk, "n"), _octets(jwk, "e")
    # some issuers put a zero octet before n, against RFC 7518 6.3.1.1; the number is the same
    modulus = int.from_bytes(modulus_octets)
    if exponent_octets[0] == 0 or len(exponent_octets) > _RSA_EXPONENT_OCTETS:
        raise SkipKey("its exponent is too long, or has a zero octet in front")
    exponent = int.from_bytes(exponent_octets)
    if modulus.bit_length() not in _RSA_BITS:
        raise SkipKey(f"an RSA modulus must have {_RSA_BITS.start} to {_RSA_BITS.stop - 1} bits")
    if exponent < 3 or exponent % 2 == 0 or modulus % 2 == 0:
        raise SkipKey("its exponent or modulus can't be that of an RSA key")
    if _has_roca_fingerprint(modulus):
        raise SkipKey("its modulus was made by a faulty generator (ROCA, CVE-2017-15361)")
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except _UNUSABLE:
        raise SkipKey("not a usable RSA key") from None


def _powers(generator: int, modulus: int) -> frozenset[int]:
    powers, value = {1}, generator % modulus
    while value not in powers:
        powers.add(value)
        value = value * generator % modulus
    return frozenset(powers)


# ROCA primes are built from powers of 65537, so their product is one modulo each small prime (CVE-2017-15361)
_ROCA_RESIDUES = {
    prime: _powers(65537, prime)
    for prime in range(3, 168, 2)
    if all(prime % divisor for divisor in range(3, int(prime**0.5) + 1, 2))
}


def _has_roca_fingerprint(modulus: int) -> bool:
    return all(modulus % prime in residues for prime, residues in _ROCA_RESIDUES.items())


def _ec(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    crv = jwk.get("crv")
    known = _EC_CURVES.get(crv) if isinstance(crv, str) else None
    if known is None:
        raise SkipKey("its curve is not known")
    curve, length = known
    x, y = _octets(jwk, "x"), _octets(jwk, "y")
    # coordinates have the field's full length (RFC 7518 6.2.1.2)
    if len(x) != length or len(y) != length:
        raise SkipKey(f"a coordinate on its curve has {length} octets")
    try:
        # refuses a point that is not on the curve (RFC 8725 3.4)
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve()).public_key()
    except _UNUSABLE:
        raise SkipKey("its point is not on the curve") from None


def _okp(jwk: Mapping[str, Any]) -> ed25519.Ed25519PublicKey | ed448.Ed448PublicKey:
    crv = jwk.get("crv")
    # X25519 and X448 are for key agreement, never signatures (RFC 8037 3.2)
    if not isinstance(crv, str) or crv not in _OKP_LENGTHS:
        raise SkipKey("its curve makes no signatures")
    x = _octets(jwk, "x")
    if len(x) != _OKP_LENGTHS[crv]:
        raise SkipKey(f"an {crv} key has {_OKP_LENGTHS[crv]} octets")
    prime, small_order = _SMALL_ORDER[crv]
    # the last bit is the sign of the other coordinate (RFC 8032 5.1.2, 5.2.2)
    if (int.from_bytes(x, "little") % 2 ** (8 * len(x) - 1)) % prime in small_order:
        raise SkipKey("its point has small order: anyone could sign")
    try:
        if crv == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(x)
        return ed448.Ed448PublicKey.from_public_bytes(x)
    except _UNUSABLE:
        raise SkipKey("its point does not decode") from None


def _ml_dsa(jwk: Mapping[str, Any]) -> Any:
    alg = jwk.get("alg")
    # an AKP key names its algorithm (RFC 9964 3)
    if not isinstance(alg, str) or alg not in _ML_DSA_LENGTHS:
        raise SkipKey("its alg is not an ML-DSA parameter set")
    pub = _octets(jwk, "pub")
    if len(pub) != _ML_DSA_LENGTHS[alg]:
        raise SkipKey(f"an {alg} key has {_ML_DSA_LENGTHS[alg]} octets")
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415 - only newer releases have it
    except ImportError:
        raise SkipKey("the installed cryptography has no ML-DSA") from None
    classes: dict[str, Any] = {
        "ML-DSA-44": mldsa.MLDSA44PublicKey,
        "ML-DSA-65": mldsa.MLDSA65PublicKey,
        "ML-DSA-87": mldsa.MLDSA87PublicKey,
    }
    try:
        return classes[alg].from_public_bytes(pub)
    except _UNUSABLE:
        raise SkipKey("not a usable ML-DSA key") from None
