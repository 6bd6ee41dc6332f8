"""`tokenguard demo`: a protected API under a real server, and what becomes of good and bad requests to it.

Status and challenge are what came back over HTTP, the reason is from the server's own log. The application runs in
a thread of this process, on loopback, like the issuers; when the demo ends, so do they.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tokenguard.commands.loading import load_app
from tokenguard.core.model import Request
from tokenguard.errors import ConfigurationError, Denied, Reason, Unavailable
from tokenguard.guard import TokenGuard
from tokenguard.testing import LocalIssuer

AUDIENCE = "https://api.example.com"
_PATH, _SCOPE = "/orders", "orders:read"
#: seconds; 30 in production, short here so that a rotation is seen while one watches
COOLDOWN = 0.2
#: how often each check is timed
TIMED = 201
#: seconds for one answer
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Try:
    """One request. `authorization`: the header's value, None for no header; `reason`: None if it must be let in."""

    title: str
    authorization: str | None = field(repr=False)
    status: int
    reason: Reason | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What it sends."""
        return {} if self.authorization is None else {"Authorization": self.authorization}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `reason`: as the server logged it, empty if let in; `microseconds`: the guard's, a median."""

    attempt: Try
    status: int
    headers: Mapping[str, str]
    reason: str
    microseconds: float

    @property
    def as_expected(self) -> bool:
        """Status and reason are what they must be."""
        return (self.status, self.reason) == (self.attempt.status, self.attempt.reason or "")


def run_demo(app: str) -> Iterator[Outcome]:
    """Send every request, and give each outcome as it comes. Raises `ConfigurationError`.

    `app`: an ASGI application as MODULE:APP. It takes its settings from the environment (`TokenGuard.from_env`) and
    answers GET /orders to tokens with the scope orders:read.
    """
    issuer = LocalIssuer(audience=AUDIENCE)
    silent = LocalIssuer(audience=AUDIENCE, algorithm="ES256")
    with issuer.serve(), silent.serve():
        silent.misbehave("down")  # before anybody has seen its keys
        issuers = [{"issuer": issuer.issuer, "keys": {"cooldown": COOLDOWN}}, {"issuer": silent.issuer}]
        variables = {"TOKENGUARD_AUDIENCE": AUDIENCE, "TOKENGUARD_ISSUERS": json.dumps(issuers)}
        stopwatch = TokenGuard.from_env({**variables, "TOKENGUARD_TOKEN_CACHE": "0"})
        with stopwatch, _server(app, variables) as url, _client(url) as client:
            for attempt in _tries(issuer, silent):
                with _log() as reasons:
                    answer = _get(client, attempt)
                reason = ", ".join(reasons)
                yield Outcome(attempt, answer.status_code, answer.headers, reason, _time(stopwatch, attempt))


def _tries(issuer: LocalIssuer, silent: LocalIssuer) -> Iterator[Try]:
    """The requests in order; between them the issuers change."""
    good: dict[str, Any] = {"scope": _SCOPE}
    stranger = LocalIssuer("https://stranger.example", audience=AUDIENCE, algorithm="ES256")
    yield Try("no token", None, 401, Reason.MISSING_TOKEN)
    yield Try("a good token", f"Bearer {issuer.mint(**good)}", 200)
    yield Try("good, lower-case scheme", f"bearer {issuer.mint(**good)}", 200)
    for title, token, status, reason in (
        ("lacks the scope", issuer.mint(scope="orders:write"), 403, Reason.INSUFFICIENT_SCOPE),
        ("expired an hour ago", issuer.broken("expired", **good), 401, Reason.EXPIRED),
        ("changed after signing", issuer.broken("tampered", **good), 401, Reason.BAD_SIGNATURE),
        ("for another API", issuer.broken("other_audience", **good), 401, Reason.WRONG_AUDIENCE),
        ("alg none, unsigned", issuer.broken("alg_none", **good), 401, Reason.UNSUPPORTED_ALGORITHM),
        ("an ID token", issuer.id_token(**good), 401, Reason.WRONG_TYPE),
        ("an unknown key", issuer.broken("unknown_key", **good), 401, Reason.UNKNOWN_KEY),
        ("an unknown issuer", stranger.mint(**good), 401, Reason.UNKNOWN_ISSUER),
    ):
        yield Try(title, f"Bearer {token}", status, reason)
    issuer.rotate()
    time.sleep(COOLDOWN)
    yield Try("good, keys rotated", f"Bearer {issuer.mint(**good)}", 200)
    issuer.misbehave("down")
    yield Try("good, issuer down", f"Bearer {issuer.mint(**good)}", 200)
    token = silent.mint(**good)
    yield Try("issuer down, no keys yet", f"Bearer {token}", 503, Reason.KEYS_UNAVAILABLE)


def _get(client: httpx.Client, attempt: Try) -> httpx.Response:
    try:
        return client.get(_PATH, headers=attempt.headers)
    except httpx.HTTPError as cause:
        raise ConfigurationError(f"the application does not answer: {type(cause).__name__}") from None


def _time(guard: TokenGuard, attempt: Try) -> float:
    """Microseconds in which a guard of the same settings, that remembers no token, decides on the same request."""
    request = Request("GET", f"{AUDIENCE}{_PATH}", attempt.headers)
    taken = []
    for _ in range(TIMED):
        began = time.perf_counter()
        with suppress(Denied, Unavailable):
            guard.check(request, _SCOPE)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6


@contextmanager
def _client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False, timeout=_PATIENCE) as client:
        yield client


@contextmanager
def _server(app: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Serve the application on a free port of loopback; the context's value is its base URL."""
    try:
        import uvicorn  # noqa: PLC0415 - only the demo needs a server
    except ModuleNotFoundError:
        raise ConfigurationError("the demo needs a server: pip install uvicorn") from None
    with _environment(variables):
        sys.modules.pop(app.partition(":")[0], None)  # it reads the variables when it is loaded
        config = uvicorn.Config(load_app(app), log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # connections queue until the server takes them
        thread = threading.Thread(target=server.run, args=([listener],), name="demo-server", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_PATIENCE)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables, and no others of ours."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("TOKENGUARD_")]:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _log() -> Iterator[list[str]]:
    """The reasons of the server's refusals, as it logs them."""
    logger = logging.getLogger("tokenguard")
    collected = _Reasons()
    level = logger.level
    logger.addHandler(collected)
    logger.setLevel(logging.DEBUG)
    try:
        yield collected.reasons
    finally:
        logger.setLevel(level)
        logger.removeHandler(collected)


class _Reasons(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "tokenguard"):
            self.reasons.append(record.tokenguard["reason"])
