"""A server on a Unix socket: its peers have no address, and are trusted if the settings say that they are proxies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tokenguard.errors import Reason
from tokenguard.testing import ClientCertificate

from .apis import SERVERS, WITHIN, refused
from .support import API, Provider

SETTINGS = {"TOKENGUARD_MTLS": "accepted", "TOKENGUARD_MTLS_FORMAT": "rfc9440"}


@contextmanager
def listening(server: str, provider: Provider, path: Path, **trust: str) -> Iterator[httpx.Client]:
    """One of SERVERS on a Unix socket, and a client of it."""
    issuers = json.dumps([{"issuer": provider.issuer}])
    variables = {"TOKENGUARD_AUDIENCE": API, "TOKENGUARD_ISSUERS": issuers, **SETTINGS, **trust}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        words = [word.format(fd=listener.fileno()) for word in SERVERS[server].split()]
        process = subprocess.Popen(
            [sys.executable, "-m", *words], env={**os.environ, **variables}, pass_fds=[listener.fileno()]
        )
    transport = httpx.HTTPTransport(uds=str(path))
    try:
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=WITHIN) as http:
            yield http
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.req("CC-01")
@pytest.mark.parametrize("server", SERVERS)
def test_the_header_counts_only_if_the_socket_is_trusted(server: str, provider: Provider, tmp_path: Path) -> None:
    """Loopback is no Unix socket, and a Unix socket is no network."""
    client = ClientCertificate.generate()
    token = provider.certificate_bound_token(client.pem)
    headers = {"Authorization": f"Bearer {token}", "Client-Cert": client.as_header()}
    with listening(server, provider, tmp_path / "trusted", TOKENGUARD_PROXIES_UNIX_SOCKET="true") as http:
        assert http.get("/orders", headers=headers).status_code == 200
    with listening(server, provider, tmp_path / "other", TOKENGUARD_PROXIES_NETWORKS="127.0.0.0/8 ::1") as http:
        response = http.get("/orders", headers=headers)
        assert refused(response, 401, "invalid_token", Reason.MISSING_CERTIFICATE)
