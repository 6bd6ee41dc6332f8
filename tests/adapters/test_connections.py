"""Connections that last, through uvicorn and real clients: a WebSocket and a stream of events end with their token."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import httpx
import pytest
from tests.adapters.serving import serving
from tests.scenarios import AUDIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tokenguard.testing import LocalIssuer

WITHIN = 1.0  # seconds from the end of a token to the end of its connections


class Shop(NamedTuple):
    """examples/fastapi_logout.py, and the issuer that it trusts."""

    issuer: LocalIssuer
    url: str

    def chat(self, token: str) -> ClientConnection:
        """Open the WebSocket."""
        return connect(
            self.url.replace("http", "ws") + "/chat",
            additional_headers={"Authorization": f"Bearer {token}"},
            proxy=None,
        )

    def log_out(self, session: str) -> float:
        """Tell of a logout, and say when it was done."""
        form = {"logout_token": self.issuer.logout_token(sid=session)}
        answer = httpx.post(self.url + "/backchannel-logout", data=form, trust_env=False)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        return time.time()


@pytest.fixture(scope="module", params=["websockets", "websockets-sansio"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """The application, with each of uvicorn's implementations of the protocol."""
    words = ["uvicorn", "examples.fastapi_logout:app", "--fd", "{fd}", "--log-level", "error", "--ws", request.param]
    with LocalIssuer(audience=AUDIENCE, algorithm="ES256").serve() as issuer:
        trusted = {
            "issuer": issuer.issuer,
            "max_lifetime": 3600,
            "logout": {"client_ids": "client-1", "algorithms": ["ES256"]},
        }
        environment = {
            "TOKENGUARD_ISSUERS": json.dumps([trusted]),
            "TOKENGUARD_AUDIENCE": AUDIENCE,
            "TOKENGUARD_LEEWAY": "0",
        }
        with serving(*words, environment=environment) as url:
            yield Shop(issuer, url)


def closed(websocket: ClientConnection) -> tuple[int, str]:
    """Wait for the end of a WebSocket: its code and reason."""
    with pytest.raises(ConnectionClosed) as end:
        websocket.recv(timeout=30)
    assert end.value.rcvd is not None
    return end.value.rcvd.code, end.value.rcvd.reason


def test_a_websocket_closes_when_its_token_is_revoked(shop: Shop) -> None:
    """Within a second, with 1008 and why; the socket of another session goes on."""
    with shop.chat(shop.issuer.mint(sid="s1")) as websocket, shop.chat(shop.issuer.mint(sid="s2")) as other:
        websocket.send("hello")
        assert websocket.recv() == "hello hello"
        revoked_at = shop.log_out("s1")
        assert closed(websocket) == (1008, "revoked")
        assert time.time() - revoked_at < WITHIN
        other.send("still")
        assert other.recv() == "still still"


def test_a_websocket_closes_when_its_token_expires(shop: Shop) -> None:
    """Within a second, though nobody sends anything."""
    expires_at = int(time.time()) + 2
    with shop.chat(shop.issuer.mint(exp=expires_at)) as websocket:
        assert closed(websocket) == (1008, "expired")
        assert 0 <= time.time() - expires_at < WITHIN


def test_a_websocket_may_be_closed_by_its_client(shop: Shop) -> None:
    """Nothing is left to watch then, and the next one is watched as well."""
    with shop.chat(shop.issuer.mint(sid="s3")):
        pass
    with shop.chat(shop.issuer.mint(sid="s3")) as websocket:
        shop.log_out("s3")
        assert closed(websocket) == (1008, "revoked")


def test_a_stream_of_events_ends_when_its_token_is_revoked(shop: Shop) -> None:
    """The response is over, and to connect again is refused."""
    headers = {"Authorization": f"Bearer {shop.issuer.mint(sid='s4')}"}
    with httpx.stream("GET", shop.url + "/prices", headers=headers, trust_env=False, timeout=30) as response:
        lines = response.iter_lines()
        assert next(lines) == "data: 300"
        revoked_at = shop.log_out("s4")
        assert all(line.startswith("data: ") or not line for line in lines)
        assert time.time() - revoked_at < WITHIN
    assert httpx.get(shop.url + "/prices", headers=headers, trust_env=False).status_code == 401


def test_many_connections_end_with_one_session(shop: Shop) -> None:
    """All of them within the second."""
    token = shop.issuer.mint(sid="s5")
    with ExitStack() as stack:
        sockets = [stack.enter_context(shop.chat(token)) for _ in range(50)]
        revoked_at = shop.log_out("s5")
        assert {closed(websocket) for websocket in sockets} == {(1008, "revoked")}
        assert time.time() - revoked_at < WITHIN
