"""A real HTTP/1.1 server on loopback, which answers as it should or as it is told to misbehave."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tokenguard.testing.faults import Fault, Misbehaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenguard.testing.documents import Response

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request that reached the server. `path` is as it was sent, query and all; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class LoopbackServer(socketserver.ThreadingTCPServer):
    """Serves `respond(path, if_none_match)`, and `post(request)`, on a port that stays the same until `close`.

    A plain TCP server and not an `HTTPServer`, which would look its own host name up in the DNS.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        respond: Callable[[str, str], Response],
        seen: list[SeenRequest],
        post: Callable[[SeenRequest], Response] | None = None,
    ) -> None:
        super().__init__((LOOPBACK, port), _Connection)
        self.port: int = self.socket.getsockname()[1]
        self.respond = respond
        self.post = post
        self.seen = seen
        self._misbehaviours: dict[str | None, Misbehaviour] = {}
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._accepting = False
        self._start()

    def misbehave(self, path: str | None, misbehaviour: Misbehaviour) -> None:
        """Put a fault in force for a path, or for all that have none of their own; being down replaces all others."""
        if misbehaviour.fault is Fault.DOWN:
            self.close()
            # Bound but not listening: connections are refused, and nobody else gets the port.
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
        else:
            self._forget(path)
            self._misbehaviours[path] = misbehaviour
            self._start()

    def behave(self) -> None:
        """End every fault, and what waits because of one."""
        self._forget(*self._misbehaviours)
        self._start()

    def close(self) -> None:
        """Refuse connections, cut the open ones, end every fault, and wait until no thread is left."""
        if self._accepting:
            self._accepting = False
            # The acceptor blocks (no polling, so nothing waits for a poll): one last connection wakes it.
            socket.create_connection((LOOPBACK, self.port)).close()
            self._acceptor.join()
        self.server_close()
        for connection in self._connections.values():
            with suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)
        self._forget(*self._misbehaviours)  # now, so that what was held back finds its connection cut
        for thread in self._connections:
            thread.join()
        self._connections.clear()

    def misbehaviour(self, path: str) -> Misbehaviour | None:
        """The fault in force for this path."""
        return self._misbehaviours.get(path) or self._misbehaviours.get(None)

    def _forget(self, *paths: str | None) -> None:
        for path in paths:
            if ended := self._misbehaviours.pop(path, None):
                ended.over.set()

    def _start(self) -> None:
        if self._accepting:
            return
        self.server_activate()
        self._accepting = True
        self._acceptor = threading.Thread(target=self._accept, name="local-issuer", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while self._accepting:
            self.handle_request()

    # What socketserver calls, from the acceptor's thread.

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        # The base neither joins daemon threads nor cuts idle connections; both are needed to leave nothing behind.
        self._connections = {thread: open_ for thread, open_ in self._connections.items() if thread.is_alive()}
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._connections[thread] = request
        thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that hangs up, or a connection cut by `close`, is no error of ours; anything else is printed.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(BaseHTTPRequestHandler):
    """One connection: any number of requests, one after another (HTTP/1.1 keep-alive)."""

    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written one after the other: with it each answer takes 40 ms

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            self._request = SeenRequest(self.command, self.path, headers, body)
            self.server.seen.append(self._request)
        return parsed

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self._answer(path, lambda etag: self.server.respond(path, etag))

    def do_POST(self) -> None:
        post = self.server.post
        if post is None:
            self.send_error(405)
            return
        self._answer(urlsplit(self.path).path, lambda _: post(self._request))

    def _answer(self, path: str, respond: Callable[[str], Response]) -> None:
        misbehaviour = self.server.misbehaviour(path)
        if misbehaviour is None:
            response = respond(self.headers.get("If-None-Match", ""))
            self._start_response(response)
            self.wfile.write(response.body)
            return
        misbehaviour.hold()
        response = misbehaviour.distort(respond(""))
        self._start_response(response)
        for piece in misbehaviour.deliver(response.body):
            self.wfile.write(piece)
        self.close_connection = misbehaviour.fault is Fault.DISCONNECT

    def _start_response(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 304:  # its length would be read as that of the document it stands for (RFC 9110 8.6)
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing: `LocalIssuer.requests` is the log."""
