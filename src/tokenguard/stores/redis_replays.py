"""Used DPoP proofs in Redis or Valkey, for workers and hosts that share one (RFC 9449 11.1)."""

from __future__ import annotations

import asyncio
import math
import os
import weakref

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tokenguard._checks import require_number
from tokenguard.errors import ConfigurationError, Reason, Unavailable
from tokenguard.runtime import forksafe

#: seconds that the clocks of two workers may differ: kept longer by that, a proof is known to the slower one too
_SKEW = 60


class RedisReplays:
    """Remembers used proofs in Redis or Valkey, so that a proof used with one worker is used for all.

    `url`: redis://, rediss:// (TLS) or unix://, as redis-py reads it. `prefix`: of the keys, which are 32 bytes of hash
    after it; guards that look at the same request need one each, or the second takes its proof for a replay.
    `timeout`: seconds for one proof, connecting included. `connections`: at most so many to the server.

    One command a proof, SET with NX and PX: whoever asks first wins, and the server forgets by itself. Where it can't
    be asked, requests with DPoP get 503. The server must not evict keys early (maxmemory-policy noeviction) and must
    not lose acknowledged writes when it fails over, else a replay within `DPoP.window` may be let in after that.
    Raises `ConfigurationError` when built; connects at the first need.
    """

    def __init__(
        self, url: str, *, prefix: str = "tokenguard:dpop:", timeout: float = 1.0, connections: int = 20
    ) -> None:
        if not isinstance(prefix, str):
            raise ConfigurationError("RedisReplays.prefix must be a string")
        require_number("RedisReplays.timeout", timeout, low=0.01, high=60)
        require_number("RedisReplays.connections", connections, low=1)
        self._url = url
        self._prefix = prefix.encode()
        self._timeout = timeout
        self._connections = int(connections)
        # a client lives on one event loop: that of the guard's I/O thread, another one after a fork
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = weakref.WeakKeyDictionary()
        self._of_parent: list[object] = []
        self._connect()
        forksafe.register(self)

    async def record(self, key: bytes, now: float, until: float) -> bool:
        """Is this the first use of a proof? Says so once, and remembers it `until` then (epoch seconds, like `now`).

        Raises `Unavailable` when the server gives no answer in time.
        """
        name, own = self._prefix + key, os.urandom(16)
        lifetime = math.ceil((until - now + _SKEW) * 1000)
        try:
            async with asyncio.timeout(self._timeout):
                client = self._client()
                if await client.set(name, own, nx=True, px=lifetime):
                    return True
                # a command whose answer was lost is sent again, and then finds what it wrote itself
                return bool(await client.get(name) == own)
        except TimeoutError:
            raise _unavailable(f"no answer within {self._timeout} s (RedisReplays.timeout)") from None
        except (RedisError, OSError, UnicodeError) as cause:  # their texts may show where, and as whom
            raise _unavailable(f"the server of RedisReplays can't be asked: {type(cause).__name__}") from None

    async def aclose(self) -> None:
        """Close the connections of the event loop this runs on."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def renew_after_fork(self) -> None:
        """Connections and their loop's epoll are the parent's: kept, since to clean them up would reach into it."""
        self._of_parent += self._clients.items()
        self._clients = weakref.WeakKeyDictionary()

    def _client(self) -> Redis:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = self._connect()
        return client

    def _connect(self) -> Redis:
        """A client, which has no connection yet."""
        try:
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=self._connections,
                timeout=None,  # that of record covers waiting for a connection
                retry=Retry(NoBackoff(), 1),  # for a connection that the server closed meanwhile
            )
        except (ValueError, TypeError, AttributeError):  # not shown: there may be a password in it
            raise ConfigurationError("RedisReplays.url must be a redis://, rediss:// or unix:// URL") from None
        return Redis.from_pool(pool)

    def __repr__(self) -> str:
        return "RedisReplays()"  # the URL may hold a password


def _unavailable(hint: str) -> Unavailable:
    return Unavailable(Reason.REPLAYS_UNAVAILABLE, hint)
