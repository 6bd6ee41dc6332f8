"""Settings of sender-constrained tokens: by DPoP (RFC 9449) and by client certificate (RFC 8705).

Where neither is set, a token that is bound to its sender is refused: it is never taken for a bearer token.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable
from urllib.parse import urlsplit

from tokenguard._checks import require_field_name, require_flag, require_number, require_url
from tokenguard.config import algorithm_names
from tokenguard.errors import ConfigurationError

Nonces: TypeAlias = Literal["never", "when_clock_off", "always"]
CertificateFormat: TypeAlias = Literal["rfc9440", "escaped-pem", "pem", "base64-der", "xfcc"]
_NONCES = ("never", "when_clock_off", "always")
#: how a proxy writes the certificate, and the header it uses where that is settled
CERTIFICATE_FORMATS: dict[str, str | None] = {
    "rfc9440": "client-cert",
    "escaped-pem": None,
    "pem": None,
    "base64-der": None,
    "xfcc": "x-forwarded-client-cert",
}
#: HMAC-SHA-256 wants a key as long as its output (RFC 2104 3)
_MIN_SECRET = 32
#: RFC 9449 11.1: "a relatively brief period", seconds or minutes
_MAX_WINDOW = 600


@runtime_checkable
class Replays(Protocol):
    """Where used proofs are remembered: a store in this process, or with `async def record` one for all workers."""

    def record(self, key: bytes, now: float, until: float) -> bool | Awaitable[bool]:
        """Remember `key`, 32 octets; True if it was not there before: check and set in one, atomic step.

        `now`, `until`: epoch seconds; from `until` on it may be forgotten. A store in this process answers at once,
        and raises `Unavailable` where it is full; of one for all workers any exception counts as no answer. No
        request is let in without one.
        """


@dataclass(frozen=True, slots=True)
class DPoP:
    """Accept tokens that are bound to a key of the client, which proves with each request to hold it (RFC 9449).

    `required`: refuse every token that is not; otherwise they are accepted beside bearer tokens.
    `algorithms`: those that proofs may be signed with, named in challenges.
    `window`: how many seconds ago a proof may have been made; the guard's `leeway` is forgiven for what is ahead.
    `base_url`: what clients put before the path that the application knows: scheme, host, and the prefix of the path,
    if a proxy takes one away of which the application is not told (`root_path`, SCRIPT_NAME). Without it the request's
    own URL counts, as trusted proxies may have forwarded it.
    `replays`: where used proofs are remembered, so that each counts once: by default in this process alone. Several
    workers need one for all of them, as `tokenguard.stores.redis_replays.RedisReplays`.
    `nonces`: whether proofs must hold a value that this server made (RFC 9449 9): "always"; "when_clock_off", which
    demands it only of a client whose clock is not within `window`; "never". With a good one the client's clock
    does not matter. `nonce_secrets`: from which they are made, the newest first and older ones that still count, of
    32 characters or bytes at least, the same for all workers. `nonce_lifetime`: seconds that each counts.
    `max_proof`: characters; longer proofs are refused unread.

    Only method, URL, token and time are proven: not the query, the body or other headers (RFC 9449 11.7).

    Raises `ConfigurationError` when built.
    """

    _: KW_ONLY
    required: bool = False
    algorithms: tuple[str, ...] = ("ES256", "Ed25519", "EdDSA", "PS256", "RS256")
    window: float = 60.0
    base_url: str | None = None
    replays: Replays | None = None
    nonces: Nonces = "never"
    nonce_secrets: tuple[str | bytes, ...] = field(default=(), repr=False)
    nonce_lifetime: float = 300.0
    max_proof: int = 16 * 1024
    _nonce_keys: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_flag("DPoP.required", self.required)
        object.__setattr__(self, "algorithms", algorithm_names("DPoP.algorithms", self.algorithms))
        require_number("DPoP.window", self.window, low=1, high=_MAX_WINDOW)
        require_number("DPoP.nonce_lifetime", self.nonce_lifetime, low=1, high=_MAX_WINDOW)
        require_number("DPoP.max_proof", self.max_proof, low=256, high=64 * 1024)
        if self.base_url is not None:
            # http is the caller's word about its own address here, not a place to send secrets to
            require_url("DPoP.base_url", self.base_url, insecure_http=True)
            parts = urlsplit(self.base_url)
            if parts.query or parts.fragment or "?" in self.base_url or "#" in self.base_url:
                raise ConfigurationError("DPoP.base_url must be a URL without query and fragment")
        if self.replays is not None and not callable(getattr(self.replays, "record", None)):
            raise ConfigurationError("DPoP.replays must have a method record, as MemoryReplays and RedisReplays do")
        if self.nonces not in _NONCES:
            raise ConfigurationError(f"DPoP.nonces must be one of {', '.join(_NONCES)}")
        self._check_secrets()

    def _check_secrets(self) -> None:
        secrets: Any = self.nonce_secrets
        if isinstance(secrets, str | bytes):
            secrets = (secrets,)
        if not isinstance(secrets, tuple | list) or not all(isinstance(each, str | bytes) for each in secrets):
            raise ConfigurationError("DPoP.nonce_secrets must be a tuple of strings or bytes, the newest first")
        keys = tuple(each.encode() if isinstance(each, str) else bytes(each) for each in secrets)
        if any(len(key) < _MIN_SECRET for key in keys):
            raise ConfigurationError(f"DPoP.nonce_secrets must have {_MIN_SECRET} bytes at least, each")
        if self.nonces != "never" and not keys:
            raise ConfigurationError(
                "DPoP.nonces needs DPoP.nonce_secrets, the same for all workers (secrets.token_urlsafe(32) makes one)"
            )
        object.__setattr__(self, "nonce_secrets", tuple(secrets))
        object.__setattr__(self, "_nonce_keys", keys)

    @property
    def nonce_keys(self) -> tuple[bytes, ...]:
        """`nonce_secrets` as bytes."""
        return self._nonce_keys

    @property
    def is_shared(self) -> bool:
        """Are used proofs remembered outside of this process?"""
        return inspect.iscoroutinefunction(getattr(self.replays, "record", None))


@dataclass(frozen=True, slots=True)
class MTLS:
    """Accept tokens that are bound to the client's TLS certificate (RFC 8705 3).

    `required`: refuse every token that is not; otherwise they are accepted beside others.
    `format`: how the proxy that ends TLS writes the certificate into a header, and `header`: into which, where the
    format does not settle that. Only the guard's trusted `proxies` are believed; what else is in the request about
    certificates is not looked at. Without a format the certificate is the one that the server itself received.
      "rfc9440"      base64 of the DER between colons; header Client-Cert by default (RFC 9440 2)
      "escaped-pem"  URL-encoded PEM: nginx `$ssl_client_escaped_cert`, AWS ALB X-Amzn-Mtls-Clientcert
      "pem"          PEM, its line breaks left out or made spaces: Apache
      "base64-der"   bare base64 of the DER, of a chain the first: HAProxy `%[ssl_c_der,base64]`, Traefik
      "xfcc"         Envoy; header X-Forwarded-Client-Cert by default

    Only the certificate's hash is compared: its chain and dates are not looked at (RFC 8705 6.2).

    Raises `ConfigurationError` when built.
    """

    _: KW_ONLY
    required: bool = False
    format: CertificateFormat | None = None
    header: str | None = None

    def __post_init__(self) -> None:
        require_flag("MTLS.required", self.required)
        if self.format is None:
            if self.header is not None:
                raise ConfigurationError("MTLS.header needs MTLS.format: how the proxy writes the certificate")
            return
        if self.format not in CERTIFICATE_FORMATS:
            raise ConfigurationError(f"MTLS.format must be one of {', '.join(CERTIFICATE_FORMATS)}")
        header: Any = CERTIFICATE_FORMATS[self.format] if self.header is None else self.header
        if header is None:
            raise ConfigurationError(f'MTLS.format "{self.format}" needs MTLS.header: the proxies\' name for it varies')
        require_field_name("MTLS.header", header)
        object.__setattr__(self, "header", header.lower())
