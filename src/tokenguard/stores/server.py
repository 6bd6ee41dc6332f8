"""The conversation with Redis or Valkey: one client a process, one deadline a question, one kind of failure."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeAlias

from redis import asyncio as client_library
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError  # noqa: A004 - theirs is meant

from tokenguard.core.effects import AnswerFailed
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Revocation, levels_of
from tokenguard.errors import ConfigurationError
from tokenguard.runtime import forksafe
from tokenguard.stores.wire import (
    EPOCH,
    ORIGIN,
    PULL,
    SCAN,
    TIP,
    WRITE,
    Keys,
    Pulled,
    Script,
    Unreadable,
    as_bytes,
    field_of,
    read_entry,
    read_page,
    read_pulled,
    write_arguments,
)

#: makes a client of the package `redis`; called on the guard's I/O thread, once in each process
ClientFactory: TypeAlias = Callable[[], Any]

#: connections of a client of ours; who finds them all in use waits
_CONNECTIONS = 16
#: entries of one page, when all are read
_PAGE = "1000"
#: seconds that the server may need for each of many entries
_WRITING_TIME = 0.0001
#: records read at once
_RECORDS = 50
# what a server's error begins with, and all of it that is shown: the rest may hold what was sent
_CODE = re.compile(r"[A-Z]{2,20}\b")
# A forked child must not so much as close its parent's connections: the event loops share what they wait with.
_of_the_parent: list[Any] = []


class Server:
    """Asks and writes; every method raises `AnswerFailed`, and nothing else, where that can't be done in time.

    Belongs to the event loop it is used on. `kept`: records of the stream. `timeout`: seconds for one question.
    """

    def __init__(self, source: str | ClientFactory, keys: Keys, *, timeout: float, kept: int) -> None:
        self._source = source
        self._keys = keys
        self._timeout = timeout
        self._kept = kept
        self._client: Any = None
        forksafe.register(self)

    async def look_up(self, token: Verified) -> tuple[bool, list[Revocation]]:
        """Is the store known to be whole, and what of it is about this token? In one round trip."""
        fields = [field_of(token.issuer, level, value) for level, value in levels_of(token)]
        epoch, *values = await self._within(self._timeout, "HMGET", self._keys.entries, EPOCH, *fields)
        return bool(epoch), [
            _entry(name, value) for name, value in zip(fields, values, strict=True) if value is not None
        ]

    async def write(self, revocations: Sequence[Revocation], now: float, *, mark: bool = False) -> int:
        """Add them all, or none. With `mark` the store counts as whole from then on. Returns how many were news."""
        keys = self._keys
        arguments = write_arguments(revocations, now, self._kept, secrets.token_hex(8) if mark else "")
        names = (keys.entries, keys.ends, keys.changes)
        news = await self._script(WRITE, names, arguments, self._timeout + len(revocations) * _WRITING_TIME)
        return int(news)

    async def marks(self) -> tuple[bytes, bytes]:
        """The epoch, empty where the store has none, and the tip of the history."""
        epoch, tip = await self._within(self._timeout, "HMGET", self._keys.entries, EPOCH, TIP)
        return as_bytes(epoch or b""), as_bytes(tip or ORIGIN)

    async def pull(self, mine: bytes) -> Pulled:
        """What changed since the record `mine`, or the beginning of it."""
        names = (self._keys.entries, self._keys.changes)
        reply = await self._script(PULL, names, [mine, str(_RECORDS)], self._timeout)
        try:
            return read_pulled(mine, reply, _RECORDS)
        except Unreadable:
            raise _unreadable() from None

    async def wait_for_news(self, mine: bytes, seconds: float) -> bool:
        """Until there is a record after `mine`, or the time is up; the record itself is left to `pull`."""
        command = ("XREAD", "COUNT", "1", "BLOCK", str(int(seconds * 1000)), "STREAMS", self._keys.changes, mine)
        return bool(await self._within(seconds + self._timeout, *command))

    async def pages(self) -> AsyncIterator[list[Revocation]]:
        """Every entry that stands in the store from beginning to end of the reading, some perhaps twice."""
        cursor: bytes | str = "0"
        while True:
            cursor, page = await self._script(SCAN, (self._keys.entries,), [cursor, _PAGE], self._timeout)
            try:
                yield read_page(page)
                cursor = as_bytes(cursor)
            except Unreadable:
                raise _unreadable() from None
            if cursor == b"0":
                return

    async def close(self) -> None:
        """Release the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _script(
        self, script: Script, keys: Sequence[str], arguments: Sequence[bytes | str], seconds: float
    ) -> Any:
        rest = (str(len(keys)), *keys, *arguments)
        try:
            return await self._asked(seconds, "EVALSHA", script.digest, *rest)
        except NoScriptError:  # a server that is new, or was started again
            return await self._within(seconds, "EVAL", script.text, *rest)

    async def _within(self, seconds: float, *command: Any) -> Any:
        try:
            return await self._asked(seconds, *command)
        except NoScriptError as error:
            raise AnswerFailed(_shown(error)) from None

    async def _asked(self, seconds: float, *command: Any) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await self._open().execute_command(*command)
        except NoScriptError:
            raise
        except TimeoutError:
            raise AnswerFailed(f"the revocation store did not answer within {seconds:g} s") from None
        except (RedisError, OSError) as error:
            raise AnswerFailed(_shown(error)) from None
        except Exception as error:  # whatever the client, or one who made it, comes up with
            raise AnswerFailed(f"the client of the revocation store failed: {type(error).__name__}") from None

    def renew_after_fork(self) -> None:
        """The connections are the parent's."""
        _of_the_parent.append(self._client)
        self._client = None

    def _open(self) -> Any:
        if self._client is None:
            self._client = self._made()
        return self._client

    def _made(self) -> Any:
        if not isinstance(self._source, str):
            return self._source()
        pool = client_library.BlockingConnectionPool.from_url(
            self._source,
            max_connections=_CONNECTIONS,
            timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            socket_timeout=None,  # each question has its own
            retry=Retry(NoBackoff(), 1),  # for a connection that was closed while idle; every command may come twice
            retry_on_error=[ConnectionError],  # which older versions of the client would not retry otherwise
            protocol=2,
        )
        return client_library.Redis.from_pool(pool)  # which closes it, too


def check_source(source: object) -> None:
    """A URL as the package `redis` reads it, or a callable. Never shown: it may hold a password."""
    if callable(source):
        return
    if not isinstance(source, str):
        raise ConfigurationError("RedisRevocations: give a URL, or a callable that makes a redis.asyncio client")
    try:
        client_library.ConnectionPool.from_url(source)
    except (ValueError, TypeError):
        raise ConfigurationError("RedisRevocations.url must be redis://, rediss:// or unix:// with a host") from None


def _entry(name: Any, value: Any) -> Revocation:
    try:
        return read_entry(name, value)
    except Unreadable:
        raise _unreadable() from None


def _unreadable() -> AnswerFailed:
    return AnswerFailed("the revocation store holds what this version of tokenguard can't read")


def _shown(error: Exception) -> str:
    code = _CODE.match(str(error)) if isinstance(error, ResponseError) else None
    return f"the revocation store failed: {type(error).__name__}{f' ({code[0]})' if code else ''}"
