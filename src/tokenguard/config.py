"""Settings: frozen, keyword-only, checked when built. A wrong one raises `ConfigurationError` naming it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from tokenguard._checks import require_flag, require_number, require_url, string_tuple
from tokenguard.claim_names import ClaimNames
from tokenguard.errors import ConfigurationError
from tokenguard.introspection import Introspection
from tokenguard.logout import BackchannelLogout

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
#: where a tenant's id stands in the issuer identifier of an `Issuer` for any tenant
TENANT_PLACE = "{tenantid}"
#: claims that are an ID token's alone (OpenID Connect Core 2, 3.1.3.6, 3.3.2.11)
ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
#: the standards' names
DEFAULT_NAMES = ClaimNames()
#: RFC 9068 4 speaks of "a few minutes" at most for clock skew
MAX_LEEWAY = 300


def algorithm_names(setting: str, value: object) -> tuple[str, ...]:
    """A setting that names signature algorithms: asymmetric ones that are known here."""
    names = string_tuple(setting, value, one_string=False)
    for name in names:
        if name.upper() == "NONE" or name.upper().startswith("HS"):
            raise ConfigurationError(f"{setting}: {name} is never accepted (RFC 8725 2.1, 3.2)")
        if name not in KNOWN_ALGORITHMS:
            raise ConfigurationError(f"{setting}: {name} is unknown, or not in the installed cryptography")
    return names


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that hold before anything is decoded or parsed.

    `token`, `header`, `payload`: bytes (of the token as sent; of the decoded parts). `depth`: nesting of JSON. `items`:
    commas in one JSON text, which bounds its members and elements. `containers`: objects and arrays in it; many small
    ones are what costs most to read. `key_id`: characters of a `kid`. Raises `ConfigurationError` when built.
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
    Raises `ConfigurationError` when built.
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
    Raises `ConfigurationError` when built, or, for a `ca_file` that can't be read, when the guard is.
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

    `issuer`: the issuer identifier, compared with `iss` to the code point (RFC 9068 4). With `{tenantid}` in it, it
    is one for every tenant of a provider: `iss` must then have the token's own tenant (`ClaimNames.tenant`) there,
    whichever that is, so look at `AccessToken.tenant`.
    `jwks`: a JWK Set; nothing is fetched then. `jwks_uri`: where the JWK Set is; no discovery then. With neither,
    the metadata of the issuer is asked (RFC 8414, then OpenID Connect Discovery).
    `algorithms`: the JWS algorithms accepted. `profile`: "rfc9068" (typ at+jwt, every claim of RFC 9068 2.2), or
    "jwt" for issuers that send plain JWTs; what tells their access tokens from ID tokens is then `separator`:
    a claim name and the value it must have, or None as value for "present". By default one of scope, scp,
    client_id, cid, appid must be there and none of nonce, at_hash, c_hash, s_hash. `id_token_claims`: what must not
    be there, in place of those four (or beside a separator). `types`: which values of `typ` that profile accepts, of
    at+jwt, jwt and "" for an absent one; by default all three.
    `claims`: a `ClaimNames`, for issuers that have names of their own for scopes, roles, tenant and the like.
    `audience`: this issuer's name (or names) for us, in place of the guard's.
    `max_lifetime`: the longest accepted exp - iat, seconds. `checks`: callables that get the claims of a token
    whose every other check passed, and answer whether it is accepted; a pure function, since its verdict is
    remembered with the token. `keys`: a `KeyPolicy`. `introspection`: an `Introspection`, to have the issuer asked
    about opaque tokens, or about tokens of routes that want it.
    `logout`: a `BackchannelLogout`, to believe the issuer's logout tokens; needs `max_lifetime`, after which nothing
    that a logout ended is remembered.
    `insecure_http`: allows http:// URLs beyond loopback: whoever is on the network path can then forge tokens.

    Raises `ConfigurationError` when built. Fetches nothing itself.
    """

    issuer: str
    _: KW_ONLY
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    jwks_uri: str | None = None
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    profile: Profile = "rfc9068"
    separator: Mapping[str, Any] | None = None
    id_token_claims: Collection[str] | None = None
    types: Collection[str | None] | None = None
    claims: ClaimNames = DEFAULT_NAMES
    audience: str | tuple[str, ...] | None = None
    max_lifetime: float | None = None
    checks: tuple[ClaimCheck, ...] = ()
    keys: KeyPolicy = KeyPolicy()
    introspection: Introspection | None = None
    logout: BackchannelLogout | None = None
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
        object.__setattr__(self, "algorithms", algorithm_names("Issuer.algorithms", self.algorithms))
        if self.profile not in ("rfc9068", "jwt"):
            raise ConfigurationError(f'Issuer.profile must be "rfc9068" or "jwt", not {self.profile!r}')
        self._check_plain_jwt()
        self._check_tenants()
        if self.audience is not None:
            object.__setattr__(self, "audience", string_tuple("Issuer.audience", self.audience))
        if self.max_lifetime is not None:
            require_number("Issuer.max_lifetime", self.max_lifetime, low=1)
        if not isinstance(self.checks, tuple | list) or not all(callable(check) for check in self.checks):
            raise ConfigurationError("Issuer.checks must be a tuple of callables")
        object.__setattr__(self, "checks", tuple(self.checks))
        if not isinstance(self.keys, KeyPolicy):
            raise ConfigurationError("Issuer.keys must be a KeyPolicy")
        if self.introspection is not None:
            if not isinstance(self.introspection, Introspection):
                raise ConfigurationError("Issuer.introspection must be an Introspection")
            self.introspection.check_endpoint(insecure_http=self.insecure_http)
        if self.logout is not None:
            self._check_logout(self.logout)

    def _check_logout(self, logout: BackchannelLogout) -> None:
        if not isinstance(logout, BackchannelLogout):
            raise ConfigurationError("Issuer.logout must be a BackchannelLogout")
        algorithm_names("BackchannelLogout.algorithms", logout.algorithms)
        if self.max_lifetime is None:
            raise ConfigurationError("Issuer.logout needs Issuer.max_lifetime: how long a logout must be remembered")

    def _check_plain_jwt(self) -> None:
        if not isinstance(self.claims, ClaimNames):
            raise ConfigurationError("Issuer.claims must be a ClaimNames")
        names = {"separator": self.separator, "id_token_claims": self.id_token_claims, "types": self.types}
        renamed = {f"claims.{name}": getattr(self.claims, name) for name in ("scopes", "client", "audience")}
        if self.profile != "jwt":
            for name, value in (names | renamed).items():
                if value is not None:
                    raise ConfigurationError(f'Issuer.{name} goes with profile="jwt"; RFC 9068 settles it otherwise')
        if self.separator is not None:
            if not isinstance(self.separator, Mapping) or not self.separator:
                raise ConfigurationError("Issuer.separator must be a mapping of claim name to value, not empty")
            if not all(isinstance(name, str) and name for name in self.separator):
                raise ConfigurationError("Issuer.separator: claim names must be non-empty strings")
        if self.id_token_claims is not None:
            unwanted = string_tuple("Issuer.id_token_claims", self.id_token_claims, one_string=False)
            object.__setattr__(self, "id_token_claims", frozenset(unwanted))
        if self.types is not None:
            if isinstance(self.types, str) or not self.types or not set(self.types) <= {"at+jwt", "jwt", "", None}:
                raise ConfigurationError('Issuer.types must hold some of "at+jwt", "jwt" and "" (for an absent typ)')
            object.__setattr__(self, "types", frozenset(name or None for name in self.types))

    def _check_tenants(self) -> None:
        if TENANT_PLACE not in self.issuer:
            return
        if self.claims.tenant is None or (self.jwks is None and self.jwks_uri is None):
            raise ConfigurationError(f"Issuer.issuer with {TENANT_PLACE} needs claims.tenant, and jwks_uri or jwks")
        if self.introspection is not None:
            raise ConfigurationError(f"Issuer.issuer with {TENANT_PLACE} can't be asked: Issuer.introspection")
