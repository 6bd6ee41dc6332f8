"""Used proofs in this process: each counts once, for as long as it could be used again, and within bounds."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tokenguard.errors import ConfigurationError, Reason, Unavailable
from tokenguard.stores.replays import MemoryReplays

NOW = 1_700_000_000.0


def key(number: int) -> bytes:
    """The key of one proof."""
    return number.to_bytes(32)


@pytest.mark.req("DP-32")
def test_a_proof_counts_once() -> None:
    """The first use is told from every later one; another proof is another matter."""
    replays = MemoryReplays()
    assert replays.record(key(1), NOW, NOW + 60)
    assert not replays.record(key(1), NOW, NOW + 60)
    assert not replays.record(key(1), NOW + 59.9, NOW + 60)
    assert replays.record(key(2), NOW, NOW + 60)


@pytest.mark.req("DP-32", "A-113")
@pytest.mark.parametrize("offset", [0.0, 0.5, 14.0, 29.999, 30.0])
def test_a_proof_is_known_until_it_would_be_refused_for_its_age(offset: float) -> None:
    """Wherever in a slot its time ends, and whatever else is recorded and forgotten meanwhile."""
    replays, until = MemoryReplays(), NOW + offset + 60
    assert replays.record(key(0), NOW + offset, until)
    for second in range(60):
        replays.record(key(second + 1), NOW + offset + second, NOW + offset + second + 60)
        assert not replays.record(key(0), NOW + offset + second, until)
    assert not replays.record(key(0), until - 0.001, until)


@pytest.mark.req("DP-32")
def test_what_runs_out_takes_nothing_else_along() -> None:
    """Proofs whose times end later stay known, those a moment later too."""
    for offset in range(30):
        replays = MemoryReplays()
        untils = [NOW + offset + 60 + second for second in range(61)]
        for number, until in enumerate(untils):
            assert replays.record(key(number), NOW, until)
        for number, until in enumerate(untils):
            assert not replays.record(key(number), until - 0.001, until)


@pytest.mark.req("A-114")
def test_another_time_makes_no_new_proof() -> None:
    """A key that says another expiry, in a slot before or after, is the same key."""
    replays = MemoryReplays()
    assert replays.record(key(1), NOW, NOW + 60)
    assert not replays.record(key(1), NOW + 1, NOW + 600)
    assert not replays.record(key(1), NOW + 1, NOW + 2)


@pytest.mark.req("A-131")
def test_what_can_be_used_no_more_is_forgotten() -> None:
    """After 100 windows of 100 proofs each, a few windows' worth is there."""
    replays = MemoryReplays()
    for number in range(10_000):
        now = NOW + number * 0.6
        assert replays.record(key(number), now, now + 60)
        assert len(replays) <= 160  # those of 60 seconds, and of a slot's 30
    later = NOW + 100_000
    assert replays.record(key(0), later, later + 60)
    assert len(replays) == 1


@pytest.mark.req("DP-33", "A-130", "A-131")
def test_a_full_memory_lets_nothing_in() -> None:
    """Not even a proof that is new: forgetting one early would let its replay in. It says when there is room."""
    replays = MemoryReplays(max_entries=3)
    assert all(replays.record(key(number), NOW, NOW + 60) for number in range(3))
    with pytest.raises(Unavailable) as refusal:
        replays.record(key(3), NOW, NOW + 60)
    assert refusal.value.reason is Reason.REPLAYS_UNAVAILABLE
    assert "MemoryReplays.max_entries" in refusal.value.hint
    assert 60 <= refusal.value.retry_after <= 91
    assert not replays.record(key(0), NOW, NOW + 60)
    assert replays.record(key(3), NOW + refusal.value.retry_after, NOW + 200)


@pytest.mark.req("A-131")
def test_a_flood_of_good_proofs_fills_it_and_no_more() -> None:
    """By default too: whoever has many tokens and keys can close DPoP for a minute, and not take all memory."""
    replays, recorded = MemoryReplays(), 0
    for number in range(300_000):
        try:
            recorded += replays.record(key(number), NOW + number / 5_000, NOW + number / 5_000 + 60)
        except Unavailable:
            continue
    assert recorded == len(replays) == 250_000


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    """A proof stays used."""
    replays = MemoryReplays()
    assert replays.record(key(1), NOW, NOW + 60)
    assert replays.record(key(2), NOW - 3600, NOW - 3540)
    assert not replays.record(key(1), NOW - 3600, NOW + 60)
    assert not replays.record(key(1), NOW + 1, NOW + 60)


@pytest.mark.req("DP-34")
def test_of_many_threads_one_is_first() -> None:
    """For 2,000 proofs, four threads at a time, switched as often as can be."""
    replays, threads, rounds = MemoryReplays(), 4, 2_000
    barrier = Barrier(threads)

    def use_all(_: int) -> int:
        barrier.wait()
        return sum(replays.record(key(number), NOW, NOW + 60) for number in range(rounds))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            first = list(pool.map(use_all, range(threads)))
    finally:
        sys.setswitchinterval(interval)
    assert sum(first) == rounds == len(replays)


def test_a_forked_child_can_go_on() -> None:
    """A lock that another thread held at the time is nobody's; what was used stays used."""
    replays = MemoryReplays()
    assert replays.record(key(1), NOW, NOW + 60)
    replays._lock.acquire()
    replays.renew_after_fork()
    assert not replays.record(key(1), NOW, NOW + 60)
    assert len(replays) == 1


@pytest.mark.parametrize("wrong", [0, -1, "many", True, float("nan")])
def test_the_bound_is_a_number(wrong: object) -> None:
    """The complaint names the setting."""
    with pytest.raises(ConfigurationError, match=r"MemoryReplays\.max_entries"):
        MemoryReplays(max_entries=wrong)  # type: ignore[arg-type]


def test_an_entry_takes_no_more_memory_than_said() -> None:
    """About 150 bytes, the key and its place in the slot."""
    replays = MemoryReplays()
    keys = [key(number) for number in range(100_000)]
    for each in keys:
        replays.record(each, NOW, NOW + 60)
    slots = sum(map(sys.getsizeof, replays._slots.values()))
    assert slots / len(keys) + sys.getsizeof(keys[0]) < 150
