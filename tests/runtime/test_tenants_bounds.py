"""How many issuers are kept, whom made-up names displace (nobody), and what a crowd of them may ask of the table."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.support import JWKS, PATIENCE, Clock, averdict, until, verdict
from runtime.tenancy import UNKNOWN, UNRESOLVED, Table, Tenancy, served, settings_of, tenant
from tokenguard import TokenGuard, errors
from tokenguard.core.effects import RefreshKeys
from tokenguard.runtime.health import TenantsState
from tokenguard.testing import LocalIssuer

TENANTS = [tenant(number) for number in range(40)]


def state_of(guard: TokenGuard) -> TenantsState:
    """What health says of the tenants."""
    state = guard.health().tenants
    assert state is not None
    return state


def kept_by(guard: TokenGuard) -> set[str]:
    """The issuers that it keeps."""
    tenants = guard._issuers.tenants
    assert tenants is not None
    return {trusted.config.issuer for trusted in tenants.trusted()}


def test_no_more_issuers_are_kept_than_there_is_room_for(tenancy: Tenancy) -> None:
    """Each is served all the same; the one that was used longest ago is looked up again."""
    table = Table(*map(settings_of, TENANTS))
    guard = tenancy(table.find, max_issuers=20)
    for _ in range(2):
        for each in TENANTS:
            assert verdict(guard, each.mint(sub=each.issuer)) == each.issuer
            assert state_of(guard).known <= 20
    assert set(table.asked.values()) == {2}


def test_an_issuer_that_is_dropped_leaves_nothing_that_would_still_be_let_in(tenancy: Tenancy) -> None:
    """Its remembered tokens go the whole way again, under keys of another generation."""
    table = Table(*map(settings_of, TENANTS))
    guard = tenancy(table.find, max_issuers=1)
    token = TENANTS[0].mint()
    assert verdict(guard, token) == "user-1"
    tenants = guard._issuers.tenants
    assert tenants is not None
    dropped = weakref.ref(tenants.trusted()[0].keys)
    assert verdict(guard, TENANTS[1].mint()) == "user-1"
    gc.collect()
    assert dropped() is None
    del table.rows[TENANTS[0].issuer]
    assert verdict(guard, token) == UNKNOWN


@pytest.mark.timeout(60)
async def test_to_be_dropped_ends_no_request_that_is_under_way(issuer: LocalIssuer, tenancy: Tenancy) -> None:
    """Others take its place while it waits for its keys; it gets them, and checks with them."""
    table = Table(served(issuer), *map(settings_of, TENANTS))
    guard = tenancy(table.find, max_issuers=2)
    issuer.misbehave("hang", path=JWKS)
    waiting = asyncio.create_task(averdict(guard, issuer.mint()))
    await asyncio.to_thread(until, lambda: issuer.count(JWKS))
    for each in TENANTS:
        assert await averdict(guard, each.mint()) == "user-1"
    assert issuer.issuer not in kept_by(guard)
    issuer.behave()
    assert await waiting == "user-1"


async def test_a_request_that_finds_its_issuer_dropped_can_still_ask_for_keys(
    issuer: LocalIssuer, tenancy: Tenancy, clock: Clock
) -> None:
    """It holds the issuer that it began with, and asks for that one's keys by the issuer, not by its name."""
    table = Table(served(issuer), *map(settings_of, TENANTS))
    guard = tenancy(table.afind, max_issuers=1)
    looked_up = guard._issuers.tenants
    assert looked_up is not None
    future = looked_up.resolve(issuer.issuer)
    trusted = await asyncio.wrap_future(future)
    assert await averdict(guard, TENANTS[0].mint()) == "user-1"
    assert looked_up.recall(issuer.issuer, clock()) is None
    assert trusted is not None
    await asyncio.wrap_future(guard._ask(RefreshKeys(trusted.keys, wait=True)))
    assert trusted.keys.snapshot.keys is not None


# Made-up names


def test_made_up_names_displace_no_issuer(tenancy: Tenancy) -> None:
    """Nor does a name out of the table, as long as no token of it is good."""
    table = Table(*map(settings_of, TENANTS))
    guard = tenancy(table.find, max_issuers=20)
    at_work = TENANTS[:10]
    for each in at_work:
        verdict(guard, each.mint())
    for number in range(1_000):
        assert verdict(guard, tenant(1_000 + number).mint()) == UNKNOWN
    for each in TENANTS[10:]:
        assert verdict(guard, each.broken("bad_signature")) == "bad_signature"
    asked = table.asked.copy()
    for each in at_work:
        assert verdict(guard, each.mint()) == "user-1"
    assert table.asked == asked
    assert state_of(guard).unknown == 20


def test_a_made_up_name_takes_no_place_of_a_header_or_token(tenancy: Tenancy) -> None:
    """Only what was verified is remembered."""
    guard = tenancy(Table().find)
    for number in range(100):
        verdict(guard, tenant(number).mint())
    assert len(guard._setup.tokens) == len(guard._setup.headers) == 0  # type: ignore[arg-type]


@pytest.mark.timeout(60)
async def test_a_flood_of_made_up_names_waits_in_a_bounded_queue(tenancy: Tenancy, clock: Clock) -> None:
    """The table is asked by so many at a time, further ones wait, and beyond that the answer is 503 at once; issuers
    that are known are served, and looked up again, meanwhile.
    """
    known = TENANTS[0]
    table = Table(settings_of(known))
    guard = tenancy(table.afind, concurrency=4, queue=10, ttl=10)
    assert await averdict(guard, known.mint()) == "user-1"
    table.hold()
    flood = [asyncio.create_task(averdict(guard, tenant(100 + number).mint())) for number in range(50)]
    done, _ = await asyncio.wait(flood, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(until, lambda: sum(table.asked.values()) == 5)
    assert state_of(guard).looking_up == 14
    assert await averdict(guard, known.mint()) == "user-1"

    clock.advance(10)
    again = asyncio.create_task(averdict(guard, known.mint()))
    await asyncio.to_thread(until, lambda: table.asked[known.issuer] == 2)
    table.go.set()
    assert await again == "user-1"
    outcomes = await asyncio.gather(*flood)
    assert (outcomes.count(UNRESOLVED), outcomes.count(UNKNOWN)) == (36, 14)
    assert table.most_at_once <= 5
    assert done


def test_the_hint_for_a_full_queue_names_the_setting(tenancy: Tenancy) -> None:
    """And says when to try again."""
    table = Table()
    table.hold()
    guard = tenancy(table.afind, concurrency=1, queue=0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(verdict, guard, TENANTS[0].mint())
        until(lambda: table.asked)
        with pytest.raises(errors.Unavailable) as caught:
            guard.validate(TENANTS[1].mint())
        table.go.set()
        assert first.result(PATIENCE) == UNKNOWN
    assert "IssuerResolver.queue" in caught.value.hint
    assert caught.value.retry_after == 1


# Memory


@pytest.mark.timeout(120)
def test_memory_is_bounded_by_the_issuers_kept_and_not_by_those_that_came(tenancy: Tenancy) -> None:
    """Of ten times as many issuers as there is room for, good tokens of each, and as many made-up names."""
    room, crowd = 20, 200
    tenants = [tenant(number) for number in range(crowd)]
    table = Table(*map(settings_of, tenants))
    guard = tenancy(table.find, max_issuers=room, token_cache=room)

    def wave(first: int) -> None:
        for number in range(first, first + 2 * room):
            verdict(guard, tenants[number % crowd].mint())
            verdict(guard, tenant(10_000 + number).mint())
        table.asked.clear()
        gc.collect()

    wave(0)  # fills it
    wave(2 * room)
    tracemalloc.start()
    try:
        wave(4 * room)
        before, _ = tracemalloc.get_traced_memory()
        for number in range(6, 16, 2):
            wave(number * room)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # what one issuer takes is some 5 KB; five more waves brought two hundred
    assert after - before < 5 * room * 1_024
    assert state_of(guard).known == room
