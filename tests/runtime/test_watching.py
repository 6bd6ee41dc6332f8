"""Tokens of connections that last: told when they end, by one task for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

import pytest

from tokenguard import AccessToken, Issuer, TokenGuard
from tokenguard.core.effects import Flow, RefreshKeys
from tokenguard.errors import Denied, InvalidToken, Reason, Unavailable
from tokenguard.runtime.watching import INTERVAL, TokenWatch, Watches
from tokenguard.testing import LocalIssuer, SigningKey

KEY = SigningKey.generate("ES256")
NOW = 1_790_000_000.0


class Rounds:
    """Stands in for sleep: a round of looks begins when the test says so."""

    def __init__(self) -> None:
        self.asked_for: list[float] = []
        self._turns: asyncio.Queue[None] = asyncio.Queue()
        self._idle = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked_for.append(seconds)
        self._idle.set()
        await self._turns.get()

    async def idle(self) -> None:
        """Wait until a round is over."""
        await self._idle.wait()

    def begin(self) -> None:
        """Have another round, which may be the last."""
        self._idle.clear()
        self._turns.put_nowait(None)

    async def next(self) -> None:
        """Have another round, whole."""
        self.begin()
        await self.idle()


class World:
    """What is true of tokens, and a watch that looks at it."""

    def __init__(self) -> None:
        self.rounds = Rounds()
        self.ended: dict[str, Denied | Unavailable | Exception] = {}
        self.looked: list[str | None] = []
        self.expired: Denied | None = None
        self.remote = False
        self.questions: list[Future[None]] = []
        self.asked_about = asyncio.Event()
        self.watch = TokenWatch(self.look, self.ask, self.rounds)

    def look(self, token: AccessToken) -> Flow[None]:
        """As the pipeline does; with `remote`, by a question."""
        self.looked.append(token.id)
        if self.expired is not None and token.id in self.ended:
            raise self.expired
        if self.remote:
            yield RefreshKeys(token.issuer, wait=True)
        if token.id in self.ended:
            raise self.ended[token.id]

    def ask(self, _: Any) -> Future[None]:
        """Begin to answer, which is the test's to end."""
        self.questions.append(Future())
        if len(self.questions) == 3:
            self.asked_about.set()
        return self.questions[-1]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Nothing has ended; afterwards, nobody watches."""
    before = asyncio.all_tasks()
    world = World()
    yield world
    for task in asyncio.all_tasks() - before - {asyncio.current_task()}:
        task.cancel()


@pytest.fixture
def issuer() -> LocalIssuer:
    """Issues at `NOW`."""
    return LocalIssuer(signing_key=KEY, clock=lambda: NOW)


@pytest.fixture
def tokens(issuer: LocalIssuer) -> list[AccessToken]:
    """Three tokens, a, b and c."""
    guard = TokenGuard(audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)], clock=lambda: NOW)
    return [guard.validate(issuer.mint(jti=name)) for name in "abc"]


REVOKED = InvalidToken(Reason.REVOKED)


async def test_whoever_waits_is_told_why(world: World, tokens: list[AccessToken]) -> None:
    """The refusal that a request would get, and nobody else is."""
    a, b, _ = (asyncio.create_task(world.watch.until_ended(token)) for token in tokens)
    await world.rounds.idle()
    assert not a.done()
    world.ended["a"] = REVOKED
    await world.rounds.next()
    assert await a is REVOKED
    assert not b.done()


async def test_a_token_that_has_ended_already_is_told_of_at_once(world: World, tokens: list[AccessToken]) -> None:
    """Between the request's check and the first look it may have been revoked."""
    world.ended["a"] = REVOKED
    assert await world.watch.until_ended(tokens[0]) is REVOKED


async def test_it_looks_twice_a_second(world: World, tokens: list[AccessToken]) -> None:
    """So that a second is never exceeded."""
    waiting = asyncio.create_task(world.watch.until_ended(tokens[0]))
    await world.rounds.idle()
    assert world.rounds.asked_for == [INTERVAL]
    assert INTERVAL <= 0.5
    waiting.cancel()


async def test_one_task_watches_all(world: World, tokens: list[AccessToken]) -> None:
    """A thousand connections are no thousand timers."""
    before = len(asyncio.all_tasks())
    waiting = [asyncio.create_task(world.watch.until_ended(token)) for token in tokens * 100]
    await world.rounds.idle()
    assert len(asyncio.all_tasks()) == before + len(waiting) + 1
    await world.rounds.next()
    assert len(world.looked) == 2 * len(waiting)
    assert len(world.rounds.asked_for) == 2
    for task in waiting:
        task.cancel()


async def test_the_task_ends_with_the_last_who_waits(world: World, tokens: list[AccessToken]) -> None:
    """And begins again with the next."""
    before = asyncio.all_tasks()
    for _ in range(2):
        waiting = asyncio.create_task(world.watch.until_ended(tokens[0]))
        await world.rounds.idle()
        waiting.cancel()
        await asyncio.wait(asyncio.all_tasks() - before)
        world.rounds._idle.clear()
    assert world.looked == ["a", "a"]


async def test_one_who_waits_no_longer_takes_nobody_along(world: World, tokens: list[AccessToken]) -> None:
    """Its connection is closed; the others' go on."""
    gone, stays = (asyncio.create_task(world.watch.until_ended(token)) for token in tokens[:2])
    await world.rounds.idle()
    gone.cancel()
    world.ended["b"] = REVOKED
    world.rounds.begin()
    assert await stays is REVOKED


async def test_a_store_is_asked_about_all_at_once(world: World, tokens: list[AccessToken]) -> None:
    """Not one after the other: that would take longer than a second with many."""
    world.remote = True
    world.ended["b"] = REVOKED
    waiting = [asyncio.create_task(world.watch.until_ended(token)) for token in tokens]
    await world.asked_about.wait()
    for question in world.questions:
        question.set_result(None)
    assert await waiting[1] is REVOKED
    for task in waiting:
        task.cancel()


async def test_a_store_that_hangs_keeps_nobody_from_being_told(world: World, tokens: list[AccessToken]) -> None:
    """That a token has expired is known without it; when it answers at last, that counts too."""
    world.remote = True
    waiting = [asyncio.create_task(world.watch.until_ended(token)) for token in tokens]
    await world.asked_about.wait()
    world.expired = world.ended["a"] = REVOKED
    await world.rounds.idle()
    world.rounds.begin()
    assert await waiting[0] is REVOKED
    assert len(world.questions) == 3, "nothing is asked again that has no answer yet"
    world.ended["b"] = REVOKED
    for question in world.questions:
        question.set_result(None)
    assert await waiting[1] is REVOKED
    waiting[2].cancel()


async def test_what_nobody_foresaw_of_a_question_ends_the_connection(world: World, tokens: list[AccessToken]) -> None:
    """That of the token it was about."""
    world.remote = True
    a, b, _ = (asyncio.create_task(world.watch.until_ended(token)) for token in tokens)
    await world.asked_about.wait()
    world.questions[0].set_exception(RuntimeError("a defect"))
    assert (await a).reason is Reason.CHECK_FAILED
    assert not b.done()


async def test_what_nobody_foresaw_ends_the_connections(world: World, tokens: list[AccessToken]) -> None:
    """Rather than to leave them open, watched by nobody; the next one is watched again."""
    world.ended["a"] = RuntimeError("a defect")
    both = [asyncio.create_task(world.watch.until_ended(token)) for token in tokens[:2]]
    ends = await asyncio.gather(*both)
    assert {type(end) for end in ends} == {Unavailable}
    assert {end.reason for end in ends} == {Reason.CHECK_FAILED}
    world.ended["c"] = REVOKED
    assert await world.watch.until_ended(tokens[2]) is REVOKED


async def test_one_who_comes_while_a_watch_fails_is_watched_by_the_next(
    world: World, tokens: list[AccessToken]
) -> None:
    """Nobody waits for a task that is over."""
    late: list[asyncio.Task[Denied | Unavailable]] = []

    def look(token: AccessToken) -> Flow[None]:
        if token.id == "a":
            late.append(asyncio.create_task(watch.until_ended(tokens[1])))
            raise RuntimeError("a defect")
        raise REVOKED
        yield

    watch = TokenWatch(look, world.ask, world.rounds)
    assert (await watch.until_ended(tokens[0])).reason is Reason.CHECK_FAILED
    assert await late[0] is REVOKED


def test_each_event_loop_has_a_watch_of_its_own(tokens: list[AccessToken]) -> None:
    """A guard is shared by all loops, a task belongs to one."""

    def look(_: AccessToken) -> Flow[None]:
        raise REVOKED
        yield

    def ask(_: Any) -> Future[None]:
        raise AssertionError

    told: list[object] = []
    watches = Watches(look, ask, told.append)
    for _ in range(2):
        assert asyncio.run(watches.until_ended(tokens[0])) is REVOKED
    assert told == [REVOKED, REVOKED], "each end is a refusal to be told of"
