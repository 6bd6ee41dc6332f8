"""A logout that one process is told of ends access, and open connections, at another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from runtime.support import until
from stores.support import Valkey
from tokenguard import BackchannelLogout, Issuer, TokenGuard
from tokenguard.errors import InvalidLogoutToken, InvalidToken, Reason
from tokenguard.stores.redis import RedisRevocations
from tokenguard.testing import LocalIssuer

WITHIN = 1.0  # seconds


@pytest.fixture
def issuer() -> LocalIssuer:
    """Whose users log out."""
    return LocalIssuer(algorithm="ES256")


@pytest.fixture(params=["direct", "replica"])
def make_guard(
    request: pytest.FixtureRequest, shared: Valkey, prefix: str, issuer: LocalIssuer
) -> Iterator[Callable[[], TokenGuard]]:
    """Guards that share nothing but the store, as those of two processes."""
    logout = BackchannelLogout("client-1", algorithms=("ES256",))
    trusted = Issuer(issuer.issuer, jwks=issuer.jwks, max_lifetime=3600, logout=logout)
    with ExitStack() as guards:

        def make() -> TokenGuard:
            store = RedisRevocations(shared.url, prefix=prefix, mode=request.param, create=True)
            return guards.enter_context(TokenGuard(audience=issuer.audience, issuers=[trusted], revocations=store))

        yield make


def is_let_in(guard: TokenGuard, token: str) -> bool:
    """Has it not been revoked?"""
    try:
        return guard.validate(token) is not None
    except InvalidToken as error:
        return error.reason is not Reason.REVOKED


def test_a_logout_here_ends_access_there(make_guard: Callable[[], TokenGuard], issuer: LocalIssuer) -> None:
    """Within a second."""
    here, there = make_guard(), make_guard()
    token, other = issuer.mint(sid="s1"), issuer.mint(sid="s2")
    assert all(is_let_in(guard, token) for guard in (here, there))
    here.logout(issuer.logout_token(sid="s1"))
    told_at = time.monotonic()
    until(lambda: not is_let_in(there, token), "the end of the session")
    assert time.monotonic() - told_at < WITHIN
    assert not is_let_in(here, token)
    assert is_let_in(there, other)


async def test_a_logout_here_ends_connections_there(make_guard: Callable[[], TokenGuard], issuer: LocalIssuer) -> None:
    """Within a second, however many there are."""
    here, there = make_guard(), make_guard()
    tokens = [await there.avalidate(issuer.mint(sid="s1")) for _ in range(200)]
    connections = [asyncio.create_task(there.until_ended(token)) for token in tokens]
    await here.alogout(issuer.logout_token(sid="s1"))
    told_at = time.monotonic()
    ends = await asyncio.gather(*connections)
    assert time.monotonic() - told_at < WITHIN
    assert {end.reason for end in ends} == {Reason.REVOKED}


def test_a_replay_at_another_process_changes_nothing(make_guard: Callable[[], TokenGuard], issuer: LocalIssuer) -> None:
    """It revokes once more what is revoked; at the first it is refused."""
    here, there = make_guard(), make_guard()
    token = issuer.logout_token(sid="s1")
    here.logout(token)
    there.logout(token)
    assert len(list(there.revocations.held())) == 1
    with pytest.raises(InvalidLogoutToken, match="logout_replayed"):
        here.logout(token)
