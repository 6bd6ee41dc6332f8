"""A small orders API with Flask, protected by tokenguard.

    TOKENGUARD_ISSUERS=https://auth.example.com TOKENGUARD_AUDIENCE=https://api.example.com \
    flask --app examples/flask_orders.py run
"""

from __future__ import annotations

from typing import Any

from flask import Flask, abort, request

from tokenguard import TokenGuard
from tokenguard.flask import Protect, current_token

guard = TokenGuard.from_env()
protect = Protect(guard)
welcome = Protect(guard, optional=True)

app = Flask(__name__)
orders: dict[int, dict[str, Any]] = {1: {"id": 1, "item": "coffee", "quantity": 1}}


@app.get("/orders")
@protect("orders:read")
def list_orders() -> list[dict[str, Any]]:
    """Every order."""
    return list(orders.values())


@app.post("/orders")
@protect("orders:write")
def place_order() -> tuple[dict[str, Any], int]:
    """A new order, for whoever the token is about."""
    number = len(orders) + 1
    asked = request.get_json()
    orders[number] = {"id": number, "item": asked["item"], "quantity": asked.get("quantity", 1)}
    orders[number]["placed_by"] = current_token.subject
    return orders[number], 201


@app.get("/orders/<int:number>")
@protect("orders:read")
async def read_order(number: int) -> dict[str, Any]:
    """One order; a view may be async."""
    if number not in orders:
        abort(404)
    return orders[number]


@app.get("/me")
@protect()
def me() -> dict[str, Any]:
    """Whom the token is about; any token will do."""
    return {
        "subject": current_token.subject,
        "client_id": current_token.client_id,
        "scopes": sorted(current_token.scopes),
    }


@app.get("/greeting")
@welcome()
def greeting() -> dict[str, str]:
    """A token is welcome here, not needed; a bad one is still refused."""
    return {"message": f"Hello, {current_token.subject if current_token else 'stranger'}"}


@app.get("/health")
def health() -> dict[str, str]:
    """For whoever asks."""
    return {"status": "ok"}
