"""Flask: a logout at the issuer ends access here.

    TOKENGUARD_AUDIENCE=https://api.example.com TOKENGUARD_ISSUERS='[{"issuer": "https://auth.example.com",
      "max_lifetime": 3600, "logout": {"client_ids": "orders-web"}}]' flask --app examples/flask_logout.py run

At the issuer, the client orders-web has https://api.example.com/backchannel-logout as its backchannel_logout_uri. Where
access tokens have no claim sid, say "ends": "subject" beside client_ids. With several processes, give the guard a
`tokenguard.stores.redis.RedisRevocations` as `revocations`.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from tokenguard import TokenGuard
from tokenguard.flask import Protect, backchannel_logout

guard = TokenGuard.from_env()
protect = Protect(guard)

app = Flask(__name__)
app.post("/backchannel-logout")(backchannel_logout(guard))
protect.all(app, except_=["backchannel_logout"])


@app.get("/orders")
@protect("orders:read")
def list_orders() -> list[dict[str, Any]]:
    """Every order."""
    return [{"id": 1, "item": "coffee", "quantity": 1}]
