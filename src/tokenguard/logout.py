"""How an issuer tells us that a user has logged out there: settings of `Issuer.logout`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

from tokenguard._checks import require_number, string_tuple
from tokenguard.errors import ConfigurationError

Ends: TypeAlias = Literal["session", "subject"]

_ENDS = ("session", "subject")
_TYPES = frozenset({"logout+jwt", "jwt", "", None})


@dataclass(frozen=True, slots=True)
class BackchannelLogout:
    """Logout tokens that an issuer sends us are believed (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6).

    `client_ids`: the client identifiers under which we, or the applications that use our API, are registered there
    with our address as `backchannel_logout_uri`. Logout tokens are for clients: the API's own name is not among them,
    and every audience of a token must be.

    `ends`: what a logout ends. "session": the tokens of the session that the logout names, or where it names none,
    all that its subject holds by then. An issuer whose access tokens have no session claim (see
    `ClaimNames.session`) would end nothing with that: "subject" ends what the subject holds, of whatever session.

    `algorithms`: what logout tokens are signed with; the client's `id_token_signed_response_alg`, RS256 unless
    registered otherwise. May differ from `Issuer.algorithms`. `types`: accepted values of `typ`, of logout+jwt, jwt
    and "" for an absent one; the first and the last by default, ("logout+jwt",) is the strict form.
    `max_lifetime`: the longest accepted exp - iat, seconds; about two minutes is what the specification has in mind.

    Raises `ConfigurationError` when built.

    >>> BackchannelLogout("orders-web").algorithms
    ('RS256',)
    """

    client_ids: str | tuple[str, ...]
    _: KW_ONLY
    ends: Ends = "session"
    algorithms: tuple[str, ...] = ("RS256",)
    types: Collection[str | None] = frozenset({"logout+jwt", None})
    max_lifetime: float = 120.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "client_ids", string_tuple("BackchannelLogout.client_ids", self.client_ids))
        if self.ends not in _ENDS:
            raise ConfigurationError(f"BackchannelLogout.ends must be one of {', '.join(_ENDS)}")
        names = string_tuple("BackchannelLogout.algorithms", self.algorithms, one_string=False)
        object.__setattr__(self, "algorithms", names)
        object.__setattr__(self, "types", _types(self.types))
        require_number("BackchannelLogout.max_lifetime", self.max_lifetime, low=1)


def _types(value: Any) -> frozenset[str | None]:
    if isinstance(value, str) or not isinstance(value, Collection) or not value or not set(value) <= _TYPES:
        raise ConfigurationError(
            'BackchannelLogout.types must hold some of "logout+jwt", "jwt" and "" (for an absent typ)'
        )
    return frozenset(name or None for name in value)
