"""What is asked of a token again, for as long as something goes on that it was let in for."""

from __future__ import annotations

import asyncio

import pytest
from tests.spec.support import AUDIENCE, NOW, Clock, local_issuer, trust

from tokenguard import AccessToken, TokenGuard
from tokenguard.errors import Denied, Reason, Unavailable


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
