"""What stands between a guard and an issuer here, or in its place: raw answers, TLS, an egress proxy."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tokenguard.testing import LocalIssuer

LOOPBACK = "127.0.0.1"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve every connection to a loopback port, which is yielded, on a thread of its own."""
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.transport.abort()

    async def main() -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(connected, LOOPBACK, 0, ssl=tls)
        started.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="test-server", daemon=True)
    thread.start()
    port, loop, stop = started.result(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


@dataclass
class Canned:
    """Answers every request with `answer`, byte for byte, and closes the connection; `requests` are heads as sent."""

    answer: bytes
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Of the one document that it has."""
        return f"http://{LOOPBACK}:{self.port}/keys"

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.write_eof()
        await reader.read()


@contextmanager
def canned(answer: bytes = b"") -> Iterator[Canned]:
    """A server of raw bytes."""
    server = Canned(answer)
    with serving(server) as server.port:
        yield server


def http_answer(body: bytes, *headers: str, status: str = "200 OK", media_type: str = "application/json") -> bytes:
    """A complete answer, with further header lines as they are given (in Latin-1)."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@contextmanager
def over_tls(issuer: LocalIssuer, context: ssl.SSLContext) -> Iterator[str]:
    """The served issuer's documents behind TLS; yields the origin on the name "localhost", which they then name."""
    target = urlsplit(issuer.issuer).port
    assert target is not None

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, *await asyncio.open_connection(LOOPBACK, target))

    with serving(relay, context) as port:
        issuer.issuer = issuer.base_url = f"https://localhost:{port}"
        yield issuer.issuer


@dataclass
class ForwardProxy:
    """An egress proxy (RFC 9110 9.3.6, 9112 3.2.2); `requests` are the request lines with what follows, as sent."""

    requests: list[bytes] = field(default_factory=list)
    url: str = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: a tunnel, or plain requests to one origin."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            host, _, port = target.decode().rpartition(":")
            far = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            parts = urlsplit(target.decode())
            far = await asyncio.open_connection(parts.hostname, parts.port)
            far[1].write(head.replace(target, parts.path.encode(), 1))
        await _join(reader, writer, *far)


@contextmanager
def forward_proxy(tls: ssl.SSLContext | None = None) -> Iterator[ForwardProxy]:
    """A proxy on loopback; with `tls` it wants to be spoken to over TLS itself."""
    proxy = ForwardProxy()
    with serving(proxy, tls) as port:
        proxy.url = f"https://localhost:{port}" if tls else f"http://{LOOPBACK}:{port}"
        yield proxy


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Copy both ways until one side ends."""

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()

    ways = [asyncio.create_task(copy(reader, far_writer)), asyncio.create_task(copy(far_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        far_writer.transport.abort()
