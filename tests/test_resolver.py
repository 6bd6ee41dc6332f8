"""`IssuerResolver`: its settings, and how a guard takes it."""

from __future__ import annotations

from typing import Any

import pytest

from tokenguard import Issuer, IssuerResolver, TokenGuard
from tokenguard.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"resolve": 7}, "resolve"), ({"ttl": 0}, "ttl"), ({"unknown_ttl": -1}, "unknown_ttl"),
     ({"max_issuers": 0}, "max_issuers"), ({"timeout": None}, "timeout"), ({"concurrency": 0}, "concurrency"),
     ({"queue": -1}, "queue"), ({"retry_after": "1"}, "retry_after"), ({"ttl": float("nan")}, "ttl")],
)  # fmt: skip
def test_settings_are_checked_when_built(settings: dict[str, Any], named: str) -> None:
    """And the wrong one is named."""
    with pytest.raises(ConfigurationError, match=rf"IssuerResolver\.{named}"):
        IssuerResolver(**{"resolve": str} | settings)


def test_there_is_one_form_to_give_it() -> None:
    """In the list, once."""
    resolver = IssuerResolver(lambda _issuer: None)
    with pytest.raises(ConfigurationError, match="issuers must be a list"):
        TokenGuard(audience="a", issuers=resolver)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="one IssuerResolver"):
        TokenGuard(audience="a", issuers=[resolver, resolver])


def test_a_settings_file_can_not_hold_a_function() -> None:
    """It says where the function belongs; an object that is built already passes."""
    resolver = IssuerResolver(lambda _issuer: None)
    assert TokenGuard.from_mapping({"audience": "a", "issuers": [resolver]}).issuers == ()
    for name in ("resolve", "resolver"):
        with pytest.raises(ConfigurationError, match=r"issuers\[0\]: .* IssuerResolver into issuers, in code"):
            TokenGuard.from_mapping({"audience": "a", "issuers": [{name: "app.tenants.find"}]})


def test_the_function_and_the_name_are_not_shown() -> None:
    """A repr holds neither."""
    assert "lambda" not in repr(IssuerResolver(lambda _issuer: Issuer("https://auth.test")))
