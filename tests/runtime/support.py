"""A clock to travel with, a guard for a served issuer, and ways to wait for what other threads do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from typing import Any

from tokenguard import Issuer, KeyPolicy, TokenGuard, errors
from tokenguard.runtime.health import KeyState
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.keysource import FetchedKeys
from tokenguard.testing import LocalIssuer, SigningKey

#: seconds after which what should have happened long ago has failed
PATIENCE = 10.0
#: a deadline that no test reaches: what waits for it hangs
ENDLESS = 3600.0
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
JWKS = "/jwks"
IO_THREAD = "tokenguard-io"
UNAVAILABLE = "keys_unavailable"
DAY = 86_400


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, now: float = 50_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass; a negative number is a clock set back."""
        self.now += seconds


#: builds a guard for an issuer; keyword arguments of Issuer, KeyPolicy and TokenGuard, each goes where it belongs
Protect = Callable[..., TokenGuard]
_POLICY = frozenset({"timeout", "cooldown", "max_age", "stale_limit", "max_bytes", "max_keys"})
_GUARD = frozenset({"clock", "monotonic", "token_cache", "http", "request_id_header", "dpop", "revocations"})


def build_guard(issuer: LocalIssuer | str, **settings: Any) -> TokenGuard:
    """A guard for one issuer. Its fetches have as much time as they want, unless `timeout` is given."""
    policy = {"timeout": ENDLESS} | {name: settings.pop(name) for name in _POLICY & settings.keys()}
    general = {name: settings.pop(name) for name in _GUARD & settings.keys()}
    identifier = issuer if isinstance(issuer, str) else issuer.issuer
    config = Issuer(identifier, keys=KeyPolicy(**policy), **settings)
    return TokenGuard(audience="https://api.example.com", issuers=[config], **general)


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until another thread has made `condition` true; fail if it does not."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} has not happened: {condition}"
        pause.wait(0.002)


def key_state(guard: TokenGuard) -> KeyState:
    """Of the guard's first issuer."""
    return guard.health().issuers[0]


def fetched(guard: TokenGuard) -> KeyState:
    """Wait until the fetch that some request began is over; the state then. In its cool-down this begins none."""
    source = guard._issuers.sources[guard.issuers[0]]
    assert isinstance(source, FetchedKeys)
    assert source.state().cooling_down or source._running, "no fetch has begun"
    assert wait([source.refresh()], PATIENCE).done, "the fetch does not end"
    return source.state()


def refreshed(guard: TokenGuard) -> None:
    """Wait until the fetch that some request began just now is over; it must have brought keys."""
    state = fetched(guard)
    assert (state.age, state.last_error) == (0, "")


def attempted(guard: TokenGuard) -> None:
    """Wait until the fetch that some request began is over; it must have failed."""
    assert fetched(guard).last_error


def waiting_threads(guard: TokenGuard) -> int:
    """How many threads wait for the running fetch."""
    running: Any = getattr(guard._issuers.sources[guard.issuers[0]], "_running", None)
    return len(running._condition._waiters) if running is not None else 0


def io_threads() -> set[threading.Thread]:
    """The threads that fetch, of any guard."""
    return {thread for thread in threading.enumerate() if thread.name == IO_THREAD}


@contextmanager
def closed_soon(io: IOThread, turns: int) -> Iterator[None]:
    """What begins in this block is closed when the thread's loop has made so many turns with it."""
    loop: Any = io._loop
    at_rest, go = threading.Semaphore(0), threading.Semaphore(0)

    def rest(turns_left: int) -> None:
        at_rest.release()
        go.acquire(timeout=PATIENCE)
        if turns_left:
            loop.call_soon(rest, turns_left - 1)

    loop.call_soon_threadsafe(rest, turns)
    assert at_rest.acquire(timeout=PATIENCE)
    yield
    for _ in range(turns):
        go.release()
        assert at_rest.acquire(timeout=PATIENCE)
    closer = threading.Thread(target=io.close)
    closer.start()
    until(lambda: any(handle._callback == loop.stop for handle in loop._ready))
    go.release()
    closer.join(PATIENCE)
    assert not closer.is_alive()


def unpublished(issuer: LocalIssuer, kid: str = "nobody-knows", **claims: Any) -> str:
    """A token by a key that the issuer does not publish."""
    return issuer.mint(key=_stranger, header={"kid": kid}, **claims)


def verdict(guard: TokenGuard, token: str) -> str:
    """What the guard says of a token: its subject, or the reason of the refusal; only the library's errors pass."""
    try:
        return str(guard.validate(token).subject)
    except (errors.Denied, errors.Unavailable) as refusal:
        return str(refusal.reason)


async def averdict(guard: TokenGuard, token: str) -> str:
    """`verdict`, for async code."""
    try:
        return str((await guard.avalidate(token)).subject)
    except (errors.Denied, errors.Unavailable) as refusal:
        return str(refusal.reason)


_stranger = SigningKey.generate("ES256", "stranger")
