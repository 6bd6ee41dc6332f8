"""What a route demands is understood, or refused where it is written; never lost."""

from __future__ import annotations

from typing import Any

import pytest

from tokenguard import Requirement, any_of
from tokenguard.core.requirements import requirement_of
from tokenguard.errors import ConfigurationError


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
