"""What can go wrong at an issuer: how each fault changes an answer, or the way it is sent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event

from tokenguard.testing.documents import Response

_HUGE = 10_000_000  # bytes: twenty times what a generous client takes for a key set


class Fault(StrEnum):
    """The ways to misbehave."""

    DOWN = "down"
    """Connections are refused, open ones are cut."""
    SLOW = "slow"
    """The answer begins after `seconds`."""
    HANG = "hang"
    """The answer never begins."""
    DRIP = "drip"
    """The body comes at one byte per `seconds`."""
    DISCONNECT = "disconnect"
    """The connection ends in the middle of the body."""
    ERROR = "error"
    """500."""
    UNAUTHORIZED = "unauthorized"
    """401, as for a client that the issuer does not know."""
    NOT_FOUND = "not_found"
    """404."""
    GARBAGE = "garbage"
    """200 and the JSON media type, but not JSON."""
    HTML = "html"
    """200 and a web page, as a proxy's login form."""
    EMPTY = "empty"
    """A key set without keys."""
    HUGE = "huge"
    """The right document, and after it 10 MB of spaces: only a limit on size refuses it."""
    GZIP_BOMB = "gzip_bomb"
    """The same, compressed to 10 KB: only a limit on what comes out of the decoder refuses it."""
    REDIRECT = "redirect"
    """302 to `url`."""
    WRONG_ISSUER = "wrong_issuer"
    """The metadata's issuer is `url`."""
    WRONG_JWKS_URI = "wrong_jwks_uri"
    """The metadata's jwks_uri is `url`."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """A fault in force, until `over` is set."""

    fault: Fault
    seconds: float
    url: str
    over: Event = field(default_factory=Event)

    def hold(self) -> None:
        """Wait as long as this fault keeps an answer from beginning."""
        if self.fault is Fault.SLOW:
            self.over.wait(self.seconds)
        elif self.fault is Fault.HANG:
            self.over.wait()

    def distort(self, response: Response) -> Response:
        """The answer that this fault makes of the right one."""
        match self.fault:
            case Fault.ERROR:
                return Response.of_json(500, {"error": "server_error"})
            case Fault.UNAUTHORIZED:
                return Response.of_json(401, {"error": "invalid_client"})
            case Fault.NOT_FOUND:
                return Response.of_json(404, {"error": "not_found"})
            case Fault.GARBAGE:
                return Response(200, b'{"keys": [', {"Content-Type": "application/json"})
            case Fault.HTML:
                return Response(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"})
            case Fault.REDIRECT:
                return Response(302, headers={"Location": self.url})
            case Fault.EMPTY:
                return _replace_member(response, "keys", [])
            case Fault.WRONG_ISSUER:
                return _replace_member(response, "issuer", self.url)
            case Fault.WRONG_JWKS_URI:
                return _replace_member(response, "jwks_uri", self.url)
            case Fault.HUGE:
                return Response(response.status, _inflate(response.body), response.headers)
            case Fault.GZIP_BOMB:
                headers = {**response.headers, "Content-Encoding": "gzip"}
                return Response(response.status, gzip.compress(_inflate(response.body)), headers)
            case _:
                return response

    def deliver(self, body: bytes) -> Iterator[bytes]:
        """The pieces in which the body is sent, with the waits between them; fewer than all cut the connection."""
        if self.fault is Fault.DISCONNECT:
            yield body[: len(body) // 2]
        elif self.fault is Fault.DRIP:
            for position in range(len(body)):
                yield body[position : position + 1]
                if self.over.wait(self.seconds):
                    yield body[position + 1 :]
                    return
        else:
            yield body


def _inflate(body: bytes) -> bytes:
    return body + b" " * _HUGE


def _replace_member(response: Response, name: str, value: object) -> Response:
    """The document with another value for a member, where it has that member."""
    document = json.loads(response.body)
    if name not in document:
        return response
    return Response(response.status, json.dumps(document | {name: value}).encode(), response.headers)
