"""An API for people at browsers, for test_browser.py to start under uvicorn.

Its documentation gets tokens by authorization code with PKCE, and a page of it may open a WebSocket.
"""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import FastAPI, Security, WebSocket

from tokenguard import AccessToken, TokenGuard
from tokenguard.fastapi import Protect

from .support import DOCS, resource

SUBPROTOCOL = "tokenguard.bearer"

protect = Protect(
    TokenGuard.from_env(),
    websocket_subprotocol=SUBPROTOCOL,
    authorization_url=os.environ["AUTHORIZATION_URL"],
    token_url=os.environ["TOKEN_URL"],
    scopes={"orders:read": "See orders", "orders:write": "Place orders"},
)
app = FastAPI(
    swagger_ui_init_oauth={
        "clientId": DOCS,
        "usePkceWithAuthorizationCodeGrant": True,
        "additionalQueryStringParams": {"resource": resource()},
    }
)


@app.get("/orders")
async def list_orders(token: Annotated[AccessToken, Security(protect, scopes=["orders:read"])]) -> str:
    """For whom?"""
    return f"orders of {token.subject}"


@app.websocket("/orders")
async def watch_orders(
    websocket: WebSocket, token: Annotated[AccessToken, Security(protect, scopes=["orders:read"])]
) -> None:
    """For whom? Then close."""
    await websocket.accept(subprotocol=SUBPROTOCOL)
    await websocket.send_text(f"orders of {token.subject}")
    await websocket.close()
