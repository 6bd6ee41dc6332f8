"""The data that goes in and comes out: `Request`, `Credential`, and the token once verified."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from tokenguard.claim_names import ClaimNames
from tokenguard.core.confirmation import Binding
from tokenguard.core.mapped import Mapped, read_mapped

Text: TypeAlias = str | bytes
Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[Text, Text]]
Form: TypeAlias = bytes | Mapping[str, str] | Iterable[tuple[str, str]]


class Request:
    """What of an HTTP request decides about its access token; adapters build it.

    `method`, `url`: as the client sent them, the URL absolute; put together by `core.target_uri.request_url` where
    its host is out of the header Host, which may hold anything. `headers`: a mapping, or (name, value) pairs where
    a repeated field stands twice; names in any case, text or bytes as on the wire. `form`: the body of an
    application/x-www-form-urlencoded request, raw or as pairs; looked at only where the guard allows tokens there.
    `client_certificate`: DER bytes from the TLS layer. `peer`: address of the immediate peer.
    """

    __slots__ = ("_headers", "client_certificate", "form", "method", "peer", "url")

    def __init__(  # noqa: PLR0917 - positional as pinned
        self,
        method: str,
        url: str,
        headers: Headers,
        client_certificate: bytes | None = None,
        peer: str | None = None,
        form: Form | None = None,
    ) -> None:
        self.method = method
        self.url = url
        # to ask whether it is an instance of a protocol takes 0.4 µs
        if type(headers) is dict or isinstance(headers, Mapping):
            headers = headers.items()
        self._headers: tuple[tuple[Text, Text], ...] = tuple(headers)
        self.client_certificate = client_certificate
        self.peer = peer
        self.form = form

    def header_values(self, name: str) -> list[str]:
        """Every value of a field, in order; `name` in lower case. Bytes are read as Latin-1, like every server does."""
        values = []
        for key, value in self._headers:  # a comprehension would be a call
            if (key if type(key) is str else _text(key)).lower() == name:
                values.append(value if type(value) is str else _text(value))
        return values

    def __repr__(self) -> str:
        return f"Request({self.method!r})"  # URL and headers may hold secrets


def _text(value: Text) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


class Credential(NamedTuple):
    """A presented token. `scheme`: the authentication scheme in its registered spelling; `proofs`: DPoP headers."""

    scheme: str
    token: str
    proofs: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Credential({self.scheme!r})"


#: the generation of what an issuer said when asked: no key stands for it
INTROSPECTED = 0


class Verified(NamedTuple):
    """What a token says that passed every check of the token itself. Shared by all who present it, so immutable.

    `payload`: the claims as the issuer's bytes. `generation`: of the keys under which the signature held. `configured`:
    the issuer as `Issuer` has it, which may be for many tenants with a name each; `names`: where it puts things.
    `session`: the session or family it belongs to. `fingerprint`: what it is revoked by where it has no `id`.
    `hash`: what proofs call it by (`ath`), where that is known already.
    """

    issuer: str
    subject: str | None
    client_id: str | None
    audience: tuple[str, ...]
    scopes: frozenset[str]
    id: str | None
    expires_at: float
    issued_at: float | None
    not_before: float | None
    auth_time: float | None
    acr: str | None
    binding: Binding | None
    payload: bytes
    generation: int
    configured: str
    names: ClaimNames
    session: str | None = None
    fingerprint: str | None = None
    hash: bytes | None = None

    def __repr__(self) -> str:
        return f"Verified(issuer={self.issuer!r}, subject={self.subject!r}, id={self.id!r})"


class AccessToken:
    """A verified access token. Times in epoch seconds; what a profile lets be absent is None.

    Holds the claims, never the token itself. Each request has its own: what a view does to `claims` stays there.
    """

    __slots__ = ("_claims", "_mapped", "_unconfirmed", "_verified")

    def __init__(self, verified: Verified, unconfirmed: bool = False) -> None:
        self._verified = verified
        self._unconfirmed = unconfirmed
        self._claims: dict[str, Any] | None = None

    @property
    def issuer(self) -> str:
        """`iss`: with `subject` it identifies the user or client; the subject alone does not (RFC 8725 3.8)."""
        return self._verified.issuer

    @property
    def subject(self) -> str | None:
        """`sub`; where `is_client` holds it is no user, whatever it looks like (RFC 9068 5)."""
        return self._verified.subject

    @property
    def client_id(self) -> str | None:
        """`client_id`, the OAuth client the token was issued to (RFC 9068 2.2)."""
        return self._verified.client_id

    @property
    def audience(self) -> tuple[str, ...]:
        """`aud`, always as a tuple."""
        return self._verified.audience

    @property
    def scopes(self) -> frozenset[str]:
        """The granted scopes, each a whole, case-sensitive name (RFC 6749 3.3)."""
        return self._verified.scopes

    @property
    def id(self) -> str | None:
        """`jti`."""
        return self._verified.id

    @property
    def expires_at(self) -> float:
        """`exp`; infinity where an issuer that was asked named none (RFC 7662 2.2)."""
        return self._verified.expires_at

    @property
    def issued_at(self) -> float | None:
        """`iat`."""
        return self._verified.issued_at

    @property
    def auth_time(self) -> float | None:
        """`auth_time`: when the user logged in, which may be long before the token was issued (RFC 9068 2.2.1)."""
        return self._verified.auth_time

    @property
    def acr(self) -> str | None:
        """`acr`: how the user logged in (RFC 9068 2.2.1)."""
        return self._verified.acr

    @property
    def is_client(self) -> bool:
        """Does the client act for itself, with no user behind it (RFC 9068 5; `ClaimNames` says how that is told)?"""
        return self._from_names().is_client

    @property
    def actor(self) -> dict[str, Any] | None:
        """`act` without its history: who acts for the subject now, by `sub` and often `iss` (RFC 8693 4.1).

        None where nobody does. What else is in it, as exp or aud, has no meaning for the token.
        """
        actor = self._from_names().actor
        return None if actor is None else dict(actor)

    @property
    def roles(self) -> frozenset[str]:
        """The roles, where `ClaimNames.roles` of the issuer says that they are."""
        return self._from_names().roles

    @property
    def permissions(self) -> frozenset[str]:
        """The permissions, where `ClaimNames.permissions` of the issuer says that they are."""
        return self._from_names().permissions

    @property
    def tenant(self) -> str | None:
        """The tenant or organization, where `ClaimNames.tenant` of the issuer says that it is."""
        return self._from_names().tenant

    @property
    def scope_prefix(self) -> str:
        """What clients put before this issuer's scopes: `ClaimNames.scope_prefix`. Not in `scopes`."""
        return self._verified.names.scope_prefix

    @property
    def session(self) -> str | None:
        """The session, or family of refresh tokens, that it comes from: `sid`, or what `ClaimNames.session` says."""
        return self._verified.session

    @property
    def fingerprint(self) -> str | None:
        """What stands for a token without `id` where it is revoked: a SHA-256, not of its signature."""
        return self._verified.fingerprint

    @property
    def is_unconfirmed(self) -> bool:
        """Was it let in although nobody could tell whether it is revoked (`when_revocations_unknown`)?"""
        return self._unconfirmed

    @property
    def claims(self) -> dict[str, Any]:
        """Every claim, as JSON has it; parsed on first use and the caller's own."""
        if self._claims is None:
            self._claims = json.loads(self._verified.payload)
        return self._claims

    @property
    def confirmation(self) -> dict[str, Any] | None:
        """`cnf`: the key that the sender proved to hold (RFC 7800 3.1); None for a bearer token."""
        return json.loads(self._verified.payload)["cnf"] if self._verified.binding is not None else None

    @property
    def bound_by(self) -> frozenset[str]:
        """How its sender proved to be whom it is bound to: "dpop", "mtls", both; empty for a bearer token."""
        binding = self._verified.binding
        return binding.ways if binding is not None else frozenset()

    def _from_names(self) -> Mapped:
        """Read from the issuer's bytes, not from `claims`, which the caller may have changed."""
        mapped: Mapped | None = getattr(self, "_mapped", None)  # not set when made: every request would pay for it
        if mapped is None:
            verified = self._verified
            mapped = self._mapped = read_mapped(verified.payload, verified.names, verified.client_id)
        return mapped

    def __repr__(self) -> str:
        return f"AccessToken(issuer={self.issuer!r}, subject={self.subject!r}, id={self.id!r})"
