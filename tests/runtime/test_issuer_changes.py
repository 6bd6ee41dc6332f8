"""Issuers that are added and removed while requests go on: the next request knows, and none under way is cut off."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.asking import asked_at, bearing
from runtime.support import JWKS, PATIENCE, Clock, Protect, averdict, until, verdict
from runtime.tenancy import UNKNOWN, UNRESOLVED, Table, Tenancy, settings_of, tenant
from tokenguard import ClientSecret, Introspection, Issuer, IssuerResolver, Requirement, TokenGuard, errors
from tokenguard.errors import ConfigurationError
from tokenguard.testing import LocalIssuer

RED, BLUE, GREEN = tenant(1), tenant(2), tenant(3)


def guard_of(*issuers: LocalIssuer, **settings: object) -> TokenGuard:
    """A guard with these in its list."""
    listed = [settings_of(each) for each in issuers]
    return TokenGuard(audience="https://api.example.com", issuers=listed, **settings)  # type: ignore[arg-type]


# Those of the list


@pytest.mark.parametrize("others", [(), (BLUE,), (BLUE, GREEN)], ids=["the only", "of two", "of three"])
def test_the_tokens_of_a_removed_issuer_are_refused_from_the_next_request_on(others: tuple[LocalIssuer, ...]) -> None:
    """New ones and remembered ones; those of the others are as they were."""
    guard = guard_of(RED, *others)
    tokens = [each.mint() for each in (RED, *others)]
    assert {verdict(guard, token) for token in tokens} == {"user-1"}
    assert guard.remove_issuer(RED.issuer)
    assert [verdict(guard, token) for token in (tokens[0], RED.mint())] == [UNKNOWN, UNKNOWN]
    assert {verdict(guard, token) for token in tokens[1:]} <= {"user-1"}
    assert guard.issuers == tuple(each.issuer for each in others)
    assert not guard.remove_issuer(RED.issuer)


def test_nothing_that_a_removed_issuers_tokens_said_is_kept() -> None:
    """Neither claims nor keys; what is of the others stays."""
    guard = guard_of(RED, BLUE)
    for each in (RED, RED, BLUE):
        verdict(guard, each.mint())
    guard.remove_issuer(RED.issuer)
    assert [verified.issuer for verified in guard._tokens._entries.values()] == [BLUE.issuer]  # type: ignore[union-attr]
    assert len(guard._setup.headers) == 0  # type: ignore[arg-type]


def test_an_issuer_that_is_added_is_known_to_the_next_request() -> None:
    """Beside the first, which was the only one; and again after it was removed, under keys of another generation."""
    guard = guard_of(RED)
    token = BLUE.mint()
    assert verdict(guard, token) == UNKNOWN
    for _ in range(2):
        guard.add_issuer(settings_of(BLUE))
        assert [verdict(guard, each) for each in (token, RED.mint())] == ["user-1", "user-1"]
        guard.remove_issuer(BLUE.issuer)
        assert verdict(guard, token) == UNKNOWN
    assert verdict(guard, RED.mint()) == "user-1"


def test_a_string_is_added_as_an_issuer(issuer: LocalIssuer, protect: Protect) -> None:
    """Its keys are discovered when the first token comes."""
    guard = protect(RED, jwks=RED.jwks)
    guard.add_issuer(issuer.issuer)
    assert issuer.requests == []
    assert verdict(guard, issuer.mint()) == "user-1"


def test_the_same_settings_again_change_nothing(issuer: LocalIssuer, protect: Protect) -> None:
    """The keys stay; other settings bring a new start, and hold for remembered tokens too."""
    guard = protect(issuer)
    token = issuer.mint()
    verdict(guard, token)
    setup = guard._setup
    guard.add_issuer(setup.issuers[issuer.issuer].config)
    assert guard._setup is setup
    guard.add_issuer(Issuer(issuer.issuer, audience="https://elsewhere.test"))
    assert verdict(guard, token) == "wrong_audience"
    assert issuer.count(JWKS) == 2


def test_what_depends_on_the_issuers_follows_them() -> None:
    """Algorithms, the one that is alone, those of any tenant, and those that are asked about opaque tokens."""
    guard = guard_of(RED)
    assert guard._setup.only is guard._setup.issuers[RED.issuer]
    before = guard._setup.algorithms
    introspection = Introspection(ClientSecret("a", "b"), endpoint="https://blue.test/ask")
    guard.add_issuer(settings_of(BLUE, jwks=BLUE.jwks, algorithms=("ES256", "ES384"), introspection=introspection))
    setup = guard._setup
    assert (setup.only, setup.algorithms) == (None, before | {"ES384"})
    assert setup.introspecting is not None
    assert len(guard.health().introspection) == 1
    guard.remove_issuer(BLUE.issuer)
    setup = guard._setup
    assert setup.only is setup.issuers[RED.issuer]
    assert (setup.algorithms, setup.introspecting) == (before, None)
    assert guard.health().introspection == ()


@pytest.mark.parametrize("wrong", ["not a URL", 7, None, IssuerResolver(str), settings_of(BLUE, jwks={"keys": []})])
def test_what_can_not_be_added_changes_nothing(wrong: object) -> None:
    """And says why."""
    guard = guard_of(RED)
    setup = guard._setup
    with pytest.raises(ConfigurationError):
        guard.add_issuer(wrong)  # type: ignore[arg-type]
    assert guard._setup is setup
    assert guard.issuers == (RED.issuer,)


def test_what_does_not_go_with_the_others_changes_nothing() -> None:
    """Two issuers whose opaque tokens nothing tells apart."""
    guard = guard_of(RED)
    ask = Introspection(ClientSecret("a", "b"), endpoint="https://blue.test/ask")
    guard.add_issuer(settings_of(BLUE, jwks=BLUE.jwks, introspection=ask))
    with pytest.raises(ConfigurationError, match=r"Introspection\.prefix"):
        guard.add_issuer(settings_of(GREEN, jwks=GREEN.jwks, introspection=ask))
    assert guard.issuers == (RED.issuer, BLUE.issuer)
    assert [verdict(guard, each.mint()) for each in (RED, BLUE, GREEN)] == ["user-1", "user-1", UNKNOWN]


@pytest.mark.timeout(60)
async def test_a_request_under_way_ends_as_it_would_have(issuer: LocalIssuer, protect: Protect) -> None:
    """It waits for the keys of an issuer that is removed meanwhile; the next one is refused."""
    guard = protect(issuer)
    issuer.misbehave("hang", path=JWKS)
    waiting = asyncio.create_task(averdict(guard, issuer.mint()))
    await asyncio.to_thread(until, lambda: issuer.count(JWKS))
    guard.remove_issuer(issuer.issuer)
    issuer.behave()
    assert await waiting == "user-1"
    assert await averdict(guard, issuer.mint()) == UNKNOWN


@pytest.mark.timeout(60)
async def test_what_lasts_ends_with_the_trust_in_its_issuer() -> None:
    """A connection that a removed issuer's token opened, as the next request with that token would be refused."""
    guard = guard_of(RED, BLUE)
    token, other = [await guard.avalidate(each.mint(client_id="c-1")) for each in (RED, BLUE)]
    guard.remove_issuer(RED.issuer)
    end = await guard.until_ended(token)
    assert (end.reason, end.issuer, end.client_id) == (UNKNOWN, RED.issuer, "c-1")
    goes_on = asyncio.create_task(guard.until_ended(other))
    assert (await guard.until_ended(token)).reason == UNKNOWN
    assert not goes_on.done()
    goes_on.cancel()


@pytest.mark.timeout(60)
def test_threads_see_each_change_whole() -> None:
    """Sixteen of them, while another adds and removes: no verdict but those that there can be."""
    guard = guard_of(RED, token_cache=20)
    over = threading.Event()

    def checks() -> set[tuple[str, str]]:
        seen = set()
        tokens = [(each.issuer, each.mint()) for each in (RED, BLUE) for _ in range(5)]
        while not over.is_set():
            seen |= {(name, verdict(guard, token)) for name, token in tokens}
        return seen

    with ThreadPoolExecutor(16) as pool:
        checking = [pool.submit(checks) for _ in range(16)]
        for _ in range(100):
            guard.add_issuer(settings_of(BLUE))
            guard.remove_issuer(BLUE.issuer)
        over.set()
        seen = set().union(*(each.result(PATIENCE) for each in checking))
    assert seen <= {(RED.issuer, "user-1"), (BLUE.issuer, "user-1"), (BLUE.issuer, UNKNOWN)}
    assert (RED.issuer, "user-1") in seen


# Those of a table


@pytest.mark.parametrize("kind", ["find", "afind"])
def test_a_tenant_that_left_the_table_is_refused_from_the_next_request_on(tenancy: Tenancy, kind: str) -> None:
    """Long before its answer would have been asked for again; and let in again when it is back."""
    table = Table(settings_of(RED), settings_of(BLUE))
    guard = tenancy(getattr(table, kind))
    token = RED.mint()
    assert [verdict(guard, each) for each in (token, BLUE.mint())] == ["user-1", "user-1"]
    del table.rows[RED.issuer]
    assert verdict(guard, token) == "user-1"
    assert guard.remove_issuer(RED.issuer)
    assert verdict(guard, token) == verdict(guard, RED.mint()) == UNKNOWN
    table.rows[RED.issuer] = settings_of(RED)
    guard.remove_issuer(RED.issuer)
    assert verdict(guard, token) == "user-1"
    assert table.asked == {RED.issuer: 3, BLUE.issuer: 1}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["find", "afind"])
async def test_what_lasts_ends_when_a_tenant_has_left_the_table(tenancy: Tenancy, clock: Clock, kind: str) -> None:
    """When its answer has grown old; where the table can't tell, as a request would; and not before."""
    table = Table(settings_of(RED), settings_of(BLUE))
    guard = tenancy(getattr(table, kind), ttl=60, retry_after=1)
    red, blue = [await guard.avalidate(each.mint()) for each in (RED, BLUE)]
    del table.rows[RED.issuer]
    goes_on = asyncio.create_task(guard.until_ended(blue))
    guard.remove_issuer(RED.issuer)
    assert (await guard.until_ended(red)).reason == UNKNOWN
    assert not goes_on.done()
    assert table.asked[BLUE.issuer] == 1
    table.fault = OSError()
    clock.advance(61)
    assert (await goes_on).reason == UNRESOLVED


@pytest.mark.timeout(60)
async def test_an_answer_from_before_the_removal_is_not_kept(tenancy: Tenancy) -> None:
    """Whoever asked before may go on with it; whoever comes after has the table asked again."""
    table = Table(settings_of(RED))
    guard = tenancy(table.afind)
    table.hold()
    first = asyncio.create_task(averdict(guard, RED.mint()))
    await asyncio.to_thread(until, lambda: table.asked[RED.issuer] == 1)
    assert guard.remove_issuer(RED.issuer)
    second = asyncio.create_task(averdict(guard, RED.mint()))
    await asyncio.to_thread(until, lambda: table.asked[RED.issuer] == 2)
    table.go.set()
    assert [await first, await second] == ["user-1", "user-1"]
    assert guard.health().tenants.known == 1  # type: ignore[union-attr]
    del table.rows[RED.issuer]
    guard.remove_issuer(RED.issuer)
    assert await averdict(guard, RED.mint()) == UNKNOWN


@pytest.mark.timeout(60)
async def test_an_old_answer_that_comes_late_brings_no_issuer_back(tenancy: Tenancy) -> None:
    """The table was read before its row went, and the answer arrives after the guard was told."""
    answers = [settings_of(RED), None]
    read, go = threading.Event(), threading.Event()

    async def find(_issuer: str) -> Issuer | None:
        answer = answers.pop(0)
        read.set()
        await asyncio.to_thread(go.wait, PATIENCE)
        return answer

    guard = tenancy(find)
    token = RED.mint()
    early = asyncio.create_task(averdict(guard, token))
    await asyncio.to_thread(read.wait, PATIENCE)
    guard.remove_issuer(RED.issuer)
    go.set()
    assert await early == "user-1"
    assert await averdict(guard, token) == UNKNOWN


def test_one_that_is_added_to_the_list_is_looked_up_no_more(tenancy: Tenancy) -> None:
    """And removed from the list it is the table's again."""
    table = Table(settings_of(RED))
    guard = tenancy(table.find)
    token = RED.mint()
    verdict(guard, token)
    guard.add_issuer(settings_of(RED))
    assert guard.health().tenants.known == 0  # type: ignore[union-attr]
    del table.rows[RED.issuer]
    assert verdict(guard, token) == "user-1"
    guard.remove_issuer(RED.issuer)
    assert verdict(guard, token) == UNKNOWN
    assert table.asked == {RED.issuer: 2}


def test_a_tenant_may_be_asked_live(issuer: LocalIssuer, tenancy: Tenancy) -> None:
    """After the local check; one without introspection can't be, and no JWT of a tenant is shown to a listed issuer."""
    every = Introspection(ClientSecret("a", "b"), endpoint="https://blue.test/ask", mode="every")
    blue = settings_of(BLUE, jwks=BLUE.jwks, introspection=every)
    row = Issuer(issuer.issuer, introspection=asked_at(issuer, mode="live"))
    guard = tenancy(Table(row, settings_of(RED)).find, listed=[blue])
    live = Requirement(live=True)
    token = issuer.mint()
    assert guard.check(bearing(token), requirement=live).subject == "user-1"
    issuer.revoke(token)
    with pytest.raises(errors.InvalidToken, match="inactive"):
        guard.check(bearing(token), requirement=live)
    with pytest.raises(errors.Unavailable, match="live_check_unavailable"):
        guard.check(bearing(RED.mint()), requirement=live)
