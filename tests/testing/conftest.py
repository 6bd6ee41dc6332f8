"""One HTTP client for all tests of the served issuer, and ways to look at a bare connection."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from tokenguard.testing import LocalIssuer


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """A client that follows no redirect and knows no proxy; made once, since its TLS context is slow to make."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


@pytest.fixture
def served() -> Iterator[LocalIssuer]:
    """An issuer over HTTP, with a key that costs nothing to make."""
    with LocalIssuer(algorithm="ES256").serve() as issuer:
        yield issuer


@pytest.fixture
def ask() -> Iterator[Callable[[str], socket.socket]]:
    """Send a GET of a URL on a fresh connection, and hand out the socket to read the answer from."""
    with ExitStack() as sockets:

        def send(url: str) -> socket.socket:
            parts = urlsplit(url)
            connection = sockets.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=10))
            connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            return connection

        yield send
