"""Django: tokens in form bodies, and forms in which none can be looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from rest_framework.decorators import api_view
from rest_framework.request import Request
from tests.adapters.django_project import OURS
from tests.adapters.recording import RecordingGuard, bearer

from tokenguard.django import public, requires
from tokenguard.testing import Broken, LocalIssuer

Site = Callable[..., None]
FORM = "application/x-www-form-urlencoded"


def whoami(request: Any) -> HttpResponse:
    """The subject of the token."""
    return HttpResponse(request.access_token.subject if request.access_token else "nobody")


def reads(read: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Middleware that looks at the body before ours does."""

    def before(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        def middleware(request: HttpRequest) -> HttpResponse:
            read(request)
            return get_response(request)

        return middleware

    return before


reads_post = reads(lambda request: request.POST)
reads_body = reads(lambda request: request.body)
drains = reads(lambda request: request.read())


@pytest.fixture
def form_site(site: Site, issuer: LocalIssuer) -> Site:
    """A project whose guard takes tokens from forms."""

    def build(views: dict[str, Any], **settings: Any) -> None:
        site(views, {"GUARD": RecordingGuard(issuer, form_body=True)}, **settings)

    return build


@pytest.mark.parametrize("before", [[], ["reads_post"], ["reads_body"]])
def test_a_token_in_a_form_counts_whoever_has_read_it(form_site: Site, issuer: LocalIssuer, before: list[str]) -> None:
    """Neither a bad one where it is optional nor one too many is hidden by middleware that looks at the form."""
    form_site({"": public(optional=True)(whoami)}, MIDDLEWARE=[*(f"{__name__}.{name}" for name in before), OURS])

    def post(form: str, **headers: str) -> Any:
        return Client().post("/", form, content_type=FORM, headers=headers)

    assert post(f"access_token={issuer.mint(sub='alice')}").content == b"alice"
    assert post("item=tea").content == b"nobody"
    assert post(f"access_token={issuer.broken(Broken.EXPIRED)}").status_code == 401
    assert post(f"access_token={issuer.mint()}", **bearer(issuer)).status_code == 400


def test_a_form_that_rest_framework_has_parsed_is_searched(form_site: Site, issuer: LocalIssuer) -> None:
    """It uses up the body, and keeps what was in it as POST."""

    @api_view(["POST"])
    def view(request: Request) -> HttpResponse:
        assert request.data["item"] == "tea"
        inner: HttpResponse = requires()(whoami)(request._request)
        return inner

    form_site({"": view}, MIDDLEWARE=[])
    assert Client().post("/", f"item=tea&access_token={issuer.mint(sub='a')}", content_type=FORM).content == b"a"
    assert Client().post("/", "item=tea", content_type=FORM).status_code == 401


def test_a_form_that_can_not_be_searched_is_refused(form_site: Site) -> None:
    """Too long, or read by somebody who has kept nothing: a bad token may be in it, where a token is optional."""
    form_site({"": public(optional=True)(whoami)}, MIDDLEWARE=[OURS])
    assert Client().post("/", "item=" + "x" * 70_000, content_type=FORM).status_code == 400
    form_site({"": public(optional=True)(whoami)}, MIDDLEWARE=[f"{__name__}.drains", OURS])
    assert Client().post("/", "item=tea", content_type=FORM).status_code == 400


async def test_nor_is_it_let_in_under_asgi(form_site: Site) -> None:
    """The same rule."""
    form_site({"": public(optional=True)(whoami)}, MIDDLEWARE=[OURS])
    assert (await AsyncClient().post("/", "item=" + "x" * 70_000, content_type=FORM)).status_code == 400
