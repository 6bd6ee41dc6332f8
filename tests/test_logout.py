"""The settings for logout tokens are checked when they are written."""

from __future__ import annotations

from typing import Any

import pytest

from tokenguard import BackchannelLogout, Issuer, TokenGuard, providers
from tokenguard.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"client_ids": ()}, "client_ids"),
        ({"ends": "user"}, "ends"),
        ({"algorithms": "RS256"}, "algorithms"),
        ({"types": "logout+jwt"}, "types"),
        ({"types": ("at+jwt",)}, "types"),
        ({"types": ()}, "types"),
        ({"max_lifetime": 0}, "max_lifetime"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    """When it is written, not when the first logout comes."""
    with pytest.raises(ConfigurationError, match=f"BackchannelLogout.{named}"):
        BackchannelLogout(**{"client_ids": "client-1", **settings})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"logout": "client-1"}, "Issuer.logout must be"),
        ({"logout": BackchannelLogout("client-1"), "max_lifetime": None}, "Issuer.max_lifetime"),
        ({"logout": BackchannelLogout("client-1", algorithms=("none",))}, "BackchannelLogout.algorithms"),
        ({"logout": BackchannelLogout("client-1", algorithms=("HS256",))}, "BackchannelLogout.algorithms"),
    ],
)
def test_what_does_not_fit_the_issuer_is_named(settings: dict[str, Any], named: str) -> None:
    """A logout without a horizon, or without a signature worth the name, is a mistake in the settings."""
    with pytest.raises(ConfigurationError, match=named):
        Issuer("https://issuer.test", **{"max_lifetime": 3600, **settings})


def test_it_can_be_configured_in_a_mapping() -> None:
    """As a framework's settings and environment variables do."""
    described = {"issuer": "https://issuer.test", "max_lifetime": 3600, "logout": {"client_ids": "client-1"}}
    assert TokenGuard.from_mapping({"audience": "https://api.example.com", "issuers": [described]})
    with pytest.raises(ConfigurationError, match=r"logout\.client_id"):
        TokenGuard.from_mapping(
            {"audience": "https://api.example.com", "issuers": [described | {"logout": {"client_id": "x"}}]}
        )


def test_a_preset_takes_it_too() -> None:
    """In code and in a mapping."""
    logout = BackchannelLogout("orders-web")
    issuer = providers.keycloak("https://id.example.com", "shop", client="orders", max_lifetime=3600, logout=logout)
    assert issuer.logout is logout
    described: dict[str, Any] = {"provider": "auth0", "domain": "shop.eu.auth0.com", "max_lifetime": 3600}
    described["logout"] = {"client_ids": ["orders-web"], "ends": "subject"}
    assert TokenGuard.from_mapping({"audience": "https://api.example.com", "issuers": [described]}).takes_logouts
