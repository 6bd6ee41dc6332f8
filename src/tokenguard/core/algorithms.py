"""The signature algorithms: each JWS name, the keys it fits, and the library that verifies it.

PyJWT's algorithm objects do the work (RFC 7518 3, RFC 8037): the PSS salt as long as the hash, ECDSA signatures of
exactly two field lengths. ML-DSA (RFC 9964) is `cryptography`'s own. There is no HMAC here and no "none".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

#: (message, public key, signature) -> whether the signature is valid
Check = Callable[[bytes, Any, bytes], bool]


class Algorithm(NamedTuple):
    """One JWS algorithm. `kty` and `crv`: what a JWK must be to serve it (`crv` None: the type has no curves)."""

    name: str
    kty: str
    crv: str | None
    check: Check


def _pure_ml_dsa(message: bytes, key: Any, signature: bytes) -> bool:
    """Pure ML-DSA with an empty context (RFC 9964 5)."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


_OKP = OKPAlgorithm()

ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("RS256", "RSA", None, RSAAlgorithm(RSAAlgorithm.SHA256).verify),
        Algorithm("RS384", "RSA", None, RSAAlgorithm(RSAAlgorithm.SHA384).verify),
        Algorithm("RS512", "RSA", None, RSAAlgorithm(RSAAlgorithm.SHA512).verify),
        Algorithm("PS256", "RSA", None, RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256).verify),
        Algorithm("PS384", "RSA", None, RSAPSSAlgorithm(RSAPSSAlgorithm.SHA384).verify),
        Algorithm("PS512", "RSA", None, RSAPSSAlgorithm(RSAPSSAlgorithm.SHA512).verify),
        Algorithm("ES256", "EC", "P-256", ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256R1).verify),
        Algorithm("ES384", "EC", "P-384", ECAlgorithm(ECAlgorithm.SHA384, ec.SECP384R1).verify),
        Algorithm("ES512", "EC", "P-521", ECAlgorithm(ECAlgorithm.SHA512, ec.SECP521R1).verify),
        Algorithm("ES256K", "EC", "secp256k1", ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256K1).verify),
        # EdDSA names no curve; here it means Ed25519 alone (RFC 9864 2.2 deprecates the ambiguity)
        Algorithm("EdDSA", "OKP", "Ed25519", _OKP.verify),
        Algorithm("Ed25519", "OKP", "Ed25519", _OKP.verify),
        Algorithm("Ed448", "OKP", "Ed448", _OKP.verify),
        Algorithm("ML-DSA-44", "AKP", None, _pure_ml_dsa),
        Algorithm("ML-DSA-65", "AKP", None, _pure_ml_dsa),
        Algorithm("ML-DSA-87", "AKP", None, _pure_ml_dsa),
    )
}


def bind(algorithm: Algorithm, key: Any) -> Callable[[bytes, bytes], bool]:
    """`(message, signature) -> valid?` for one algorithm and one key; False too if the library stumbles."""
    check = algorithm.check

    def verify(message: bytes, signature: bytes) -> bool:
        try:
            return check(message, key, signature)
        except Exception:  # whatever the backend raises over hostile bytes, the signature did not hold
            return False

    return verify
