"""Whole ASGI applications and mounted ones behind a guard, and what the adapters for ASGI frameworks share.

    app = TokenGuardMiddleware(app, guard, scopes="orders:read", exempt_paths=("/health",))

    async def endpoint(scope, receive, send):
        token = access_token(scope)

Pure ASGI: no framework is imported, nothing is wrapped around `send` unless answers get nonces for DPoP, and an
admitted request costs no thread.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

from tokenguard._checks import require_flag
from tokenguard._forms import UNSEARCHABLE, is_length_searchable
from tokenguard._paths import ExemptPaths
from tokenguard.core.credentials import MAX_FORM_BODY
from tokenguard.core.model import AccessToken, Form, Request
from tokenguard.core.requirements import Requirement, Scopes, is_plainly_met, one_of
from tokenguard.core.target_uri import below_root, escaped_path, request_url
from tokenguard.errors import ConfigurationError, Denied, MissingToken, Unavailable
from tokenguard.guard import TokenGuard

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
ReadForm: TypeAlias = Callable[[], Awaitable[Form | None]]

_FORM_TYPE = "application/x-www-form-urlencoded"
#: the messages with which an answer begins, to a WebSocket's handshake too
_BEGINNINGS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
#: close codes of RFC 6455 7.4.1 and its registry: policy violation, try again later
_CLOSE_DENIED = 1008
_CLOSE_UNAVAILABLE = 1013


class TokenGuardMiddleware:
    """Lets through what carries a token that `guard` accepts; refuses the rest before the application sees it.

    `scopes` or `requirement`: what every request needs, see `Requirement`. `optional`: forgives a missing token, and
    nothing else. `exempt_paths`: let through unseen, with all below them, by segment: "/health" means /health and
    /health/live, not /healthz, and "/" only itself; seen from where the application is mounted (`root_path`).
    `websocket_subprotocol`: see `websocket_credentials`; off by default.

    HTTP requests and WebSocket handshakes are checked; lifespan events pass. A CORS preflight, to which browsers
    attach no credentials, gets an empty 204 and never the application, since anybody can send what looks like one:
    CORS middleware stands outside, where it answers preflights first and gives refusals its headers. A refused
    handshake is answered with status and headers where the server can do that (`websocket.http.response`), else
    closed with 1008, or 1013 for `Unavailable`.

    Raises `ConfigurationError` when built.
    """

    def __init__(
        self,
        app: App,
        guard: TokenGuard,
        *,
        scopes: Scopes | None = None,
        requirement: Requirement | None = None,
        optional: bool = False,
        exempt_paths: Collection[str] = (),
        websocket_subprotocol: str | None = None,
    ) -> None:
        if not isinstance(guard, TokenGuard):
            raise ConfigurationError("guard must be a TokenGuard")
        require_flag("optional", optional)
        self.app = app
        self.guard = guard
        self.requirement = one_of(scopes, requirement)
        self.optional = optional
        self.exempt_paths = tuple(exempt_paths)
        self._exempt = ExemptPaths("exempt_paths", exempt_paths) if exempt_paths else ()
        self._subprotocol = websocket_subprotocol
        self._gives_nonces = guard.senders.gives_nonces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self.app(scope, receive, send)
            return
        if kind not in ("http", "websocket"):
            # what a server may add one day (webtransport) can't be refused properly, and must not slip by
            raise RuntimeError(f"TokenGuardMiddleware does not know ASGI scopes of type {kind}")
        if not self.is_exempt(relative_path(scope)):
            if _is_preflight(scope):
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            token = recall(self.guard, scope, self.requirement) if self._subprotocol is None else None
            if token is None:
                read_form = None
                if self.guard.form_body and wants_form_body(self.guard, scope):
                    receive = read_ahead = _ReadAhead(scope, receive)
                    read_form = read_ahead.form
                try:
                    token = await check(
                        self.guard, scope, self.requirement,
                        optional=self.optional, subprotocol=self._subprotocol, read_form=read_form,
                    )  # fmt: skip
                except (Denied, Unavailable) as error:
                    await _refuse(self.guard, error, scope, send)
                    return
            headers = self.guard.response_headers(token) if self._gives_nonces else None
            if headers:
                send = partial(_send_with, send, lambda: headers)
        await self.app(scope, receive, send)

    def is_exempt(self, path: str) -> bool:
        """Is a path, seen from where the application is mounted, an exempt one or below one?"""
        return path in self._exempt


class ResponseHeadersMiddleware:
    """Gives the answers to admitted requests the headers that their guards want there: the next nonce for DPoP.

    For routes that are protected by dependencies, as FastAPI's `Protect`, which can't give headers to every answer;
    `TokenGuardMiddleware` needs it not. Without it clients still get by, with a 401 now and then that tells them the
    nonce. Stands outside of what checks tokens.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            # made here, so that it is the same one if somebody further inside copies the scope
            tokens: dict[TokenGuard, AccessToken] = scope.setdefault("tokenguard", {})
            send = partial(_send_with, send, lambda: _response_headers(tokens))
        await self.app(scope, receive, send)


def _response_headers(tokens: Mapping[TokenGuard, AccessToken]) -> list[tuple[str, str]]:
    """Of the first guard that has any: one nonce is all that an answer may have (RFC 9449 8.2)."""
    return next(filter(None, (guard.response_headers(token) for guard, token in tokens.items())), [])


async def _send_with(send: Send, headers: Callable[[], list[tuple[str, str]]], message: Message) -> None:
    """Send a message; one that begins an answer gets these headers in place of its own of the same names."""
    if message["type"] in _BEGINNINGS:
        ours = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers()]
        names = {name for name, _ in ours}
        kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
        message = {**message, "headers": kept + ours}
    await send(message)


def access_token(scope: Scope, guard: TokenGuard | None = None) -> AccessToken | None:
    """The token of a request; None if it had none. `guard`: whose, where several look at one; else the last one's."""
    tokens: dict[TokenGuard, AccessToken] = scope.get("tokenguard", {})
    return tokens.get(guard) if guard is not None else next(reversed(tokens.values()), None)


def recall(guard: TokenGuard, scope: Scope, requirement: Requirement) -> AccessToken | None:
    """What `check` would give for the usual request, at once: its token is remembered, and it is enough.

    None says nothing: then ask `check`.
    """
    tokens: dict[TokenGuard, AccessToken] = scope.setdefault("tokenguard", {})
    token = tokens.get(guard)
    if token is None:
        line = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if line is not None:
                    return None
                line = value
        token = None if line is None else guard.recall(line.decode("latin-1"))
        if token is None:
            return None
        tokens[guard] = token
    return token if is_plainly_met(token, requirement) else None


async def check(
    guard: TokenGuard,
    scope: Scope,
    requirement: Requirement,
    *,
    optional: bool = False,
    subprotocol: str | None = None,
    read_form: ReadForm | None = None,
) -> AccessToken | None:
    """Authenticate once per request and guard, however often it is asked, and authorize each time.

    The token is kept in `scope["tokenguard"]`, a dict by guard, for a mount, a router and a route to share: a second
    look at a proof of possession would take it for a replay. None: no token, where it is `optional`.
    """
    tokens: dict[TokenGuard, AccessToken] = scope.setdefault("tokenguard", {})
    token = tokens.get(guard)
    if token is None or requirement.live:
        request = ScopeRequest(scope, subprotocol, None if read_form is None else await read_form())
    if token is None:
        try:
            token = tokens[guard] = await guard.aauthenticate(
                request, when_revocations_unknown=requirement.when_revocations_unknown
            )
        except MissingToken as missing:
            if optional:
                return None
            missing.scope = requirement.scope  # so that the client knows what to ask for
            raise
    if requirement.live:
        return await guard.aconfirm(request, requirement)
    guard.authorize(token, requirement)
    return token


class ScopeRequest(Request):
    """A request read where the server put it: names in lower case and bytes, as ASGI has them."""

    __slots__ = ("_lines", "_scope")

    def __init__(self, scope: Scope, subprotocol: str | None = None, form: Form | None = None) -> None:
        self._scope = scope
        self._lines: Iterable[tuple[bytes, bytes]] = scope["headers"]
        if subprotocol is not None and scope["type"] == "websocket":
            self._lines = [*self._lines, *websocket_credentials(scope, subprotocol)]
        self.method = scope.get("method", "GET")  # a WebSocket handshake is a GET (RFC 6455 4.1)
        client = scope.get("client")
        self.peer = client[0] if client else None
        self.form = form

    @property
    def url(self) -> str:  # type: ignore[override] # computed for the few who ask
        """Absolute, as the client sent it, as far as the server tells."""
        return _url(self._scope)

    @property
    def client_certificate(self) -> bytes | None:  # type: ignore[override] # computed for the few who ask
        """In DER; None unless the server has the ASGI TLS extension, found no fault with it, and gives one."""
        return client_certificate(self._scope)

    def header_values(self, name: str) -> list[str]:
        wanted = name.encode("latin-1")
        return [value.decode("latin-1") for key, value in self._lines if key == wanted]


def websocket_credentials(scope: Scope, subprotocol: str) -> list[tuple[bytes, bytes]]:
    """Tokens among the subprotocols that a WebSocket client offers, as the Authorization lines they stand for.

    A browser can't set headers for a WebSocket, but `new WebSocket(url, [subprotocol, token])` sends
    `Sec-WebSocket-Protocol: tokenguard.bearer, TOKEN`: the token follows the name agreed upon. The application must
    accept that name, never the token. The lines join those of the request, so that a token in each is one too many.
    """
    offered = [*scope.get("subprotocols", ()), ""]
    return [
        (b"authorization", b"Bearer " + token.encode("latin-1", "replace"))
        for name, token in pairwise(offered)
        if name == subprotocol
    ]


def wants_form_body(guard: TokenGuard, scope: Scope) -> bool:
    """May a token be in this request's body?"""
    types = [value.decode("latin-1") for key, value in scope["headers"] if key == b"content-type"]
    return scope["type"] == "http" and len(types) == 1 and guard.wants_form_body(scope["method"], types[0])


def is_form_searchable(scope: Scope) -> bool:
    """Is a form not announced as too long to be held in memory? It need not be announced."""
    length = _header(scope, b"content-length")
    return not length or is_length_searchable(length)


def relative_path(scope: Scope) -> str:
    """The path as seen from where the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] or "/" if path == root or path.startswith(f"{root}/") else path


def _header(scope: Scope, name: bytes) -> str:
    """The first value of a header; empty if there is none."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return ""


def _url(scope: Scope) -> str:
    """The URL as the client sent it, as far as the server tells."""
    host = _header(scope, b"host")
    if not host and scope.get("server"):
        name, port = scope["server"]
        host = f"{name}:{port}"
    return request_url(scope.get("scheme", "http"), host, sent_target(scope))


def sent_target(scope: Scope) -> str:
    """Path and query as sent, as far as the server tells: in `path`, "%2F" is a slash like others."""
    raw: bytes | None = scope.get("raw_path")
    path = escaped_path(scope["path"]) if raw is None else raw.decode("latin-1")
    path = below_root(path, scope.get("root_path", ""))
    query: bytes = scope.get("query_string", b"")
    return path + ("?" + query.decode("latin-1") if query else "")


def client_certificate(scope: Scope) -> bytes | None:
    """In DER; None unless the server has the ASGI TLS extension, found no fault with it, and gives one."""
    tls = (scope.get("extensions") or {}).get("tls")
    if not tls or tls.get("client_cert_error") or not tls.get("client_cert_chain"):
        return None
    try:
        return ssl.PEM_cert_to_DER_cert(tls["client_cert_chain"][0])
    except ValueError:
        return None


def _is_preflight(scope: Scope) -> bool:
    """A CORS preflight, as the Fetch standard has it: OPTIONS with these two headers, and never with credentials."""
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return {b"origin", b"access-control-request-method"} <= names and b"authorization" not in names


class _ReadAhead:
    """A form, read before the application reads it, and handed to it all the same."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._body: bytes | None = None

    async def form(self) -> Form:
        """The whole body; `UNSEARCHABLE` if it is too long or does not come, which the application never sees."""
        if not is_form_searchable(self._scope):
            return UNSEARCHABLE
        body = bytearray()
        for _ in range(MAX_FORM_BODY):  # empty pieces come to an end, too
            message = await self._receive()
            body += message.get("body", b"")
            if message["type"] != "http.request" or len(body) > MAX_FORM_BODY:
                break
            if not message.get("more_body", False):
                self._body = bytes(body)
                return self._body
        return UNSEARCHABLE

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _refuse(guard: TokenGuard, error: Denied | Unavailable, scope: Scope, send: Send) -> None:
    """Answer in the application's place."""
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if not can_refuse_handshake(scope):
            await send({"type": "websocket.close", "code": close_code(error), "reason": str(error.reason)})
            return
    challenge = guard.challenge(error)
    body = json.dumps(challenge.body, separators=(",", ":")).encode()
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in challenge.headers]
    headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": f"{kind}.start", "status": challenge.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


def can_refuse_handshake(scope: Scope) -> bool:
    """Can the server answer a WebSocket handshake with an HTTP response (ASGI, WebSocket Denial Response)?"""
    return "websocket.http.response" in (scope.get("extensions") or {})


def close_code(error: Denied | Unavailable) -> int:
    """The WebSocket close code for a refusal, where there can be no HTTP response."""
    return _CLOSE_UNAVAILABLE if isinstance(error, Unavailable) else _CLOSE_DENIED
