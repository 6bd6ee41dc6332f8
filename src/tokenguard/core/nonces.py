"""Nonces for DPoP proofs: the time at which one was made, authenticated, so that nobody has to remember any.

Whoever has the secrets can tell: all workers, before and after a restart. One nonce serves all clients for a short
while, and several are good at a time, so that parallel requests don't trip over each other (RFC 9449 8).
"""

from __future__ import annotations

import binascii
import hmac

from tokenguard.core.jws import decode_base64url

_TIME_OCTETS = 6
#: of the HMAC; more than the half that RFC 2104 5 wants left, and what makes 40 characters without padding
_TAG_OCTETS = 24
_PURPOSE = b"tokenguard DPoP nonce\0"
#: new ones in the lifetime of each
_NONCES_A_LIFETIME = 8


class Nonces:
    """Makes nonces and knows its own. `secrets`: the newest first; `lifetime`: seconds that each is good."""

    __slots__ = ("_secrets", "_step", "lifetime")

    def __init__(self, secrets: tuple[bytes, ...], lifetime: float) -> None:
        self._secrets = secrets
        self._step = max(1, int(lifetime / _NONCES_A_LIFETIME))
        self.lifetime = lifetime

    def make(self, now: float) -> str:
        """A nonce that is good from `now` on: 40 characters of base64url."""
        moment = max(0, int(now // self._step * self._step)).to_bytes(_TIME_OCTETS)
        tag = _tag(self._secrets[0], moment)
        return binascii.b2a_base64(moment + tag, newline=False).translate(_TO_BASE64URL).decode("ascii")

    def made_at(self, nonce: object, now: float, leeway: float) -> float | None:
        """When a nonce of ours that is still good was made, in epoch seconds; None for anything else.

        `leeway`: seconds by which the clock of the worker that made it may be ahead.
        """
        if not isinstance(nonce, str):
            return None
        try:
            octets = decode_base64url(nonce.encode("ascii"))
        except ValueError:
            return None
        if len(octets) != _TIME_OCTETS + _TAG_OCTETS:
            return None
        moment, tag = octets[:_TIME_OCTETS], octets[_TIME_OCTETS:]
        # all are tried, each in constant time (RFC 2104 6)
        if not any([hmac.compare_digest(tag, _tag(secret, moment)) for secret in self._secrets]):  # noqa: C419
            return None
        made_at = int.from_bytes(moment)
        return float(made_at) if made_at - leeway <= now < made_at + self.lifetime else None


_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")


def _tag(secret: bytes, moment: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + moment, "sha256")[:_TAG_OCTETS]
