"""The client's side of DPoP: a key that signs proofs (RFC 9449 4), wrong ones where a test asks for them."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from tokenguard.testing.jws import b64url, compact
from tokenguard.testing.keys import SigningKey, signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: the members that are the key, and so make its thumbprint (RFC 7638 3.2, RFC 8037 2, RFC 9964 6)
_THUMBPRINT_MEMBERS = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "AKP": ("alg", "kty", "pub"),
}


class DPoPKey:
    """A client's key: bind tokens to it by `LocalIssuer.mint(dpop_key=...)`, and show by `proof` that it is there.

    `algorithm` is one of `ALGORITHMS`; `clock` tells epoch seconds. A given `signing_key` decides the algorithm.

    >>> key = DPoPKey("ES256")
    >>> proof = key.proof("GET", "https://api.example.com/orders", "the-access-token")
    >>> proof.count(".")
    2
    """

    def __init__(
        self,
        algorithm: str = "ES256",
        *,
        signing_key: SigningKey | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.signing_key = signing_key or SigningKey.generate(algorithm)
        self.clock = clock

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as proofs carry it: its required members only, in the order of their names."""
        jwk = self.signing_key.jwk
        return {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}

    @property
    def thumbprint(self) -> str:
        """The SHA-256 thumbprint, which a bound token has in `cnf.jkt` (RFC 7638 3, RFC 9449 6.1)."""
        return _sha256(json.dumps(self.jwk, separators=(",", ":")).encode())

    def proof(
        self,
        method: str,
        url: str,
        token: str | None = None,
        *,
        nonce: str | None = None,
        header: Mapping[str, Any] | None = None,
        without: str | Iterable[str] = (),
        algorithm: str | None = None,
        key: SigningKey | bytes | None = None,
        **claims: Any,
    ) -> str:
        """Sign a proof for one request (RFC 9449 4.2): the value of its DPoP header.

        `url` loses query and fragment; `token` is the access token that goes along; `nonce` what the server gave.
        `claims` come on top of the usual ones, and `without` names claims to leave out. `header` members come on top
        of `typ`, `alg` and `jwk`, and a value of None leaves one out; they do not change how the proof is signed.
        `algorithm` does, and so does `key`, another one than `jwk` says; both are as in `LocalIssuer.mint`.
        """
        usual: dict[str, Any] = {
            "jti": secrets.token_urlsafe(12),
            "htm": method,
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": int(self.clock()),
        }
        if token is not None:
            usual["ath"] = _sha256(token.encode())
        if nonce is not None:
            usual["nonce"] = nonce
        left_out = {without} if isinstance(without, str) else set(without)
        payload = {name: value for name, value in {**usual, **claims}.items() if name not in left_out}
        algorithm, sign = signer(self.signing_key if key is None else key, algorithm)
        members = {"typ": "dpop+jwt", "alg": algorithm, "jwk": self.jwk, **(header or {})}
        return compact({name: value for name, value in members.items() if value is not None}, payload, sign)

    def headers(self, method: str, url: str, token: str, *, nonce: str | None = None, **wrong: Any) -> dict[str, str]:
        """The headers of one request with `token`: Authorization, and DPoP with what `proof` makes of the arguments."""
        return {
            "Authorization": f"DPoP {token}",
            "DPoP": self.proof(method, url, token, nonce=nonce, **wrong),
        }


def confirmation(dpop_key: DPoPKey | None, certificate: bytes | None) -> dict[str, Any]:
    """The claim `cnf` of a token bound to a key, a certificate (DER bytes) or both; empty for one bound to nobody."""
    members = {}
    if dpop_key is not None:
        members["jkt"] = dpop_key.thumbprint
    if certificate is not None:
        members["x5t#S256"] = _sha256(certificate)
    return {"cnf": members} if members else {}


def _sha256(octets: bytes) -> str:
    return b64url(hashlib.sha256(octets).digest())
