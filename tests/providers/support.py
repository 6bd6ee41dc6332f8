"""What the presets' tests share: tokens with exactly the header and the claims that a provider documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.spec.support import AUDIENCE, NOW, signing_key

from tokenguard import Issuer, TokenGuard

KEY = signing_key("RS256")
JWKS = {"keys": [KEY.jwk]}
#: what `jwks=` is in every preset under test, in place of the provider's own keys
KEYS: dict[str, Any] = {"jwks": JWKS}


@dataclass(frozen=True)
class Sample:
    """A preset, and a token of its provider: `header` is its typ, `claims` are all but the times."""

    issuer: Issuer
    claims: dict[str, Any]
    typ: str | None = "JWT"

    @property
    def guard(self) -> TokenGuard:
        """A guard that trusts this issuer."""
        return TokenGuard(audience=AUDIENCE, issuers=[self.issuer], clock=lambda: NOW)

    def token(self, *, typ: str | None = "", without: tuple[str, ...] = (), **claims: Any) -> str:
        """The token, with other claims or without some."""
        typ = self.typ if typ == "" else typ
        times = {"iat": int(NOW), "exp": int(NOW) + 300}
        payload = {name: value for name, value in {**times, **self.claims, **claims}.items() if name not in without}
        header = {"alg": "RS256", "kid": KEY.kid, "typ": typ}
        return KEY.jws({name: value for name, value in header.items() if value is not None}, payload)
