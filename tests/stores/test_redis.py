"""Revocations in a real Valkey, each check by one question to it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from runtime.support import Clock, until
from stores.support import HOUR, ISSUER, NOW, OTHER, Join, Member, Valkey, revocation, token, tokens, values
from tokenguard.core.effects import AnswerFailed, AskRemotely
from tokenguard.core.revocation import Level, Revocation
from tokenguard.errors import ConfigurationError
from tokenguard.stores.redis import RedisRevocations
from tokenguard.stores.wire import SWEEP_MARGIN

EACH_LEVEL = [
    revocation("t-1"),
    revocation("s-1", Level.SESSION),
    revocation("alice", Level.SUBJECT, before=NOW),
    revocation("c-1", Level.CLIENT, before=NOW),
    revocation("", Level.ISSUER, before=NOW),
]


@pytest.fixture
def member(join: Join, shared: Valkey) -> Member:
    """One that asks the server each time."""
    return join(shared, create=True)


@pytest.mark.parametrize("revoked", EACH_LEVEL, ids=lambda each: str(each.level))
def test_a_token_is_hit_at_each_level(member: Member, revoked: Revocation) -> None:
    """What is written is found by the next check, with its level."""
    assert member.find(token()) is None
    member.write(revoked)
    found = member.find(token())
    assert found is not None
    assert (found.level, found.value) == (revoked.level, revoked.value)


@pytest.mark.parametrize("revoked", EACH_LEVEL, ids=lambda each: str(each.level))
def test_a_token_of_another_issuer_is_not_hit(member: Member, revoked: Revocation) -> None:
    """The same jti, sid, sub and client_id at another issuer mean something else."""
    member.write(revoked)
    assert member.find(token(issuer=OTHER)) is None


@pytest.mark.parametrize("level", [Level.SUBJECT, Level.CLIENT, Level.ISSUER])
def test_what_was_issued_later_is_not_hit(member: Member, level: Level) -> None:
    """Issued at the moment itself is hit, a second later is not, and without iat is."""
    value = {Level.SUBJECT: "alice", Level.CLIENT: "c-1", Level.ISSUER: ""}[level]
    member.write(revocation(value, level, before=NOW))
    assert member.find(token()) is not None
    assert member.find(token(issued_at=None)) is not None
    assert member.find(token(issued_at=NOW + 1)) is None


def test_a_token_without_jti_is_hit_by_its_fingerprint(member: Member) -> None:
    """The fingerprint stands where the jti is missing."""
    member.write(revocation("fingerprint:00ff"))
    assert member.find(token(id=None, fingerprint="fingerprint:00ff")) is not None
    assert member.find(token(id=None, fingerprint="fingerprint:ff00")) is None


@pytest.mark.parametrize("value", ['"]', "a b\nc", "\x00", "ü€😀", "\ud800", "x" * 10_000, "epoch", "tip"])
def test_a_value_is_only_ever_a_value(member: Member, value: str) -> None:
    """Whatever characters an issuer puts into a claim, it names that and nothing else."""
    member.write(revocation(value, Level.SESSION))
    assert member.find(token(session=value)) == revocation(
        value, Level.SESSION, until=math.ceil((NOW + HOUR) / 60) * 60
    )
    assert member.find(token(session=value + "x")) is None
    assert member.find(token(value, session="other")) is None
    assert values(member.listed()) == {value}


def test_of_two_for_the_same_the_later_ends_hold(member: Member) -> None:
    """In either order, to the last digit of a time, and the same twice is one."""
    early, late = NOW + 0.123456789, NOW + 1.987654321
    for written in (
        revocation("alice", Level.SUBJECT, before=late, until=NOW + HOUR),
        revocation("alice", Level.SUBJECT, before=early, until=NOW + 2 * HOUR),
        revocation("alice", Level.SUBJECT, before=early, until=NOW + HOUR),
    ):
        member.write(written)
    (found,) = member.listed()
    assert (found.before, found.until >= NOW + 2 * HOUR) == (late, True)
    assert member.find(token(issued_at=math.nextafter(late, 0))) is not None
    assert member.find(token(issued_at=math.nextafter(late, math.inf))) is None


def test_for_all_times_is_later_than_any(member: Member) -> None:
    """A session that was ended for good stays so."""
    for before in (NOW, math.inf, NOW + 1):
        member.write(revocation("s-1", Level.SESSION, before=before))
    assert [each.before for each in member.listed()] == [math.inf]


def test_writing_the_same_again_is_no_news(member: Member, shared: Valkey, prefix: str) -> None:
    """It adds no record that replicas would have to read."""
    for _ in range(3):
        member.write(revocation(), revocation())
    assert shared.client.xlen(f"{{{prefix}}}:changes") == 1


def test_many_are_written_at_once_and_listed_each_once(member: Member) -> None:
    """More than one record holds, and more than one page."""
    many = tokens(2500)
    member.write(*many)
    listed = member.listed()
    assert len(listed) == 2500
    assert values(listed) == values(many)


def test_of_a_store_that_lost_its_entries_nothing_else_is_kept(member: Member, shared: Valkey, prefix: str) -> None:
    """The history that a write begins then is a new one, and so is the list of ends."""
    member.write(revocation("lost"))
    shared.client.delete(f"{{{prefix}}}:entries")
    member.write(revocation("new"))
    assert shared.client.xlen(f"{{{prefix}}}:changes") == shared.client.zcard(f"{{{prefix}}}:ends") == 1


def test_what_is_long_over_is_taken_out_by_later_writes(join: Join, shared: Valkey, prefix: str) -> None:
    """Not before the margin for clocks that differ, and no look-up depends on it."""
    member = join(shared, create=True)
    member.write(revocation("early", until=NOW + 60), revocation("late", until=NOW + HOUR))
    for seconds, left in ((SWEEP_MARGIN - 60, 2), (SWEEP_MARGIN + 120, 1)):
        member.begin(member.store.write([], NOW + 60 + seconds)).result()
        assert shared.client.zcard(f"{{{prefix}}}:ends") == left
    assert values(member.listed()) == {"late"}


def test_a_writer_whose_clock_is_ahead_takes_nothing_out(join: Join, shared: Valkey, prefix: str) -> None:
    """The server's own clock has to agree that an entry is over."""
    member = join(shared, create=True)
    century = 100 * 365 * 86_400
    member.write(revocation(until=NOW + century))
    member.begin(member.store.write([], NOW + 2 * century)).result()
    assert shared.client.zcard(f"{{{prefix}}}:ends") == 1


def test_what_is_over_hits_nothing(member: Member) -> None:
    """From its end on, though the server still has it."""
    member.write(revocation(until=NOW + 60))
    for now, is_hit in ((NOW + 59, True), (NOW + 120, False)):
        assert bool(member.begin(member.store.ask(token(), now)).result()) is is_hit


def test_a_store_without_an_epoch_has_no_answer(join: Join, shared: Valkey) -> None:
    """It may have lost what it held; what it does hold is honoured, and the operator's word makes it whole."""
    member = join(shared)
    with pytest.raises(AnswerFailed, match=r"no epoch.*create"):
        member.find(token())
    member.write(revocation())
    assert member.find(token()) is not None
    with pytest.raises(AnswerFailed, match="no epoch"):
        member.find(token("t-2"))
    member.create()
    assert member.find(token("t-2")) is None
    assert member.find(token()) is not None


def test_creating_changes_nothing_in_a_store_that_is_in_use(member: Member, shared: Valkey, prefix: str) -> None:
    """The epoch stays, and what is held."""
    member.write(revocation())
    epoch = shared.client.hget(f"{{{prefix}}}:entries", "epoch")
    member.create()
    assert epoch is not None
    assert shared.client.hget(f"{{{prefix}}}:entries", "epoch") == epoch
    assert values(member.listed()) == {"t-1"}


def test_stores_under_other_names_know_nothing_of_each_other(member: Member, join: Join, shared: Valkey) -> None:
    """One server may serve several services."""
    stranger = join(shared, prefix="stranger", create=True)
    member.write(revocation())
    assert stranger.find(token()) is None


@pytest.mark.parametrize("key", ["entries", "ends", "changes"])
def test_a_write_that_fails_raises_and_leaves_nothing(join: Join, shared: Valkey, prefix: str, key: str) -> None:
    """Another program's key under our name: no entry without its record, no record without its entry."""
    member = join(shared, create=True)
    member.create()
    if key == "entries":
        shared.client.delete(f"{{{prefix}}}:entries")
    else:
        member.write(revocation("first"))
    shared.client.set(f"{{{prefix}}}:{key}", "not ours")
    if key == "changes":  # which only replicas read, and which can be made anew
        member.write(revocation())
        assert shared.client.xlen(f"{{{prefix}}}:changes") == 1
        return
    with pytest.raises(AnswerFailed, match=r"WRONGTYPE|ResponseError"):
        member.write(revocation())
    assert shared.client.xlen(f"{{{prefix}}}:changes") == (0 if key == "entries" else 1)


def test_a_full_server_refuses_the_write_and_drops_nothing(join: Join, valkey: Valkey) -> None:
    """Out of memory is said, and what is held stays."""
    member = join(valkey, create=True)
    member.write(revocation())
    valkey.client.config_set("maxmemory", 1)
    with pytest.raises(AnswerFailed, match=r"OutOfMemory|OOM"):
        member.write(revocation("t-2"))
    assert member.find(token()) is not None
    assert member.find(token("t-2")) is None
    valkey.client.config_set("maxmemory", 0)
    member.write(revocation("t-2"))
    assert member.find(token("t-2")) is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('["token","https://auth.example.com","t-1"]', "soon later"),
        ('["token","https://auth.example.com","t-1"]', "inf"),
        ('["token","https://auth.example.com","t-1"]', "nan 1"),
        ('["token","https://auth.example.com","t-1"]', ""),
    ],
)
def test_an_entry_that_cannot_be_read_is_no_entry_that_is_not_there(
    member: Member, shared: Valkey, prefix: str, field: str, value: str
) -> None:
    """Who can't read what stands about a token can't say that it counts."""
    member.create()
    shared.client.hset(f"{{{prefix}}}:entries", field, value)
    with pytest.raises(AnswerFailed, match="can't read"):
        member.find(token())
    with pytest.raises(AnswerFailed, match="can't read"):
        member.listed()
    member.write(revocation())  # in its place
    assert member.find(token()) is not None


def test_a_server_that_does_not_answer_is_given_up_in_time(join: Join, valkey: Valkey) -> None:
    """By check and write alike; the state says so, until it answers again."""
    member = join(valkey, create=True, timeout=0.1)
    member.write(revocation())
    valkey.pause()
    for attempt in (lambda: member.find(token("t-2")), lambda: member.write(revocation("t-2"))):
        with pytest.raises(AnswerFailed, match=r"within 0\.1"):
            attempt()
    assert not member.store.state(NOW).serving
    valkey.resume()
    assert member.find(token()) is not None
    assert member.store.state(NOW).serving


def test_a_server_that_was_restarted_is_reached_again(join: Join, kept_valkey: Valkey) -> None:
    """Without a new store, scripts and connections included."""
    member = join(kept_valkey, create=True)
    member.write(revocation())
    kept_valkey.kill()
    with pytest.raises(AnswerFailed, match="ConnectionError"):
        member.find(token())
    with pytest.raises(AnswerFailed):
        member.write(revocation("t-2"))
    kept_valkey.start()
    assert member.find(token()) is not None
    member.write(revocation("t-2"))
    assert member.find(token("t-2")) is not None


def test_a_client_of_ones_own_may_decode(join: Join, shared: Valkey, prefix: str) -> None:
    """A factory makes it, with whatever settings it has; it is called once."""
    made: list[Any] = []

    def make() -> Any:
        made.append(redis.asyncio.Redis.from_url(shared.url, decode_responses=True))
        return made[-1]

    member = Member(make, prefix=prefix, create=True)
    member.write(revocation("ü"))
    assert member.find(token("ü")) is not None
    assert values(member.listed()) == {"ü"}
    member.close()
    assert len(made) == 1


def test_a_factory_that_fails_is_a_store_that_does_not_answer() -> None:
    """Nothing of what it said is repeated: there may be a password in it."""

    def fail() -> Any:
        raise LookupError("secret")

    member = Member(fail)
    with pytest.raises(AnswerFailed, match=r"^the client .* failed: LookupError$"):
        member.find(token())
    member.close()


def test_a_wrong_password_is_not_shown(shared: Valkey) -> None:
    """Neither by the failure nor by anything else that is said."""
    member = Member(f"redis://user:hunter2@127.0.0.1:{shared.port}")
    with pytest.raises(AnswerFailed, match=r"AuthenticationError|ResponseError") as failure:
        member.find(token())
    assert "hunter2" not in f"{failure.value!r} {member.store!r} {member.store.state(NOW)}"
    member.close()


@pytest.mark.parametrize("mode", ["direct", "replica"])
def test_the_documented_rights_are_enough(join: Join, valkey: Valkey, mode: str) -> None:
    """The rule of docs/revocations-in-redis.md, as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "revocations-in-redis.md").read_text(encoding="utf-8")
    rule = page.partition("ACL SETUSER ")[2].partition("```")[0].replace("{tokenguard}", "{rights}").split()
    valkey.client.execute_command("ACL", "SETUSER", *rule)
    owner = f"redis://{rule[0]}:{rule[2][1:]}@127.0.0.1:{valkey.port}"
    member = join(owner, prefix="rights", mode=mode, create=True)
    assert member.find(token()) is None
    member.write(*tokens(300), revocation("early", until=NOW + 60))
    assert len(member.listed()) == 301
    member.begin(member.store.write([], NOW + HOUR / 2)).result()  # takes out what is over
    assert len(values(member.listed())) == 300
    if mode == "replica":
        member.follows()
        join(valkey, prefix="rights").write(revocation())
        until(lambda: member.store.find(token(), NOW) is not None)


def test_the_state_says_that_a_write_holds_at_once(member: Member) -> None:
    """Mode direct has no delay, and counts nothing here."""
    state = member.store.state(NOW)
    assert (state.mode, state.entries, state.worst_case_delay, state.serving) == ("direct", None, 0.0, True)


def test_from_memory_it_has_nothing_to_say(member: Member) -> None:
    """So that the pipeline asks."""
    with pytest.raises(AskRemotely):
        member.store.find(token(), NOW)


def test_a_store_belongs_to_one_guard(member: Member) -> None:
    """A second one would use its connections from another loop."""
    with pytest.raises(ConfigurationError, match="one guard"):
        member.store.attach(member.begin)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"source": "http://example.com"}, "url"),
        ({"source": 1}, "URL"),
        ({"source": "redis://:secret@host:port"}, "url"),
        ({"mode": "both"}, "mode"),
        ({"prefix": ""}, "prefix"),
        ({"prefix": "a{b}"}, "prefix"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": math.inf}, "timeout"),
        ({"create": 1}, "create"),
        ({"max_lag": 0}, "max_lag"),
        ({"when_lagging": "wait"}, "when_lagging"),
        ({"max_entries": 0}, "max_entries"),
        ({"history": 0}, "history"),
        ({"clock": 1}, "clock"),
        ({"monotonic": None}, "monotonic"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    """When built, and without what it was: there may be a password in it."""
    with pytest.raises(ConfigurationError, match=named) as error:
        RedisRevocations(**({"source": "redis://localhost"} | settings))
    assert "secret" not in str(error.value)


def test_nothing_is_begun_by_building_it() -> None:
    """Servers fork after building an app: no connection, no thread, no loop is needed."""
    store = RedisRevocations("redis://localhost:1", mode="replica", monotonic=Clock())
    assert store.state(NOW).serving
    assert ISSUER not in repr(store)
