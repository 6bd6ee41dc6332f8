"""One tenant's trouble is its own: its issuer down, slow, hanging or flooded leaves the others as they were."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from runtime.servers import serving
from runtime.support import ENDLESS, JWKS, PATIENCE, UNAVAILABLE, Clock, averdict, unpublished, verdict
from runtime.tenancy import UNKNOWN, UNRESOLVED, Table, Tenancy, served, settings_of, tenant
from tokenguard import Issuer, KeyPolicy, TokenGuard
from tokenguard.errors import ConfigurationError, Unavailable
from tokenguard.runtime import turns
from tokenguard.testing import LocalIssuer, SigningKey


@pytest.fixture
def other(signing_key: SigningKey) -> Any:
    """A second issuer over real HTTP."""
    with LocalIssuer(signing_key=signing_key).serve() as running:
        yield running


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["hang", "drip", "down", "error", "garbage"])
async def test_one_issuer_in_trouble_leaves_another_alone(
    issuer: LocalIssuer, other: LocalIssuer, tenancy: Tenancy, fault: str
) -> None:
    """Cold, and under fifty requests for the one that has no keys."""
    guard = tenancy(Table(served(issuer), served(other)).afind)
    issuer.misbehave(fault, seconds=3600)
    stuck = [asyncio.create_task(averdict(guard, issuer.mint())) for _ in range(50)]
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        assert [await averdict(guard, other.mint()) for _ in range(20)] == ["user-1"] * 20
    await guard.aclose()
    assert set(await asyncio.gather(*stuck)) == {UNAVAILABLE}


def test_a_flood_of_unknown_kids_spends_the_cool_down_of_its_own_issuer_only(
    issuer: LocalIssuer, other: LocalIssuer, tenancy: Tenancy, clock: Clock
) -> None:
    """The other's rotation is seen at once."""
    guard = tenancy(Table(served(issuer), served(other)).find)
    guard.warm(issuers=[issuer.issuer, other.issuer])
    clock.advance(31)
    for number in range(50):
        assert verdict(guard, unpublished(issuer, f"kid-{number}")) == "unknown_key"
    other.rotate()
    assert verdict(guard, other.mint()) == "user-1"
    assert (issuer.count(JWKS), other.count(JWKS)) == (2, 2)


@pytest.mark.timeout(60)
async def test_tenants_that_hang_do_not_use_up_the_turns_of_the_others(
    issuer: LocalIssuer, tenancy: Tenancy, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a common turn once; from then on those that failed wait among themselves, however many they are."""
    monkeypatch.setattr(turns, "_SOUND", 4)
    monkeypatch.setattr(turns, "_FAILING", 2)
    connected = threading.Semaphore(0)
    over = threading.Event()

    def hang(connection: socket.socket) -> None:
        connected.release()
        over.wait()

    with serving(hang) as port, ExitStack() as stack:
        stack.callback(over.set)
        hanging = [tenant(number) for number in range(8)]
        policy = KeyPolicy(timeout=1, cooldown=0.001, max_age=600)
        rows = [Issuer(each.issuer, jwks_uri=f"http://127.0.0.1:{port}/", keys=policy) for each in hanging]
        guard = tenancy(Table(served(issuer), *rows).find)
        first = await asyncio.gather(*(averdict(guard, each.mint()) for each in hanging))
        assert set(first) == {UNAVAILABLE}
        clock.advance(1)
        stuck = [asyncio.create_task(averdict(guard, each.mint())) for each in hanging]
        assert await asyncio.to_thread(connected.acquire, timeout=PATIENCE)
        assert await averdict(guard, issuer.mint()) == "user-1"
        assert not any(each.done() for each in stuck)  # none of those that hang has given up its turn
        assert set(await asyncio.gather(*stuck)) == {UNAVAILABLE}


@pytest.mark.timeout(60)
async def test_more_tenants_than_a_pool_has_connections_hang_and_another_is_served(
    issuer: LocalIssuer, tenancy: Tenancy
) -> None:
    """A hundred and fifty at once."""
    over = threading.Event()
    with serving(lambda _connection: over.wait()) as port, ExitStack() as stack:  # type: ignore[arg-type, return-value]
        stack.callback(over.set)
        hanging = [tenant(number) for number in range(150)]
        policy = KeyPolicy(timeout=ENDLESS)
        rows = [Issuer(each.issuer, jwks_uri=f"http://127.0.0.1:{port}/", keys=policy) for each in hanging]
        guard = tenancy(Table(served(issuer), *rows).find)
        stuck = [asyncio.create_task(averdict(guard, each.mint())) for each in hanging]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(averdict(guard, issuer.mint()), PATIENCE) == "user-1"
        await guard.aclose()
        assert set(await asyncio.gather(*stuck)) == {UNAVAILABLE}


@pytest.mark.timeout(60)
async def test_names_that_the_dns_does_not_answer_keep_no_other_from_being_looked_up(
    issuer: LocalIssuer, tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty, which is more than asyncio's own threads."""
    over, real = threading.Event(), socket.getaddrinfo
    at = issuer.issuer.replace("127.0.0.1", "localhost")

    def getaddrinfo(host: Any, *arguments: Any, **settings: Any) -> Any:
        if b"tenant" in (host if isinstance(host, bytes) else str(host).encode()):
            over.wait(PATIENCE)
        return real(host, *arguments, **settings)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    hanging = [tenant(number) for number in range(40)]
    rows = [Issuer(each.issuer, keys=KeyPolicy(timeout=1)) for each in hanging]
    reachable = Issuer(issuer.issuer, jwks_uri=f"{at}{JWKS}", keys=KeyPolicy(timeout=1))
    guard = tenancy(Table(reachable, *rows).find)
    stuck = [asyncio.create_task(averdict(guard, each.mint())) for each in hanging]
    await asyncio.sleep(0)
    assert await averdict(guard, issuer.mint()) == "user-1"
    assert set(await asyncio.gather(*stuck)) == {UNAVAILABLE}
    over.set()


# Warm start and health


@pytest.mark.parametrize("kind", ["find", "afind"])
async def test_named_issuers_are_warmed(issuer: LocalIssuer, other: LocalIssuer, tenancy: Tenancy, kind: str) -> None:
    """Looked up and fetched, with those of the list or without; their first request then waits for nothing."""
    table = Table(served(issuer), *(settings_of(tenant(number)) for number in range(120)))
    guard = tenancy(getattr(table, kind), listed=[served(other)])
    await guard.awarm(issuers=[issuer.issuer, other.issuer, *(tenant(number).issuer for number in range(120))])
    assert (issuer.count(JWKS), other.count(JWKS)) == (1, 1)
    table.hold()
    issuer.misbehave("down")
    assert verdict(guard, issuer.mint()) == verdict(guard, tenant(119).mint()) == "user-1"
    table.go.set()
    state = guard.health()
    assert (state.ready, len(state.issuers)) == (True, 1)


def test_to_warm_without_names_warms_the_list(issuer: LocalIssuer, other: LocalIssuer, tenancy: Tenancy) -> None:
    """The table can't be asked whom it has."""
    guard = tenancy(Table(served(issuer)).find, listed=[served(other)])
    guard.warm()
    assert (issuer.count(JWKS), other.count(JWKS)) == (0, 1)


def test_to_warm_what_can_not_be_had_says_so(issuer: LocalIssuer, tenancy: Tenancy) -> None:
    """A name that nobody has is a mistake of who wrote it; a table or an issuer that fails is not there now."""
    table = Table(served(issuer))
    guard = tenancy(table.find)
    with pytest.raises(ConfigurationError, match=r"https://tenant-0\.test is no issuer"):
        guard.warm(issuers=[tenant().issuer])
    with pytest.raises(ConfigurationError, match="list of issuer identifiers"):
        guard.warm(issuers=issuer.issuer)
    issuer.misbehave("down")
    with pytest.raises(Unavailable, match=UNAVAILABLE):
        guard.warm(issuers=[issuer.issuer])
    table.fault = OSError()
    with pytest.raises(Unavailable, match=UNRESOLVED):
        guard.warm(issuers=["https://tenant-9.test"])


def test_health_has_numbers_and_the_failing_ones(issuer: LocalIssuer, tenancy: Tenancy) -> None:
    """Not an entry a tenant; and one tenant's outage does not take the service from all others."""
    tenants = [tenant(number) for number in range(100)]
    guard = tenancy(Table(served(issuer), *map(settings_of, tenants)).find)
    issuer.misbehave("error")
    for each in (issuer, *tenants):
        verdict(guard, each.mint())
    verdict(guard, tenant(1_000).mint())
    health = guard.health()
    state = health.tenants
    assert state is not None
    assert (health.ready, health.issuers) == (True, ())
    assert (state.known, state.serving, state.failing, state.unknown, state.looking_up) == (101, 100, 1, 1, 0)
    assert [each.issuer for each in state.examples] == [issuer.issuer]
    assert state.examples[0].last_error.endswith("answered 500")
    assert health.as_dict()["tenants"]["known"] == 101


def test_health_of_a_guard_without_tenants_does_not_speak_of_them(issuer: LocalIssuer) -> None:
    """Its shape is what it was."""
    guard = TokenGuard(audience="a", issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)])
    assert set(guard.health().as_dict()) == {"ready", "issuers", "introspection", "revocations"}


@pytest.mark.timeout(60)
def test_threads_of_many_tenants_at_once(tenancy: Tenancy) -> None:
    """Sixty-four of them, over more tenants than there is room for: everybody gets the verdict on their own token."""
    tenants = [tenant(number) for number in range(60)]
    guard = tenancy(Table(*map(settings_of, tenants[:50])).afind, max_issuers=20, concurrency=64)
    tokens = {each.mint(sub=each.issuer): each.issuer for each in tenants[:50]}
    tokens |= {each.mint(): UNKNOWN for each in tenants[50:]}

    def rounds(start: int) -> list[str]:
        mine = list(tokens)[start:] + list(tokens)[:start]
        return [token for token in mine if verdict(guard, token) != tokens[token]]

    with ThreadPoolExecutor(64) as pool:
        assert [wrong for wrong in pool.map(rounds, range(64), timeout=PATIENCE * 5) if wrong] == []
