"""RFC 9449 11.1: a proof counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.spec.possession import ISSUER, bound, client_key, denied, guard_with, proving, with_proof
from tests.spec.support import NOW, URL, Clock, guard_for

from tokenguard import DPoP, Issuer, IssuerResolver
from tokenguard.errors import Denied, InvalidDPoPProof, Reason, Unavailable
from tokenguard.stores.replays import MemoryReplays

TOKEN = bound()


class Shared:
    """A store for all workers, as far as one event loop tells; it shows what it was asked."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.used: dict[bytes, float] = {}
        self.failure = failure

    async def record(self, key: bytes, _now: float, until: float) -> bool:
        """As `Replays.record`."""
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        is_first = key not in self.used
        self.used[key] = until
        return is_first


class Local:
    """A store of a deployment's own."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def record(self, _key: bytes, _now: float, _until: float) -> bool | Awaitable[bool]:
        """As `Replays.record`."""
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


@pytest.mark.req("DP-32", "A-113")
@pytest.mark.parametrize("shared", [False, True])
def test_the_same_proof_is_refused_the_second_time(shared: bool) -> None:
    """For as long as it would be good; sync and async, and whatever was let in between."""
    clock = Clock()
    guard = guard_with(clock=clock, replays=Shared() if shared else None)
    with guard:
        request = proving(TOKEN, iat=NOW + 30)
        assert guard.check(request)
        for seconds in (0, 1, 60, 90):
            clock.now = NOW + seconds
            denied(guard, request, Reason.PROOF_REPLAYED)
            assert asyncio.run(guard.acheck(proving(TOKEN, iat=clock.now)))
        clock.now = NOW + 91
        denied(guard, request, Reason.PROOF_TIME)


class Revocations:
    """A store of revocations that has to be asked."""

    async def ask(self, _token: Any, _now: float) -> None:
        """As `RemoteRevocations.ask`."""
        await asyncio.sleep(0)


@pytest.mark.req("DP-32", "DP-34")
@pytest.mark.parametrize("token_cache", [0, 100])
@pytest.mark.parametrize("shared", [False, True])
def test_a_use_is_recorded_once_whatever_else_is_asked(shared: bool, token_cache: int) -> None:
    """For a token that is remembered, and one that is not: no request is a replay of itself."""
    dpop = DPoP(replays=Shared() if shared else None)
    with guard_for(ISSUER, dpop=dpop, revocations=Revocations(), token_cache=token_cache) as guard:
        for _ in range(2):
            request = proving(TOKEN)
            assert guard.check(request)
            assert asyncio.run(guard.acheck(proving(TOKEN)))
            denied(guard, request, Reason.PROOF_REPLAYED)


@pytest.mark.req("DP-32", "DP-34")
def test_a_request_that_waited_finds_what_was_used_meanwhile() -> None:
    """Its proof is judged by the time at which it came: as long as it may wait, no use is forgotten."""
    clock = Clock()
    proof = proving(TOKEN)

    def look_up(name: str) -> Issuer:
        # it takes a while, in which others are let in
        clock.now += 50
        assert known.check(proving(TOKEN, iat=clock.now))
        return Issuer(name, jwks=ISSUER.jwks)

    replays = MemoryReplays()
    known = guard_for(ISSUER, dpop=DPoP(window=1, replays=replays), clock=clock, leeway=0)
    waiting = guard_for(
        IssuerResolver(look_up),
        dpop=DPoP(window=1, replays=replays),
        clock=clock,
        leeway=0,  # type: ignore[arg-type]
    )
    assert known.check(proof)
    with pytest.raises(InvalidDPoPProof) as refused:
        waiting.check(proof)
    assert refused.value.reason is Reason.PROOF_REPLAYED


@pytest.mark.req("A-113")
def test_workers_with_one_store_know_of_each_other() -> None:
    """The proof that one let in is refused by the other."""
    store = Shared()
    with guard_with(replays=store) as one, guard_with(replays=store) as other:
        request = proving(TOKEN)
        assert one.check(request)
        denied(other, request, Reason.PROOF_REPLAYED)


@pytest.mark.req("DP-32", "A-114")
def test_a_jti_is_that_of_its_key() -> None:
    """The same one for another URL is a replay; by another key it is another."""
    guard = guard_with()
    assert guard.check(proving(TOKEN, jti="1"))
    denied(guard, proving(TOKEN, jti="1", url=URL + "/2"), Reason.PROOF_REPLAYED)
    denied(guard, proving(bound(jti="another"), jti="1"), Reason.PROOF_REPLAYED)
    assert guard.check(proving(key=client_key("ES256", "other"), jti="1"))


@pytest.mark.req("DP-32")
def test_the_same_signature_written_anew_is_the_same_proof() -> None:
    """What is recorded is the jti, not the text: ES256 signatures have a second form."""
    guard = guard_with()
    key = client_key()
    assert guard.check(proving(TOKEN, jti="1", iat=NOW))
    denied(guard, with_proof(TOKEN, key.proof("GET", URL, TOKEN, jti="1", iat=NOW)), Reason.PROOF_REPLAYED)


@pytest.mark.req("DP-34")
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"htm": "POST"}, Reason.PROOF_METHOD),
        ({"htu": "https://elsewhere.test/"}, Reason.PROOF_TARGET),
        ({"iat": 1}, Reason.PROOF_TIME),
        ({"ath": "x"}, Reason.PROOF_TOKEN),
        ({"header": {"typ": "JWT"}}, Reason.PROOF_TYPE),
        ({"without": "htu"}, Reason.MALFORMED_PROOF),
    ],
)
def test_what_is_refused_is_not_recorded(wrong: dict[str, Any], reason: Reason) -> None:
    """So that nobody uses up another's jti, or fills the store."""
    store = Shared()
    with guard_with(replays=store) as guard:
        denied(guard, proving(TOKEN, jti="1", **wrong), reason)
        assert store.used == {}
        assert guard.check(proving(TOKEN, jti="1"))
        assert len(store.used) == 1


@pytest.mark.req("DP-33", "A-125")
def test_what_is_stored_is_short() -> None:
    """32 octets, whatever the jti, and until the proof is good nowhere any more."""
    store = Shared()
    with guard_with(replays=store, window=60) as guard:
        for jti in ("1", "x" * 5000, "\U0001f600"):
            assert guard.check(proving(TOKEN, jti=jti))
    assert {len(key) for key in store.used} == {32}
    assert set(store.used.values()) == {NOW + 60 + 30}


@pytest.mark.req("DP-33", "A-130")
@pytest.mark.parametrize(
    "cause", [RuntimeError("secret-address"), OSError("secret-address"), KeyError("secret-address")]
)
@pytest.mark.parametrize("store", [Shared, Local])
def test_no_answer_lets_nobody_in(store: Any, cause: Exception) -> None:
    """503, and what went wrong is for the log, without its text."""
    with guard_with(replays=store(cause)) as guard:
        for check in (guard.check, lambda request: asyncio.run(guard.acheck(request))):
            with pytest.raises(Unavailable) as caught:
                check(proving(TOKEN))
            assert caught.value.reason is Reason.REPLAYS_UNAVAILABLE
            assert "secret" not in caught.value.hint
            assert guard.challenge(caught.value).status == 503


@pytest.mark.req("DP-33", "A-130")
def test_a_full_store_lets_nobody_in() -> None:
    """Until the oldest proofs are good no more; bearer tokens are not concerned."""
    clock = Clock()
    guard = guard_with(clock=clock, replays=MemoryReplays(max_entries=2))
    for _ in range(2):
        assert guard.check(proving(TOKEN))
    with pytest.raises(Unavailable) as caught:
        guard.check(proving(TOKEN))
    assert caught.value.reason is Reason.REPLAYS_UNAVAILABLE
    assert caught.value.retry_after > 1
    clock.now = NOW + caught.value.retry_after
    assert guard.check(proving(TOKEN, iat=clock.now))


@pytest.mark.req("DP-34")
@pytest.mark.parametrize("answer", [None, 1, "yes", [True], False])
def test_a_store_says_true_or_refuses(answer: Any) -> None:
    """What merely looks like it is a replay."""
    denied(guard_with(replays=Local(answer)), proving(TOKEN), Reason.PROOF_REPLAYED)


def test_a_store_that_answers_later_is_asked_later() -> None:
    """By the form of its method."""
    assert DPoP(replays=Shared()).is_shared
    assert not DPoP(replays=Local(True)).is_shared
    assert not DPoP().is_shared


@pytest.mark.req("DP-34")
def test_a_closed_guard_with_a_shared_store_lets_nobody_in() -> None:
    """There is nobody left to ask."""
    guard = guard_with(replays=Shared())
    guard.close()
    with pytest.raises(Unavailable):
        guard.check(proving(TOKEN))


@pytest.mark.req("DP-34")
def test_of_many_at_once_one_is_let_in() -> None:
    """All with the same proof, in one event loop."""

    async def all_at_once() -> list[object]:
        request = proving(TOKEN)
        return await asyncio.gather(*(guard.acheck(request) for _ in range(50)), return_exceptions=True)

    for store in (None, Shared()):
        with guard_with(replays=store) as guard:
            outcomes = asyncio.run(all_at_once())
        assert sum(isinstance(outcome, Denied) for outcome in outcomes) == 49
