"""Revocations in memory: whom they hit, when they end, that none is lost."""

from __future__ import annotations

import math
import random
import threading
from typing import Any

import pytest

from tokenguard.config import DEFAULT_NAMES
from tokenguard.core.effects import AnswerFailed
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Level, Revocation, hits
from tokenguard.errors import ConfigurationError
from tokenguard.stores import MemoryRevocations

ISSUER, OTHER = "https://auth.example.com", "https://other.example.com"
NOW = 1_000_000.0
HOUR = 3_600.0


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def token(**fields: Any) -> Verified:
    """A verified token of `ISSUER`, of alice in session s-1 at client c-1, issued now, and with these fields."""
    told: dict[str, Any] = {
        "issuer": ISSUER, "subject": "alice", "client_id": "c-1", "audience": (), "scopes": frozenset(), "id": "t-1",
        "expires_at": NOW + HOUR, "issued_at": NOW, "not_before": None, "auth_time": None, "acr": None,
        "binding": None, "payload": b"{}", "generation": 1, "configured": ISSUER, "names": DEFAULT_NAMES,
        "session": "s-1", "fingerprint": None,
    }  # fmt: skip
    return Verified(**(told | fields))


def revocation(level: Level, value: str = "", before: float = math.inf, until: float = NOW + HOUR) -> Revocation:
    """One of `ISSUER`."""
    return Revocation(ISSUER, level, value, before, until)


EACH_LEVEL = [
    revocation(Level.TOKEN, "t-1"),
    revocation(Level.SESSION, "s-1"),
    revocation(Level.SUBJECT, "alice", before=NOW),
    revocation(Level.CLIENT, "c-1", before=NOW),
    revocation(Level.ISSUER, before=NOW),
]


@pytest.fixture
def clock() -> Clock:
    """What the store takes for time that nobody sets."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryRevocations:
    """One that holds nothing yet."""
    return MemoryRevocations(monotonic=clock)


@pytest.mark.parametrize("revoked", EACH_LEVEL, ids=lambda each: each.level.value)
def test_each_level_hits_its_tokens_and_no_others(store: MemoryRevocations, revoked: Revocation) -> None:
    """The same identifiers from another issuer, and other identifiers from this one, are let in."""
    assert store.find(token(), NOW) is None
    store.add([revoked], NOW)
    found = store.find(token(), NOW)
    assert found is not None
    assert (found.issuer, found.level, found.value) == (ISSUER, revoked.level, revoked.value)
    assert store.find(token(issuer=OTHER), NOW) is None
    if revoked.level is not Level.ISSUER:
        others = token(id="t-2", session="s-2", subject="bob", client_id="c-2")
        assert store.find(others, NOW) is None
        nameless = token(id=None, session=None, subject=None, client_id=None)
        assert store.find(nameless, NOW) is None


@pytest.mark.parametrize("level", [Level.SUBJECT, Level.CLIENT, Level.ISSUER])
@pytest.mark.req("A-157")
def test_what_was_issued_later_counts(store: MemoryRevocations, level: Level) -> None:
    """Hit is what was issued until then, to the second, and what does not say when."""
    values = {Level.SUBJECT: "alice", Level.CLIENT: "c-1", Level.ISSUER: ""}
    store.add([revocation(level, values[level], before=NOW)], NOW)
    assert store.find(token(issued_at=NOW), NOW) is not None
    assert store.find(token(issued_at=NOW - 1), NOW) is not None
    assert store.find(token(issued_at=None), NOW) is not None
    assert store.find(token(issued_at=NOW + 1), NOW) is None


def test_a_token_without_an_id_is_hit_by_its_fingerprint(store: MemoryRevocations) -> None:
    """And one with an id by that alone."""
    store.add([revocation(Level.TOKEN, "fingerprint:ab")], NOW)
    assert store.find(token(id=None, fingerprint="fingerprint:ab"), NOW) is not None
    assert store.find(token(id=None, fingerprint="fingerprint:cd"), NOW) is None
    assert store.find(token(fingerprint="fingerprint:ab"), NOW) is None


def test_the_same_one_twice_is_one_and_the_later_ends_hold(store: MemoryRevocations) -> None:
    """In whichever order they come."""
    early = revocation(Level.SUBJECT, "alice", before=NOW - 10, until=NOW + 600)
    late = revocation(Level.SUBJECT, "alice", before=NOW, until=NOW + 60)
    for order in ([early, late], [late, early]):
        store.add(order, NOW)
        (held,) = store.held(NOW)
        assert (held.before, len(store)) == (NOW, 1)
        assert NOW + 600 <= held.until < NOW + 700
    assert store.find(token(), NOW + 500) is not None


def test_an_entry_ends_by_itself(store: MemoryRevocations, clock: Clock) -> None:
    """It hits nothing after its end, and its place is free soon."""
    store.add([revocation(Level.SESSION, "s-1", until=NOW + 100)], NOW)
    assert store.find(token(), NOW + 99) is not None
    assert store.find(token(), NOW + 200) is None
    clock.now = 200.0
    assert list(store.held(NOW + 200)) == []
    assert store.state(NOW + 200).entries == 0
    assert len(store) == 0


def test_an_entry_that_was_extended_stays(store: MemoryRevocations, clock: Clock) -> None:
    """Its first end passes without it."""
    store.add([revocation(Level.SESSION, "s-1", until=NOW + 100)], NOW)
    store.add([revocation(Level.SESSION, "s-1", until=NOW + 500)], NOW)
    clock.now = 300.0
    assert store.state(NOW + 300).entries == 1
    assert store.find(token(), NOW + 300) is not None
    clock.now = 600.0
    assert store.state(NOW + 600).entries == 0


@pytest.mark.parametrize("jump", [HOUR * 24, -HOUR * 24])
@pytest.mark.req("A-150")
def test_a_clock_that_jumps_away_and_back_brings_nothing_back_to_life(
    store: MemoryRevocations, clock: Clock, jump: float
) -> None:
    """An entry is forgotten when its time has passed by the clock that nobody sets, and by the other."""
    store.add([revocation(Level.TOKEN, "t-1")], NOW)
    store.add([revocation(Level.TOKEN, "t-2", until=NOW + jump + HOUR)], NOW + jump)
    assert store.state(NOW + jump).entries == 2
    assert store.find(token(), NOW) is not None
    clock.now = 2 * HOUR
    store.add([], NOW + HOUR / 2)
    assert store.find(token(), NOW + HOUR / 2) is not None, "set back by an hour: the token is alive again"


def test_what_ends_together_stays_until_the_last_of_it_may_go(store: MemoryRevocations, clock: Clock) -> None:
    """An entry written while the clock was ahead takes none along that was written before."""
    store.add([revocation(Level.TOKEN, "t-1")], NOW)
    store.add([revocation(Level.TOKEN, "t-2")], NOW + HOUR - 60)
    clock.now = 200.0
    store.add([], NOW + 2 * HOUR)
    assert store.find(token(), NOW + 200) is not None, "set back: the token is alive again"


@pytest.mark.req("A-159")
def test_a_full_store_refuses_the_write_and_loses_nothing(clock: Clock) -> None:
    """All of a batch is kept or none; what it holds can still be extended, and room comes back with time."""
    store = MemoryRevocations(max_entries=2, monotonic=clock)
    store.add([revocation(Level.TOKEN, "t-1", until=NOW + 60)], NOW)
    with pytest.raises(AnswerFailed, match="max_entries is 2"):
        store.add([revocation(Level.TOKEN, "t-2"), revocation(Level.TOKEN, "t-3")], NOW)
    assert [each.value for each in store.held(NOW)] == ["t-1"]
    store.add([revocation(Level.TOKEN, "t-2")], NOW)
    store.add([revocation(Level.TOKEN, "t-2"), revocation(Level.TOKEN, "t-1", until=NOW + 90)], NOW)
    assert len(store) == 2
    clock.now = 200.0
    store.add([revocation(Level.TOKEN, "t-3")], NOW + 200)
    assert {each.value for each in store.held(NOW + 200)} == {"t-2", "t-3"}


def test_what_has_ended_already_takes_no_room(store: MemoryRevocations) -> None:
    """As old entries of an import."""
    store.add([revocation(Level.TOKEN, "t-1", until=NOW - 1)], NOW)
    assert len(store) == 0


def test_no_write_clears_more_than_its_share(store: MemoryRevocations, clock: Clock) -> None:
    """So that none takes long, however many end at once."""
    store.add([revocation(Level.TOKEN, f"t-{number}", until=NOW + 60) for number in range(2_000)], NOW)
    clock.now = 200.0
    store.add([revocation(Level.TOKEN, "new")], NOW + 200)
    assert 1_000 < len(store) < 2_000
    store.state(NOW + 200)
    assert len(store) == 1


@pytest.mark.req("A-163")
def test_64_threads_revoke_and_check_and_lose_nothing(store: MemoryRevocations) -> None:
    """Each finds its own revocation as soon as it is made, and all are there in the end."""
    together, missed = threading.Barrier(64), []

    def work(thread: int) -> None:
        together.wait()
        for number in range(50):
            value = f"{thread}-{number}"
            store.add([revocation(Level.SESSION, value)], NOW)
            if store.find(token(session=value), NOW) is None or store.find(token(session="none"), NOW) is not None:
                missed.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    assert len(store) == 64 * 50 == len({each.value for each in store.held(NOW)})


@pytest.mark.parametrize("revoked", EACH_LEVEL, ids=lambda each: each.level)
def test_the_definition_itself(revoked: Revocation) -> None:
    """A token of that issuer which it names, issued by then, until the revocation ends."""
    assert hits(revoked, token(), NOW)
    assert hits(revoked, token(issued_at=None), NOW)
    assert not hits(revoked, token(issuer=OTHER), NOW)
    assert hits(revoked, token(), revoked.until - 1)
    assert not hits(revoked, token(), revoked.until)
    assert hits(revoked, token(issued_at=NOW + 1), NOW) == (revoked.before == math.inf)
    others = token(id="t-2", session="s-2", subject="bob", client_id="c-2")
    assert hits(revoked, others, NOW) == (revoked.level is Level.ISSUER)


def test_the_definition_has_fingerprints_for_tokens_without_an_id() -> None:
    """And for no others."""
    unnamed = token(id=None, fingerprint="fingerprint:1")
    assert hits(revocation(Level.TOKEN, "fingerprint:1"), unnamed, NOW)
    assert not hits(revocation(Level.TOKEN, "fingerprint:2"), unnamed, NOW)


def test_it_answers_as_the_definition_says(store: MemoryRevocations) -> None:
    """Against `hits` of each revocation, over made-up revocations and tokens."""
    chance = random.Random(7)  # noqa: S311 - no secret
    kept = [
        revocation(level, "" if level is Level.ISSUER else chance.choice("abc"), before=NOW + chance.randrange(-9, 9))
        for level in chance.choices([Level.SESSION, Level.SUBJECT, Level.CLIENT], k=6)
    ]
    store.add(kept, NOW)
    for _ in range(2_000):
        some = token(
            issuer=chance.choice([ISSUER, OTHER]),
            issued_at=chance.choice([None, *range(int(NOW) - 10, int(NOW) + 10)]),
            **{name: chance.choice([None, *"abcd"]) for name in ("id", "session", "subject", "client_id")},
        )
        assert (store.find(some, NOW) is not None) == any(hits(each, some, NOW) for each in kept)


@pytest.mark.parametrize("setting", [{"max_entries": 0}, {"max_entries": "many"}, {"monotonic": 1}])
def test_a_wrong_setting_is_named(setting: dict[str, Any]) -> None:
    """Where the store is built."""
    with pytest.raises(ConfigurationError, match=f"MemoryRevocations.{next(iter(setting))}"):
        MemoryRevocations(**setting)


def test_a_forked_child_goes_on_with_what_its_parent_held(store: MemoryRevocations, clock: Clock) -> None:
    """Though the fork came while a thread that is not there now was writing."""
    store.add([revocation(Level.TOKEN, "t-1", until=NOW + 60)], NOW)
    store._lock.acquire()
    store._book._size += 1
    store.renew_after_fork()
    assert len(store) == 1
    store.add([revocation(Level.TOKEN, "t-2", until=NOW + 60)], NOW)
    assert store.find(token(), NOW) is not None
    clock.now = 200.0
    assert store.state(NOW + 200).entries == 0


def test_a_look_at_the_state_does_not_take_long(store: MemoryRevocations, clock: Clock) -> None:
    """However many have ended at once: an event loop may be waiting for it. The next look goes on."""
    store.add([revocation(Level.SESSION, f"s-{number}", until=NOW + 60) for number in range(12_000)], NOW)
    clock.now = HOUR
    assert [store.state(NOW + HOUR).entries for _ in range(4)] == [7_000, 2_000, 0, 0]
