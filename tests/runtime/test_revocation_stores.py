"""Stores of other kinds than the default one: asked over the network, failing, behind, or written by someone else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from runtime.support import averdict, io_threads, verdict
from tokenguard import Issuer, Requirement, Revocation, TokenGuard, errors
from tokenguard.asgi import TokenGuardMiddleware
from tokenguard.core.effects import AnswerFailed, AskRemotely
from tokenguard.core.model import Request, Verified
from tokenguard.core.revocation import Level, StoreState, hits
from tokenguard.errors import ConfigurationError, Reason, RevocationFailed, Unavailable
from tokenguard.runtime import revoking
from tokenguard.testing import LocalIssuer, SigningKey

_SESSION: Any = (Level.SESSION, "s-1", float("inf"), 4e9)
LIVE = Requirement(live=True)
OPEN, CLOSED = Requirement(when_revocations_unknown="open"), Requirement(when_revocations_unknown="closed")
SECRET = "secret-of-the-store"
_ANY = [AnswerFailed("down", 7), KeyError(SECRET), StopIteration(SECRET), StopAsyncIteration(SECRET)]
FAILURES = pytest.mark.parametrize("failure", _ANY, ids=lambda each: type(each).__name__)


class Remote:
    """Answers when asked; fails with `failure` where there is one."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.kept: list[Revocation] = []
        self.asked = 0
        self.closed = False

    async def ask(self, token: Verified, now: float) -> Revocation | None:
        """The first that hits."""
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return next((each for each in self.kept if hits(each, token, now)), None)

    async def write(self, revocations: Sequence[Revocation], now: float) -> None:  # noqa: ARG002
        """Keep all, or fail."""
        if self.failure is not None:
            raise self.failure
        self.kept.extend(revocations)

    async def pages(self, now: float) -> AsyncIterator[Sequence[Revocation]]:  # noqa: ARG002
        """One a page, with empty pages between."""
        if self.failure is not None:
            raise self.failure
        for each in self.kept:
            yield ()
            yield (each,)

    async def close(self) -> None:
        """Note that it was called."""
        self.closed = True


class Copy(Remote):
    """Answers from memory too: as `behind` says, unless that is None."""

    def __init__(self, behind: Exception | None = None) -> None:
        super().__init__()
        self.behind = behind

    def find(self, token: Verified, now: float) -> Revocation | None:
        """From the same list."""
        if self.behind is not None:
            raise self.behind
        return next((each for each in self.kept if hits(each, token, now)), None)


class OnlyFinds:
    """The least a store must have: nothing can be written to it here."""

    def __init__(self, find: Callable[[Verified, float], Revocation | None]) -> None:
        self.find = find


@pytest.fixture(scope="module")
def local() -> LocalIssuer:
    """An issuer whose keys are at hand."""
    return LocalIssuer(signing_key=SigningKey.generate("ES256"))


@pytest.fixture
def build(local: LocalIssuer) -> Iterator[Callable[..., TokenGuard]]:
    """Guards over a store, closed when the test ends; no thread of theirs is left then."""
    before, guards = io_threads(), []

    def guard(store: object, **settings: Any) -> TokenGuard:
        issuer = Issuer(local.issuer, jwks=local.jwks, max_lifetime=3600)
        guards.append(TokenGuard(audience=local.audience, issuers=[issuer], revocations=store, **settings))
        return guards[-1]

    yield guard
    for each in guards:
        each.close()
    assert io_threads() <= before


Build = Callable[..., TokenGuard]


def checked(guard: TokenGuard, token: str, requirement: Requirement) -> str:
    """The subject, or the reason of the refusal."""
    request = Request("GET", "https://api.example.com/", {"authorization": f"Bearer {token}"})
    try:
        return str(guard.check(request, requirement=requirement).subject)
    except (errors.Denied, errors.Unavailable) as refusal:
        return str(refusal.reason)


def failing(failure: Exception) -> list[object]:
    """A store of each kind that fails with this."""
    return [Remote(failure), Copy(failure), OnlyFinds(_raising(failure))]


def _raising(failure: Exception) -> Callable[..., None]:
    def find(*_: object) -> None:
        raise failure

    return find


def test_a_remote_store_is_asked_on_every_request(build: Build, local: LocalIssuer) -> None:
    """For sync and async callers, with tokens that are remembered too; and written to by `revoke`."""
    store = Remote()
    guard, token = build(store), local.mint(sub="alice", sid="s-1")
    assert [verdict(guard, token), asyncio.run(averdict(guard, token)), verdict(guard, token)] == ["alice"] * 3
    assert store.asked == 3
    guard.revoke(session="s-1")
    assert [verdict(guard, token), asyncio.run(averdict(guard, token))] == [Reason.REVOKED] * 2
    asyncio.run(guard.arevoke(subject="bob"))
    assert [each.value for each in guard.revocations.held()] == ["s-1", "bob"]
    guard.close()
    assert store.closed


@pytest.mark.parametrize("number", range(3), ids=["remote", "copy", "only finds"])
@FAILURES
def test_where_nobody_can_tell_the_policy_decides(
    build: Build, local: LocalIssuer, caplog: pytest.LogCaptureFixture, number: int, failure: Exception
) -> None:
    """Closed is 503; open lets in, marks the token, and raises an alarm each time; whatever the store comes up with."""
    token = local.mint(sub="alice", client_id="c-1", jti="t-1")
    closed = build(failing(failure)[number])
    with pytest.raises(Unavailable) as unavailable:
        closed.validate(token)
    assert unavailable.value.reason is Reason.REVOCATIONS_UNAVAILABLE
    assert unavailable.value.retry_after == (7 if isinstance(failure, AnswerFailed) else 1)
    assert "when_revocations_unknown" in unavailable.value.hint
    opened = build(failing(failure)[number], when_revocations_unknown="open")
    with caplog.at_level(logging.ERROR, "tokenguard.audit"):
        assert opened.validate(token).is_unconfirmed
    (alarm,) = (record for record in caplog.records if record.name == "tokenguard.audit")
    told = alarm.__dict__["tokenguard"]
    assert (told["event"], told["client_id"], told["jti"]) == ("let_in_unconfirmed", "c-1", "t-1")
    assert SECRET not in caplog.text + str(unavailable.value) + unavailable.value.hint


@FAILURES
def test_a_store_that_begins_to_fail_is_believed_of_remembered_tokens_no_more(
    build: Build, local: LocalIssuer, failure: Exception
) -> None:
    """The short way of a remembered token ends where the long one of a new token does, under either policy."""
    for policy in ("closed", "open"):
        failing: list[Exception] = []
        store = OnlyFinds(lambda *_, failing=failing: _raising(failing[0])() if failing else None)
        guard, remembered = build(store, when_revocations_unknown=policy), local.mint(sub="alice")
        assert verdict(guard, remembered) == "alice"
        failing.append(failure)
        for token in (remembered, local.mint(sub="alice")):
            told = {verdict(guard, token), asyncio.run(averdict(guard, token)), checked(guard, token, Requirement())}
            assert told == {Reason.REVOCATIONS_UNAVAILABLE if policy == "closed" else "alice"}


@pytest.mark.parametrize("answer", [True, False, "revoked", {}], ids=repr)
def test_what_a_store_answers_that_is_no_revocation_tells_nothing(
    build: Build, local: LocalIssuer, answer: Any
) -> None:
    """From memory or when asked, of new tokens and remembered ones: the policy decides."""

    class Strange(Remote):
        async def ask(self, token: Verified, now: float) -> Any:  # noqa: ARG002
            return answer

    answers = [None]
    guard, remembered = build(OnlyFinds(lambda *_: answers[0])), local.mint()
    assert verdict(guard, remembered) == "user-1"
    answers[0] = answer
    for asked, token in ((guard, remembered), (guard, local.mint()), (build(Strange()), remembered)):
        assert verdict(asked, token) == Reason.REVOCATIONS_UNAVAILABLE
    assert build(Strange(), when_revocations_unknown="open").validate(remembered).is_unconfirmed


@pytest.mark.parametrize("policy", ["closed", "open"])
def test_a_route_has_a_policy_of_its_own(build: Build, local: LocalIssuer, policy: str) -> None:
    """In place of the guard's, where it says so; a live route lets nothing in that nobody can tell."""
    guard = build(Remote(AnswerFailed("down")), when_revocations_unknown=policy)
    token = local.mint(sub="alice")
    by_default = "alice" if policy == "open" else Reason.REVOCATIONS_UNAVAILABLE
    assert checked(guard, token, Requirement()) == by_default
    assert checked(guard, token, OPEN) == "alice"
    assert checked(guard, token, CLOSED) == Reason.REVOCATIONS_UNAVAILABLE
    assert checked(guard, token, LIVE) == Reason.REVOCATIONS_UNAVAILABLE


def test_a_token_let_in_by_one_policy_is_not_by_a_stricter_one(build: Build, local: LocalIssuer) -> None:
    """Who authenticates once and authorizes for several routes: each route's policy counts."""
    token = local.mint(sub="alice")
    request = Request("GET", "https://api.example.com/", {"authorization": f"Bearer {token}"})
    open_guard = build(Remote(AnswerFailed("down")), when_revocations_unknown="open")
    verified = open_guard.authenticate(request)
    open_guard.authorize(verified, Requirement())
    with pytest.raises(Unavailable, match="revocations_unavailable"):
        open_guard.authorize(verified, CLOSED)
    closed_guard = build(Remote(AnswerFailed("down")))
    verified = asyncio.run(closed_guard.aauthenticate(request, when_revocations_unknown="open"))
    closed_guard.authorize(verified, OPEN)
    with pytest.raises(Unavailable, match="revocations_unavailable"):
        closed_guard.authenticate(request, when_revocations_unknown="Open")  # type: ignore[arg-type] # a slip
    with pytest.raises(Unavailable, match="revocations_unavailable"):
        closed_guard.authorize(verified, Requirement())


async def test_an_application_has_the_policy_of_its_requirement(build: Build, local: LocalIssuer) -> None:
    """Behind ASGI, where authenticating comes before the route's requirement."""
    headers = {"authorization": f"Bearer {local.mint()}"}
    for requirement, status in ((OPEN, 404), (Requirement(), 503)):
        app = TokenGuardMiddleware(Starlette(), build(Remote(AnswerFailed("down"))), requirement=requirement)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
            assert (await client.get("/", headers=headers)).status_code == status


@pytest.mark.req("RV-04")
def test_a_live_route_asks_the_store_itself(build: Build, local: LocalIssuer) -> None:
    """Where it has a copy in memory too; any other route is content with that."""
    store = Copy()
    guard, token = build(store), local.mint(sub="alice")
    assert (checked(guard, token, Requirement()), store.asked) == ("alice", 0)
    assert (checked(guard, token, LIVE), store.asked) == ("alice", 1)
    guard.revoke(subject="alice")
    assert checked(guard, token, LIVE) == Reason.REVOKED
    assert store.asked == 2


def test_a_live_route_needs_someone_to_ask(build: Build, local: LocalIssuer) -> None:
    """Neither introspection nor a store that can be asked: that is 503, and says which settings there are."""
    guard = build(None)
    request = Request("GET", "https://api.example.com/", {"authorization": f"Bearer {local.mint()}"})
    with pytest.raises(Unavailable) as unavailable:
        guard.check(request, requirement=LIVE)
    assert unavailable.value.reason is Reason.LIVE_CHECK_UNAVAILABLE
    assert "Issuer.introspection" in unavailable.value.hint


def test_a_copy_that_is_behind_can_have_the_store_asked(build: Build, local: LocalIssuer) -> None:
    """And where it has no such store, it just can't tell."""
    store = Copy(AskRemotely("behind"))
    guard, token = build(store), local.mint(sub="alice")
    assert (verdict(guard, token), store.asked) == ("alice", 1)
    guard.revoke(subject="alice")
    assert verdict(guard, token) == Reason.REVOKED
    assert verdict(build(OnlyFinds(_raising(AskRemotely("behind")))), token) == Reason.REVOCATIONS_UNAVAILABLE


@FAILURES
def test_a_write_that_fails_raises(build: Build, failure: Exception) -> None:
    """Sync and async, one and many; so does looking through a store that can't be read."""
    guard = build(Remote(failure))
    revocation = Revocation(guard.issuers[0], *_SESSION)
    for attempt in (
        lambda: guard.revoke(session="s-1"),
        lambda: asyncio.run(guard.arevoke(session="s-1")),
        lambda: list(guard.revocations.write_all([revocation])),
    ):
        with pytest.raises(RevocationFailed) as failed:
            attempt()
        assert SECRET not in str(failed.value) + failed.value.hint
    with pytest.raises(Unavailable):
        list(guard.revocations.held())


def test_a_store_that_can_not_be_written_to_says_so(build: Build) -> None:
    """One that only finds is someone else's to fill."""
    guard = build(OnlyFinds(lambda *_: None))
    with pytest.raises(RevocationFailed) as failed:
        guard.revoke(session="s-1")
    assert "neither add nor write" in failed.value.hint
    with pytest.raises(ConfigurationError, match="can't be listed"):
        list(guard.revocations.held())


def test_a_store_that_never_answers_fails_in_the_end(
    build: Build, local: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store without deadlines of its own holds up nobody for ever."""

    class Silent(Remote):
        async def ask(self, token: Verified, now: float) -> Revocation | None:  # noqa: ARG002
            await asyncio.Event().wait()
            return None

    monkeypatch.setattr(revoking, "_TIMEOUT", 0.01)
    assert verdict(build(Silent()), local.mint()) == Reason.REVOCATIONS_UNAVAILABLE


def test_after_close_a_remote_store_is_not_asked(build: Build, local: LocalIssuer) -> None:
    """That is 503, as everything that needs the I/O thread then."""
    guard = build(Remote())
    guard.close()
    assert verdict(guard, local.mint()) == Reason.REVOCATIONS_UNAVAILABLE
    with pytest.raises(RevocationFailed):
        guard.revoke(session="s-1")
    with pytest.raises(Unavailable):
        list(guard.revocations.held())


def test_a_store_is_attached_once_and_closed_on_its_loop(build: Build, local: LocalIssuer) -> None:
    """What it begins runs on the guard's I/O thread, which that starts; closing the guard ends it."""
    begun: list[Callable[[Coroutine[Any, Any, None]], object]] = []
    ended: list[str] = []

    class Follower(Copy):
        def attach(self, begin: Callable[[Coroutine[Any, Any, None]], object]) -> None:
            begun.append(begin)

        async def follow(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("follow")

        async def close(self) -> None:
            ended.append("close")

    store = Follower()
    before = io_threads()
    guard = build(store)
    assert (len(begun), io_threads()) == (1, before)
    begun[0](store.follow())
    assert verdict(guard, local.mint(sub="alice")) == "alice"
    guard.close()
    assert ended == ["follow", "close"]


@pytest.mark.req("RV-04")
def test_health_tells_of_the_store(build: Build) -> None:
    """Its mode, lag and worst delay; a store that can't serve makes the guard unready if the policy is closed."""
    state = build(None).health().revocations
    assert state is not None
    assert (state.store, state.entries, state.lag, state.worst_case_delay) == ("MemoryRevocations", 0, 0.0, 0.0)
    plain = build(Remote()).health().revocations
    assert plain is not None
    assert (plain.store, plain.mode, plain.worst_case_delay) == ("Remote", "direct", None)

    class Reporting(Remote):
        def state(self, now: float) -> StoreState:  # noqa: ARG002
            return StoreState("Reporting", "direct", None, None, 2.5, serving=False, last_error="down")

    assert not build(Reporting()).health().ready
    opened = build(Reporting(), when_revocations_unknown="open").health()
    assert opened.ready
    assert opened.as_dict()["revocations"]["worst_case_delay"] == 2.5


@pytest.mark.parametrize("store", ["redis://here", 5, object(), Remote, type("Odd", (), {"find": 1})()])
def test_what_is_no_store_is_refused_when_built(build: Build, store: object) -> None:
    """A class is not one yet."""
    with pytest.raises(ConfigurationError, match="revocations must be a store"):
        build(store)


def test_what_answers_from_memory_is_no_coroutine(build: Build) -> None:
    """It would hit every token: a coroutine that nobody awaits is not None."""

    class Waits:
        async def find(self, token: Verified, now: float) -> Revocation | None: ...

    with pytest.raises(ConfigurationError, match="find answers from memory"):
        build(Waits())


@pytest.mark.parametrize("policy", ["", "half", None, True])
def test_a_wrong_policy_is_named(build: Build, policy: Any) -> None:
    """Of a guard, and of a route."""
    with pytest.raises(ConfigurationError, match="when_revocations_unknown"):
        build(None, when_revocations_unknown=policy)
    if policy is not None:
        with pytest.raises(ConfigurationError, match=r"Requirement\.when_revocations_unknown"):
            Requirement(when_revocations_unknown=policy)
