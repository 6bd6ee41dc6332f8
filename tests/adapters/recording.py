"""A guard that says how it was asked, and a token to ask it about."""

from __future__ import annotations

import threading
from typing import Any

from tokenguard import AccessToken, Issuer, Request, TokenGuard
from tokenguard.testing import LocalIssuer


class RecordingGuard(TokenGuard):
    """Has the issuer's clock; notes by which method it authenticates, and on which thread."""

    def __init__(self, issuer: LocalIssuer, **rest: Any) -> None:
        trusted = Issuer(issuer.issuer, jwks=issuer.jwks)
        super().__init__(audience=issuer.audience, issuers=[trusted], clock=issuer.clock, **rest)
        self.asked: list[tuple[str, int]] = []

    def authenticate(self, request: Request, **policy: Any) -> AccessToken:
        self.asked.append(("authenticate", threading.get_ident()))
        return super().authenticate(request, **policy)

    async def aauthenticate(self, request: Request, **policy: Any) -> AccessToken:
        self.asked.append(("aauthenticate", threading.get_ident()))
        return await super().aauthenticate(request, **policy)


def bearer(issuer: LocalIssuer, scope: str = "", **claims: Any) -> dict[str, str]:
    """Headers with a valid token."""
    return {"Authorization": f"Bearer {issuer.mint(scope=scope, **claims)}"}
