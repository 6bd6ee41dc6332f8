"""A guard that says how it was asked, and a token to ask it about."""

from __future__ import annotations

import threading
from typing import Any

from tokenguard import AccessToken, Issuer, Request, Requirement, TokenGuard
from tokenguard.core.requirements import Scopes
from tokenguard.testing import LocalIssuer


class RecordingGuard(TokenGuard):
    """Has the issuer's clock; notes by which method it authenticates, and on which thread."""

    def __init__(self, issuer: LocalIssuer, **rest: Any) -> None:
        trusted = Issuer(issuer.issuer, jwks=issuer.jwks)
        super().__init__(audience=issuer.audience, issuers=[trusted], clock=issuer.clock, **rest)
        self.asked: list[tuple[str, int]] = []

    def check(
        self, request: Request, scopes: Scopes | None = None, *, requirement: Requirement | None = None
    ) -> AccessToken:
        self.asked.append(("check", threading.get_ident()))
        return super().check(request, scopes, requirement=requirement)

    async def acheck(
        self, request: Request, scopes: Scopes | None = None, *, requirement: Requirement | None = None
    ) -> AccessToken:
        self.asked.append(("acheck", threading.get_ident()))
        return await super().acheck(request, scopes, requirement=requirement)


def bearer(issuer: LocalIssuer, scope: str = "", **claims: Any) -> dict[str, str]:
    """Headers with a valid token."""
    return {"Authorization": f"Bearer {issuer.mint(scope=scope, **claims)}"}
