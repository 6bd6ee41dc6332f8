"""What a route demands is understood, or refused where it is written; never lost."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.support import NOW, guard_for, local_issuer

from tokenguard import Requirement, any_of
from tokenguard.core.requirements import requirement_of
from tokenguard.errors import ConfigurationError, InsufficientAuthentication, Reason, Unavailable

LEEWAY = 30


@pytest.mark.parametrize("wanted", [["a", "b"], ("a", "b"), iter(["a", "b"]), map(str, ["a", "b"])])
def test_an_iterable_means_all_of_it(wanted: Any) -> None:
    """One that can be read only once, too."""
    requirement = requirement_of(wanted)
    assert requirement.scope == "a b"


@pytest.mark.parametrize("wanted", [map(str.split, ["admin root"]), [["admin"]], 5, [1], "a b", ["a b"], [""]])
def test_what_is_no_scope_is_refused(wanted: Any) -> None:
    """Rather than read as nothing demanded."""
    with pytest.raises(ConfigurationError):
        requirement_of(wanted)


@pytest.mark.parametrize("acr_values", [None, "", "gold", [1], ["two words"]])
def test_acr_values_are_a_tuple_of_names(acr_values: Any) -> None:
    """None of them is read as "none demanded" by mistake."""
    with pytest.raises(ConfigurationError, match=r"Requirement\.acr_values"):
        Requirement(acr_values=acr_values)


def test_a_requirement_stays_what_it_is() -> None:
    """And nothing asks for any token."""
    requirement = Requirement(any_of("a", "b"))
    assert requirement_of(requirement) is requirement
    assert requirement_of(None) == Requirement()


@pytest.mark.parametrize(
    ("claims", "is_met"),
    [
        ({"acr": "gold", "auth_time": NOW - 60}, True),
        ({"acr": "silver", "auth_time": NOW - 60 - LEEWAY}, True),
        ({"acr": "gold", "auth_time": NOW - 61 - LEEWAY}, False),
        ({"acr": "gold"}, False),
        ({"acr": "bronze", "auth_time": NOW}, False),
        ({"acr": "Gold", "auth_time": NOW}, False),
        ({"auth_time": NOW}, False),
        ({}, False),
    ],
)
def test_a_login_must_be_as_strong_and_as_recent_as_demanded(claims: dict[str, Any], is_met: bool) -> None:
    """Both, if both are demanded; what the token does not say counts as not met (RFC 9470 6.1)."""
    issuer = local_issuer()
    guard = guard_for(issuer, leeway=LEEWAY)
    token = guard.validate(issuer.mint(**claims))
    wanted = Requirement(acr_values=["gold", "silver"], max_age=60)
    if is_met:
        guard.authorize(token, wanted)
        return
    with pytest.raises(InsufficientAuthentication) as refusal:
        guard.authorize(token, wanted)
    assert (refusal.value.acr_values, refusal.value.max_age) == (("gold", "silver"), 60)


def test_a_live_route_is_met_by_nobody_who_was_not_asked_about() -> None:
    """`authorize` asks nobody, so it can't let in."""
    issuer = local_issuer()
    guard = guard_for(issuer)
    with pytest.raises(Unavailable) as unavailable:
        guard.authorize(guard.validate(issuer.mint()), Requirement(live=True))
    assert unavailable.value.reason is Reason.LIVE_CHECK_UNAVAILABLE
