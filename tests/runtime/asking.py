"""Guards that ask the served issuer about tokens, and what it has been asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from runtime.support import ENDLESS
from tokenguard import ClientSecret, Introspection, Request
from tokenguard.testing import LocalIssuer, SeenRequest

INTROSPECT = "/introspect"
ISSUER_FAILS = "introspection_unavailable"


def asked_at(issuer: LocalIssuer, **settings: Any) -> Introspection:
    """Settings that have the issuer asked, with all the time in the world."""
    authentication = settings.pop("authentication", None) or ClientSecret(*issuer.resource_server)
    return Introspection(authentication, **{"timeout": ENDLESS} | settings)


def questions(issuer: LocalIssuer) -> list[SeenRequest]:
    """What the introspection endpoint has been sent."""
    return [request for request in issuer.requests if request.path == INTROSPECT]


def form_of(request: SeenRequest) -> dict[str, str]:
    """The members of its form, each there once."""
    pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def bearing(token: str) -> Request:
    """A request with this token."""
    return Request("GET", "https://api.example.com/orders", {"Authorization": f"Bearer {token}"})
