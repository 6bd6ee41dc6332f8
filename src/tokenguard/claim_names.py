"""`ClaimNames`: under which names an issuer says what the standards leave open, or what it says its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeAlias, cast

from tokenguard._checks import string_tuple
from tokenguard.errors import ConfigurationError

#: the way to a claim: the names to go through, from the top
Path: TypeAlias = tuple[str, ...]
#: a string is one name, whatever is in it (dots and URLs too); a tuple is a path; a list is several of either
Where: TypeAlias = str | tuple[str, ...] | list[str | tuple[str, ...]] | tuple[Path, ...]

#: as the last step of a path: the names of members, where they are what is meant
MEMBER_NAMES = "*"

_SOURCES = ("scopes", "client", "audience", "tenant", "roles", "permissions", "session", "user")


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Where an issuer puts things. Each setting is a name, a path, or a list of names and paths.

    A name is a string, `"https://example.com/roles"`; a path is a tuple, `("realm_access", "roles")`, whose last
    step may be `"*"` for the names of the members of an object, or of all objects in an array. After the settings
    are made each is a tuple of paths.

    The first that is there counts for `scopes` (a string of scopes, or an array of them; by default scope, then
    scp), `client` (by default client_id, azp, cid, appid), `audience` (by default aud), `tenant`, and `session`: the
    session, or family of refresh tokens, that the token comes from and can be revoked with (by default sid). The first
    three are for `profile="jwt"`: RFC 9068 fixes their names. In an introspection answer the standard's names count
    too, where an issuer's own are not there (RFC 7662 2.2).
    All that are there count for `roles` and `permissions` (an array of strings, or one string as a whole).

    `scope_prefix`: what scopes begin with towards clients, as `api://app/`: taken off the token's scopes, and
    routes may name a scope with it or without. `other_audiences`: values of the audience that name no API of ours.
    A client acts for itself where the subject is missing, is the client's id, or is `client_subject` with the id in
    the place of `{client_id}`; where one of `client_marks` holds (claim name to value, None for "present"); and
    where none of `user` is there, if that is set.

    Raises `ConfigurationError` when built.

    >>> ClaimNames(roles=["groups", ("realm_access", "roles")]).roles
    (('groups',), ('realm_access', 'roles'))
    """

    _: KW_ONLY
    scopes: Where | None = None
    client: Where | None = None
    audience: Where | None = None
    tenant: Where | None = None
    roles: Where | None = None
    permissions: Where | None = None
    session: Where | None = None
    scope_prefix: str = ""
    other_audiences: tuple[str, ...] = ()
    client_subject: str = "{client_id}"
    client_marks: Mapping[str, Any] = field(default_factory=dict)
    user: Where | None = None

    def __post_init__(self) -> None:
        for name in _SOURCES:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _paths(f"ClaimNames.{name}", value))
        if not isinstance(self.scope_prefix, str):
            raise ConfigurationError("ClaimNames.scope_prefix must be a string")
        if self.other_audiences:
            object.__setattr__(
                self, "other_audiences", string_tuple("ClaimNames.other_audiences", self.other_audiences)
            )
        if not isinstance(self.client_subject, str) or "{client_id}" not in self.client_subject:
            raise ConfigurationError("ClaimNames.client_subject must be a string with {client_id} in it")
        if not isinstance(self.client_marks, Mapping) or not all(
            isinstance(name, str) and name for name in self.client_marks
        ):
            raise ConfigurationError("ClaimNames.client_marks must be a mapping of claim name to value")


def paths(where: Where) -> tuple[Path, ...]:
    """A setting of `ClaimNames` as what it has become."""
    return cast("tuple[Path, ...]", where)


def _paths(name: str, value: object) -> tuple[Path, ...]:
    several = isinstance(value, list) or (isinstance(value, tuple) and any(isinstance(item, tuple) for item in value))
    items = list(value) if several else [value]  # type: ignore[call-overload]
    if not items:
        raise ConfigurationError(f"{name} must name a claim")
    return tuple(_path(name, item) for item in items)


def _path(name: str, value: object) -> Path:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, tuple | list) or not value or not all(isinstance(step, str) and step for step in value):
        raise ConfigurationError(
            f"{name} must be a name (a string), a path (a tuple of strings), or a list of names and paths"
        )
    return tuple(value)
