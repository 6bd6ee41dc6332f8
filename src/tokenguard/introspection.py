"""Settings of token introspection (RFC 7662): when an issuer is asked about a token, and who we say we are."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias

from tokenguard._checks import require_flag, require_number, require_url, string_tuple
from tokenguard.errors import ConfigurationError

Mode: TypeAlias = Literal["both", "opaque", "every", "live"]
_MODES = ("both", "opaque", "every", "live")


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """We authenticate with a client id and secret (RFC 6749 2.3.1).

    `method`: "client_secret_basic", or "client_secret_post" for servers that want both in the body.
    `form_encode`: whether Basic sends both form-encoded, as RFC 6749 2.3.1 says; some servers never decode them.
    """

    client_id: str
    client_secret: str = field(repr=False)
    _: KW_ONLY
    method: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    form_encode: bool = True

    def __post_init__(self) -> None:
        string_tuple("ClientSecret.client_id", self.client_id)
        string_tuple("ClientSecret.client_secret", self.client_secret)
        require_flag("ClientSecret.form_encode", self.form_encode)
        if self.method not in {"client_secret_basic", "client_secret_post"}:
            raise ConfigurationError('ClientSecret.method must be "client_secret_basic" or "client_secret_post"')
        if self.method == "client_secret_basic" and not self.form_encode and ":" in self.client_id:  # RFC 7617 2
            raise ConfigurationError("ClientSecret.client_id has a colon, which Basic needs form_encode=True for")


@dataclass(frozen=True, slots=True)
class PrivateKeyJWT:
    """We authenticate with a JWT that our key signs (RFC 7523 2.2, OpenID Connect Core 9).

    `key`: the private key as PEM. `algorithm`: asymmetric, and of the key's type. `key_id`: the `kid` under which the
    issuer knows the key. `audience`: whom the JWT is for, the issuer identifier by default.
    """

    client_id: str
    key: str | bytes = field(repr=False)
    _: KW_ONLY
    algorithm: str = "RS256"
    key_id: str | None = None
    audience: str | None = None

    def __post_init__(self) -> None:
        string_tuple("PrivateKeyJWT.client_id", self.client_id)
        if not isinstance(self.key, str | bytes):
            raise ConfigurationError("PrivateKeyJWT.key must be a private key as PEM")
        for name in ("algorithm", "key_id", "audience"):
            if getattr(self, name) is not None:
                string_tuple(f"PrivateKeyJWT.{name}", getattr(self, name))


@dataclass(frozen=True, slots=True)
class MutualTLS:
    """We authenticate with a TLS client certificate (RFC 8705 2).

    `certificate`, `key`: PEM files; the certificate's may hold the key. The metadata's `mtls_endpoint_aliases` are
    preferred to its other endpoints (RFC 8705 5).
    """

    client_id: str
    certificate: str
    key: str | None = None

    def __post_init__(self) -> None:
        string_tuple("MutualTLS.client_id", self.client_id)
        string_tuple("MutualTLS.certificate", self.certificate)
        if self.key is not None:
            string_tuple("MutualTLS.key", self.key)
        try:
            ssl.create_default_context().load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError):
            raise ConfigurationError("MutualTLS.certificate and key: not a readable certificate and its key") from None


@dataclass(frozen=True, slots=True)
class BearerToken:
    """We authenticate with an access token of our own (RFC 7662 2.1).

    `token`: a callable, sync or async, that answers it; called for every question, on the guard's I/O thread, so it
    should answer from memory and must not block.
    """

    token: Callable[[], str | Awaitable[str]] = field(repr=False)

    def __post_init__(self) -> None:
        if not callable(self.token):
            raise ConfigurationError("BearerToken.token must be a callable that answers a token")


Authentication: TypeAlias = ClientSecret | PrivateKeyJWT | MutualTLS | BearerToken


@dataclass(frozen=True, slots=True)
class Introspection:
    """An issuer that is asked about tokens (RFC 7662). Times in seconds.

    `authentication`: a `ClientSecret`, `PrivateKeyJWT`, `MutualTLS` or `BearerToken`. `endpoint`: a URL; without it
    the metadata's `introspection_endpoint`.

    `mode`, which tokens are asked about: "both": opaque ones, while JWTs are checked locally; "opaque": opaque ones,
    and JWTs are refused; "every": JWTs too, and none is checked locally; "live": only what `Requirement(live=True)`
    wants asked. Whatever the mode but "opaque", live routes ask about JWTs as well, after the local check.
    `prefix`: with several introspecting issuers, how this one's opaque tokens begin; no token is tried at two issuers.

    `signed`: demand answers as signed JWTs (RFC 9701), and refuse plain ones. Encrypted ones can't be read: register
    this client without introspection_encrypted_response_alg. `without_audience`: believe answers
    that name no audience; the issuer itself must then call tokens that are not for us inactive.

    `cache`: how long an active answer is remembered, though never past `exp`: a revoked token is let in for as long.
    `negative_cache`: the same for refusals, and never longer than `cache`. 0 is off. `cache_size`: answers of either
    kind remembered. `max_bytes`: longer answers are dropped.
    `timeout`: for one question as a whole, with retries and waiting for its turn. `concurrency`: questions on their
    way at a time; `queue`: further ones that may wait; beyond that requests get 503.
    `failures`: after so many in a row the issuer isn't asked for `cooldown`; then one question tries it. A failure is
    that the issuer can't be reached, answers with an error or too late; an answer that can't be read, or 400, is 503
    for its one token alone.

    An active refresh token is refused if the answer says what it is: token_type, or token_use or typ as widespread
    servers have them. Where it does not, nobody can tell (RFC 7662 has no member for it): ask your issuer's
    documentation, and use mode "live" if its access tokens are all JWTs.

    Raises `ConfigurationError` when built.
    """

    authentication: Authentication
    _: KW_ONLY
    endpoint: str | None = None
    mode: Mode = "both"
    prefix: str = ""
    signed: bool = False
    without_audience: bool = False
    cache: float = 60.0
    negative_cache: float = 10.0
    cache_size: int = 10_000
    timeout: float = 5.0
    concurrency: int = 32
    queue: int = 1_000
    failures: int = 5
    cooldown: float = 10.0
    max_bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        if not isinstance(self.authentication, ClientSecret | PrivateKeyJWT | MutualTLS | BearerToken):
            raise ConfigurationError(
                "Introspection.authentication must be a ClientSecret, PrivateKeyJWT, MutualTLS or BearerToken"
            )
        if self.mode not in _MODES:
            raise ConfigurationError(f"Introspection.mode must be one of {', '.join(_MODES)}")
        if not isinstance(self.prefix, str) or not self.prefix.isascii():
            raise ConfigurationError("Introspection.prefix must be the ASCII characters that opaque tokens begin with")
        for name in ("signed", "without_audience"):
            require_flag(f"Introspection.{name}", getattr(self, name))
        for name in ("cache", "negative_cache", "queue"):
            require_number(f"Introspection.{name}", getattr(self, name), low=0)
        for name in ("cache_size", "concurrency", "failures", "max_bytes"):
            require_number(f"Introspection.{name}", getattr(self, name), low=1)
        for name in ("timeout", "cooldown"):
            require_number(f"Introspection.{name}", getattr(self, name), low=0.001)

    @property
    def client_id(self) -> str | None:
        """Who we are at the issuer, where the authentication says so."""
        return None if isinstance(self.authentication, BearerToken) else self.authentication.client_id

    @property
    def needs_keys(self) -> bool:
        """Must the issuer's keys be at hand: for JWTs that are checked locally, or for signed answers?"""
        return self.signed or self.mode in {"both", "live"}

    def check_endpoint(self, *, insecure_http: bool) -> None:
        """Is `endpoint` one that may be sent tokens? The issuer that this belongs to knows whether http will do."""
        if self.endpoint is not None:
            require_url("Introspection.endpoint", self.endpoint, insecure_http=insecure_http)


#: by the name that RFC 7591 2 and RFC 8705 2 give to each, for settings files
AUTHENTICATION_METHODS: dict[str, Any] = {
    "client_secret_basic": ClientSecret,
    "client_secret_post": ClientSecret,
    "private_key_jwt": PrivateKeyJWT,
    "tls_client_auth": MutualTLS,
    "self_signed_tls_client_auth": MutualTLS,
}
