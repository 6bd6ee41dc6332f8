"""The guard that a framework's settings describe."""

from __future__ import annotations

from typing import Any

import pytest

from tokenguard import TokenGuard
from tokenguard._app_settings import guard_from_settings
from tokenguard.errors import ConfigurationError

ENOUGH = {"AUDIENCE": "https://api.example.com", "ISSUERS": ["https://auth.example.com"]}

#: found by its dotted path
GUARD = TokenGuard(audience="https://api.example.com", issuers=["https://auth.example.com"])
NO_GUARD = "a string"


def test_settings_are_those_of_the_guard_in_upper_case() -> None:
    """What is inside them stays as `TokenGuard.from_mapping` has it."""
    issuer = {"issuer": "https://auth.example.com", "profile": "jwt"}
    guard = guard_from_settings({**ENOUGH, "ISSUERS": [issuer], "LEEWAY": 5, "REALM": "orders"})
    assert guard.issuers == ("https://auth.example.com",)


@pytest.mark.parametrize("given", [GUARD, f"{__name__}.GUARD", f"{__name__}:GUARD"])
def test_a_guard_can_be_given(given: object) -> None:
    """Itself, or by its dotted path."""
    assert guard_from_settings({"GUARD": given}) is GUARD


def test_the_adapters_own_keys_stand_beside() -> None:
    """They are known, and left to the adapter."""
    assert guard_from_settings({"GUARD": GUARD, "PATHS": ["/api"]}, beside=("PATHS",)) is GUARD


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({**ENOUGH, "AUDIANCE": "x"}, "unknown setting TOKENGUARD.AUDIANCE, did you mean TOKENGUARD.AUDIENCE?"),
        ({"audience": "x"}, "unknown setting TOKENGUARD.audience"),
        ({**ENOUGH, 3: "x"}, "unknown setting TOKENGUARD.3"),
        ({**ENOUGH, "PATHS": ["/api"]}, "unknown setting TOKENGUARD.PATHS"),
        ({"AUDIENCE": "x"}, "TOKENGUARD: issuers is required"),
        ({**ENOUGH, "LEEWAY": "30"}, "TOKENGUARD: leeway must be a number"),
        ({**ENOUGH, "GUARD": GUARD}, "TOKENGUARD.GUARD has its own settings: remove AUDIENCE, ISSUERS"),
        ({"GUARD": f"{__name__}.NOWHERE"}, "TOKENGUARD.GUARD: .*NOWHERE can't be imported"),
        ({"GUARD": "no_such_module.guard"}, "TOKENGUARD.GUARD: no_such_module.guard can't be imported"),
        ({"GUARD": ""}, "TOKENGUARD.GUARD:  can't be imported"),
        ({"GUARD": f"{__name__}.NO_GUARD"}, "TOKENGUARD.GUARD must be a TokenGuard"),
        ({"GUARD": 3}, "TOKENGUARD.GUARD must be a TokenGuard"),
        ([], "TOKENGUARD must be a mapping"),
        (None, "TOKENGUARD must be a mapping"),
    ],
)
def test_a_mistake_is_named(settings: Any, complaint: str) -> None:
    """The error says where it stands in the settings."""
    with pytest.raises(ConfigurationError, match=complaint):
        guard_from_settings(settings)
