"""Settings: frozen, keyword-only, checked when built. A wrong one raises `ConfigurationError` naming it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from tokenguard.errors import ConfigurationError

Profile: TypeAlias = Literal["rfc9068", "jwt"]
ClaimCheck: TypeAlias = Callable[[Mapping[str, Any]], bool]

DEFAULT_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
_ML_DSA = (
    ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
    if importlib.util.find_spec("cryptography.hazmat.primitives.asymmetric.mldsa")
    else ()
)
#: every algorithm that can be named; those beyond the default are opt-in
KNOWN_ALGORITHMS = frozenset(
    (*DEFAULT_ALGORITHMS, "RS384", "RS512", "PS384", "PS512", "ES384", "ES512", "ES256K", "Ed448", *_ML_DSA)
)
#: RFC 9068 4 speaks of "a few minutes" at most for clock skew
MAX_LEEWAY = 300
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def _algorithms(value: object) -> tuple[str, ...]:
    names = string_tuple("Issuer.algorithms", value, one_string=False)
    for name in names:
        if name.upper() == "NONE" or name.upper().startswith("HS"):
            raise ConfigurationError(f"Issuer.algorithms: {name} is never accepted (RFC 8725 2.1, 3.2)")
        if name not in KNOWN_ALGORITHMS:
            raise ConfigurationError(f"Issuer.algorithms: {name} is unknown, or not in the installed cryptography")
    return names


def string_tuple(name: str, value: object, *, one_string: bool = True) -> tuple[str, ...]:
    """`value` as a tuple of non-empty strings; a single string is one of them where `one_string` allows it."""
    if isinstance(value, str) and one_string:
        value = (value,)
    if isinstance(value, str) or not isinstance(value, (tuple, list, set, frozenset)):
        raise ConfigurationError(f"{name} must be a tuple of strings" + (" or a string" if one_string else ""))
    if not value or not all(isinstance(item, str) and item for item in value):
        raise ConfigurationError(f"{name} must hold non-empty strings, at least one")
    return tuple(value)


def require_number(name: str, value: object, *, low: float, high: float = math.inf) -> None:
    """A finite number from `low` to `high`, and no boolean."""
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
        upper = "" if high == math.inf else f" and at most {high}"
        raise ConfigurationError(f"{name} must be a number of at least {low}{upper}")


def require_flag(name: str, value: object) -> None:
    """True or False, nothing that merely looks so."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False")


def require_url(name: str, value: object, *, insecure_http: bool) -> None:
    """An https URL with a host and without user information; http only on loopback, unless `insecure_http`."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{name} must be a URL of printable ASCII characters")
    if "@" in value:  # not shown: there may be a password before it
        raise ConfigurationError(f"{name} must be a URL without user information")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{name}: {value} is not a URL") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigurationError(f"{name}: {value} must be an https URL with a host")
    if parts.scheme == "http" and host not in _LOOPBACK_HOSTS and not insecure_http:
        raise ConfigurationError(f"{name}: {value} must be https (insecure_http=True if you must)")


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that hold before anything is decoded or parsed.

    `token`, `header`, `payload`: bytes (of the token as sent; of the decoded parts). `depth`: nesting of JSON.
    `items`: commas in one JSON text, which bounds its members and elements. `containers`: objects and arrays in it;
    many small ones are what costs most to read. `key_id`: characters of a `kid`.
    """

    _: KW_ONLY
    token: int = 16 * 1024
    header: int = 4 * 1024
    payload: int = 12 * 1024
    depth: int = 16
    items: int = 512
    containers: int = 128
    key_id: int = 256

    def __post_init__(self) -> None:
        for name in ("token", "header", "payload", "depth", "items", "containers", "key_id"):
            require_number(f"Limits.{name}", getattr(self, name), low=1)


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How an issuer's keys are fetched and kept. Times in seconds.

    `timeout`: for one refresh as a whole, discovery included. `cooldown`: the least time between the beginnings of
    two fetches, failed ones counted. `max_age`: keys are refreshed in the background after this; a shorter
    `Cache-Control: max-age` is honoured, though never below `cooldown`. `stale_limit`: how long the last good keys
    serve while refreshing fails; after it requests get 503. `max_bytes`, `max_keys`: larger answers are dropped.
    """

    _: KW_ONLY
    timeout: float = 5.0
    cooldown: float = 30.0
    max_age: float = 600.0
    stale_limit: float = 86_400.0
    max_bytes: int = 512 * 1024
    max_keys: int = 100

    def __post_init__(self) -> None:
        for name in ("timeout", "cooldown", "max_age", "stale_limit"):
            require_number(f"KeyPolicy.{name}", getattr(self, name), low=0.001)
        for name in ("max_bytes", "max_keys"):
            require_number(f"KeyPolicy.{name}", getattr(self, name), low=1)
        if not self.cooldown <= self.max_age <= self.stale_limit:
            raise ConfigurationError("KeyPolicy: cooldown <= max_age <= stale_limit must hold")


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """How issuers are reached. Nothing is read from the environment.

    `ca_file`: PEM file of the certificate authorities to trust, in place of the public ones. `proxy`: http or https
    URL of an egress proxy, with user information if it wants that. `user_agent`: what requests call themselves.
    """

    _: KW_ONLY
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    user_agent: str | None = None

    def __post_init__(self) -> None:
        for name in ("ca_file", "proxy", "user_agent"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise ConfigurationError(f"HTTPSettings.{name} must be a non-empty string")
        if self.user_agent is not None and not (self.user_agent.isascii() and self.user_agent.isprintable()):
            raise ConfigurationError("HTTPSettings.user_agent must be of printable ASCII characters")
        if self.proxy is not None and not _is_proxy_url(self.proxy):
            raise ConfigurationError("HTTPSettings.proxy must be an http or https URL with a host")


def _is_proxy_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    is_text = value.isascii() and value.isprintable() and " " not in value
    return is_text and parts.scheme in {"http", "https"} and bool(host)


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """An authorization server whose access tokens are accepted, and the rules for them.

    `issuer`: the issuer identifier, compared with `iss` to the code point (RFC 9068 4).
    `jwks`: a JWK Set; nothing is fetched then. `jwks_uri`: where the JWK Set is; no discovery then. With neither,
    the metadata of the issuer is asked (RFC 8414, then OpenID Connect Discovery).
    `algorithms`: the JWS algorithms accepted. `profile`: "rfc9068" (typ at+jwt, every claim of RFC 9068 2.2), or
    "jwt" for issuers that send plain JWTs; what tells their access tokens from ID tokens is then `separator`:
    a claim name and the value it must have, or None as value for "present". By default one of scope, scp,
    client_id, cid, appid must be there and none of nonce, at_hash, c_hash, s_hash.
    `audience`: this issuer's name (or names) for us, in place of the guard's.
    `max_lifetime`: the longest accepted exp - iat, seconds. `checks`: callables that get the claims of a token
    whose every other check passed, and answer whether it is accepted; a pure function, since its verdict is
    remembered with the token. `keys`: a `KeyPolicy`.
    `insecure_http`: allows http:// URLs beyond loopback: whoever is on the network path can then forge tokens.
    """

    issuer: str
    _: KW_ONLY
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    jwks_uri: str | None = None
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    profile: Profile = "rfc9068"
    separator: Mapping[str, Any] | None = None
    audience: str | tuple[str, ...] | None = None
    max_lifetime: float | None = None
    checks: tuple[ClaimCheck, ...] = ()
    keys: KeyPolicy = KeyPolicy()
    insecure_http: bool = False

    def __post_init__(self) -> None:
        require_flag("Issuer.insecure_http", self.insecure_http)
        require_url("Issuer.issuer", self.issuer, insecure_http=self.insecure_http)
        if "?" in self.issuer or "#" in self.issuer:  # RFC 8414 2
            raise ConfigurationError(f"Issuer.issuer: {self.issuer} must have no query and no fragment")
        if self.jwks is not None and self.jwks_uri is not None:
            raise ConfigurationError("Issuer: give jwks or jwks_uri, not both")
        if self.jwks is not None and not isinstance(self.jwks, Mapping):
            raise ConfigurationError("Issuer.jwks must be a JWK Set, a mapping with a member keys (RFC 7517 5)")
        if self.jwks_uri is not None:
            require_url("Issuer.jwks_uri", self.jwks_uri, insecure_http=self.insecure_http)
        object.__setattr__(self, "algorithms", _algorithms(self.algorithms))
        if self.profile not in ("rfc9068", "jwt"):
            raise ConfigurationError(f'Issuer.profile must be "rfc9068" or "jwt", not {self.profile!r}')
        self._check_separator()
        if self.audience is not None:
            object.__setattr__(self, "audience", string_tuple("Issuer.audience", self.audience))
        if self.max_lifetime is not None:
            require_number("Issuer.max_lifetime", self.max_lifetime, low=1)
        if not isinstance(self.checks, tuple | list) or not all(callable(check) for check in self.checks):
            raise ConfigurationError("Issuer.checks must be a tuple of callables")
        object.__setattr__(self, "checks", tuple(self.checks))
        if not isinstance(self.keys, KeyPolicy):
            raise ConfigurationError("Issuer.keys must be a KeyPolicy")

    def _check_separator(self) -> None:
        if self.separator is None:
            return
        if self.profile != "jwt":
            raise ConfigurationError('Issuer.separator goes with profile="jwt"; RFC 9068 tokens are told by their typ')
        if not isinstance(self.separator, Mapping) or not self.separator:
            raise ConfigurationError("Issuer.separator must be a mapping of claim name to value, not empty")
        if not all(isinstance(name, str) and name for name in self.separator):
            raise ConfigurationError("Issuer.separator: claim names must be non-empty strings")
