"""WebSockets behind Protect and behind the middleware, for test_fastapi_websocket.py to start under uvicorn."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Security
from starlette.routing import Router, WebSocketRoute
from starlette.websockets import WebSocket

from tokenguard import AccessToken, TokenGuard
from tokenguard.asgi import TokenGuardMiddleware, access_token
from tokenguard.fastapi import Protect

SUBPROTOCOL = "tokenguard.bearer"

guard = TokenGuard.from_env()
protect = Protect(guard, websocket_subprotocol=SUBPROTOCOL)
app = FastAPI()


async def greet(websocket: WebSocket, token: AccessToken | None) -> None:
    """Say whom the token is about, and close."""
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
    await websocket.send_text(f"Hello, {token.subject if token else 'stranger'}")
    await websocket.close()


@app.websocket("/chat")
async def chat(websocket: WebSocket, token: Annotated[AccessToken, Security(protect, scopes=["chat"])]) -> None:
    """Needs the scope chat."""
    await greet(websocket, token)


async def accept_early(websocket: WebSocket) -> None:
    """Accept before anything is checked."""
    await websocket.accept()


@app.websocket("/hasty", dependencies=[Depends(accept_early), Depends(protect)])
async def hasty(websocket: WebSocket) -> None:
    """Checked too late for an HTTP answer."""
    await websocket.send_text("let in")
    await websocket.close()


async def mounted(websocket: WebSocket) -> None:
    """What the middleware lets through."""
    await greet(websocket, access_token(websocket.scope))


app.mount(
    "/mounted",
    TokenGuardMiddleware(
        Router(routes=[WebSocketRoute("/chat", mounted)]), guard, scopes="chat", websocket_subprotocol=SUBPROTOCOL
    ),
)
