"""One guard for many threads, tasks and event loops: one fetch for all, and nobody sees what is another's."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.support import (
    JWKS,
    OAUTH,
    PATIENCE,
    UNAVAILABLE,
    Clock,
    Protect,
    attempted,
    averdict,
    build_guard,
    key_state,
    unpublished,
    until,
    verdict,
    waiting_threads,
)
from tokenguard import errors
from tokenguard.testing import LocalIssuer


@pytest.mark.req("A-163", "JK-15")
@pytest.mark.timeout(60)
async def test_a_cold_start_makes_one_fetch_for_threads_and_tasks_together(
    issuer: LocalIssuer, protect: Protect
) -> None:
    """Two hundred threads and a thousand tasks at once."""
    guard = protect(issuer)
    issuer.misbehave("hang", path=JWKS)
    token = issuer.mint()
    outcomes: Counter[str] = Counter()
    threads = [threading.Thread(target=lambda: outcomes.update([verdict(guard, token)])) for _ in range(200)]
    for thread in threads:
        thread.start()
    tasks = [asyncio.create_task(averdict(guard, token)) for _ in range(1000)]
    await asyncio.to_thread(until, lambda: waiting_threads(guard) == 200)
    issuer.behave()
    outcomes.update(await asyncio.gather(*tasks))
    for thread in threads:
        await asyncio.to_thread(thread.join, PATIENCE)
    assert outcomes == {"user-1": 1200}
    assert (issuer.count(OAUTH), issuer.count(JWKS)) == (1, 1)


@pytest.mark.req("A-163")
@pytest.mark.timeout(60)
async def test_everybody_gets_the_verdict_on_their_own_token(issuer: LocalIssuer, protect: Protect) -> None:
    """Sixty-four threads and a thousand tasks, good tokens among bad ones: no claim and no error strays."""
    guard = protect(issuer, token_cache=50)  # smaller than the number of tokens: entries come and go all the time
    guard.warm()
    expected: dict[str, str] = {issuer.mint(sub=f"user-{number}"): f"user-{number}" for number in range(100)}
    for number in range(20):
        expected[issuer.mint(exp=1 + number, iat=number)] = "expired"
        expected[issuer.mint(aud=f"https://other-{number}.test")] = "wrong_audience"
        expected[unpublished(issuer, f"kid-{number}")] = "unknown_key"
        expected[issuer.broken("bad_signature", sub=f"user-{number}")] = "bad_signature"
    tokens = list(expected)

    def by_thread(number: int) -> list[str]:
        mine = tokens[number:] + tokens[:number]
        return [token for token in mine if verdict(guard, token) != expected[token]]

    async def by_task(number: int) -> bool:
        token = tokens[number % len(tokens)]
        await asyncio.sleep(0)
        return await averdict(guard, token) == expected[token]

    with ThreadPoolExecutor(64) as pool:
        strays = [pool.submit(by_thread, number) for number in range(64)]
        rounds = [asyncio.create_task(by_task(number)) for number in range(1000)]
        assert all(await asyncio.gather(*rounds))
        for stray in strays:
            assert await asyncio.wrap_future(stray) == []


async def test_the_claims_of_a_remembered_token_are_each_callers_own(issuer: LocalIssuer, protect: Protect) -> None:
    """What one view appends makes nobody else an admin."""
    guard = protect(issuer)
    token = issuer.mint(scope="read", roles=["user"], nested={"groups": []})
    first = guard.validate(token)
    first.claims["roles"].append("admin")
    first.claims["nested"]["groups"].append("root")
    first.claims["scope"] = "read write"
    for again in (guard.validate(token), await guard.avalidate(token)):
        assert again.claims["roles"] == ["user"]
        assert again.claims["nested"] == {"groups": []}
        assert again.claims["scope"] == "read"
        assert again.scopes == {"read"}
    assert first.claims["roles"] == ["user", "admin"]


@pytest.mark.timeout(30)
async def test_cancelling_one_who_waits_leaves_the_others_waiting(issuer: LocalIssuer, protect: Protect) -> None:
    """The first one too, whose request began the fetch; a thread is not disturbed either."""
    guard = protect(issuer)
    issuer.misbehave("hang", path=JWKS)
    tasks = [asyncio.create_task(averdict(guard, issuer.mint(sub=f"user-{number}"))) for number in range(10)]
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(verdict, guard, issuer.mint(sub="thread"))
        await asyncio.to_thread(until, lambda: issuer.count(JWKS) == 1)
        for number in (0, 3, 9):
            tasks[number].cancel()
        await asyncio.wait([tasks[number] for number in (0, 3, 9)])
        assert key_state(guard).state == "cold"
        issuer.behave()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.wrap_future(thread) == "thread"
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == [f"user-{n}" for n in (1, 2, 4, 5, 6, 7, 8)]
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 3
    assert issuer.count(JWKS) == 1


@pytest.mark.timeout(30)
@pytest.mark.parametrize("deadline", [0.3, 3600])
async def test_a_fetch_that_fails_after_its_waiter_has_gone_is_silent(
    issuer: LocalIssuer, deadline: float, caplog: pytest.LogCaptureFixture
) -> None:
    """By its deadline or by `close`: nobody complains of an exception that nobody retrieved."""
    guard = build_guard(issuer, timeout=deadline)
    issuer.misbehave("hang", path=JWKS)
    tasks = [asyncio.create_task(guard.avalidate(issuer.mint())), asyncio.create_task(guard.awarm())]
    await asyncio.to_thread(until, lambda: issuer.count(JWKS) == 1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    if deadline < 1:
        await asyncio.to_thread(attempted, guard)
    await guard.aclose()
    del guard, tasks, task
    gc.collect()  # such a complaint is made when the future is collected
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.timeout(30)
def test_event_loops_in_turn_share_a_guard(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """A loop for each request, as Flask makes them: each may wait, one may begin what the next one needs."""
    guard = protect(issuer)
    assert asyncio.run(averdict(guard, issuer.mint())) == "user-1"
    issuer.rotate()
    clock.advance(30)
    assert asyncio.run(averdict(guard, issuer.mint())) == "user-1"
    assert issuer.count(JWKS) == 2


@pytest.mark.timeout(30)
def test_a_loop_that_ended_while_it_waited_harms_nobody(
    issuer: LocalIssuer, protect: Protect, caplog: pytest.LogCaptureFixture
) -> None:
    """The fetch it began goes on for the loop that comes after it."""
    guard = protect(issuer)
    issuer.misbehave("hang", path=JWKS)

    async def give_up() -> None:
        task = asyncio.create_task(averdict(guard, issuer.mint()))
        await asyncio.to_thread(until, lambda: issuer.count(JWKS) == 1)
        task.cancel()

    asyncio.run(give_up())
    issuer.behave()
    assert asyncio.run(averdict(guard, issuer.mint())) == "user-1"
    assert issuer.count(JWKS) == 1
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.timeout(30)
def test_event_loops_at_once_share_a_guard(issuer: LocalIssuer, protect: Protect) -> None:
    """In threads of their own; each wakes its own tasks."""
    guard = protect(issuer)
    issuer.misbehave("hang", path=JWKS)

    async def many() -> set[str]:
        return set(await asyncio.gather(*(averdict(guard, issuer.mint()) for _ in range(20))))

    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(asyncio.run, many()) for _ in range(8)]
        until(lambda: issuer.count(JWKS) == 1)
        issuer.behave()
        assert [loop.result(PATIENCE) for loop in loops] == [{"user-1"}] * 8
    assert issuer.count(JWKS) == 1


@pytest.mark.timeout(30)
async def test_sync_code_within_a_running_loop_can_wait(issuer: LocalIssuer, protect: Protect) -> None:
    """It blocks that loop, as it must, but not the fetch it waits for."""
    guard = protect(issuer)
    guard.warm()
    assert guard.validate(issuer.mint()).subject == "user-1"


@pytest.mark.req("A-139")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["hang", "drip", "down", "huge", "gzip_bomb", "garbage", "error"])
async def test_the_event_loop_runs_on_whatever_the_issuer_does(
    issuer: LocalIssuer, protect: Protect, fault: str
) -> None:
    """A fetch takes up to 0.8 seconds here; nothing that runs beside it may notice."""
    guard = protect(issuer, timeout=0.8)
    issuer.misbehave(fault, path=None if fault == "down" else JWKS, seconds=0.1)
    loop = asyncio.get_running_loop()
    longest = 0.0
    over = False

    async def tick() -> None:
        nonlocal longest
        while not over:
            before = loop.time()
            await asyncio.sleep(0.001)
            longest = max(longest, loop.time() - before)

    ticking = asyncio.create_task(tick())
    with pytest.raises(errors.Unavailable):
        await guard.avalidate(issuer.mint())
    assert await averdict(guard, unpublished(issuer)) == UNAVAILABLE
    over = True
    await ticking
    # 50 ms are the aim; the rest is left to a machine that others use too
    assert longest < 0.4
