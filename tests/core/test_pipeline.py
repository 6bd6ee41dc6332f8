"""What is asked of a token again, for as long as something goes on that it was let in for; and what is asked once."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, replace

import pytest
from tests.spec.support import AUDIENCE, NOW, Clock, local_issuer, trust

from tokenguard import AccessToken, TokenGuard
from tokenguard.core.effects import Question, RefreshKeys
from tokenguard.core.keys import KeySnapshot
from tokenguard.errors import Denied, InvalidToken, Reason, Unavailable


@pytest.fixture
def clock() -> Clock:
    """Stands at `NOW`."""
    return Clock()


def let_in(clock: Clock) -> tuple[TokenGuard, AccessToken]:
    """A guard, and what it made of a token that lives for five minutes."""
    issuer = local_issuer()
    guard = TokenGuard(audience=AUDIENCE, issuers=[trust(issuer, max_lifetime=3600)], clock=clock, leeway=30)
    return guard, guard.validate(issuer.mint(sub="alice", exp=NOW + 300))


def end(guard: TokenGuard, token: AccessToken) -> Denied | Unavailable | None:
    """Why it would no longer be let in, if that is so now."""

    async def look() -> Denied | Unavailable | None:
        waiting = asyncio.create_task(guard.until_ended(token))
        for _ in range(10):  # turns of the loop: more than the first look needs
            await asyncio.sleep(0)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        return None

    return asyncio.run(look())


@pytest.mark.parametrize(("seconds", "has_ended"), [(0, False), (329, False), (330, True)])
def test_what_lasts_ends_when_its_token_does(clock: Clock, seconds: float, has_ended: bool) -> None:
    """With the leeway that a request would be given."""
    guard, token = let_in(clock)
    clock.now += seconds
    refusal = end(guard, token)
    assert (refusal.reason if refusal else None) == (Reason.EXPIRED if has_ended else None)


def test_what_lasts_ends_when_its_token_is_revoked(clock: Clock) -> None:
    """As the next request would."""
    guard, token = let_in(clock)
    guard.revoke(subject="bob")
    assert end(guard, token) is None
    guard.revoke(subject="alice")
    refusal = end(guard, token)
    assert refusal is not None
    assert refusal.reason is Reason.REVOKED


@dataclass
class Keys:
    """Those of an issuer, and how often they were asked for. A fetch brings none, and takes longer than a cool-down."""

    snapshot: KeySnapshot
    fetches: int = 0

    def fetch(self, question: Question) -> Future[None]:
        """Answers the one question that there is."""
        assert isinstance(question, RefreshKeys)
        assert question.wait
        self.fetches += 1
        done: Future[None] = Future()
        done.set_result(None)
        return done


def test_one_token_has_keys_fetched_once() -> None:
    """However long that took: nobody who names a key that there is not keeps us asking."""
    issuer = local_issuer()
    guard = TokenGuard(audience=AUDIENCE, issuers=[trust(issuer)], clock=lambda: NOW)
    assert guard._setup.only is not None
    keys = Keys(guard._setup.only.keys.snapshot._replace(fetched_at=-1000.0, attempted_at=-1000.0))
    guard._setup = replace(guard._setup, only=replace(guard._setup.only, keys=keys))
    guard._ask = keys.fetch
    with pytest.raises(InvalidToken) as refusal:
        guard.validate(issuer.mint(header={"kid": "unknown"}))
    assert (refusal.value.reason, keys.fetches) == (Reason.UNKNOWN_KEY, 1)
