"""WebSockets, through uvicorn and a real client: a token in the header or in a subprotocol, and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from fastapi import Depends, FastAPI, WebSocket
from tests.adapters.in_process import CountingGuard, exchange, websocket_scope
from tests.adapters.serving import serving
from tests.scenarios import AUDIENCE, environment
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tokenguard import errors
from tokenguard.fastapi import Protect
from tokenguard.testing import Broken, LocalIssuer

SUBPROTOCOL = "tokenguard.bearer"


class Chat(NamedTuple):
    """The running application, and the issuer that it trusts."""

    issuer: LocalIssuer
    url: str

    def connect(
        self, path: str = "/chat", *, token: str | None = None, subprotocols: list[str] | None = None
    ) -> ClientConnection:
        """Open a WebSocket."""
        return connect(
            self.url + path,
            additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
            subprotocols=None if subprotocols is None else [Subprotocol(name) for name in subprotocols],
            proxy=None,
        )


@pytest.fixture(scope="module", params=["websockets", "websockets-sansio"])
def chat(request: pytest.FixtureRequest) -> Iterator[Chat]:
    """The application, with each of uvicorn's implementations of the protocol."""
    words = ["uvicorn", "tests.adapters.chat_app:app", "--fd", "{fd}", "--log-level", "error", "--ws", request.param]
    with (
        LocalIssuer(audience=AUDIENCE, algorithm="ES256").serve() as issuer,
        serving(*words, environment=environment(issuer)) as base_url,
    ):
        yield Chat(issuer, base_url.replace("http", "ws"))


@pytest.mark.parametrize("path", ["/chat", "/mounted/chat"])
def test_a_token_in_the_header_opens_it(chat: Chat, path: str) -> None:
    """For clients that can set headers."""
    with chat.connect(path, token=chat.issuer.mint(sub="alice", scope="chat")) as websocket:
        assert websocket.recv() == "Hello, alice"


@pytest.mark.parametrize("path", ["/chat", "/mounted/chat"])
def test_a_token_in_a_subprotocol_opens_it(chat: Chat, path: str) -> None:
    """For browsers; the server answers with the agreed name, and never with the token."""
    offered = [SUBPROTOCOL, chat.issuer.mint(sub="alice", scope="chat")]
    with chat.connect(path, subprotocols=offered) as websocket:
        assert websocket.recv() == "Hello, alice"
        assert websocket.subprotocol == SUBPROTOCOL


@pytest.mark.parametrize("path", ["/chat", "/mounted/chat"])
@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("no token", 401, None),
        ("expired", 401, "invalid_token"),
        ("no scope", 403, "insufficient_scope"),
        ("in header and subprotocol", 400, "invalid_request"),
    ],
)
def test_a_refused_handshake_is_answered_with_status_challenge_and_body(
    *, chat: Chat, path: str, kind: str, status: int, error: str | None
) -> None:
    """No WebSocket is opened only to be closed."""
    good = chat.issuer.mint(scope="chat")
    token, subprotocols = {
        "no token": (None, None),
        "expired": (chat.issuer.broken(Broken.EXPIRED, scope="chat"), None),
        "no scope": (None, [SUBPROTOCOL, chat.issuer.mint()]),
        "in header and subprotocol": (good, [SUBPROTOCOL, good]),
    }[kind]
    with pytest.raises(InvalidStatus) as refused:
        chat.connect(path, token=token, subprotocols=subprotocols)
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="api.example.com"')
    assert response.body is not None
    body = json.loads(response.body)
    assert body.get("detail", body).get("error") == error


def test_a_refusal_after_the_handshake_closes_with_policy_violation(chat: Chat) -> None:
    """Where an earlier dependency has accepted, there is no HTTP answer left."""
    with chat.connect("/hasty") as websocket, pytest.raises(ConnectionClosed) as closed:
        websocket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "missing_token")


@pytest.fixture
def app(guard: CountingGuard) -> FastAPI:
    """An application with a protected WebSocket."""
    app = FastAPI()

    @app.websocket("/", dependencies=[Depends(Protect(guard))])
    async def root(websocket: WebSocket) -> None:
        await websocket.accept()

    return app


async def test_a_server_that_can_not_answer_a_handshake_closes_it(app: FastAPI) -> None:
    """The server makes a bare 403 of it, and clients see no challenge."""
    sent = await exchange(app, websocket_scope(), {"type": "websocket.connect"})
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "missing_token"}]


async def test_the_applications_own_handler_takes_over(app: FastAPI) -> None:
    """For a WebSocket too."""
    seen: list[errors.Denied] = []

    @app.exception_handler(errors.Denied)
    async def handler(websocket: WebSocket, error: errors.Denied) -> None:
        seen.append(error)
        await websocket.close(4401)

    sent = await exchange(app, websocket_scope(), {"type": "websocket.connect"})
    assert [error.reason for error in seen] == [errors.Reason.MISSING_TOKEN]
    assert sent[0]["code"] == 4401
