"""A small orders API with FastAPI, protected by tokenguard.

    TOKENGUARD_ISSUERS=https://auth.example.com TOKENGUARD_AUDIENCE=https://api.example.com \
    uvicorn examples.fastapi_orders:app
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Security
from pydantic import BaseModel

from tokenguard import AccessToken, TokenGuard
from tokenguard.asgi import ResponseHeadersMiddleware
from tokenguard.fastapi import Protect

guard = TokenGuard.from_env()
protect = Protect(guard)
welcome = Protect(guard, optional=True)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the guard with the application."""
    async with guard:
        yield


app = FastAPI(title="Orders", lifespan=lifespan)
app.add_middleware(ResponseHeadersMiddleware)  # for DPoP with nonces: each answer brings the next one
orders: dict[int, dict[str, Any]] = {1: {"id": 1, "item": "coffee", "quantity": 1}}


class Order(BaseModel):
    """What a client orders."""

    item: str
    quantity: int = 1


@app.get("/orders", dependencies=[Security(protect, scopes=["orders:read"])])
async def list_orders() -> list[dict[str, Any]]:
    """Every order."""
    return list(orders.values())


@app.post("/orders", status_code=201)
async def place_order(
    order: Order, token: Annotated[AccessToken, Security(protect, scopes=["orders:write"])]
) -> dict[str, Any]:
    """A new order, for whoever the token is about."""
    number = len(orders) + 1
    orders[number] = {"id": number, **order.model_dump(), "placed_by": token.subject}
    return orders[number]


@app.get("/orders/{number}", dependencies=[Security(protect, scopes=["orders:read"])])
async def read_order(number: int) -> dict[str, Any]:
    """One order."""
    if number not in orders:
        raise HTTPException(404, "No such order.")
    return orders[number]


@app.get("/me")
async def me(token: Annotated[AccessToken, Depends(protect)]) -> dict[str, Any]:
    """Whom the token is about; any token will do."""
    return {"subject": token.subject, "client_id": token.client_id, "scopes": sorted(token.scopes)}


@app.get("/greeting")
async def greeting(token: Annotated[AccessToken | None, Depends(welcome)]) -> dict[str, str]:
    """A token is welcome here, not needed; a bad one is still refused."""
    return {"message": f"Hello, {token.subject if token else 'stranger'}"}


@app.get("/health")
async def health() -> dict[str, str]:
    """For whoever asks."""
    return {"status": "ok"}
