"""Times and differences in the words of a person."""

from __future__ import annotations

import pytest

from tokenguard.commands.wording import difference, duration, shown


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (-61, "1 min 1 s"),
        (3_600, "1 h"),
        (3_601, "1 h"),
        (3_660, "1 h 1 min"),
        (86_399, "23 h 59 min"),
        (172_805, "2 d"),
        (31_536_000, "365 d"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float, told: str) -> None:
    """The second only where it is the next smaller one."""
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ("https://as.example/realm", ""),
        ("https://as.example/realm/", "only the slash at the end differs"),
        (" https://as.example/realm", "only white space differs"),
        ("https://AS.example/realm", "only upper and lower case differ"),
        ("https://as.example/Realm", "only upper and lower case differ"),
        ("http://as.example/realm", "only the scheme (http or https) differs"),
        ("https://as2.example/realm", "only the host differs"),
        ("https://as.example/other", "only the path differs"),
        ("http://as.example/other", ""),
        ("orders", ""),
        ("https://[as.example/realm", ""),
    ],
)
def test_a_difference_in_one_place_is_named(theirs: str, told: str) -> None:
    """And one in several is left to the eye."""
    assert difference("https://as.example/realm", theirs) == told


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x9b", "\n", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800"]
)
def test_no_character_reaches_the_terminal_that_is_not_seen(character: str) -> None:
    """Controls, directions, zero widths and halves of characters come as escapes."""
    told = shown(f"a{character}b")
    assert told.isprintable()
    assert told.startswith("a\\")
