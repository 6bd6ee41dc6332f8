"""A copy of the store in each process: loaded, followed, and answered from only while it is recent enough."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis.asyncio

from runtime.support import Clock, until
from stores.support import HOUR, NOW, Join, Member, Valkey, revocation, token, tokens, values
from tokenguard.core.effects import AnswerFailed, AskRemotely
from tokenguard.core.revocation import Level

PAST_LAG = 6.0


@pytest.fixture
def writer(join: Join, shared: Valkey) -> Member:
    """Another process, which writes."""
    member = join(shared, create=True)
    member.create()
    return member


@pytest.fixture
def replica(join: Join, shared: Valkey, writer: Member, clock: Clock) -> Member:
    """One that follows, on a clock that stands still."""
    return join(shared, mode="replica", monotonic=clock).follows()


def found_in_copy(member: Member, token_id: str) -> bool:
    """Without any question to the server."""
    return member.store.find(token(token_id), NOW) is not None


def reload_count(caplog: pytest.LogCaptureFixture) -> int:
    """How often something was written back."""
    return sum("written back" in record.message for record in caplog.records)


def test_what_another_process_writes_arrives(replica: Member, writer: Member) -> None:
    """At every level, and for tokens it means alone."""
    writer.write(revocation("new"), revocation("bob", Level.SUBJECT, before=NOW))
    until(lambda: found_in_copy(replica, "new"))
    assert replica.store.find(token(subject="bob"), NOW) is not None
    assert replica.store.find(token(subject="bob", issued_at=NOW + 1), NOW) is None
    assert not found_in_copy(replica, "other")


def test_what_was_written_before_is_loaded(writer: Member, join: Join, shared: Valkey) -> None:
    """More than a page of it, and nothing is written back."""
    writer.write(*tokens(3000))
    replica = join(shared, mode="replica").follows()
    assert replica.store.state(NOW).entries == 3000
    assert all(found_in_copy(replica, each.value) for each in tokens(3000))


def test_what_is_written_while_loading_is_not_missed(writer: Member, join: Join, shared: Valkey) -> None:
    """Several load while two write; each has it all in the end."""
    written = tokens(6000)

    def write(name: str) -> None:
        for first in range(0, 3000, 100):
            writer.write(*tokens(3000, name)[first : first + 100])

    with ThreadPoolExecutor() as pool:
        writing = [pool.submit(write, name) for name in ("one", "two")]
        replicas = [join(shared, mode="replica").follows() for _ in range(3)]
        for each in writing:
            each.result()
    for replica in replicas:
        until(lambda replica=replica: replica.store.state(NOW).entries == len(written))


def test_a_process_sees_its_own_write_at_once(replica: Member) -> None:
    """It does not wait for it to come back."""
    replica.write(revocation("mine"))
    assert found_in_copy(replica, "mine")


def test_the_same_from_all_sides_is_one(replica: Member, writer: Member, prefix: str, shared: Valkey) -> None:
    """Whoever writes it again, and however often it is read."""
    for _ in range(3):
        replica.write(revocation())
        writer.write(revocation())
    assert replica.store.state(NOW).entries == 1
    assert shared.client.zcard(f"{{{prefix}}}:ends") == 1


def test_who_only_writes_does_not_follow(join: Join, shared: Valkey, writer: Member) -> None:
    """A command that imports into a store need not load all of it."""
    replica = join(shared, mode="replica")
    replica.write(revocation())
    assert replica.store._replica is not None
    assert not replica.store._replica._is_begun
    assert replica.find(token()) is not None


def test_until_the_copy_is_there_the_server_is_asked(join: Join, shared: Valkey, writer: Member) -> None:
    """The first check begins to follow and waits for nothing."""
    writer.write(revocation())
    replica = join(shared, mode="replica")
    with pytest.raises(AskRemotely):
        replica.store.find(token("t-2"), NOW)
    assert replica.find(token()) is not None
    until(lambda: replica.is_current)


def test_asking_asks_the_server_whatever_the_copy_says(replica: Member, prefix: str, shared: Valkey) -> None:
    """For routes that want a live check."""
    shared.client.hset(f"{{{prefix}}}:entries", '["token","https://auth.example.com","t-9"]', f"inf {NOW + HOUR}")
    assert not found_in_copy(replica, "t-9")
    assert replica.ask(token("t-9")) is not None


def test_lag_is_the_age_of_the_last_pull(replica: Member, clock: Clock) -> None:
    """Time alone makes a copy old, and a pull makes it new: nobody has to write."""
    clock.advance(2)
    lag = replica.store.state(NOW).lag
    assert lag in {0, 2}  # it may have pulled since
    until(lambda: replica.store.state(NOW).lag == 0)


@pytest.fixture
def cut_off(join: Join, valkey: Valkey, clock: Clock) -> Any:
    """Makes a replica that holds t-1 and whose server is gone; not yet behind."""

    def make(**settings: Any) -> Member:
        member = join(valkey, mode="replica", create=True, monotonic=clock, timeout=0.2, **settings).follows()
        member.write(revocation())
        valkey.kill()
        until(lambda: member.failure)
        return member

    return make


def test_within_max_lag_the_copy_answers(cut_off: Any, clock: Clock) -> None:
    """An outage shorter than that is not seen by any request."""
    member = cut_off()
    clock.advance(4.9)
    assert not found_in_copy(member, "t-2")
    assert member.store.state(NOW).serving


def test_beyond_max_lag_closed_gives_no_answer(cut_off: Any, clock: Clock) -> None:
    """Nor does it ask; what is known to be revoked stays so."""
    member = cut_off(when_lagging="closed")
    clock.advance(PAST_LAG)
    with pytest.raises(AnswerFailed, match="max_lag") as failure:
        member.store.find(token("t-2"), NOW)
    assert not isinstance(failure.value, AskRemotely)
    assert found_in_copy(member, "t-1")
    state = member.store.state(NOW)
    assert (state.serving, state.worst_case_delay) == (False, 5.0)
    assert state.lag is not None
    assert state.lag >= PAST_LAG


def test_beyond_max_lag_direct_asks(cut_off: Any, clock: Clock, valkey: Valkey) -> None:
    """The server's answer counts as soon as it has one."""
    member = cut_off(when_lagging="direct")
    clock.advance(PAST_LAG)
    with pytest.raises(AskRemotely):
        member.store.find(token("t-2"), NOW)
    with pytest.raises(AnswerFailed, match="ConnectionError"):
        member.find(token("t-2"))
    valkey.start()
    assert member.find(token("t-2")) is None


def test_beyond_max_lag_open_answers_with_an_alarm(
    cut_off: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """One error in the log, not one a request, and no promise of a delay."""
    caplog.set_level(logging.WARNING, "tokenguard.revocations")
    member = cut_off(when_lagging="open")
    clock.advance(PAST_LAG)
    for _ in range(50):
        assert not found_in_copy(member, "t-2")
    until(lambda: any("older than max_lag" in record.message for record in caplog.records))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    state = member.store.state(NOW)
    assert (state.serving, state.worst_case_delay) == (True, None)


def test_a_process_that_was_asleep_asks_until_it_has_caught_up(replica: Member, clock: Clock) -> None:
    """Its follower has not failed, it has just not run."""
    clock.advance(PAST_LAG)
    if not replica.is_current:
        with pytest.raises(AskRemotely):
            replica.store.find(token("t-2"), NOW)
    assert replica.find(token("t-2")) is None
    until(lambda: replica.is_current)


def test_a_copy_counts_as_current_only_at_the_tip(join: Join, shared: Valkey, writer: Member, clock: Clock) -> None:
    """However many records it is behind: some of them are not enough."""
    member = join(shared, mode="replica", monotonic=clock)
    replica: Any = member.store._replica
    member.begin(replica._load()).result()
    for each in tokens(120):
        writer.write(each)
    assert not member.is_current
    member.begin(replica._pull()).result()
    assert member.is_current
    assert member.store.state(NOW).entries == 120


def test_a_stream_trimmed_beyond_the_reader_is_noticed(
    replica: Member, writer: Member, shared: Valkey, prefix: str
) -> None:
    """It loads everything anew; nothing is lost."""
    writer.write(*tokens(10, "before"))
    until(lambda: found_in_copy(replica, "before-9"))
    with shared.client.pipeline(transaction=True) as together:
        for number in range(3):  # three records that are gone before anybody can read them
            field = f'["token","https://auth.example.com","gone-{number}"]'
            together.hset(f"{{{prefix}}}:entries", field, f"inf {NOW + HOUR}")
        together.hset(f"{{{prefix}}}:entries", "tip", "4-7")
        together.xadd(f"{{{prefix}}}:changes", {"[]": "x"}, id="4-7")
        together.xtrim(f"{{{prefix}}}:changes", maxlen=0, approximate=False)
        together.execute()
    until(lambda: all(found_in_copy(replica, f"gone-{number}") for number in range(3)))


def test_a_history_shorter_than_an_import_is_no_loss(join: Join, shared: Valkey, writer: Member) -> None:
    """The stream is trimmed while replicas read it."""
    short = join(shared, history=1)
    replica = join(shared, mode="replica").follows()
    for first in range(0, 20_000, 4000):
        short.write(*tokens(20_000)[first : first + 4000])
    until(lambda: replica.store.state(NOW).entries == 20_000)
    assert replica.failure == ""


@pytest.mark.parametrize("lost", ["changes", "ends"])
def test_a_key_that_was_evicted_costs_no_entry(
    replica: Member, writer: Member, shared: Valkey, prefix: str, lost: str
) -> None:
    """The stream or the ends alone: what is written before and after arrives."""
    writer.write(revocation("before"))
    shared.client.delete(f"{{{prefix}}}:{lost}")
    writer.write(revocation("after"))
    until(lambda: found_in_copy(replica, "before") and found_in_copy(replica, "after"))


def test_a_record_that_is_missing_in_between_is_noticed(
    replica: Member, writer: Member, shared: Valkey, prefix: str
) -> None:
    """Numbers without a gap are what shows that nothing was left out."""
    with shared.client.pipeline(transaction=True) as together:
        field = '["token","https://auth.example.com","skipped"]'
        together.hset(f"{{{prefix}}}:entries", field, f"inf {NOW + HOUR}")
        together.hset(f"{{{prefix}}}:entries", "tip", "2-5")
        together.xadd(f"{{{prefix}}}:changes", {'["token","https://auth.example.com","t"]': f"inf {NOW + HOUR}"}, "2-5")
        together.execute()
    until(lambda: found_in_copy(replica, "skipped"))


def test_a_record_that_cannot_be_read_is_not_passed_over(
    replica: Member, shared: Valkey, prefix: str, clock: Clock
) -> None:
    """The copy ages, and the policy holds, until the store is mended."""
    with shared.client.pipeline(transaction=True) as together:
        together.hset(f"{{{prefix}}}:entries", "tip", "1-5")
        together.xadd(f"{{{prefix}}}:changes", {"nonsense": "x"}, "1-5")
        together.execute()
    until(lambda: "can't read" in replica.failure)
    clock.advance(PAST_LAG)
    with pytest.raises(AnswerFailed, match="can't read"):
        replica.find(token())
    shared.client.delete(f"{{{prefix}}}:changes")
    until(lambda: replica.is_current)


def test_more_than_max_entries_is_a_copy_that_ages(join: Join, shared: Valkey, writer: Member, clock: Clock) -> None:
    """Nothing is dropped to make room: it says so and no longer answers."""
    replica = join(shared, mode="replica", monotonic=clock, max_entries=10).follows()
    writer.write(*tokens(11))
    until(lambda: "max_entries" in replica.failure)
    clock.advance(PAST_LAG)
    with pytest.raises(AnswerFailed, match="max_entries"):
        replica.find(token("t-2"))


def test_a_replica_too_small_for_its_own_write_still_writes_it(join: Join, shared: Valkey, writer: Member) -> None:
    """The store has it, whoever else can hold it."""
    replica = join(shared, mode="replica", max_entries=1).follows()
    replica.write(*tokens(2))
    assert len(writer.listed()) == 2


def test_ended_entries_leave_the_copy(join: Join, shared: Valkey, writer: Member, clock: Clock) -> None:
    """By themselves, while it follows."""
    times = [NOW]
    replica = join(shared, mode="replica", monotonic=clock, clock=lambda: times[0]).follows()
    writer.write(revocation(until=NOW + 60), revocation("t-2", until=NOW + 7200))
    until(lambda: replica.store.state(NOW).entries == 2)
    times[0] += 120
    clock.advance(120)
    until(lambda: replica.store.state(NOW).entries == 1)


def test_a_store_without_an_epoch_is_not_followed_by_who_holds_nothing(
    join: Join, shared: Valkey, clock: Clock
) -> None:
    """It has no answer until somebody makes the store whole; then it has, by itself."""
    replica = join(shared, mode="replica", monotonic=clock)
    with pytest.raises(AnswerFailed, match="no epoch"):
        replica.find(token())
    until(lambda: "no epoch" in replica.failure)
    join(shared).write(revocation())
    assert not replica.is_current
    join(shared).create()
    until(lambda: replica.is_current)
    assert found_in_copy(replica, "t-1")


def test_checks_write_nothing_and_ask_nothing(replica: Member, shared: Valkey) -> None:
    """A thousand of them are no command at the server."""
    calls: list[int] = []
    for _ in range(2):
        calls.append(shared.client.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"])
        if len(calls) == 1:
            for number in range(20_000):
                found_in_copy(replica, f"t-{number}")
    assert calls[1] - calls[0] < 100  # what followers do in that time


def test_a_follower_of_a_client_of_ones_own(join: Join, shared: Valkey, writer: Member) -> None:
    """One that decodes, and speaks the newer protocol."""
    replica = join(
        lambda: redis.asyncio.Redis.from_url(shared.url, decode_responses=True, protocol=3), mode="replica"
    ).follows()
    writer.write(revocation("ü"))
    until(lambda: found_in_copy(replica, "ü"))


def test_sixty_four_threads_write_and_check(join: Join, shared: Valkey, writer: Member) -> None:
    """What one has written, it finds at once, and all find all in the end; no thread is left."""
    direct = join(shared, timeout=30)
    replica, other = (join(shared, mode="replica", timeout=30).follows() for _ in range(2))

    def work(number: int) -> None:
        through = (direct, replica)[number % 2]
        for each in range(20):
            name = f"thread-{number}-{each}"
            assert through.find(token(name)) is None
            through.write(revocation(name))
            assert through.find(token(name)) is not None

    with ThreadPoolExecutor(64) as pool:
        for done in [pool.submit(work, number) for number in range(64)]:
            done.result()
    until(lambda: other.store.state(NOW).entries == 64 * 20)
    assert len(values(writer.listed())) == 64 * 20


def test_what_seemed_over_by_a_clock_that_was_ahead_is_loaded_when_it_is_set_back(
    join: Join, shared: Valkey, writer: Member
) -> None:
    """A machine that wakes with a wrong time takes little into its copy; with the right one the tokens live again."""
    times = [NOW + 2 * HOUR]
    writer.write(revocation("before"))
    replica = join(shared, mode="replica", clock=lambda: times[0]).follows()
    writer.write(revocation("meanwhile"), revocation("lasts", until=NOW + 4 * HOUR))
    until(lambda: found_in_copy(replica, "lasts"))
    assert not found_in_copy(replica, "before")
    times[0] = NOW
    until(lambda: found_in_copy(replica, "before"))
    assert found_in_copy(replica, "meanwhile")
