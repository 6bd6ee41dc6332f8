"""Django's CSRF protection beside ours: lifted for what a browser can't be made to send, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from tests.adapters.django_project import CSRF, OURS
from tests.adapters.recording import RecordingGuard, bearer

from tokenguard import Issuer, TokenGuard
from tokenguard.django import public, requires
from tokenguard.testing import LocalIssuer

Site = Callable[..., None]


@pytest.fixture
def client() -> Client:
    """One that is checked as a browser is."""
    return Client(enforce_csrf_checks=True)


def view(_request: HttpRequest) -> HttpResponse:
    """Changes something."""
    return HttpResponse("changed")


def test_a_token_in_the_header_takes_the_place_of_a_csrf_token(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """Another site can't make a browser send that header."""
    site({"orders": view, "optional": public(optional=True)(view), "scoped": requires("orders")(view)})
    for path in ("/orders", "/optional", "/scoped"):
        assert client.post(path, headers=bearer(issuer, "orders")).content == b"changed"


def test_so_does_a_token_that_is_remembered(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """By a guard that is not asked for more than its memory then."""
    guard = TokenGuard(audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)], clock=issuer.clock)
    site({"orders": view}, {"GUARD": guard})
    headers = bearer(issuer)
    for _ in range(2):
        assert client.post("/orders", headers=headers).content == b"changed"
    assert guard.recall(headers["Authorization"]) is not None


async def test_so_it_does_under_asgi(site: Site, issuer: LocalIssuer) -> None:
    """The async way is the same."""
    site({"orders": view})
    client = AsyncClient(enforce_csrf_checks=True)
    assert (await client.post("/orders", headers=bearer(issuer))).content == b"changed"


@pytest.mark.parametrize("path", ["/optional", "/public", "/admin/page"])
def test_without_a_verified_token_csrf_is_checked(site: Site, client: Client, path: str) -> None:
    """Where a session's cookie may be what counts, Django's protection stays."""
    views: dict[str, Any] = {"optional": public(optional=True)(view), "public": public(view), "admin/page": view}
    site(views, {"EXEMPT_PATHS": ["/admin"]})
    response = client.post(path)
    assert response.status_code == 403
    assert b"CSRF" in response.content


def test_a_token_that_nobody_looked_at_lifts_nothing(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """Not even a good one, on a view that does not want to know."""
    site({"public": public(view)})
    assert b"CSRF" in client.post("/public", headers=bearer(issuer)).content


def test_a_token_in_the_form_lifts_nothing(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """Another site can make a browser send a form, with the attacker's own token and the victim's cookies."""
    guard = RecordingGuard(issuer, form_body=True)
    site({"orders": view}, {"GUARD": guard})
    form = {"content_type": "application/x-www-form-urlencoded", "data": f"access_token={issuer.mint()}"}
    assert b"CSRF" in client.post("/orders", **form).content
    assert b"CSRF" in client.post("/orders", **form, headers={"Authorization": "Basic eA=="}).content
    form["data"] = "item=tea"
    assert client.post("/orders", **form, headers=bearer(issuer)).content == b"changed"


def test_behind_the_csrf_middleware_it_is_too_late(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """What the system check warns of: it closes, it does not open."""
    site({"orders": view}, MIDDLEWARE=[CSRF, OURS])
    assert b"CSRF" in client.post("/orders", headers=bearer(issuer)).content
