"""Signing keys of every asymmetric JWS algorithm, and their public halves as JWKs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

from tokenguard.testing.jws import b64url, compact, mac, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # a cryptography without ML-DSA: these algorithms are then absent
    _MLDSA_KEYS: dict[str, Any] = {}
else:
    _MLDSA_KEYS = {
        "ML-DSA-44": mldsa.MLDSA44PrivateKey,
        "ML-DSA-65": mldsa.MLDSA65PrivateKey,
        "ML-DSA-87": mldsa.MLDSA87PrivateKey,
    }

_PYJWT = get_default_algorithms()


@dataclass(frozen=True, slots=True)
class _Algorithm:
    generate: Callable[[], PrivateKeyTypes]
    signs_with: type | tuple[type, ...]
    sign: Callable[[bytes, Any], bytes]
    export: Callable[[Any], Mapping[str, Any]]
    """The JWK members that are the public key itself."""


def _rsa(name: str) -> _Algorithm:
    generate = partial(rsa.generate_private_key, public_exponent=65537, key_size=2048)
    return _Algorithm(generate, rsa.RSAPrivateKey, _PYJWT[name].sign, partial(RSAAlgorithm.to_jwk, as_dict=True))


def _ecdsa(name: str, curve: ec.EllipticCurve) -> _Algorithm:
    generate = partial(ec.generate_private_key, curve)
    export = partial(ECAlgorithm.to_jwk, as_dict=True)
    return _Algorithm(generate, ec.EllipticCurvePrivateKey, _PYJWT[name].sign, export)


def _eddsa(key_type: type[Ed25519PrivateKey | Ed448PrivateKey]) -> _Algorithm:
    # Either curve signs under any of the three names, so that a test can try a name with the other's key.
    families = (Ed25519PrivateKey, Ed448PrivateKey)
    return _Algorithm(key_type.generate, families, _sign_plainly, partial(OKPAlgorithm.to_jwk, as_dict=True))


def _mldsa(key_type: Any) -> _Algorithm:
    return _Algorithm(key_type.generate, key_type, _sign_plainly, _export_akp)


def _sign_plainly(message: bytes, private: Any) -> bytes:
    signature: bytes = private.sign(message)
    return signature


def _export_akp(public: Any) -> dict[str, Any]:
    # kty AKP: the key is `pub`, and `alg`, which every key here names, is required (RFC 9964 3).
    return {"kty": "AKP", "pub": b64url(public.public_bytes_raw())}


_ALGORITHMS = {
    **{name: _rsa(name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    "ES256": _ecdsa("ES256", ec.SECP256R1()),
    "ES384": _ecdsa("ES384", ec.SECP384R1()),
    "ES512": _ecdsa("ES512", ec.SECP521R1()),
    "ES256K": _ecdsa("ES256K", ec.SECP256K1()),
    "EdDSA": _eddsa(Ed25519PrivateKey),
    "Ed25519": _eddsa(Ed25519PrivateKey),
    "Ed448": _eddsa(Ed448PrivateKey),
    **{name: _mldsa(key_type) for name, key_type in _MLDSA_KEYS.items()},
}

ALGORITHMS = tuple(_ALGORITHMS)
"""The algorithms a `SigningKey` can be made for; ML-DSA is among them where the installed `cryptography` has it."""


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key, the JWS algorithm it is published for, and its key id. The private key is not in its repr."""

    algorithm: str
    private: PrivateKeyTypes = field(repr=False)
    kid: str

    @classmethod
    def generate(cls, algorithm: str, kid: str | None = None) -> SigningKey:
        """Make a key for one of `ALGORITHMS`, with a random `kid` unless one is given. ValueError for another name."""
        return cls(algorithm, _lookup(algorithm).generate(), kid or f"{algorithm}-{secrets.token_hex(4)}")

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as a JWK with `kid`, `use` and `alg` (RFC 7517 4)."""
        members = dict(_lookup(self.algorithm).export(self.private.public_key()))
        members.pop("key_ops", None)  # not together with `use` (RFC 7517 4.3)
        return members | {"kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM, which the HS256 confusion attack uses as its secret (RFC 8725 2.1)."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes, *, algorithm: str | None = None) -> bytes:
        """Sign, under this key's algorithm or another of its key type (RS256 and PS256). ValueError for other types."""
        chosen = _lookup(algorithm or self.algorithm)
        if not isinstance(self.private, chosen.signs_with):
            raise ValueError(  # noqa: TRY004 - the algorithm is the wrong value here
                f"a key made for {self.algorithm} cannot sign {algorithm}"
            )
        return chosen.sign(message, self.private)

    def jws(
        self, header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, *, algorithm: str | None = None
    ) -> str:
        """Sign exactly this header and payload, adding nothing: mappings are written as JSON, bytes as they are."""
        return compact(header, payload, partial(self.sign, algorithm=algorithm))


def signer(key: SigningKey | bytes, algorithm: str | None) -> tuple[str, Callable[[bytes], bytes]]:
    """The name of an algorithm, and what signs under it: "none" needs no key, HS256 to HS512 take one of bytes."""
    if algorithm == "none":
        return algorithm, unsigned
    if isinstance(key, bytes):
        algorithm = algorithm or "HS256"
        return algorithm, partial(mac, algorithm, key)
    algorithm = algorithm or key.algorithm
    return algorithm, partial(key.sign, algorithm=algorithm)


def _lookup(algorithm: str) -> _Algorithm:
    if algorithm not in _ALGORITHMS:
        raise ValueError(f"no signing keys for algorithm {algorithm!r}; there are {', '.join(ALGORITHMS)}")
    return _ALGORITHMS[algorithm]
