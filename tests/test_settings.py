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
