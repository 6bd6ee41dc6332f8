"""FastAPI: a logout at the issuer ends access here, and the connections that are open.

    TOKENGUARD_AUDIENCE=https://api.example.com TOKENGUARD_ISSUERS='[{"issuer": "https://auth.example.com",
      "max_lifetime": 3600, "logout": {"client_ids": "orders-web"}}]' uvicorn examples.fastapi_logout:app

At the issuer, the client orders-web has https://api.example.com/backchannel-logout as its backchannel_logout_uri. Where
access tokens have no claim sid, say "ends": "subject" beside client_ids. With several processes, give the guard a
`tokenguard.stores.redis.RedisRevocations` as `revocations`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Security, WebSocket
from fastapi.responses import StreamingResponse

from tokenguard import AccessToken, TokenGuard
from tokenguard.fastapi import Protect, backchannel_logout, ending_with_token, until_token_ends

SUBPROTOCOL = "tokenguard.bearer"  # browsers send the token after it: new WebSocket(url, ["tokenguard.bearer", token])

guard = TokenGuard.from_env()
protect = Protect(guard, websocket_subprotocol=SUBPROTOCOL)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the guard with the application."""
    async with guard:
        yield


app = FastAPI(title="Orders", lifespan=lifespan)
app.post("/backchannel-logout", include_in_schema=False)(backchannel_logout(guard))


@app.get("/orders", dependencies=[Security(protect, scopes=["orders:read"])])
async def list_orders() -> list[dict[str, Any]]:
    """Every order."""
    return [{"id": 1, "item": "coffee", "quantity": 1}]


@app.websocket("/chat")
async def chat(websocket: WebSocket, token: Annotated[AccessToken, Depends(protect)]) -> None:
    """Says everything twice, until the token expires or is revoked: then it closes with 1008."""
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
    async with ending_with_token(websocket, token, guard):
        async for text in websocket.iter_text():
            await websocket.send_text(f"{text} {text}")


async def prices() -> AsyncIterator[str]:
    """The price of coffee, as server-sent events."""
    price = 300
    while True:
        yield f"data: {price}\n\n"
        await asyncio.sleep(0.1)
        price += 1


@app.get("/prices")
async def watch_prices(token: Annotated[AccessToken, Depends(protect)]) -> StreamingResponse:
    """New prices, until the token expires or is revoked."""
    return StreamingResponse(until_token_ends(prices(), token, guard), media_type="text/event-stream")
