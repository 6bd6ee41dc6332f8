"""A guard's settings from a mapping (a settings file, a framework's config) or from environment variables.

Both end as the keyword arguments of `TokenGuard`; an unknown key or a wrong type is a `ConfigurationError` naming it.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from tokenguard import providers
from tokenguard.claim_names import ClaimNames
from tokenguard.config import HTTPSettings, Issuer, KeyPolicy, Limits
from tokenguard.errors import ConfigurationError
from tokenguard.introspection import AUTHENTICATION_METHODS, ClientSecret, Introspection

_C = TypeVar("_C")
_PRESETS: dict[str, Callable[..., Issuer | list[Issuer]]] = {
    name: preset for name in providers.__all__ if callable(preset := getattr(providers, name))
}

GUARD_SETTINGS = frozenset(
    {
        "audience",
        "clock",
        "form_body",
        "http",
        "issuers",
        "leeway",
        "limits",
        "monotonic",
        "realm",
        "request_id_header",
        "token_cache",
    }
)


def arguments_from_mapping(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for `TokenGuard`. Issuers are strings, mappings or `Issuer`; http and limits mappings.

    An issuer's mapping has the names of `Issuer`'s settings, or `provider` and the arguments of that preset.
    """
    arguments = known_settings(settings, GUARD_SETTINGS, "")
    for name in ("audience", "issuers"):
        if name not in arguments:
            raise ConfigurationError(f"{name} is required")
    if isinstance(arguments["issuers"], list | tuple):
        arguments["issuers"] = [
            issuer
            for position, item in enumerate(arguments["issuers"])
            for issuer in (_issuers_of(item, f"issuers[{position}]") if isinstance(item, Mapping) else [item])
        ]
    if "http" in arguments:
        arguments["http"] = _built(HTTPSettings, arguments["http"], "http")
    if "limits" in arguments:
        arguments["limits"] = _built(Limits, arguments["limits"], "limits")
    return arguments


def arguments_from_environ(environ: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Keyword arguments for `TokenGuard` from variables that begin with `prefix`.

    AUDIENCE and ISSUERS are lists with commas or spaces between the items; ISSUERS may also be a JSON array, whose
    objects are as in a mapping. LEEWAY and TOKEN_CACHE are numbers, FORM_BODY is true or false,
    REALM and REQUEST_ID_HEADER text; CA_FILE, PROXY and USER_AGENT are those of `HTTPSettings`.
    """
    given = {name.removeprefix(prefix): value for name, value in environ.items() if name.startswith(prefix)}
    settings: dict[str, Any] = {}
    http: dict[str, str] = {}
    for name in known_settings(given, _VARIABLES.keys() | _HTTP_VARIABLES, prefix):
        value = given[name].strip()
        if not value:
            raise ConfigurationError(f"{prefix}{name} is empty")
        if name in _HTTP_VARIABLES:
            http[name.lower()] = value
            continue
        try:
            settings[name.lower()] = _VARIABLES[name](value)
        except ValueError:
            raise ConfigurationError(f"{prefix}{name} can't be read: {_FORMS[_VARIABLES[name]]}") from None
    for name in ("AUDIENCE", "ISSUERS"):
        if name not in given:
            raise ConfigurationError(f"{prefix}{name} is not set")
    return arguments_from_mapping(settings | ({"http": http} if http else {}))


def known_settings(given: Mapping[str, Any], known: Collection[str], prefix: str) -> dict[str, Any]:
    """A copy of `given`, if every name in it is `known`. `prefix`: what stands before each name, for errors."""
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{prefix or 'the settings'} must be a mapping")
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f", did you mean {prefix}{near[0]}?" if near else f"; known: {', '.join(sorted(known))}"
            raise ConfigurationError(f"unknown setting {prefix}{name}{hint}")
    return dict(given)


def _built(kind: type[_C], given: object, name: str) -> _C:
    """A settings object from a mapping; one that is built already is taken as it is."""
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{name} must be a mapping")
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(kind)  # type: ignore[arg-type]
    settings = known_settings(given, [field.name for field in fields], f"{name}.")
    for field in fields:
        if field.default is field.default_factory is dataclasses.MISSING and field.name not in settings:
            raise ConfigurationError(f"{name}.{field.name} is required")
    return kind(**settings)


def _issuers_of(given: Mapping[str, Any], name: str) -> list[Issuer]:
    """`provider` may name one of `tokenguard.providers`; the rest are then its arguments."""
    if "resolve" in given or "resolver" in given:
        raise ConfigurationError(f"{name}: a function can't be a setting; put an IssuerResolver into issuers, in code")
    settings = _parts_built(given, name)
    if "provider" not in settings:
        return [_built(Issuer, settings, name)]
    provider = settings.pop("provider")
    if not isinstance(provider, str) or provider not in _PRESETS:
        raise ConfigurationError(f"{name}.provider must be one of {', '.join(sorted(_PRESETS))}")
    preset = _PRESETS[provider]
    try:
        inspect.signature(preset).bind(**settings)
    except TypeError as cause:
        raise ConfigurationError(f"{name}: {provider}: {cause}") from None
    made = preset(**settings)
    return made if isinstance(made, list) else [made]


def _parts_built(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    settings = dict(given)
    if "keys" in settings:
        settings["keys"] = _built(KeyPolicy, settings["keys"], f"{name}.keys")
    if "claims" in settings:
        settings["claims"] = _built(ClaimNames, settings["claims"], f"{name}.claims")
    if isinstance(settings.get("introspection"), Mapping):
        settings["introspection"] = _introspection(settings["introspection"], f"{name}.introspection")
    return settings


def _introspection(given: Mapping[str, Any], name: str) -> Introspection:
    """`authentication` may be a mapping, whose `method` says which kind it is."""
    settings = dict(given)
    authentication = settings.get("authentication")
    if isinstance(authentication, Mapping):
        method = authentication.get("method")
        kind = AUTHENTICATION_METHODS.get(method) if isinstance(method, str) else None
        if kind is None:
            raise ConfigurationError(f"{name}.authentication.method must be one of {', '.join(AUTHENTICATION_METHODS)}")
        kept = {key: value for key, value in authentication.items() if key != "method" or kind is ClientSecret}
        settings["authentication"] = _built(kind, kept, f"{name}.authentication")
    return _built(Introspection, settings, name)


def _list(value: str) -> list[str]:
    return value.replace(",", " ").split()


def _issuers(value: str) -> list[Any]:
    if not value.startswith("["):
        return _list(value)
    parsed: list[Any] = json.loads(value)
    return parsed


def _flag(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ValueError
    return value.lower() == "true"


_VARIABLES: dict[str, Callable[[str], Any]] = {
    "AUDIENCE": _list,
    "FORM_BODY": _flag,
    "ISSUERS": _issuers,
    "LEEWAY": float,
    "REALM": str,
    "REQUEST_ID_HEADER": str,
    "TOKEN_CACHE": int,
}
_HTTP_VARIABLES = frozenset({"CA_FILE", "PROXY", "USER_AGENT"})
_FORMS: dict[Callable[[str], Any], str] = {
    _flag: "true or false",
    _issuers: "URLs with commas or spaces between, or a JSON array",
    float: "a number",
    int: "a whole number",
}
