"""What a route demands of a verified token: scopes, issuers, how and when the user logged in.

>>> str(all_of("orders:read", any_of("eu", "us")))
'orders:read eu'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from tokenguard._checks import require_flag, require_number, string_tuple
from tokenguard.core.model import AccessToken
from tokenguard.core.revocation import WhenUnknown, require_when_unknown
from tokenguard.errors import (
    ConfigurationError,
    Denied,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidToken,
    Reason,
    Unavailable,
)

# scope-token of RFC 6749 3.3, the characters that RFC 6750 3 allows in a challenge
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


class _ScopeExpression:
    """Scopes combined; `str()` of it names scopes that satisfy it, for the challenge."""

    __slots__ = ("parts",)

    def __init__(self, *parts: str | _ScopeExpression) -> None:
        for part in parts:
            if isinstance(part, _ScopeExpression):
                continue
            if not isinstance(part, str) or not _SCOPE.fullmatch(part):
                raise ConfigurationError(f"{part!r} is not one scope: no spaces, quotes or backslashes (RFC 6749 3.3)")
        self.parts = parts

    def is_met(self, granted: Set[str]) -> bool:
        """Do the granted scopes suffice? Whole names, case-sensitive."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _ScopeExpression) and other.parts == self.parts

    def __hash__(self) -> int:
        return hash((type(self), self.parts))


class AllOf(_ScopeExpression):
    """Every part is needed."""

    __slots__ = ("_expressions", "_names")

    def __init__(self, *parts: str | _ScopeExpression) -> None:
        super().__init__(*parts)
        self._names = frozenset(part for part in parts if isinstance(part, str))
        self._expressions = tuple(part for part in parts if isinstance(part, _ScopeExpression))

    @property
    def names(self) -> frozenset[str] | None:
        """The scopes, where all of them are plain names."""
        return None if self._expressions else self._names

    def is_met(self, granted: Set[str]) -> bool:
        if not self._names <= granted:
            return False
        return not self._expressions or all(expression.is_met(granted) for expression in self._expressions)

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(" ".join(str(part) for part in self.parts).split()))

    def __repr__(self) -> str:
        return f"all_of({', '.join(map(repr, self.parts))})"


class AnyOf(_ScopeExpression):
    """One part is enough; the challenge names the first."""

    __slots__ = ()

    def __init__(self, *parts: str | _ScopeExpression) -> None:
        if not parts:
            raise ConfigurationError("any_of() of nothing can never be met")
        super().__init__(*parts)

    def is_met(self, granted: Set[str]) -> bool:
        return any(part in granted if isinstance(part, str) else part.is_met(granted) for part in self.parts)

    def __str__(self) -> str:
        return str(self.parts[0])

    def __repr__(self) -> str:
        return f"any_of({', '.join(map(repr, self.parts))})"


#: what may be given as scopes: one scope, an iterable of which all are needed, `all_of(...)` or `any_of(...)`
Scopes: TypeAlias = str | Iterable[str] | AllOf | AnyOf


def all_of(*parts: str | AllOf | AnyOf) -> AllOf:
    """All of these scopes; parts may be `any_of(...)`."""
    return AllOf(*parts)


def any_of(*parts: str | AllOf | AnyOf) -> AnyOf:
    """One of these scopes; parts may be `all_of(...)`. Write the one to name in the challenge first."""
    return AnyOf(*parts)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route demands.

    `scopes`: see `Scopes`. `issuers`: issuer identifiers of which the token must be from one. `acr_values`: one of
    these as `acr`, in order of preference; `max_age`: seconds since the user logged in, at most (RFC 9470 3).
    `live`: the token must be asked about now, at its issuer (`Issuer.introspection`), at a store of revocations that
    can be asked, or at both, as the guard has them; needs `check` or `acheck`, and a guard that can ask one of them.
    `bound_by`: the token must be bound to its sender in one of these ways: "dpop", "mtls" (RFC 9449, RFC 8705).
    `when_revocations_unknown`: in place of the guard's, where nobody can tell whether the token is revoked.
    """

    scopes: Scopes | None = None
    _: KW_ONLY
    issuers: Iterable[str] | None = None
    live: bool = False
    acr_values: Iterable[str] = ()
    max_age: int | None = None
    bound_by: str | Iterable[str] = ()
    when_revocations_unknown: WhenUnknown | None = None
    #: the scopes it demands, where they are plain names and it demands nothing else; None where there is more to it
    plain: frozenset[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.scopes is not None:
            object.__setattr__(self, "scopes", _expression(self.scopes))
        if self.issuers is not None:
            object.__setattr__(self, "issuers", string_tuple("Requirement.issuers", self.issuers, one_string=False))
        require_flag("Requirement.live", self.live)
        if self.acr_values != ():
            values = string_tuple("Requirement.acr_values", self.acr_values, one_string=False)
            if not all(_SCOPE.fullmatch(value) for value in values):
                raise ConfigurationError("Requirement.acr_values: no spaces, quotes or backslashes (RFC 9470 3)")
            object.__setattr__(self, "acr_values", values)
        if self.max_age is not None:
            if not isinstance(self.max_age, int):
                raise ConfigurationError("Requirement.max_age must be whole seconds (RFC 9470 3)")
            require_number("Requirement.max_age", self.max_age, low=0)
        if self.bound_by != ():
            ways = string_tuple("Requirement.bound_by", self.bound_by)
            if not {"dpop", "mtls"}.issuperset(ways):
                raise ConfigurationError('Requirement.bound_by must hold some of "dpop" and "mtls"')
            object.__setattr__(self, "bound_by", ways)
        if self.when_revocations_unknown is not None:
            require_when_unknown("Requirement.when_revocations_unknown", self.when_revocations_unknown)
        object.__setattr__(self, "plain", self._plain_scopes())

    def _plain_scopes(self) -> frozenset[str] | None:
        if self.issuers is not None or self.live or self.acr_values or self.max_age is not None or self.bound_by:
            return None
        if self.scopes is None:
            return frozenset()
        return self.scopes.names if isinstance(self.scopes, AllOf) else None

    @property
    def scope(self) -> str | None:
        """Scopes that suffice, as a challenge names them; None where none are demanded."""
        return str(self.scopes) or None if self.scopes is not None else None


ANY_TOKEN = Requirement()


def requirement_of(wanted: Scopes | Requirement | None) -> Requirement:
    """What a route asks for, as a requirement; None asks for any token."""
    if type(wanted) is list or isinstance(wanted, set):
        wanted = tuple(wanted)  # first, since FastAPI asks with a list on every request
    elif wanted is None:
        return ANY_TOKEN
    elif isinstance(wanted, Requirement):
        return wanted
    try:
        return _requirement(wanted)  # type: ignore[arg-type] # what can't be hashed raises TypeError
    except TypeError:
        return Requirement(wanted)  # what can't be hashed is no scope either, and this says so


@lru_cache(maxsize=1024)
def _requirement(scopes: Scopes) -> Requirement:
    return Requirement(scopes)


def one_of(scopes: Scopes | None, requirement: Requirement | None) -> Requirement:
    """The requirement that one of two arguments says."""
    if requirement is None:
        return requirement_of(scopes)
    if scopes is not None:
        raise ConfigurationError("give scopes or a requirement, not both")
    return requirement if isinstance(requirement, Requirement) else requirement_of(requirement)


def _expression(scopes: Scopes) -> AllOf | AnyOf:
    if isinstance(scopes, AllOf | AnyOf):
        return scopes
    if isinstance(scopes, str):
        return AllOf(scopes)
    try:
        return AllOf(*scopes)
    except TypeError:
        raise ConfigurationError("scopes must be a scope, an iterable of scopes, all_of(...) or any_of(...)") from None


def is_plainly_met(token: AccessToken, requirement: Requirement) -> bool:
    """Does the token meet a requirement that demands no more than scopes, as most do? False: ask `authorize`."""
    names = requirement.plain
    return names is not None and names <= token._verified.scopes and not token._unconfirmed  # noqa: SLF001 - hot path


def authorize(
    token: AccessToken,
    requirement: Requirement,
    now: float,
    leeway: float,
    when_unknown: WhenUnknown = "closed",
    *,
    confirmed: bool = False,
) -> None:
    """Raises unless the token meets the requirement. `now` in epoch seconds. `confirmed`: it was asked about live.

    `when_unknown`: the guard's policy for tokens of which nobody could tell whether they are revoked.
    """
    try:
        if requirement.issuers is not None and token.issuer not in requirement.issuers:
            raise InvalidToken(Reason.ISSUER_NOT_ALLOWED, f"Requirement.issuers: {', '.join(requirement.issuers)}")
        if requirement.bound_by and token.bound_by.isdisjoint(requirement.bound_by):
            raise InvalidToken(Reason.BINDING_REQUIRED, f"Requirement.bound_by: {', '.join(requirement.bound_by)}")
        if requirement.live and not confirmed:
            raise Unavailable(
                Reason.LIVE_CHECK_UNAVAILABLE, "Requirement(live=True): authorize() asks nobody; use check or acheck"
            )
        # it was let in by another policy than this route's: that of the guard, or of another route
        if token.is_unconfirmed and (requirement.when_revocations_unknown or when_unknown) != "open":
            raise Unavailable(
                Reason.REVOCATIONS_UNAVAILABLE,
                "whether it is revoked could not be told (see when_revocations_unknown)",
            )
        if requirement.acr_values or requirement.max_age is not None:
            _check_authentication(token, requirement, now, leeway)
        scopes: Any = requirement.scopes
        if scopes is not None and not scopes.is_met(token.scopes):
            _check_prefixed(token, requirement, scopes)
    except (Denied, Unavailable) as refusal:
        refer_to(token, refusal)
        raise


def refer_to(token: AccessToken, refusal: Denied | Unavailable) -> None:
    """Say, for the log and in the challenge, which verified token a refusal is about."""
    refusal.concerns(token.issuer, token.client_id, token.id)
    if isinstance(refusal, Denied) and "dpop" in token.bound_by:
        refusal.schemes = ("DPoP",)  # such a token came with no other


def _check_authentication(token: AccessToken, requirement: Requirement, now: float, leeway: float) -> None:
    # a missing claim counts as not met (RFC 9470 6.1); no order among acr values is assumed
    wanted = tuple(requirement.acr_values)
    acr_met = not wanted or token.acr in wanted
    age_met = requirement.max_age is None or (
        token.auth_time is not None and now - token.auth_time <= requirement.max_age + leeway
    )
    if acr_met and age_met:
        return
    error = InsufficientAuthentication(
        Reason.INSUFFICIENT_AUTHENTICATION, "acr or auth_time do not meet Requirement.acr_values or max_age"
    )
    error.acr_values = wanted
    error.max_age = requirement.max_age
    error.scope = requirement.scope
    raise error


def _check_prefixed(token: AccessToken, requirement: Requirement, scopes: AllOf | AnyOf) -> None:
    # clients and challenges may name scopes with the issuer's prefix, which tokens and `scopes` are without
    prefix = token.scope_prefix
    if prefix and scopes.is_met(token.scopes | {prefix + scope for scope in token.scopes}):
        return
    error = InsufficientScope(Reason.INSUFFICIENT_SCOPE, f"the route demands {scopes!r}")
    error.scope = requirement.scope
    raise error
