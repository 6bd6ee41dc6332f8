"""The claim `cnf`: to whom a token is bound (RFC 7800 3.1; RFC 9449 6.1; RFC 8705 3.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

from tokenguard.core.forms import malformed
from tokenguard.core.jws import decode_base64url

#: three ways to name one key, of which a token may use one (RFC 7800 3.1)
_KEY_MEMBERS = frozenset({"jwk", "jwe", "jku"})
_SHA256_OCTETS = 32


class Binding(NamedTuple):
    """To whom a token is bound, as SHA-256 digests. `key`: thumbprint of a DPoP key; `certificate`: of its DER.

    Both None where `cnf` says it in no way that is known here: the token is bound then, too, and refused.
    """

    key: bytes | None
    certificate: bytes | None

    def __repr__(self) -> str:
        return f"Binding({', '.join(sorted(self.ways))})"

    @property
    def ways(self) -> frozenset[str]:
        """By what it is bound: "dpop", "mtls", both or, where that is not known, none."""
        return _WAYS[self.key is not None, self.certificate is not None]


_WAYS = {
    (False, False): frozenset[str](),
    (True, False): frozenset({"dpop"}),
    (False, True): frozenset({"mtls"}),
    (True, True): frozenset({"dpop", "mtls"}),
}


def read_binding(confirmation: Any) -> Binding:
    """The binding that `cnf` says; its form is checked, and nothing it may refer to is fetched (RFC 8725 3.10)."""
    if not isinstance(confirmation, dict):
        raise malformed("cnf must be an object")
    if len(_KEY_MEMBERS & confirmation.keys()) > 1:
        raise malformed("cnf has more than one of jwk, jwe and jku")
    return Binding(_digest(confirmation, "jkt"), _digest(confirmation, "x5t#S256"))


def _digest(confirmation: dict[str, Any], member: str) -> bytes | None:
    if member not in confirmation:
        return None
    value = confirmation[member]
    try:
        digest = decode_base64url(value.encode("ascii")) if isinstance(value, str) else b""
    except ValueError:
        digest = b""
    # SHA-256 as 43 characters of base64url (RFC 8705 3.1, RFC 9449 6.1)
    if len(digest) != _SHA256_OCTETS:
        raise malformed(f"{member} in cnf must be a SHA-256 digest in base64url")
    return digest
