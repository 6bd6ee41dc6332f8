"""How a reader of the stream tells that it missed nothing, and what it does not take for revocations."""

from __future__ import annotations

from typing import Any

import pytest

from stores.support import NOW, revocation
from tokenguard.core.revocation import Level
from tokenguard.stores.wire import (
    ORIGIN,
    Keys,
    Unreadable,
    as_bytes,
    field_of,
    read_page,
    read_pulled,
    write_arguments,
)

ASKED = 5
PAGE = b'["token","https://auth.example.com","t-1"]\ninf 60.0'


def pulled(mine: bytes, tip: bytes, *names: bytes) -> list[bytes] | None:
    """The names that are news to one who stands at `mine`; None for a history that is not to be had."""
    records = read_pulled(mine, [b"e", tip, [[name, PAGE] for name in names]], ASKED).records
    return None if records is None else [name for name, _ in records]


def test_at_the_tip_there_is_no_news() -> None:
    """Nor in a store that nobody has written to."""
    assert pulled(b"7-1", b"7-1") == []
    assert pulled(ORIGIN, ORIGIN) == []


def test_what_follows_the_own_record_is_news() -> None:
    """All of it, or a part that ends before the tip because no more was asked for."""
    assert pulled(b"7-1", b"9-3", b"7-1", b"8-2", b"9-3") == [b"8-2", b"9-3"]
    assert pulled(b"7-1", b"99-3", b"7-1", b"8-2", b"9-3", b"10-1", b"11-1") == [b"8-2", b"9-3", b"10-1", b"11-1"]
    assert pulled(ORIGIN, b"2-9", b"1-8", b"2-9") == [b"1-8", b"2-9"]


@pytest.mark.parametrize(
    ("mine", "tip", "names"),
    [
        (b"7-1", b"9-3", (b"8-2", b"9-3")),  # trimmed up to what follows
        (b"7-1", b"9-3", (b"9-3",)),  # trimmed beyond it
        (b"7-1", b"9-3", ()),  # the stream is gone
        (b"7-1", b"9-3", (b"7-1",)),  # the end of it is gone
        (b"7-1", b"9-3", (b"7-1", b"8-2")),  # the same
        (b"7-1", b"9-3", (b"7-1", b"9-3")),  # one is missing in between
        (b"7-1", b"9-3", (b"7-2", b"8-2", b"9-3")),  # another history with the same numbers
        (b"7-1", b"5-1", ()),  # an older copy
        (b"7-1", ORIGIN, ()),  # an empty store
        (ORIGIN, b"9-3", (b"8-2", b"9-3")),  # the beginning is gone
        (ORIGIN, b"9-3", ()),  # all of it is
    ],
)
def test_a_history_with_a_gap_is_none(mine: bytes, tip: bytes, names: tuple[bytes, ...]) -> None:
    """Whatever was lost, at whichever end."""
    assert pulled(mine, tip, *names) is None


@pytest.mark.parametrize(
    "page",
    [
        b"[]\ninf 60.0",
        b'["token"]\ninf 60.0',
        b'["token","https://auth.example.com","t-1"]',
        b'["token","https://auth.example.com","t-1"]\n',
        b'["token","https://auth.example.com","t-1"]\ninf',
        b'["token","https://auth.example.com","t-1"]\nnan 60.0',
        b'["token","https://auth.example.com","t-1"]\ninf nan',
        b'["token","https://auth.example.com","t-1"]\n0 60',
        b'["token","https://auth.example.com",""]\ninf 60',
        b'["token","https://auth.example.com",1]\ninf 60',
        b'["tenant","https://auth.example.com","t-1"]\ninf 60',
        b'["token","","t-1"]\ninf 60',
        b'["token","https://auth.example.com","t-1"],["token","https://auth.example.com","t-2"]\ninf 60',
        b"[" * 100_000 + b"\ninf 60",
        b"{}\ninf 60",
        b"\xff\ninf 60",
        1,
    ],
)
def test_what_is_no_entry_is_not_read_as_one(page: Any) -> None:
    """Nor passed over."""
    with pytest.raises(Unreadable):
        read_page(page)


@pytest.mark.parametrize(
    "reply", [[], None, [b"e", b"1-1"], [b"e", 1, []], [b"e", b"x-y", [[b"z", PAGE]]], [b"e", b"1-1", 5]]
)
def test_what_is_no_answer_is_not_read_as_one(reply: Any) -> None:
    """Whatever a server of another kind may say."""
    with pytest.raises(Unreadable):
        read_pulled(ORIGIN, reply, ASKED)


def test_what_is_written_is_what_is_read() -> None:
    """Times to the last digit, ends up to the whole minute."""
    written = [revocation("alice", Level.SUBJECT, before=NOW + 0.123456789, until=NOW + 1), revocation("ü\ud800\n")]
    *_, page = write_arguments(written, NOW, kept=1, mark="")
    read = read_page(page)
    assert [(each.level, each.value, each.before) for each in read] == [
        (each.level, each.value, each.before) for each in written
    ]
    assert all(
        0 <= one.until - other.until < 60 and one.until % 60 == 0 for one, other in zip(read, written, strict=True)
    )


def test_the_marks_are_no_entries() -> None:
    """They stand in the same hash."""
    assert len(read_page(b"epoch\nabc\n" + PAGE + b"\ntip\n1-1")) == 1
    assert read_page(b"") == []


def test_two_entries_never_have_one_name() -> None:
    """Wherever the parts of a name begin and end."""
    names = {
        field_of("https://a", Level.SESSION, 'b","c'),
        field_of('https://a","b', Level.SESSION, "c"),
        field_of("https://a", Level.SUBJECT, 'b","c'),
    }
    assert len(names) == 3
    assert all(name.isascii() and b"\n" not in name for name in names)


def test_the_keys_are_in_one_slot_of_a_cluster() -> None:
    """By the braces around what they have in common."""
    keys = Keys("shop")
    assert (keys.entries, keys.ends, keys.changes) == ("{shop}:entries", "{shop}:ends", "{shop}:changes")


def test_text_of_a_client_that_decodes_is_bytes_again() -> None:
    """Whatever bytes they were."""
    assert as_bytes(b"\xff\xc3\xbc".decode("utf-8", "surrogateescape")) == b"\xff\xc3\xbc"
