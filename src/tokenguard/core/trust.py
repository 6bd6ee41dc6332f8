"""Which issuers are trusted, and which of them a token says it is from (RFC 8725 3.8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from tokenguard.config import TENANT_PLACE, Issuer, Limits
from tokenguard.core.algorithms import Verifier
from tokenguard.core.effects import Answers
from tokenguard.core.jws import Header
from tokenguard.core.keys import KeyView
from tokenguard.core.mapped import one_text
from tokenguard.core.model import Verified
from tokenguard.core.nonces import Nonces
from tokenguard.core.revocation import Lookup
from tokenguard.errors import ConfigurationError, InvalidToken, Reason
from tokenguard.possession import MTLS, DPoP
from tokenguard.proxies import TrustedProxies

_V = TypeVar("_V")

#: typ by profile, as `jws.media_type` spells it (RFC 9068 4; RFC 8725 3.11). An allow-list: logout tokens, security
#: events, DPoP proofs, introspection answers and whatever comes next are refused without being listed.
TYPES: dict[str, frozenset[str | None]] = {
    "rfc9068": frozenset({"at+jwt"}),
    "jwt": frozenset({"at+jwt", "jwt", None}),
}
# Only a tenant's id may stand in an issuer's name: nothing that could make another URL of it
_TENANT = re.compile(r"[A-Za-z0-9-]{1,64}")


class Memory(Protocol[_V]):
    """A bounded memory from bytes to something immutable (`runtime/tokencache.py`)."""

    def get(self, key: bytes) -> _V | None:
        """What was remembered, or None."""

    def put(self, key: bytes, value: _V) -> None:
        """Remember, at the cost of the oldest entry when full."""


class SettledHeader(NamedTuple):
    """A header under which a signature has held, with what was found out: the keys it means, in which generation.

    No two issuers share a generation, so the same one also says that the header fits its issuer's rules.
    """

    header: Header
    generation: int
    verifiers: tuple[Verifier, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Trusted:
    """An issuer ready for use: its settings, the names it has for us, its keys; its answers, where it is asked."""

    config: Issuer
    audiences: frozenset[str]
    keys: KeyView
    answers: Answers | None = None

    def __post_init__(self) -> None:
        others = self.audiences.intersection(self.config.claims.other_audiences)
        if others:
            raise ConfigurationError(
                f"the audience {min(others)} names no API at {self.config.issuer} (ClaimNames.other_audiences): "
                "tokens for everything there have it"
            )


class Introspecting(NamedTuple):
    """The issuers that are asked. `by_prefix`: of opaque tokens, longest first. `takes_jwts`: asked about JWTs too."""

    by_prefix: tuple[tuple[bytes, Trusted], ...]
    takes_jwts: bool


class ProofKey(NamedTuple):
    """A key under which a proof's signature has held, and the header, still encoded, in which it came."""

    header: bytes
    verifier: Verifier


@dataclass(frozen=True, slots=True, eq=False)
class Proofs:
    """How DPoP proofs are checked. `keys`: by thumbprint, None where nothing is remembered. `nonces`: None for never.

    `ahead`: seconds by which the client's clock may be ahead of ours; `leeway`: that of the guard, which other workers'
    clocks have.
    `record`: remembers a use at once, as `possession.Replays` says; None where that must be asked for.
    """

    settings: DPoP
    ahead: float
    leeway: float
    keys: Memory[ProofKey] | None
    nonces: Nonces | None
    record: Callable[[bytes, float, float], object] | None


@dataclass(frozen=True, slots=True, eq=False)
class Senders:
    """What confirms senders: None for what is not set up.

    `must_be_bound`: is every token refused that is not bound? `gives_nonces`: do answers carry the next nonce?
    """

    dpop: Proofs | None = None
    mtls: MTLS | None = None
    proxies: TrustedProxies | None = None
    must_be_bound: bool = field(init=False)
    gives_nonces: bool = field(init=False)

    def __post_init__(self) -> None:
        nonces = None if self.dpop is None or self.dpop.nonces is None else self.dpop.settings.nonces
        object.__setattr__(self, "gives_nonces", nonces == "always")
        wanted = (self.dpop is not None and self.dpop.settings.required, self.mtls is not None and self.mtls.required)
        object.__setattr__(self, "must_be_bound", any(wanted))


class Tenants(Protocol):
    """The issuers out of a table, as far as they are remembered (`runtime/tenants.py`)."""

    def recall(self, issuer: str, monotonic: float) -> Trusted | None:
        """The issuer of this name, if it has been looked up and is still believed."""

    def reuse(self, issuer: str, monotonic: float) -> Trusted | None:
        """`recall` for a token that was good before: its issuer is one to keep."""

    def touch(self, issuer: str) -> None:
        """A token of this issuer was good: it is one to keep."""


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """All that the pipeline needs to know of a guard. Never changed: where its issuers do, a new one takes its place.

    `tokens`: verified tokens by BLAKE2b, None where the cache is off. `headers`: by their encoded text; an attacker
    can't fill it. `issuers`: those that are listed. `only`: the issuer, where there is just one and will be no other.
    `algorithms`: those that any issuer may use. `of_many_tenants`: the issuers whose name has a place for the tenant.
    `tenants`: those that are looked up; None where none are.
    `revocations`: how their store is asked. `senders`: what confirms those of bound tokens.
    """

    limits: Limits
    leeway: float
    form_body: bool
    tokens: Memory[Verified] | None
    headers: Memory[SettledHeader]
    revocations: Lookup
    senders: Senders = Senders()
    issuers: Mapping[str, Trusted] = field(default_factory=dict)
    only: Trusted | None = None
    algorithms: frozenset[str] = frozenset()
    introspecting: Introspecting | None = None
    of_many_tenants: tuple[Trusted, ...] = ()
    tenants: Tenants | None = None


def listed_issuer(setup: Setup, claims: Mapping[str, Any]) -> Trusted | None:
    """The issuer in the guard's list that `iss` names, to the code point."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        return None
    trusted = setup.issuers.get(issuer)
    if trusted is None and setup.of_many_tenants:
        trusted = next((each for each in setup.of_many_tenants if issuer == tenants_issuer(each.config, claims)), None)
    return trusted


def find_issuer(setup: Setup, claims: Mapping[str, Any]) -> Trusted:
    """`listed_issuer`, or the refusal; nothing is ever fetched for an unknown one."""
    trusted = listed_issuer(setup, claims)
    if trusted is None:
        raise unknown_issuer(setup)
    return trusted


def unknown_issuer(setup: Setup) -> InvalidToken:
    """The refusal of a token that is from none of the issuers; names only those that are listed."""
    table = "" if setup.tenants is None else "; IssuerResolver.resolve knows none of that name"
    listed = ", ".join(islice(setup.issuers, 10)) or "none is listed"
    return InvalidToken(
        Reason.UNKNOWN_ISSUER, f"iss is none of the configured issuers: {listed} (compared exactly){table}"
    )


def tenants_issuer(config: Issuer, claims: Mapping[str, Any]) -> str | None:
    """The name of an issuer for any tenant with the token's own tenant in its place; None where it has none."""
    tenant = one_text(claims, config.claims.tenant)
    if tenant is None or not _TENANT.fullmatch(tenant):
        return None
    # not interned: nobody may have verified the claims, and in Python 3.12 what is interned stays for ever
    return config.issuer.replace(TENANT_PLACE, tenant)


def configured_for(setup: Setup, issuer: str) -> Issuer | None:
    """The settings that tokens with this `iss` fall under; for any tenant too, whichever it is."""
    for trusted in setup.of_many_tenants:
        before, _, after = trusted.config.issuer.partition(TENANT_PLACE)
        tenant = issuer[len(before) : len(issuer) - len(after)]
        if _TENANT.fullmatch(tenant) and issuer == before + tenant + after:
            return trusted.config
    named = setup.issuers.get(issuer)
    return None if named is None or named in setup.of_many_tenants else named.config


def check_header(header: Header, config: Issuer) -> None:
    """The rules for the header that differ from issuer to issuer."""
    if header.alg not in config.algorithms:
        raise InvalidToken(
            Reason.UNSUPPORTED_ALGORITHM, f"Issuer.algorithms of this issuer: {', '.join(config.algorithms)}"
        )
    # typ must say access token (RFC 9068 4)
    if header.typ not in (TYPES[config.profile] if config.types is None else config.types):
        raise InvalidToken(Reason.WRONG_TYPE, _type_hint(header, config))


def _type_hint(header: Header, config: Issuer) -> str:
    if config.profile == "rfc9068" and header.typ in TYPES["jwt"]:
        sent = "JWT" if header.typ else "absent"
        return f'typ is {sent}; this issuer\'s profile is rfc9068, which wants at+jwt (profile="jwt" would take it)'
    return f"typ is that of another kind of token; this issuer's profile is {config.profile}"
