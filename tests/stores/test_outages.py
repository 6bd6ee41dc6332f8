"""Servers that die, stop, forget or come back as they were yesterday: nothing is lost while one process has it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from runtime.support import Clock, until
from stores.support import NOW, Join, Member, Valkey, free_port, revocation, token, tokens, values
from tokenguard.core.effects import AnswerFailed

pytestmark = pytest.mark.timeout(60)


def in_copy(member: Member, token_id: str) -> bool:
    """Without a question to the server; a copy that is too old holds what it held."""
    return member.store._book.find(token(token_id), NOW) is not None


def verdict(member: Member, token_id: str) -> str:
    """Of one check: "revoked", "fine" or "no answer"."""
    try:
        return "revoked" if member.find(token(token_id)) else "fine"
    except AnswerFailed:
        return "no answer"


def never_let_in(members: list[Member], token_id: str, otherwise: str = "revoked") -> Iterator[bool]:
    """Checks a revoked token at each member again and again; says whether all have come to that verdict."""
    while True:
        verdicts = {verdict(member, token_id) for member in members}
        assert "fine" not in verdicts
        yield verdicts == {otherwise}


async def load_in_part(member: Member) -> None:
    """As when the connection is lost while the pages are read."""
    async for page in member.store._server.pages():
        member.store._book.add(page, NOW)


def test_a_server_that_died_and_came_back_is_followed_again(
    join: Join, kept_valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """With all it held; what is written afterwards arrives; nothing had to be written back."""
    caplog.set_level(logging.WARNING, "tokenguard.revocations")
    writer, replica = join(kept_valkey, create=True), join(kept_valkey, mode="replica")
    writer.write(revocation("before"))
    replica.follows()
    kept_valkey.kill()
    until(lambda: replica.failure)
    assert verdict(replica, "before") == "revoked"
    assert verdict(replica, "other") == "fine"  # within max_lag
    kept_valkey.start()
    until(lambda: replica.failure == "")
    writer.write(revocation("after"))
    until(lambda: in_copy(replica, "after"))
    assert in_copy(replica, "before")
    assert not [record for record in caplog.records if "written back" in record.message]


def test_what_was_written_while_a_process_could_not_see_it_is_not_missed(
    join: Join, kept_valkey: Valkey, clock: Clock
) -> None:
    """It goes on from the record it had read last."""
    writer, replica = join(kept_valkey, create=True), join(kept_valkey, mode="replica", monotonic=clock)
    writer.write(revocation("before"))
    replica.follows()
    kept_valkey.kill()
    until(lambda: replica.failure)
    elsewhere = free_port()
    kept_valkey.start(elsewhere)
    hidden = join(f"redis://127.0.0.1:{elsewhere}")
    hidden.write(*tokens(500))
    kept_valkey.kill()
    kept_valkey.start()
    until(lambda: replica.store.state(NOW).entries == 501)
    until(lambda: replica.is_current)


@pytest.mark.parametrize(("when_lagging", "pause"), [("closed", 10), ("direct", 3), ("open", 3)])
def test_a_pause_of_ten_seconds_is_survived(join: Join, valkey: Valkey, when_lagging: str, pause: float) -> None:
    """The copy, then the policy, then the copy again, with what was written by then; nobody restarts anything."""
    writer = join(valkey, create=True, timeout=0.3)
    writer.write(revocation("before"))
    replica = join(valkey, mode="replica", max_lag=1.0, timeout=0.3, when_lagging=when_lagging).follows()
    valkey.pause()
    state = replica.store.state
    assert verdict(replica, "other") == "fine"
    for seconds in (pause / 2, pause):
        until(lambda seconds=seconds: (state(NOW).lag or 0) > seconds)
        assert verdict(replica, "before") == "revoked"
        assert verdict(replica, "other") == {"open": "fine"}.get(when_lagging, "no answer")
    with pytest.raises(AnswerFailed):
        writer.write(revocation("meanwhile"))  # says that it is not known to be written
    valkey.resume()
    until(lambda: replica.is_current)
    assert verdict(replica, "other") == "fine"
    writer.write(revocation("meanwhile"))
    until(lambda: in_copy(replica, "meanwhile"))


def test_a_store_that_came_back_empty_is_filled_by_who_still_knows(join: Join, valkey: Valkey) -> None:
    """At no time does anybody let the revoked token in: not who held it, nor who comes anew in either mode."""
    writer = join(valkey, create=True)
    writer.write(revocation(), *tokens(1500))
    survivors = [join(valkey, mode="replica").follows() for _ in range(2)]
    valkey.kill()
    until(lambda: all(member.failure for member in survivors))
    valkey.start()
    newcomers = [join(valkey), join(valkey, mode="replica")]
    verdicts = never_let_in([*survivors, *newcomers], "t-1")
    until(lambda: next(verdicts))
    until(lambda: len(values(join(valkey).listed())) == 1501)
    for member in (*survivors, newcomers[1]):
        until(lambda member=member: member.is_current and in_copy(member, "many-1499"))
        assert verdict(member, "other") == "fine"
    assert verdict(newcomers[0], "other") == "fine"


def test_a_store_that_came_back_empty_stays_shut_without_a_survivor(join: Join, valkey: Valkey) -> None:
    """Who holds nothing can't say that nothing was revoked, until somebody who knows does."""
    join(valkey, create=True).write(revocation())
    valkey.kill()
    valkey.start()
    members = [join(valkey), join(valkey, mode="replica")]
    verdicts = never_let_in(members, "t-1", "no answer")
    assert next(verdicts)
    until(lambda: members[1].failure)
    assert {verdict(member, "other") for member in members} == {"no answer"}
    members[0].write(revocation("t-2"))  # a write does not make it whole
    assert verdict(members[0], "t-2") == "revoked"
    assert next(verdicts)
    members[0].create()
    until(lambda: {verdict(member, "other") for member in members} == {"fine"})


def test_each_survivor_brings_what_it_alone_knows(join: Join, valkey: Valkey) -> None:
    """The mark of the first does not stop the second."""
    join(valkey, create=True).create()
    survivors = [join(valkey, mode="replica").follows() for _ in range(3)]
    for number, member in enumerate(survivors):  # what the server lost before the others had read it
        member.store._replica.add([revocation(f"only-{number}")])  # type: ignore[union-attr]
    valkey.kill()
    until(lambda: all(member.failure for member in survivors))
    valkey.start()
    for member in survivors:
        until(lambda member=member: all(in_copy(member, f"only-{number}") for number in range(3)))


def test_a_store_that_is_flushed_is_filled_again(join: Join, valkey: Valkey) -> None:
    """While everything runs, with no connection lost."""
    writer = join(valkey, create=False)
    writer.create()
    writer.write(*tokens(10))
    replica = join(valkey, mode="replica").follows()
    valkey.client.flushall()
    until(lambda: len(writer.listed()) == 10)
    until(lambda: verdict(writer, "other") == "fine")
    writer.write(revocation("after"))
    until(lambda: in_copy(replica, "after"))


def test_a_copy_that_was_never_whole_does_not_make_the_store_whole(join: Join, valkey: Valkey, clock: Clock) -> None:
    """It brings what it holds, and has no answer for the rest."""
    writer = join(valkey)
    writer.write(*tokens(5))
    replica = join(valkey, mode="replica", monotonic=clock)
    replica.begin(load_in_part(replica)).result()
    until(lambda: replica.store.state(NOW).entries == 5)
    valkey.client.flushall()
    assert verdict(replica, "other") == "no answer"
    until(lambda: len(writer.listed()) == 5)
    until(lambda: replica.failure)
    assert verdict(replica, "other") == "no answer"
    assert verdict(writer, "other") == "no answer"


def test_an_older_copy_gets_back_what_it_lacks(join: Join, kept_valkey: Valkey) -> None:
    """A fail-over that lost the last writes, after which others wrote: the same numbers, another history."""
    writer = join(kept_valkey, create=True)
    writer.write(revocation("first"))
    copy = kept_valkey.backup()
    replica = join(kept_valkey, mode="replica").follows()
    for lost in ("lost-1", "lost-2"):
        writer.write(revocation(lost))
    until(lambda: in_copy(replica, "lost-2"))
    kept_valkey.kill()
    until(lambda: replica.failure)
    kept_valkey.restore(copy)
    elsewhere = free_port()
    kept_valkey.start(elsewhere)
    hidden = join(f"redis://127.0.0.1:{elsewhere}")
    for other in ("other-1", "other-2", "other-3"):
        hidden.write(revocation(other))
    kept_valkey.kill()
    kept_valkey.start()
    until(lambda: all(in_copy(replica, f"other-{number}") for number in (1, 2, 3)))
    expected = {"first", "lost-1", "lost-2", "other-1", "other-2", "other-3"}
    until(lambda: values(writer.listed()) == expected)
    newcomer = join(kept_valkey, mode="replica").follows()
    assert all(in_copy(newcomer, name) for name in expected)


def test_a_closed_member_ends_its_follower_whatever_the_server_does(join: Join, valkey: Valkey) -> None:
    """Paused, dead or well: the thread is gone soon."""
    members = [join(valkey, mode="replica", create=True).follows() for _ in range(3)]
    members[0].close()
    valkey.pause()
    members[1].close()
    valkey.resume()
    valkey.kill()
    members[2].close()
    for member in members:
        thread = member._io._thread
        assert thread is None or not thread.is_alive()


def test_health_alone_notices_that_a_server_is_back(join: Join, kept_valkey: Valkey, clock: Clock) -> None:
    """Who is not ready gets no requests, so none can be waited for; it is tried once a second, whoever looks."""
    member = join(kept_valkey, create=True, monotonic=clock)
    member.write(revocation())
    kept_valkey.kill()
    with pytest.raises(AnswerFailed):
        member.find(token())
    begun = []
    member.store._begin = lambda work: begun.append(member.begin(work))
    for _ in range(3):
        assert not member.store.state(NOW).serving
    (tried,) = begun
    tried.result()
    kept_valkey.start()
    assert not member.store.state(NOW).serving
    clock.advance(1)
    until(lambda: member.store.state(NOW).serving)
    assert len(begun) == 2


def test_a_store_that_lost_its_epoch_does_not_serve_because_it_answers(join: Join, shared: Valkey) -> None:
    """Looking at health makes nothing whole."""
    member = join(shared)
    with pytest.raises(AnswerFailed, match="no epoch"):
        member.find(token())
    member.begin(member.store._try_again()).result()
    assert not member.store.state(NOW).serving
    join(shared).create()
    member.begin(member.store._try_again()).result()
    assert member.store.state(NOW).serving
