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
from tokenguard.logout import BackchannelLogout
from tokenguard.possession import MTLS, DPoP
from tokenguard.proxies import TrustedProxies
from tokenguard.stores import MemoryRevocations

_C = TypeVar("_C")
_PRESETS: dict[str, Callable[..., Issuer | list[Issuer]]] = {
    name: preset for name in providers.__all__ if callable(preset := getattr(providers, name))
}

#: settings that are objects of their own
_PARTS: dict[str, type] = {
    "dpop": DPoP,
    "http": HTTPSettings,
    "limits": Limits,
    "mtls": MTLS,
    "proxies": TrustedProxies,
}
GUARD_SETTINGS = frozenset(
    {
        "audience",
        "clock",
        "dpop",
        "form_body",
        "http",
        "issuers",
        "leeway",
        "limits",
        "monotonic",
        "mtls",
        "proxies",
        "realm",
        "request_id_header",
        "revocations",
        "token_cache",
        "when_revocations_unknown",
    }
)


def arguments_from_mapping(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for `TokenGuard`. Issuers are strings, mappings or `Issuer`; other parts mappings.

    An issuer's mapping has the names of `Issuer`'s settings, or `provider` and the arguments of that preset.
    `replays` of dpop may be the URL of a `RedisReplays`, or a mapping of its settings. The store of revocations is one,
    the URL of a Redis or Valkey, or a mapping: of the arguments of `RedisRevocations` if it has a `source`, else of
    those of `MemoryRevocations`.

    >>> from tokenguard import TokenGuard
    >>> guard = TokenGuard.from_mapping(
    ...     {
    ...         "audience": "https://api.example.com",
    ...         "issuers": [{"issuer": "https://auth.example.com", "profile": "jwt"}],
    ...     }
    ... )
    >>> guard.issuers
    ('https://auth.example.com',)
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
    for name, kind in _PARTS.items():
        if arguments.get(name) is not None:
            given = _dpop(arguments[name]) if name == "dpop" else arguments[name]
            arguments[name] = _built(kind, given, name)
    if isinstance(arguments.get("revocations"), str | Mapping):
        arguments["revocations"] = _store(arguments["revocations"])
    return arguments


def arguments_from_environ(environ: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Keyword arguments for `TokenGuard` from variables that begin with `prefix`.

    AUDIENCE and ISSUERS are lists with commas or spaces between the items; ISSUERS may also be a JSON array, whose
    objects are as in a mapping. LEEWAY and TOKEN_CACHE are numbers, FORM_BODY is true or false,
    REALM, REQUEST_ID_HEADER and WHEN_REVOCATIONS_UNKNOWN text; CA_FILE, PROXY and USER_AGENT are those of
    `HTTPSettings`. REVOCATIONS is a URL, or a JSON object as in a mapping.

    DPOP and MTLS are "accepted" or "required"; DPOP_BASE_URL, DPOP_NONCES, DPOP_NONCE_SECRETS (a list), DPOP_WINDOW
    and DPOP_REPLAYS (the URL of a Redis), MTLS_FORMAT and MTLS_HEADER, PROXIES_NETWORKS and PROXIES_FORWARDED (lists),
    PROXIES_SECRET_HEADER, PROXIES_SECRETS (a list), PROXIES_UNIX_SOCKET and PROXIES_HOPS are settings of `DPoP`,
    `MTLS` and `TrustedProxies`.
    """
    given = {name.removeprefix(prefix): value for name, value in environ.items() if name.startswith(prefix)}
    settings: dict[str, Any] = {}
    for name in known_settings(given, _VARIABLES.keys() | _PART_VARIABLES.keys(), prefix):
        value = given[name].strip()
        if not value:
            raise ConfigurationError(f"{prefix}{name} is empty")
        part, setting, read = _PART_VARIABLES[name] if name in _PART_VARIABLES else ("", "", _VARIABLES[name])
        try:
            if part:
                settings.setdefault(part, {})[setting] = read(value)
            else:
                settings[name.lower()] = read(value)
        except ValueError:
            raise ConfigurationError(f"{prefix}{name} can't be read: {_FORMS[read]}") from None
    for name in ("AUDIENCE", "ISSUERS"):
        if name not in given:
            raise ConfigurationError(f"{prefix}{name} is not set")
    return arguments_from_mapping(settings)


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
    settings = known_settings(given, [field.name for field in fields if field.init], f"{name}.")
    for field in fields:
        if field.init and field.default is field.default_factory is dataclasses.MISSING and field.name not in settings:
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
    if isinstance(settings.get("logout"), Mapping):
        settings["logout"] = _built(BackchannelLogout, settings["logout"], f"{name}.logout")
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


def _dpop(given: object) -> object:
    """`replays` may be a URL, or a mapping of settings, of the store in Redis."""
    replays = given.get("replays") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(replays, str | Mapping):
        return given
    settings: dict[str, Any] = {"url": replays} if isinstance(replays, str) else dict(replays)
    try:
        from tokenguard.stores.redis_replays import RedisReplays  # noqa: PLC0415 - redis is an extra
    except ImportError:
        raise ConfigurationError("dpop.replays needs the package redis: install the extra for it") from None
    try:
        inspect.signature(RedisReplays).bind(**settings)
    except TypeError as cause:
        raise ConfigurationError(f"dpop.replays: {cause}") from None
    return {**given, "replays": RedisReplays(**settings)}


def _store(given: str | Mapping[str, Any]) -> object:
    settings = {"source": given} if isinstance(given, str) else dict(given)
    kind: Callable[..., object] = MemoryRevocations
    if "source" in settings:
        try:
            from tokenguard.stores.redis import RedisRevocations as kind  # noqa: N813, PLC0415 - an extra
        except ModuleNotFoundError:
            raise ConfigurationError(
                "revocations: this store needs its extra: pip install 'tokenguard[redis]'"
            ) from None
    known_settings(settings, inspect.signature(kind).parameters, "revocations.")
    return kind(**settings)


def _list(value: str) -> list[str]:
    return value.replace(",", " ").split()


def _issuers(value: str) -> list[Any]:
    if not value.startswith("["):
        return _list(value)
    parsed: list[Any] = json.loads(value)
    return parsed


def _demand(value: str) -> bool:
    if value.lower() not in {"accepted", "required"}:
        raise ValueError
    return value.lower() == "required"


def _store_named(value: str) -> Any:
    return json.loads(value) if value.startswith("{") else value


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
    "REVOCATIONS": _store_named,
    "TOKEN_CACHE": int,
    "WHEN_REVOCATIONS_UNKNOWN": str,
}
#: variable to the part it belongs to, its name there, and how it is read
_PART_VARIABLES: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "CA_FILE": ("http", "ca_file", str),
    "PROXY": ("http", "proxy", str),
    "USER_AGENT": ("http", "user_agent", str),
    "DPOP": ("dpop", "required", _demand),
    "DPOP_BASE_URL": ("dpop", "base_url", str),
    "DPOP_NONCES": ("dpop", "nonces", str),
    "DPOP_NONCE_SECRETS": ("dpop", "nonce_secrets", _list),
    "DPOP_REPLAYS": ("dpop", "replays", str),
    "DPOP_WINDOW": ("dpop", "window", float),
    "MTLS": ("mtls", "required", _demand),
    "MTLS_FORMAT": ("mtls", "format", str),
    "MTLS_HEADER": ("mtls", "header", str),
    "PROXIES_FORWARDED": ("proxies", "forwarded", _list),
    "PROXIES_HOPS": ("proxies", "hops", int),
    "PROXIES_NETWORKS": ("proxies", "networks", _list),
    "PROXIES_SECRETS": ("proxies", "secrets", _list),
    "PROXIES_SECRET_HEADER": ("proxies", "secret_header", str),
    "PROXIES_UNIX_SOCKET": ("proxies", "unix_socket", _flag),
}
_FORMS: dict[Callable[[str], Any], str] = {
    _demand: "accepted or required",
    _flag: "true or false",
    _issuers: "URLs with commas or spaces between, or a JSON array",
    _store_named: "a URL, or a JSON object",
    float: "a number",
    int: "a whole number",
}
