"""What a revocation is: whom it hits, how two become one, and that it can be written down and read back."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.strategies import json_values, properties
from tokenguard import Issuer
from tokenguard.config import MAX_LEEWAY
from tokenguard.core.revocation import MAX_TIME, Level, Revocation, fingerprint, last_moment
from tokenguard.errors import ConfigurationError

ISSUER = "https://auth.example.com"

times = st.floats(0, MAX_TIME)
dated = st.sampled_from([Level.SESSION, Level.SUBJECT, Level.CLIENT])
revocations = st.builds(Revocation, st.just(ISSUER), dated, st.just("v"), times, times) | st.builds(
    Revocation, st.text(min_size=1), st.sampled_from([Level.TOKEN, Level.SESSION]), st.text(min_size=1),
    st.just(math.inf), times,
)  # fmt: skip


@properties
@given(revocations)
def test_one_can_be_written_as_json_and_read_back(revocation: Revocation) -> None:
    """With whatever text in it."""
    assert Revocation.from_mapping(json.loads(json.dumps(revocation.as_dict()))) == revocation


@properties
@given(st.dictionaries(st.sampled_from(["issuer", "level", "value", "before", "until"]), json_values) | json_values)
def test_what_is_none_is_a_configuration_error(members: Any) -> None:
    """Whatever stands in a file."""
    with contextlib.suppress(ConfigurationError):
        Revocation.from_mapping(members)


@properties
@given(times, times, times, times, dated)
def test_of_two_the_later_ends_hold(before: float, until: float, before2: float, until2: float, level: Level) -> None:
    """In whichever order they come; with itself it stays what it is."""
    one, two = Revocation(ISSUER, level, "v", before, until), Revocation(ISSUER, level, "v", before2, until2)
    joined = one.joined(two)
    assert joined == two.joined(one)
    assert (joined.before, joined.until) == (max(before, before2), max(until, until2))
    assert one.joined(one) == one.joined(None) == one


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("", Level.TOKEN, "t", math.inf, 1), "issuer"),
        ((None, Level.TOKEN, "t", math.inf, 1), "issuer"),
        ((ISSUER, "token", "t", math.inf, 1), "level"),
        ((ISSUER, Level.TOKEN, "", math.inf, 1), "value"),
        ((ISSUER, Level.TOKEN, None, math.inf, 1), "value"),
        ((ISSUER, Level.TOKEN, "t" * 20_000, math.inf, 1), "value"),
        ((ISSUER, Level.ISSUER, "t", 1, 1), "value"),
        ((ISSUER, Level.TOKEN, "t", 1, 1), "before"),
        ((ISSUER, Level.SUBJECT, "t", math.inf, 1), "before"),
        ((ISSUER, Level.ISSUER, "", math.inf, 1), "before"),
        ((ISSUER, Level.SUBJECT, "t", math.nan, 1), "before"),
        ((ISSUER, Level.SUBJECT, "t", -1, 1), "before"),
        ((ISSUER, Level.SUBJECT, "t", MAX_TIME + 1, 1), "before"),
        ((ISSUER, Level.TOKEN, "t", math.inf, math.inf), "until"),
        ((ISSUER, Level.TOKEN, "t", math.inf, MAX_TIME + 1), "until"),
        ((ISSUER, Level.TOKEN, "t", math.inf, True), "until"),
    ],
)  # fmt: skip
def test_a_wrong_part_is_named(arguments: Any, named: str) -> None:
    """Where it is made, so that no store holds one."""
    with pytest.raises(ConfigurationError, match=rf"Revocation\.{named}"):
        Revocation(*arguments)


def test_its_repr_says_nothing_of_anyone() -> None:
    """A subject is personal."""
    assert "alice" not in repr(Revocation(ISSUER, Level.SUBJECT, "alice", 1, 2))


def test_a_fingerprint_is_of_what_was_signed_or_of_everything() -> None:
    """Another signature makes no other JWT; any other character makes another opaque token."""
    assert fingerprint(b"eyJh.eyJi.AAAA") == fingerprint(b"eyJh.eyJi.BBBB") != fingerprint(b"eyJh.eyJj.AAAA")
    assert len({fingerprint(opaque) for opaque in (b"a.b.c", b"a.b.d", b"opaque", b"opaqu")}) == 4


def test_a_token_lives_as_long_as_its_issuer_says() -> None:
    """By clocks that may differ from ours by the leeway, at both ends of its life."""
    assert last_moment(Issuer(ISSUER, max_lifetime=600), 1_000) == 1_600 + 2 * MAX_LEEWAY
    with pytest.raises(ConfigurationError, match=r"Issuer\.max_lifetime"):
        last_moment(Issuer(ISSUER), 1_000)
