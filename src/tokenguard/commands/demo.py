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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tokenguard.commands.loading import load_app
from tokenguard.core.model import Request
from tokenguard.errors import ConfigurationError, Denied, Reason, Unavailable
from tokenguard.guard import TokenGuard
from tokenguard.testing import ClientCertificate, DPoPKey, LocalIssuer

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
    """One request. `headers`: what it sends; `status` and `reason`: what must become of it, None if it is let in.

    `again`: the headers with which it could be sent once more; None where they are the same.
    """

    title: str
    headers: Mapping[str, str] = field(repr=False)
    status: int
    reason: Reason | None = None
    again: Callable[[], Mapping[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. `reason`: as the server logged it, empty if let in; `microseconds`: the guard's, a median.

    `challenges`: the lines of WWW-Authenticate; that of the scheme which the request used comes first.
    `retry_after`: seconds, as the server wrote them, or empty.
    """

    attempt: Try
    status: int
    challenges: tuple[str, ...]
    retry_after: str
    reason: str
    microseconds: float

    @property
    def as_expected(self) -> bool:
        """Status and reason are what they must be."""
        return (self.status, self.reason) == (self.attempt.status, self.attempt.reason or "")


def run_demo(app: str) -> Iterator[Outcome]:
    """Send every request, and give each outcome as it comes. Raises `ConfigurationError`.

    `app`: an ASGI application as MODULE:APP. It takes its settings from the environment (`TokenGuard.from_env`) and
    answers GET /orders to tokens with the scope orders:read. A token is revoked with the guards that its module has.
    """
    issuer = LocalIssuer(audience=AUDIENCE)
    silent = LocalIssuer(audience=AUDIENCE, algorithm="ES256")
    with issuer.serve(), silent.serve():
        silent.misbehave("down")  # before anybody has seen its keys
        issuers = [{"issuer": issuer.issuer, "keys": {"cooldown": COOLDOWN}}, {"issuer": silent.issuer}]
        variables = {
            "TOKENGUARD_AUDIENCE": AUDIENCE,
            "TOKENGUARD_ISSUERS": json.dumps(issuers),
            "TOKENGUARD_DPOP": "accepted",
            "TOKENGUARD_MTLS": "accepted",
        }
        stopwatch = TokenGuard.from_env({**variables, "TOKENGUARD_TOKEN_CACHE": "0"})
        with stopwatch, _server(app, variables) as url, _client(url) as client:
            guards = [stopwatch, *_guards_beside(app)]

            def revoke(token: str) -> None:
                for guard in guards:
                    with suppress(Denied, Unavailable):  # the table shows what comes of it
                        guard.revoke(token)

            for attempt in _tries(issuer, silent, url + _PATH, revoke):
                with _log() as reasons:
                    answer = _get(client, attempt)
                yield Outcome(
                    attempt,
                    answer.status_code,
                    tuple(answer.headers.get_list("WWW-Authenticate")),
                    answer.headers.get("Retry-After", ""),
                    ", ".join(reasons),
                    _time(stopwatch, attempt, url + _PATH),
                )


def _tries(issuer: LocalIssuer, silent: LocalIssuer, url: str, revoke: Callable[[str], None]) -> Iterator[Try]:
    """The requests in order; between them the issuers change, and a token is revoked."""
    good: dict[str, Any] = {"scope": _SCOPE}
    stranger = LocalIssuer("https://stranger.example", audience=AUDIENCE, algorithm="ES256")
    seen = issuer.mint(**good)
    yield Try("no token", {}, 401, Reason.MISSING_TOKEN)
    yield Try("a good token", _bearer(seen), 200)
    yield Try("good, lower-case scheme", {"Authorization": f"bearer {issuer.mint(**good)}"}, 200)
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
        yield Try(title, _bearer(token), status, reason)
    revoke(seen)
    yield Try("the good one, revoked", _bearer(seen), 401, Reason.REVOKED)
    yield from _bound_tries(issuer, url)
    issuer.rotate()
    time.sleep(COOLDOWN)
    yield Try("good, keys rotated", _bearer(issuer.mint(**good)), 200)
    issuer.misbehave("down")
    yield Try("good, issuer down", _bearer(issuer.mint(**good)), 200)
    yield Try("issuer down, no keys yet", _bearer(silent.mint(**good)), 503, Reason.KEYS_UNAVAILABLE)


def _bound_tries(issuer: LocalIssuer, url: str) -> Iterator[Try]:
    """Requests with tokens that are bound to a key or to a certificate of the client."""
    key = DPoPKey()
    token = issuer.mint(scope=_SCOPE, dpop_key=key)
    proven = key.headers("GET", url, token)
    yield Try("bound, with a proof", proven, 200, again=lambda: key.headers("GET", url, token))
    yield Try("the same proof again", proven, 401, Reason.PROOF_REPLAYED)
    yield Try("bound, sent as Bearer", _bearer(token), 401, Reason.WRONG_SCHEME)
    token = issuer.mint(scope=_SCOPE, certificate=ClientCertificate.generate().der)
    yield Try("certificate missing", _bearer(token), 401, Reason.MISSING_CERTIFICATE)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _guards_beside(app: str) -> list[TokenGuard]:
    """The guards in the application's module: revocations in memory are known to the guard that was told."""
    module = sys.modules[app.partition(":")[0]]
    return [value for value in vars(module).values() if isinstance(value, TokenGuard)]


def _get(client: httpx.Client, attempt: Try) -> httpx.Response:
    try:
        return client.get(_PATH, headers=attempt.headers)
    except httpx.HTTPError as cause:
        raise ConfigurationError(f"the application does not answer: {type(cause).__name__}") from None


def _time(guard: TokenGuard, attempt: Try, url: str) -> float:
    """Microseconds in which a guard of the same settings, that remembers no token, decides on the same request."""
    request = Request("GET", url, attempt.headers)
    taken = []
    for _ in range(TIMED):
        if attempt.again is not None:
            request = Request("GET", url, attempt.again())
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
        if record.name == "tokenguard":  # not its children's, such as the audit
            self.reasons.append(record.tokenguard["reason"])  # type: ignore[attr-defined]
