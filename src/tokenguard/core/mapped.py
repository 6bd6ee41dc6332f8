"""What an issuer says under names of its own: the settings of `ClaimNames` applied to claims."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from tokenguard.claim_names import MEMBER_NAMES, ClaimNames, Path, Where, paths
from tokenguard.core.forms import malformed, one_audience, split_scopes
from tokenguard.errors import InvalidToken, Reason

#: where plain JWTs carry the client, by how specific the name is
_CLIENT: tuple[Path, ...] = (("client_id",), ("azp",), ("cid",), ("appid",))
#: where they carry scopes
_SCOPES: tuple[Path, ...] = (("scope",), ("scp",))
_ABSENT = object()


class Mapped(NamedTuple):
    """What is worked out when it is first asked for: most requests ask for none of it."""

    roles: frozenset[str]
    permissions: frozenset[str]
    tenant: str | None
    actor: dict[str, Any] | None
    is_client: bool


def read_mapped(payload: bytes, names: ClaimNames, client_id: str | None) -> Mapped:
    """From the claims of a token whose forms were checked (`check_mapped`)."""
    claims = json.loads(payload)
    return Mapped(
        _all_names(claims, names.roles),
        _all_names(claims, names.permissions),
        one_text(claims, names.tenant),
        _actor(claims),
        _is_client(claims, names, client_id),
    )


def check_mapped(claims: Mapping[str, Any], names: ClaimNames) -> None:
    """Refuse what could not be read later: a role of the wrong form must not be read as none."""
    _all_names(claims, names.roles)
    _all_names(claims, names.permissions)
    one_text(claims, names.tenant)


def client_of(claims: Mapping[str, Any], names: ClaimNames, *, introspected: bool = False) -> str | None:
    """The client, under whichever name."""
    return one_text(claims, _or_standard(names.client, _CLIENT, introspected=introspected))


def scopes_of(claims: Mapping[str, Any], names: ClaimNames, *, introspected: bool = False) -> frozenset[str]:
    """The scopes: a string or an array, under the first name that is there, without the issuer's prefix."""
    path, value = _first(claims, _or_standard(names.scopes, _SCOPES, introspected=introspected))
    if value is _ABSENT:
        return frozenset()
    if isinstance(value, str):
        scopes = split_scopes(value)
    elif _is_list_of_text(value):
        scopes = frozenset(value)
    else:
        raise malformed(f"{_spelled(path)} must be a string of scopes, or an array of strings")
    return _without_prefix(scopes, names.scope_prefix) if names.scope_prefix else scopes


def audience_of(claims: Mapping[str, Any], where: Where) -> tuple[str, ...]:
    """The audience, under the first name that is there: a string, or an array of strings."""
    path, value = _first(claims, where)
    if value is _ABSENT:
        spelled = ", ".join(_spelled(source) for source in paths(where))
        raise InvalidToken(Reason.MISSING_CLAIM, f"the audience is missing (ClaimNames.audience: {spelled})")
    if isinstance(value, str):
        return one_audience(value)
    if not _is_list_of_text(value):
        raise malformed(f"{_spelled(path)} must be a string or an array of strings")
    return tuple(value)


def holds(claims: Mapping[str, Any], name: str, wanted: Any) -> bool:
    """Has the claim this value, one of these (a tuple), or any at all (None)?"""
    if name not in claims:
        return False
    return wanted is None or claims[name] == wanted or (isinstance(wanted, tuple) and claims[name] in wanted)


def _at(claims: Mapping[str, Any], path: Path) -> Any:
    value: Any = claims
    for step in path:
        if step == MEMBER_NAMES and value is not claims:
            objects = value if isinstance(value, list) else [value]
            return [name for each in objects for name in each] if _are_objects(objects) else _ABSENT
        if not isinstance(value, Mapping):
            return _ABSENT
        value = value.get(step, _ABSENT)
    return value


def _first(claims: Mapping[str, Any], where: Where) -> tuple[Path, Any]:
    for path in paths(where):
        value = _at(claims, path)
        if value is not _ABSENT:
            return path, value
    return (), _ABSENT


def _or_standard(where: Where | None, standard: tuple[Path, ...], *, introspected: bool) -> tuple[Path, ...]:
    """The issuer's own names; in an introspection answer the standard's too, which it may keep to (RFC 7662 2.2)."""
    if where is None:
        return standard
    return (*paths(where), *standard) if introspected else paths(where)


def _all_names(claims: Mapping[str, Any], where: Where | None) -> frozenset[str]:
    return frozenset(name for path in paths(where or ()) for name in _names_at(claims, path))


def _names_at(claims: Mapping[str, Any], path: Path) -> Iterator[str]:
    value = _at(claims, path)
    if value is _ABSENT:
        return
    if isinstance(value, str):
        yield value
    elif _is_list_of_text(value):
        yield from value
    else:
        raise malformed(f"{_spelled(path)} must be an array of strings, or a string")


def one_text(claims: Mapping[str, Any], where: Where | None) -> str | None:
    """The string under the first name that is there."""
    if where is None:
        return None
    path, value = _first(claims, where)
    if value is _ABSENT:
        return None
    if not isinstance(value, str) or not value:
        raise malformed(f"{_spelled(path)} must be a non-empty string")
    return value


def _actor(claims: Mapping[str, Any]) -> dict[str, Any] | None:
    """Who acts now; an `act` inside `act` tells who acted before and decides nothing (RFC 8693 4.1)."""
    actor = claims.get("act")
    return None if actor is None else {name: value for name, value in actor.items() if name != "act"}


def _is_client(claims: Mapping[str, Any], names: ClaimNames, client_id: str | None) -> bool:
    """Is there no user behind the token? Where a client chose its id to equal a user's, yes (RFC 9068 5)."""
    subject = claims.get("sub")
    if subject is None:
        return True
    if client_id is not None and subject in (client_id, names.client_subject.replace("{client_id}", client_id)):
        return True
    if any(holds(claims, name, wanted) for name, wanted in names.client_marks.items()):
        return True
    return names.user is not None and _first(claims, names.user)[1] is _ABSENT


@lru_cache(maxsize=1024)
def _without_prefix(scopes: frozenset[str], prefix: str) -> frozenset[str]:
    return frozenset(scope.removeprefix(prefix) for scope in scopes) - {""}


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_objects(values: list[Any]) -> bool:
    return all(isinstance(each, Mapping) for each in values)


def _spelled(path: Path) -> str:
    return " > ".join(path)
