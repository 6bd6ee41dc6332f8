"""A load generator: asks one path of a server on this machine, over a few connections that stay open.

`python -m benchmarks.load` reads what to do as JSON from standard input, and answers with JSON: a process of its own,
so that what it costs is not taken from the server's Python. Bounded by a number of requests and by time.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

HOST = "127.0.0.1"
#: seconds after which a burst has failed
DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Burst:
    """`requests` in all, from `connections` clients that each wait for an answer before they ask again."""

    port: int
    path: str
    tokens: list[str]
    connections: int
    requests: int


@dataclass(frozen=True, slots=True)
class Answered:
    """Wall-clock seconds of the burst, and the microseconds that each request took."""

    seconds: float
    latencies: list[float]


def fire(burst: Burst) -> Answered:
    """Run a burst in a process of its own; raises CalledProcessError where any answer was not a 200."""
    command = [sys.executable, "-m", "benchmarks.load"]
    told = subprocess.run(command, input=json.dumps(asdict(burst)), stdout=subprocess.PIPE, text=True, check=True)
    return Answered(**json.loads(told.stdout))


class _Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, requests: list[bytes], latencies: list[float]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = iter(requests)
        self._latencies = latencies
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = transport.get_extra_info("socket")

    def ask(self) -> None:
        """Send the next request, if there is one."""
        request = next(self._requests, None)
        if request is None:
            self.done.set_result(None)
            return
        self._asked = time.perf_counter()
        self._transport.write(request)
        self._acknowledge_at_once()

    def _acknowledge_at_once(self) -> None:
        # uvicorn with several workers leaves Nagle's algorithm on and writes head and body one after the other, so
        # that each answer would wait 40 ms for the acknowledgement that a client's system puts off
        if hasattr(socket, "TCP_QUICKACK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            self._acknowledge_at_once()
            return
        self._latencies.append((time.perf_counter() - self._asked) * 1e6)
        status_line = head.partition(b"\r\n")[0]
        if not status_line.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(RuntimeError(f"answered {status_line!r}"))
            return
        self._received = b""
        self.ask()

    def connection_lost(self, _cause: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server hung up"))


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RuntimeError("an answer without Content-Length")


async def _run(burst: Burst) -> Answered:
    loop = asyncio.get_running_loop()
    requests = [_request(burst.path, burst.tokens[index % len(burst.tokens)]) for index in range(burst.requests)]
    latencies: list[float] = []
    clients = []
    for index in range(burst.connections):
        share = requests[index :: burst.connections]
        _, client = await loop.create_connection(lambda share=share: _Client(share, latencies), HOST, burst.port)
        clients.append(client)
    began = time.perf_counter()
    for client in clients:
        client.ask()
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*(client.done for client in clients))
    return Answered(time.perf_counter() - began, latencies)


def _request(path: str, token: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: api.example.com",
        "User-Agent: tokenguard-benchmark",
        "Accept: application/json",
        f"Authorization: Bearer {token}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_run(Burst(**json.load(sys.stdin)))))))
