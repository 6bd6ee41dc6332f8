"""Which issuers are kept where there are more than there is room for."""

from __future__ import annotations

import pytest

from tokenguard.runtime.tenantmemory import TenantMemory


def filled(most: int, *names: str) -> TenantMemory[str]:
    """A memory with these, in this order."""
    memory = TenantMemory[str](most)
    for name in names:
        memory.put(name, name, 10.0)
    return memory


def kept(memory: TenantMemory[str]) -> set[str]:
    """The names it holds."""
    return set(memory.values())


def test_the_oldest_newcomer_makes_room() -> None:
    """And is handed back, so that what it holds can be released."""
    memory = filled(3, "a", "b", "c")
    assert memory.put("d", "d", 10.0) == ["a"]
    assert kept(memory) == {"b", "c", "d"}


def test_whoever_sent_a_good_token_stays_before_whoever_did_not() -> None:
    """However many names come by."""
    memory = filled(10, *"abcdefghij")
    for name in "abc":
        memory.establish(name)
    for number in range(1_000):
        memory.put(f"made up {number}", "", 10.0)
        assert len(memory) == 10
    assert {"a", "b", "c"} <= kept(memory)


def test_a_tenth_of_the_room_is_for_newcomers() -> None:
    """So that a new tenant gets in while all others are at work."""
    names = [str(number) for number in range(20)]
    memory = filled(20, *names)
    for name in names:
        memory.establish(name)
    assert memory.put("new", "new", 10.0) == ["18"]
    assert kept(memory) == {*names, "new"} - {"18"}


def test_a_newcomer_takes_the_place_of_an_established_one_that_nobody_uses() -> None:
    """Which then is the first to make room, though it came before the others; those in use stay."""
    names = [str(number) for number in range(10)]
    memory = filled(10, *names)
    for name in names[:9]:
        memory.establish(name)
    for _ in range(10):
        memory.establish("9")
        for name in names[:9]:
            assert memory.touch(name) is (memory.established(name) is not None)
            memory.touch(name)
    assert memory.established("9") is None
    memory.find("5").used = False  # type: ignore[union-attr]
    for _ in range(5):
        memory.establish("9")
        for name in (*names[:5], *names[6:9]):
            memory.touch(name)
    assert memory.established("9") is not None
    assert memory.put("new", "new", 10.0) == ["5"]


def test_a_newcomer_in_use_gets_a_second_chance() -> None:
    """The one of which no good token came goes first."""
    memory = filled(3, "a", "b", "c")
    for name in "abc":
        memory.establish(name)  # two are established, the third is a newcomer in use
    assert memory.put("d", "d", 10.0) == ["c"]
    memory = filled(3, "a", "b", "c", "d")
    for name in "bc":
        memory.establish(name)
    memory.put("e", "e", 10.0)
    assert kept(memory) == {"b", "c", "e"}


def test_a_new_value_takes_the_old_ones_place() -> None:
    """Newcomer or established; the old value is handed back."""
    memory = filled(3, "a", "b")
    memory.establish("a")
    assert memory.put("a", "A", 20.0) == ["a"]
    assert memory.put("b", "B", 20.0) == ["b"]
    assert kept(memory) == {"A", "B"}
    place = memory.find("a")
    assert place is not None
    assert place.until == 20.0


def test_what_is_dropped_is_gone_from_wherever_it_was() -> None:
    """Also where a fork left it in both places."""
    memory = filled(3, "a", "b")
    memory.establish("a")
    memory._newcomers["a"] = memory._established["a"]
    assert [memory.drop(name) for name in ("a", "b", "c")] == ["a", "b", None]
    assert memory.find("a") is memory.find("b") is None
    assert len(memory) == 0


@pytest.mark.parametrize("most", [1, 2, 9, 10, 11])
def test_it_never_grows_beyond_its_bound(most: int) -> None:
    """Whoever comes and is established, in whatever order."""
    memory = TenantMemory[int](most)
    for number in range(200):
        memory.put(str(number), number, 10.0)
        memory.establish(str(number))
        memory.establish(str(number // 2))
        memory.touch(str(number // 3))
        assert len(memory) <= most
    assert memory.find("199") is not None
