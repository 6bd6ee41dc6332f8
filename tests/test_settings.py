"""Settings from a mapping and from the environment end as the same guard, or name what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenguard import Issuer, MemoryRevocations, TokenGuard
from tokenguard.errors import ConfigurationError
from tokenguard.settings import arguments_from_environ, arguments_from_mapping
from tokenguard.stores.redis import RedisRevocations
from tokenguard.testing import LocalIssuer

AUDIENCE = "https://api.example.com"
ISSUER = "https://auth.example.com"
BASE: dict[str, Any] = {"audience": AUDIENCE, "issuers": [ISSUER]}


def test_a_mapping_makes_a_working_guard() -> None:
    """Nested mappings become Issuer, KeyPolicy, HTTPSettings and Limits."""
    local = LocalIssuer()
    guard = TokenGuard.from_mapping(
        {
            "audience": [local.audience],
            "issuers": [{"issuer": local.issuer, "jwks": local.jwks, "keys": {"cooldown": 5}}],
            "leeway": 10,
            "http": {"user_agent": "orders-api"},
            "limits": {"token": 4096},
        }
    )
    assert guard.validate(local.mint(sub="alice")).subject == "alice"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (BASE | {"audiences": "x"}, "unknown setting audiences, did you mean audience?"),
        (BASE | {"verify": False}, "unknown setting verify"),
        ({"issuers": [ISSUER]}, "audience is required"),
        ({"audience": AUDIENCE}, "issuers is required"),
        (BASE | {"issuers": ISSUER}, "issuers must be a list"),
        (BASE | {"issuers": [{"issuer": ISSUER, "algs": ["RS256"]}]}, "unknown setting issuers[0].algs"),
        (BASE | {"issuers": [{"profile": "jwt"}]}, "issuers[0].issuer is required"),
        (BASE | {"issuers": [{"issuer": ISSUER, "keys": {"ttl": 5}}]}, "unknown setting issuers[0].keys.ttl"),
        (BASE | {"issuers": [{"issuer": ISSUER, "keys": 5}]}, "issuers[0].keys must be a mapping"),
        (BASE | {"http": {"verify": False}}, "unknown setting http.verify"),
        (BASE | {"limits": {"token": "4096"}}, "Limits.token must be a number"),
        (BASE | {"leeway": 315_360_000}, "leeway must be a number of at least 0 and at most 300"),
        (BASE | {"leeway": True}, "leeway must be a number"),
        (BASE | {"audience": None}, "audience must be a tuple of strings or a string"),
        (BASE | {"form_body": "yes"}, "form_body must be True or False"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    """The error says which setting, by its path in the mapping."""
    with pytest.raises(ConfigurationError) as refused:
        TokenGuard.from_mapping(settings)
    assert named in str(refused.value)


def test_settings_that_are_no_mapping_are_refused() -> None:
    """A list of pairs is not guessed at."""
    with pytest.raises(ConfigurationError, match="must be a mapping"):
        arguments_from_mapping([("audience", AUDIENCE)])  # type: ignore[arg-type]


def test_the_environment_makes_the_same_arguments() -> None:
    """Lists with commas or spaces, numbers, flags, and a JSON array of issuers."""
    arguments = arguments_from_environ(
        {
            "TG_AUDIENCE": "https://a.example.com, https://b.example.com",
            "TG_ISSUERS": '["https://one.example.com", {"issuer": "https://two.example.com", "profile": "jwt"}]',
            "TG_LEEWAY": "5",
            "TG_TOKEN_CACHE": "100",
            "TG_FORM_BODY": "true",
            "TG_USER_AGENT": "orders-api",
            "OTHER": "untouched",
        },
        "TG_",
    )
    assert arguments["audience"] == ["https://a.example.com", "https://b.example.com"]
    one, two = arguments["issuers"]
    assert one == "https://one.example.com"
    assert isinstance(two, Issuer)
    assert (two.issuer, two.profile) == ("https://two.example.com", "jwt")
    assert (arguments["leeway"], arguments["token_cache"], arguments["form_body"]) == (5.0, 100, True)
    assert arguments["http"].user_agent == "orders-api"


def test_a_guard_from_the_environment_lists_its_issuers() -> None:
    """Two issuers with a space between."""
    guard = TokenGuard.from_env(
        {"TOKENGUARD_AUDIENCE": AUDIENCE, "TOKENGUARD_ISSUERS": "https://one.example.com https://two.example.com"}
    )
    assert guard.issuers == ("https://one.example.com", "https://two.example.com")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"TOKENGUARD_AUDIENCE": None}, "TOKENGUARD_AUDIENCE is not set"),
        ({"TOKENGUARD_ISSUERS": None}, "TOKENGUARD_ISSUERS is not set"),
        ({"TOKENGUARD_ISSUERS": "  "}, "TOKENGUARD_ISSUERS is empty"),
        ({"TOKENGUARD_ISSUER": ISSUER}, "unknown setting TOKENGUARD_ISSUER, did you mean TOKENGUARD_ISSUERS?"),
        ({"TOKENGUARD_ISSUERS": "[{"}, "TOKENGUARD_ISSUERS can't be read"),
        ({"TOKENGUARD_LEEWAY": "soon"}, "TOKENGUARD_LEEWAY can't be read: a number"),
        ({"TOKENGUARD_TOKEN_CACHE": "1.5"}, "TOKENGUARD_TOKEN_CACHE can't be read: a whole number"),
        ({"TOKENGUARD_FORM_BODY": "yes"}, "TOKENGUARD_FORM_BODY can't be read: true or false"),
        ({"TOKENGUARD_ISSUERS": "http://auth.example.com"}, "must be https"),
    ],
)
def test_a_wrong_variable_is_named(changed: dict[str, str | None], named: str) -> None:
    """The error says which variable."""
    environ = {"TOKENGUARD_AUDIENCE": AUDIENCE, "TOKENGUARD_ISSUERS": ISSUER} | changed
    with pytest.raises(ConfigurationError) as refused:
        TokenGuard.from_env({name: value for name, value in environ.items() if value is not None})
    assert named in str(refused.value)


def test_a_mapping_may_name_a_provider() -> None:
    """A settings file reaches the presets, and those that make several issuers make several."""
    ids = ["8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "82229342-1101-4ab6-817b-70c0747630f3"]
    entra = {"provider": "entra", "tenant": ids, "client_id": ids[0], "keys": {"cooldown": 5}}
    guard = TokenGuard.from_mapping(BASE | {"issuers": [{"provider": "auth0", "domain": "shop.auth0.com"}, entra]})
    assert guard.issuers == (
        "https://shop.auth0.com/",
        *(f"https://login.microsoftonline.com/{tenant}/v2.0" for tenant in ids),
    )


def test_a_mapping_may_say_where_claims_are() -> None:
    """JSON has no tuples: there a list is several, and a list in it a path."""
    local = LocalIssuer()
    issuer = {"issuer": local.issuer, "jwks": local.jwks, "claims": {"roles": [["realm", "roles"], "groups"]}}
    guard = TokenGuard.from_mapping({"audience": local.audience, "issuers": [issuer]})
    assert guard.validate(local.mint(realm={"roles": ["a"]}, groups=["b"])).roles == {"a", "b"}


@pytest.mark.parametrize(
    ("issuer", "named"),
    [
        ({"provider": "auth1", "domain": "shop.auth0.com"}, "provider must be one of auth0"),
        ({"provider": ["auth0"]}, "provider must be one of auth0"),
        ({"provider": "auth0"}, "domain"),
        ({"provider": "auth0", "domain": "shop.auth0.com", "domian": 1}, "unknown setting domian"),
        ({"provider": "auth0", "domain": "https://shop.auth0.com"}, "auth0: domain"),
        ({"issuer": ISSUER, "claims": {"rolls": "roles"}}, "did you mean issuers[0].claims.roles?"),
    ],
)
def test_what_is_wrong_with_a_provider_is_named(issuer: dict[str, Any], named: str) -> None:
    """The error says which setting, and what would do."""
    with pytest.raises(ConfigurationError) as caught:
        arguments_from_mapping(BASE | {"issuers": [issuer]})
    assert named in str(caught.value)


def test_a_store_of_revocations_from_settings() -> None:
    """Memory by its arguments, Redis by its URL or its arguments; a store that is built is taken as it is."""
    memory = arguments_from_mapping(BASE | {"revocations": {"max_entries": 10}})["revocations"]
    assert isinstance(memory, MemoryRevocations)
    url = "redis://127.0.0.1:1/0"
    for given in (url, {"source": url, "mode": "replica"}):
        assert isinstance(arguments_from_mapping(BASE | {"revocations": given})["revocations"], RedisRevocations)
        text = given if isinstance(given, str) else json.dumps(given)
        environ = {"TG_AUDIENCE": AUDIENCE, "TG_ISSUERS": ISSUER, "TG_REVOCATIONS": text}
        environ["TG_WHEN_REVOCATIONS_UNKNOWN"] = "open"
        arguments = arguments_from_environ(environ, "TG_")
        assert isinstance(arguments["revocations"], RedisRevocations)
        assert arguments["when_revocations_unknown"] == "open"
    assert arguments_from_mapping(BASE | {"revocations": memory})["revocations"] is memory


@pytest.mark.parametrize(
    ("store", "named"),
    [
        ({"max_entries": 0}, "MemoryRevocations.max_entries"),
        ({"entries": 10}, "unknown setting revocations.entries"),
        ({"source": "redis://127.0.0.1:1", "max_lags": 1}, "unknown setting revocations.max_lags"),
        (5, "revocations must be a store"),
    ],
)
def test_a_wrong_store_is_named(store: object, named: str) -> None:
    """As any other setting."""
    with pytest.raises(ConfigurationError) as refused:
        TokenGuard.from_mapping(BASE | {"revocations": store})
    assert named in str(refused.value)


def test_bound_tokens_are_set_up_by_a_mapping() -> None:
    """The parts dpop, mtls and proxies become DPoP, MTLS and TrustedProxies; a URL becomes a store in Redis."""
    arguments = arguments_from_mapping(
        BASE
        | {
            "dpop": {"required": True, "replays": "redis://localhost/0", "base_url": "https://api.example.com"},
            "mtls": {"format": "rfc9440"},
            "proxies": {"networks": ["10.0.0.0/8"], "forwarded": ["forwarded"]},
        }
    )
    assert arguments["dpop"].is_shared
    assert (arguments["dpop"].required, arguments["mtls"].header) == (True, "client-cert")
    assert arguments["proxies"].forwarded == ("forwarded",)
    assert TokenGuard(**arguments).issuers == (ISSUER,)
    assert arguments_from_mapping(BASE | {"dpop": {"replays": {"url": "redis://x", "prefix": "p"}}})["dpop"].is_shared


def test_bound_tokens_are_set_up_by_the_environment() -> None:
    """The same, from variables."""
    arguments = arguments_from_environ(
        {
            "T_AUDIENCE": AUDIENCE,
            "T_ISSUERS": ISSUER,
            "T_DPOP": "required",
            "T_DPOP_NONCES": "always",
            "T_DPOP_NONCE_SECRETS": f"{'a' * 32} {'b' * 32}",
            "T_DPOP_WINDOW": "30",
            "T_DPOP_REPLAYS": "redis://localhost/0",
            "T_MTLS": "accepted",
            "T_MTLS_FORMAT": "xfcc",
            "T_PROXIES_SECRET_HEADER": "X-Proxy",
            "T_PROXIES_SECRETS": "s" * 16,
            "T_PROXIES_HOPS": "2",
            "T_PROXIES_UNIX_SOCKET": "true",
        },
        "T_",
    )
    dpop, mtls, proxies = (arguments[name] for name in ("dpop", "mtls", "proxies"))
    assert (dpop.required, dpop.nonces, dpop.window, dpop.nonce_keys) == (True, "always", 30, (b"a" * 32, b"b" * 32))
    assert (mtls.required, mtls.header, proxies.hops, proxies.unix_socket) == (
        False,
        "x-forwarded-client-cert",
        2,
        True,
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"dpop": True}, "dpop must be a mapping"),
        ({"dpop": {"window": 0}}, "DPoP.window"),
        ({"dpop": {"algs": ["ES256"]}}, "unknown setting dpop.algs"),
        ({"dpop": {"_nonce_keys": []}}, "unknown setting dpop._nonce_keys"),
        ({"dpop": {"replays": "memory"}}, "RedisReplays.url"),
        ({"dpop": {"replays": {"address": "x"}}}, "dpop.replays"),
        ({"mtls": {"header": "X-Cert"}}, "MTLS.header needs MTLS.format"),
        ({"mtls": {"format": "pem"}}, "MTLS.header"),
        ({"mtls": {"format": "x"}}, "MTLS.format"),
        ({"mtls": {"format": "xfcc", "header": "a b"}}, "MTLS.header"),
        ({"mtls": {"format": "xfcc"}}, "MTLS.format needs proxies"),
        ({"proxies": {"networks": "x"}}, "TrustedProxies.networks"),
    ],
)
def test_a_wrong_setting_for_bound_tokens_is_named(settings: dict[str, Any], named: str) -> None:
    """By its path, or by the setting that it lacks."""
    with pytest.raises(ConfigurationError) as refused:
        TokenGuard.from_mapping(BASE | settings)
    assert named in str(refused.value)


@pytest.mark.parametrize("name", ["dpop", "mtls", "proxies"])
def test_parts_are_of_their_kind(name: str) -> None:
    """Nothing that merely looks so."""
    with pytest.raises(ConfigurationError, match=name):
        TokenGuard(**BASE | {name: {}})
