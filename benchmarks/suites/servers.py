"""Real servers on loopback: requests a second and latency of a plain endpoint and of the same one protected.

Server and load generator share this machine's processors, so the rates are no server's best; what counts is how they
compare, in bursts that take turns.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks import load, world
from benchmarks.apps import KEY_SET_VARIABLE
from benchmarks.measure import Figure
from benchmarks.rows import Row
from benchmarks.suites import Plan

_CONNECTIONS = 8
_MIN_ROUNDS = 3
#: requests of the first burst, which tells how many make up `_BURST` seconds
_FIRST = 200
_BURST = 0.6
#: seconds a server has to come up, and to go
_PATIENCE = 20.0
_PATHS = {
    "/plain": "plain",
    "/protected": "tokenguard, warm",
    "/uncached": "tokenguard, cold",
    "/pyjwt": "PyJWT + HTTPBearer",
}


@dataclass(frozen=True, slots=True)
class _Server:
    name: str
    command: tuple[str, ...]
    paths: tuple[str, ...]


def _servers() -> Iterator[_Server]:
    uvicorn = ("-m", "uvicorn", "--factory", "benchmarks.apps.fastapi_app:served", "--log-level", "warning")
    gunicorn = ("-m", "gunicorn", "benchmarks.apps.flask_app:served()", "--worker-class", "gthread", "--threads", "4")
    of_fastapi, of_flask = tuple(_PATHS), tuple(path for path in _PATHS if path != "/pyjwt")
    for workers in ("1", "2"):
        yield _Server(f"FastAPI, uvicorn, workers: {workers}", (*uvicorn, "--workers", workers), of_fastapi)
    yield _Server("Flask, gunicorn gthread, workers: 2", (*gunicorn, "--workers", "2"), of_flask)


def run(plan: Plan) -> list[Row]:
    """For each server and endpoint the rate, as a part of the plain one's, and two latencies."""
    rows = []
    servers = list(_servers())
    for position, server in enumerate(servers):
        plan.progress(server.name, plan.seconds * position / len(servers))
        with _running(server) as port:
            rows += _measure(server, port, plan.seconds / len(servers))
    return rows


def _measure(server: _Server, port: int, seconds: float) -> list[Row]:
    token = world.mint()
    began = time.perf_counter()
    rates: dict[str, list[float]] = {path: [] for path in server.paths}
    latencies: dict[str, list[float]] = {path: [] for path in server.paths}
    first = load.fire(_burst(port, server.paths[0], token, _FIRST))
    requests = max(_FIRST, round(_FIRST / first.seconds * _BURST))
    while len(rates[server.paths[0]]) < _MIN_ROUNDS or time.perf_counter() - began < seconds:
        for path in server.paths:
            answered = load.fire(_burst(port, path, token, requests))
            rates[path].append(requests / answered.seconds)
            latencies[path] += answered.latencies
    plain = rates[server.paths[0]]
    rows = []
    for path in server.paths:
        name = _PATHS[path]
        compared = [own / other for own, other in zip(rates[path], plain, strict=True)]
        rows.append(Row(server.name, name, "requests/s", Figure.of(rates[path]), Figure.of(compared), "plain"))
        percentiles = statistics.quantiles(latencies[path], n=100)
        for which in (50, 99):
            value = percentiles[which - 1]
            rows.append(Row(server.name, f"{name}, p{which}", "µs", Figure(value, value, value)))
    return rows


def _burst(port: int, path: str, token: str, requests: int) -> load.Burst:
    return load.Burst(port, path, [token], _CONNECTIONS, requests)


@contextmanager
def _running(server: _Server) -> Iterator[int]:
    """The server's port, once it answers; the server and its workers are gone afterwards."""
    with socket.socket() as probe:
        probe.bind((load.HOST, 0))
        port = probe.getsockname()[1]
    bind = ("--bind", f"{load.HOST}:{port}") if "gunicorn" in server.command else ("--port", str(port))
    environment = os.environ | {KEY_SET_VARIABLE: json.dumps(world.local_issuer("RS256").jwks)}
    process = subprocess.Popen(
        [sys.executable, *server.command, *bind], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait_for(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(f"the server ended: {process.stderr.read().decode()[-2000:]}")
        with suppress(ConnectionRefusedError), socket.create_connection((load.HOST, port)):
            return  # workers that are not ready yet find the requests waiting
        time.sleep(0.1)
    raise RuntimeError("the server does not answer")
