"""What stands between a guard and an issuer here, or in its place: raw answers, TLS, an egress proxy."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tokenguard.testing import LocalIssuer

LOOPBACK = "127.0.0.1"


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every connection to a loopback port, which is yielded, on a thread of its own."""
    connections: dict[threading.Thread, socket.socket] = {}

    def connected(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the other side, or the end of the test, closed it
            serve(connection)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if stopping.is_set():
                connection.close()
                return
            thread = threading.Thread(target=connected, args=(connection,), daemon=True)
            connections[thread] = connection
            thread.start()

    stopping = threading.Event()
    with socket.create_server((LOOPBACK, 0), backlog=128) as listener:
        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopping.set()
            socket.create_connection(listener.getsockname()).close()  # wakes the acceptor
            acceptor.join()
            for thread, connection in connections.items():
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                thread.join()


def read_head(connection: socket.socket) -> bytes:
    """A request up to the empty line; OSError where the connection ends before."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        octet = connection.recv(1)
        if not octet:
            raise ConnectionResetError
        head += octet
    return head


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

    def serve(self, connection: socket.socket) -> None:
        """One connection."""
        self.requests.append(read_head(connection))
        connection.sendall(self.answer)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # until the client has read all of it


@contextmanager
def canned(answer: bytes = b"") -> Iterator[Canned]:
    """A server of raw bytes."""
    server = Canned(answer)
    with serving(server.serve) as server.port:
        yield server


def http_answer(body: bytes, *headers: str, status: str = "200 OK", media_type: str = "application/json") -> bytes:
    """A complete answer, with further header lines as they are given (in Latin-1)."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@contextmanager
def over_tls(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """The loopback port behind TLS, on another port, which is yielded."""

    def terminate(connection: socket.socket) -> None:
        # its own end of the connection, since wrapping takes the socket away from whoever would cut it
        with context.wrap_socket(connection.dup(), server_side=True) as near:
            relay(near, socket.create_connection((LOOPBACK, port)))

    with serving(terminate) as tls_port:
        yield tls_port


@contextmanager
def issuer_over_tls(issuer: LocalIssuer, context: ssl.SSLContext) -> Iterator[str]:
    """The served issuer behind TLS; yields its origin, on the name "localhost", which its documents then name."""
    with over_tls(urlsplit(issuer.issuer).port or 0, context) as port:
        issuer.issuer = issuer.base_url = f"https://localhost:{port}"
        yield issuer.issuer


@contextmanager
def forward_proxy() -> Iterator[tuple[int, list[bytes]]]:
    """An egress proxy (RFC 9110 9.3.6, RFC 9112 3.2.2): its port, and the heads of the first requests it was sent."""
    heads: list[bytes] = []

    def forward(connection: socket.socket) -> None:
        head = read_head(connection)
        heads.append(head)
        method, target, _ = head.split(b" ", 2)
        parts = urlsplit(b"//" + target if method == b"CONNECT" else target)
        far = socket.create_connection(((parts.hostname or b"").decode(), parts.port or 0))
        if method == b"CONNECT":
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            far.sendall(head.replace(target, parts.path, 1))
        relay(connection, far)

    with serving(forward) as port:
        yield port, heads


def relay(near: socket.socket, far: socket.socket) -> None:
    """Copy both ways until one side ends; closes the far one."""
    with far:
        while True:
            waiting = isinstance(near, ssl.SSLSocket) and near.pending()
            for source in [near] if waiting else select.select([near, far], [], [])[0]:
                chunk = source.recv(65536)
                if not chunk:
                    return
                (far if source is near else near).sendall(chunk)
