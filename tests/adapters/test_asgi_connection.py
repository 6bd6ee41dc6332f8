"""What the guard is told of an ASGI connection: address, peer, certificate, form, WebSocket handshake."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from tests.adapters.in_process import CountingGuard, NotingApp, exchange, http_scope, websocket_scope

from tokenguard import Issuer, TokenGuard
from tokenguard.asgi import Message, Receive, Scope, ScopeRequest, Send, TokenGuardMiddleware
from tokenguard.testing import Broken, LocalIssuer

HOST = [(b"host", b"api.test")]
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        (
            {"scheme": "https", "raw_path": b"/a%2Fb", "query_string": b"x=1&y=%C3%A4", "headers": HOST},
            "https://api.test/a%2Fb?x=1&y=%C3%A4",
        ),
        ({"path": "/a b/ä", "headers": [(b"host", b"api.test:8443")]}, "http://api.test:8443/a%20b/%C3%A4"),
        ({"path": "/a", "raw_path": None, "server": ("127.0.0.1", 8000)}, "http://127.0.0.1:8000/a"),
        ({"path": "/api/a", "root_path": "/api", "headers": HOST}, "http://api.test/api/a"),
        ({"path": "/a", "root_path": "/api", "headers": HOST}, "http://api.test/api/a"),
        ({"path": "/apis", "root_path": "/api/", "headers": HOST}, "http://api.test/api/apis"),
        ({"raw_path": b"/%C3%A4/a%2Fb", "root_path": "/\u00e4", "headers": HOST}, "http://api.test/%C3%A4/a%2Fb"),
        ({"path": "/a:b@c", "headers": HOST}, "http://api.test/a:b@c"),
        ({"raw_path": b"/b", "headers": [(b"host", b"api.test/a?")]}, "http:///b"),
        ({"raw_path": b"/a#/b", "headers": HOST}, ""),
    ],
)  # fmt: skip
def test_the_url_is_absolute_and_as_the_client_sent_it(scope: dict[str, Any], url: str) -> None:
    """Undecoded, with the query, and with what a proxy took away if the application knows of it."""
    assert ScopeRequest({**http_scope("/"), **scope}).url == url


def test_the_peer_is_the_immediate_one() -> None:
    """Not what a header says; none where the server does not tell."""
    headers = {"X-Forwarded-For": "203.0.113.7"}
    assert ScopeRequest(http_scope("/", headers=headers, client=("192.0.2.1", 4711))).peer == "192.0.2.1"
    assert ScopeRequest(http_scope("/", headers=headers)).peer is None


def test_repeated_headers_stay_apart() -> None:
    """The guard must see that there were two."""
    scope = http_scope("/")
    scope["headers"] = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
    assert ScopeRequest(scope).header_values("authorization") == ["Bearer a", "Bearer b"]


def test_the_client_certificate_is_the_first_of_the_chain_in_der() -> None:
    """As the ASGI TLS extension hands it over; none where there is none to read, or the server found fault with it."""
    chain = [blob.bytes().decode() for blob in trustme.CA().issue_cert("client.test").cert_chain_pems]
    told = ScopeRequest(http_scope("/", extensions={"tls": {"client_cert_chain": chain}}))
    assert told.client_certificate == ssl.PEM_cert_to_DER_cert(chain[0])
    faulty = {"client_cert_chain": chain, "client_cert_error": "expired"}
    garbled = {"client_cert_chain": ["no PEM"]}
    for extensions in ({"tls": faulty}, {"tls": garbled}, {"tls": {"client_cert_chain": []}}, {}, None):
        assert ScopeRequest(http_scope("/", extensions=extensions)).client_certificate is None


@pytest.fixture
def form_guard(make_guard: Callable[..., CountingGuard]) -> CountingGuard:
    """A guard that accepts a token in a form body."""
    return make_guard(form_body=True)


class HoardingApp:
    """Keeps the messages it gets, up to the last of the body."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        self.messages.append(await receive())
        while self.messages[-1]["more_body"]:
            self.messages.append(await receive())


def pieces(*bodies: bytes) -> list[Message]:
    """A request body as a server delivers it."""
    last = len(bodies) - 1
    return [{"type": "http.request", "body": body, "more_body": number < last} for number, body in enumerate(bodies)]


@pytest.mark.req("BT-06", "O21-04")
async def test_a_token_in_a_form_body_counts_and_the_application_gets_the_body_too(
    form_guard: CountingGuard, issuer: LocalIssuer
) -> None:
    """However many pieces it comes in."""
    form = f"item=tea&access_token={issuer.mint()}".encode()
    scope = http_scope("/", method="POST", headers=FORM)
    sent = await exchange(
        TokenGuardMiddleware(NotingApp(), form_guard), scope, *pieces(form[:9], form[9:30], form[30:])
    )
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == form


@pytest.mark.req("BT-06")
async def test_a_form_body_is_not_touched_by_a_guard_that_reads_none(guard: CountingGuard, issuer: LocalIssuer) -> None:
    """The application is the first to ask for it."""
    scope = http_scope("/", method="POST", headers=FORM | {"Authorization": f"Bearer {issuer.mint()}"})
    app = NotingApp()
    sent = await exchange(TokenGuardMiddleware(app, guard), scope, *pieces(b"access_token=", b"nonsense"))
    assert sent[1]["body"] == b"access_token=nonsense"


@pytest.mark.req("BT-10")
async def test_a_token_in_header_and_form_body_is_one_too_many(form_guard: CountingGuard, issuer: LocalIssuer) -> None:
    """400 invalid_request."""
    scope = http_scope("/", method="POST", headers=FORM | {"Authorization": f"Bearer {issuer.mint()}"})
    middleware = TokenGuardMiddleware(NotingApp(), form_guard)
    sent = await exchange(middleware, scope, *pieces(f"access_token={issuer.mint()}".encode()))
    assert sent[0]["status"] == 400


@pytest.mark.parametrize(
    ("declared", "body", "is_read"),
    [
        ({"Content-Length": "65537"}, [], 0),
        ({"Content-Length": "1e3"}, [], 0),
        ({}, [b"x" * 40_000] * 3, 2),
        ({}, [b""] * 70_000, 65_536),
    ],
)
async def test_a_form_too_long_to_be_searched_is_refused_before_it_is_held_in_memory(
    form_guard: CountingGuard, declared: dict[str, str], body: list[bytes], is_read: int
) -> None:
    """Also where a token is optional: a bad one may be in it."""
    app = NotingApp()
    middleware = TokenGuardMiddleware(app, form_guard, optional=True)
    incoming = pieces(*body)

    async def receive() -> Message:
        return incoming.pop(0)

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await middleware(http_scope("/", method="POST", headers=FORM | declared), receive, send)
    assert sent[0]["status"] == 400
    assert app.scopes == []
    assert len(incoming) == len(body) - is_read


async def test_a_form_in_many_pieces_is_handed_on_as_one(form_guard: CountingGuard, issuer: LocalIssuer) -> None:
    """Whoever sends byte by byte does not make every byte cost a message kept."""
    app = HoardingApp()
    form = f"access_token={issuer.mint()}".encode()
    scope = http_scope("/", method="POST", headers=FORM)
    await exchange(TokenGuardMiddleware(app, form_guard), scope, *pieces(*(bytes([byte]) for byte in form)))
    assert app.messages == [{"type": "http.request", "body": form, "more_body": False}]


async def test_a_body_of_two_content_types_is_left_to_the_application(
    form_guard: CountingGuard, issuer: LocalIssuer
) -> None:
    """It is no form to the guard, however long it is."""
    scope = http_scope("/", method="POST", headers=FORM | {"Authorization": f"Bearer {issuer.mint()}"})
    scope["headers"].append((b"content-type", b"text/plain"))
    body = [b"x" * 40_000, b"y" * 40_000]
    sent = await exchange(TokenGuardMiddleware(NotingApp(), form_guard), scope, *pieces(*body))
    assert sent[1]["body"] == b"".join(body)


async def test_a_client_that_leaves_while_sending_its_form_is_refused(
    form_guard: CountingGuard, issuer: LocalIssuer
) -> None:
    """The wait ends with the connection, and half a form is none."""
    half = f"access_token={issuer.mint()}".encode()
    gone: list[Message] = [{"type": "http.request", "body": half, "more_body": True}, {"type": "http.disconnect"}]
    app = NotingApp()
    sent = await exchange(TokenGuardMiddleware(app, form_guard), http_scope("/", method="POST", headers=FORM), *gone)
    assert sent[0]["status"] == 400
    assert app.scopes == []


DENIAL = {"extensions": {"websocket.http.response": {}}}


async def test_a_websocket_with_a_good_token_reaches_the_application(guard: CountingGuard, issuer: LocalIssuer) -> None:
    """The handshake is a GET with headers like any other."""
    scope = websocket_scope(headers=[(b"authorization", f"Bearer {issuer.mint()}".encode())])
    assert await exchange(TokenGuardMiddleware(NotingApp(), guard), scope) == [{"type": "websocket.accept"}]


async def test_a_refused_handshake_gets_status_and_challenge_where_the_server_can(guard: CountingGuard) -> None:
    """By ASGI's WebSocket Denial Response."""
    start, body = await exchange(TokenGuardMiddleware(NotingApp(), guard, scopes="chat"), websocket_scope(**DENIAL))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"www-authenticate", b'Bearer realm="api.example.com", scope="chat"') in start["headers"]
    assert body["type"] == "websocket.http.response.body"


async def test_a_refused_handshake_is_closed_where_the_server_can_do_no_more(guard: CountingGuard) -> None:
    """1008, policy violation (RFC 6455 7.4.1), with the reason."""
    sent = await exchange(TokenGuardMiddleware(NotingApp(), guard), websocket_scope())
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "missing_token"}]


async def test_an_outage_closes_with_try_again_later(issuer: LocalIssuer) -> None:
    """1013, and 503 where the server can say so: the client did nothing wrong."""
    with LocalIssuer(signing_key=issuer.signing_key).serve() as down:
        down.misbehave("down")
        guard = TokenGuard(audience=down.audience, issuers=[Issuer(down.issuer)])
        headers = [(b"authorization", f"Bearer {down.mint()}".encode())]
        middleware = TokenGuardMiddleware(NotingApp(), guard)
        (close,) = await exchange(middleware, websocket_scope(headers=headers))
        assert close["code"] == 1013
        start, _ = await exchange(middleware, websocket_scope(headers=headers, **DENIAL))
        assert start["status"] == 503
        await guard.aclose()


SUBPROTOCOL = "tokenguard.bearer"


def offering(*subprotocols: str, authorization: str | None = None) -> dict[str, Any]:
    """A handshake that offers these subprotocols."""
    lines = [] if authorization is None else [(b"authorization", authorization.encode())]
    return dict(websocket_scope(headers=lines, subprotocols=list(subprotocols), **DENIAL))


@pytest.mark.parametrize("others", [(), ("chat.v1",)])
@pytest.mark.parametrize("before", [(), ("chat.v2",)])
async def test_a_browser_sends_its_token_as_the_subprotocol_after_the_agreed_name(
    guard: CountingGuard, issuer: LocalIssuer, before: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """Other subprotocols may stand around the two."""
    middleware = TokenGuardMiddleware(NotingApp(), guard, websocket_subprotocol=SUBPROTOCOL)
    sent = await exchange(middleware, offering(*before, SUBPROTOCOL, issuer.mint(), *others))
    assert sent == [{"type": "websocket.accept"}]


async def test_subprotocols_are_no_credentials_unless_agreed(guard: CountingGuard, issuer: LocalIssuer) -> None:
    """Off by default."""
    scope = offering(SUBPROTOCOL, issuer.mint())
    sent = await exchange(TokenGuardMiddleware(NotingApp(), guard), scope)
    assert sent[0]["status"] == 401


@pytest.mark.req("BT-10", "BT-11")
@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("name without token", 400),
        ("name twice", 400),
        ("header too", 400),
        ("not a token", 401),
        ("bad token", 401),
        ("not Latin-1", 400),
        ("other name", 401),
    ],
)
async def test_a_subprotocol_that_is_not_one_good_token_is_refused(
    guard: CountingGuard, issuer: LocalIssuer, form: str, status: int
) -> None:
    """With the answer that the same fault in an Authorization header gets."""
    token = issuer.mint()
    scopes = {
        "name without token": offering(SUBPROTOCOL),
        "name twice": offering(SUBPROTOCOL, token, SUBPROTOCOL, token),
        "header too": offering(SUBPROTOCOL, token, authorization=f"Bearer {token}"),
        "not a token": offering(SUBPROTOCOL, "chat.v1"),
        "bad token": offering(SUBPROTOCOL, issuer.broken(Broken.EXPIRED)),
        "not Latin-1": offering(SUBPROTOCOL, "\u20ac"),
        "other name": offering("chat.v1", token),
    }
    middleware = TokenGuardMiddleware(NotingApp(), guard, websocket_subprotocol=SUBPROTOCOL)
    sent = await exchange(middleware, scopes[form])
    assert sent[0]["status"] == status


async def test_a_plain_request_can_not_name_subprotocols(guard: CountingGuard, issuer: LocalIssuer) -> None:
    """They mean something in a WebSocket handshake only."""
    scope = http_scope("/", subprotocols=[SUBPROTOCOL, issuer.mint()])
    sent = await exchange(TokenGuardMiddleware(NotingApp(), guard, websocket_subprotocol=SUBPROTOCOL), scope)
    assert sent[0]["status"] == 401
