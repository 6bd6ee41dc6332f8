"""The signature algorithms: each JWS name, the keys it fits, and how `cryptography` verifies it.

RFC 7518 3, RFC 8037, RFC 8812, RFC 9964. There is no HMAC here and no "none". `cryptography` is called directly:
PyJWT's algorithm objects do the same, at 8 µs more for an ES256 signature (benchmarks/README.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

#: octets of R and S that DER frames with lengths of one octet each (X.690 8.1.3.4)
_FRAMED = 120
#: (signature, message) -> None; raises, whatever, where the key did not make the signature
Verifier = Callable[[bytes, bytes], object]


class Algorithm(NamedTuple):
    """One JWS algorithm. `kty` and `crv`: what a JWK must be to serve it (`crv` None: the type has no curves)."""

    name: str
    kty: str
    crv: str | None
    verifier: Callable[[Any], Verifier]
    """public key -> its `Verifier` under this algorithm"""


def _rsa_pkcs1(digest: hashes.HashAlgorithm) -> Callable[[Any], Verifier]:
    return _rsa(padding.PKCS1v15(), digest)


def _rsa_pss(digest: hashes.HashAlgorithm) -> Callable[[Any], Verifier]:
    # the salt is as long as the hash, MGF1 uses the same hash (RFC 7518 3.5)
    return _rsa(padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size), digest)


def _rsa(scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> Callable[[Any], Verifier]:
    return lambda key: lambda signature, message: key.verify(signature, message, scheme, digest)


def _ecdsa(digest: hashes.HashAlgorithm, octets: int) -> Callable[[Any], Verifier]:
    scheme = ec.ECDSA(digest)
    before_r, before_s = _der_frame(octets)
    is_framed = 2 * octets <= _FRAMED

    def of(key: Any) -> Verifier:
        def verify(signature: bytes, message: bytes) -> None:
            # R and S side by side, each of the field's full length, never DER (RFC 7518 3.4)
            if len(signature) != 2 * octets:
                raise ValueError("not R and S")
            r, s = signature[:octets], signature[octets:]
            # by way of integers it takes 3.8 µs where the caches are cold, put together here 1.4
            if is_framed and r[0] and s[0]:
                der = before_r[r[0] >> 7][s[0] >> 7] + r + before_s[s[0] >> 7] + s
            else:
                der = utils.encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
            key.verify(der, message, scheme)

        return verify

    return of


def _der_frame(octets: int) -> tuple[list[list[bytes]], list[bytes]]:
    """What DER has before R, by the first bits of R and S, and before S, by its own; for no leading zeros (X.690 8.3).

    An integer whose first bit is set has a zero in front, lest it be negative.
    """
    integers = [bytes([2, octets]), bytes([2, octets + 1, 0])]
    sequences = [[bytes([0x30, len(r) + len(s) + 2 * octets]) + r for s in integers] for r in integers]
    return sequences, integers


def _pure(key: Any) -> Verifier:
    """EdDSA (RFC 8032), and ML-DSA with an empty context (RFC 9964 5)."""
    verify: Verifier = key.verify
    return verify


_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()

ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("RS256", "RSA", None, _rsa_pkcs1(_SHA256)),
        Algorithm("RS384", "RSA", None, _rsa_pkcs1(_SHA384)),
        Algorithm("RS512", "RSA", None, _rsa_pkcs1(_SHA512)),
        Algorithm("PS256", "RSA", None, _rsa_pss(_SHA256)),
        Algorithm("PS384", "RSA", None, _rsa_pss(_SHA384)),
        Algorithm("PS512", "RSA", None, _rsa_pss(_SHA512)),
        Algorithm("ES256", "EC", "P-256", _ecdsa(_SHA256, 32)),
        Algorithm("ES384", "EC", "P-384", _ecdsa(_SHA384, 48)),
        Algorithm("ES512", "EC", "P-521", _ecdsa(_SHA512, 66)),
        Algorithm("ES256K", "EC", "secp256k1", _ecdsa(_SHA256, 32)),
        # EdDSA names no curve; here it means Ed25519 alone (RFC 9864 2.2 deprecates the ambiguity)
        Algorithm("EdDSA", "OKP", "Ed25519", _pure),
        Algorithm("Ed25519", "OKP", "Ed25519", _pure),
        Algorithm("Ed448", "OKP", "Ed448", _pure),
        Algorithm("ML-DSA-44", "AKP", None, _pure),
        Algorithm("ML-DSA-65", "AKP", None, _pure),
        Algorithm("ML-DSA-87", "AKP", None, _pure),
    )
}
