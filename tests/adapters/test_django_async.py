"""Django under ASGI: nothing of ours leaves the event loop's thread, and nothing blocks it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.utils.decorators import method_decorator
from django.views import View
from tests.adapters.django_project import CSRF, OURS
from tests.adapters.recording import RecordingGuard, bearer

from tokenguard.django import TokenGuardMiddleware, public, requires
from tokenguard.testing import LocalIssuer

Site = Callable[..., None]
FORM = "application/x-www-form-urlencoded"


async def whoami(request: Any) -> HttpResponse:
    """The subject of the token."""
    return HttpResponse(request.access_token.subject if request.access_token else "nobody")


def sync_whoami(request: Any) -> HttpResponse:
    """The subject of the token."""
    return HttpResponse(request.access_token.subject)


class Asynchronous(View):
    """A class-based view with async methods."""

    async def get(self, request: Any) -> HttpResponse:
        """The subject of the token."""
        return await whoami(request)


async def test_the_middleware_checks_on_the_loops_thread(
    site: Site, issuer: LocalIssuer, recording_guard: RecordingGuard
) -> None:
    """By the guard's async way, for async views and sync ones."""
    site({"async": whoami, "sync": sync_whoami})
    for path in ("/async", "/sync"):
        assert (await AsyncClient().get(path)).status_code == 401
        response = await AsyncClient().get(path, headers=bearer(issuer, sub="alice"))
        assert response.content == b"alice"
    assert recording_guard.asked == [("aauthenticate", threading.get_ident())] * 4


def test_under_wsgi_the_check_is_sync(site: Site, issuer: LocalIssuer, recording_guard: RecordingGuard) -> None:
    """An async view changes nothing about that: Django makes its event loop after us."""
    site({"async": whoami})
    assert Client().get("/async", headers=bearer(issuer, sub="alice")).content == b"alice"
    assert recording_guard.asked == [("authenticate", threading.get_ident())]


async def test_a_sync_middleware_inside_is_no_obstacle(
    site: Site, issuer: LocalIssuer, recording_guard: RecordingGuard
) -> None:
    """Django then runs ours on its thread for sync code; outside of ours it does not matter."""
    for middleware in ([OURS, f"{__name__}.sync_only"], [f"{__name__}.sync_only", OURS], [OURS, CSRF]):
        site({"async": whoami}, MIDDLEWARE=middleware)
        assert (await AsyncClient().get("/async")).status_code == 401
        assert (await AsyncClient().get("/async", headers=bearer(issuer, sub="alice"))).content == b"alice"
    assert [way for way, _ in recording_guard.asked] == ["authenticate", "authenticate", *["aauthenticate"] * 4]


def sync_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware as most projects have some."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware


async def test_decorators_alone_check_on_the_loops_thread(
    site: Site, issuer: LocalIssuer, recording_guard: RecordingGuard
) -> None:
    """Without the middleware: async functions, async methods, and the plain `dispatch` of async class-based views."""
    on_method = type("OnMethod", (Asynchronous,), {"get": method_decorator(requires("orders"))(Asynchronous.get)})
    on_dispatch = method_decorator(requires("orders"), name="dispatch")(type("OnDispatch", (Asynchronous,), {}))
    views = {
        "function": requires("orders")(whoami),
        "method": on_method.as_view(),
        "dispatch": on_dispatch.as_view(),
    }
    site(views, MIDDLEWARE=[])
    for path in views:
        assert (await AsyncClient().get(f"/{path}")).status_code == 401
        assert (await AsyncClient().get(f"/{path}", headers=bearer(issuer))).status_code == 403
        response = await AsyncClient().get(f"/{path}", headers=bearer(issuer, "orders", sub="alice"))
        assert response.content == b"alice"
    assert recording_guard.asked == [("aauthenticate", threading.get_ident())] * 9


async def test_class_based_views_behind_the_middleware(
    site: Site, issuer: LocalIssuer, recording_guard: RecordingGuard
) -> None:
    """Authenticated once, authorized again where they say so."""
    on_dispatch = method_decorator(requires("orders"), name="dispatch")(type("OnDispatch", (Asynchronous,), {}))
    site({"dispatch": on_dispatch.as_view(), "plain": Asynchronous.as_view()})
    response = await AsyncClient().get("/dispatch", headers=bearer(issuer, "orders", sub="alice"))
    assert response.content == b"alice"
    assert (await AsyncClient().get("/plain", headers=bearer(issuer, sub="bob"))).content == b"bob"
    assert len(recording_guard.asked) == 2


async def test_optional_and_public_async_views(site: Site, issuer: LocalIssuer) -> None:
    """The marks work on `async def` views, and leave them async."""
    site({"optional": public(optional=True)(whoami), "public": public(whoami), "scoped": requires("x")(whoami)})
    for path in ("/optional", "/public"):
        assert (await AsyncClient().get(path)).content == b"nobody"
    bad = {"Authorization": "Bearer bad"}
    assert (await AsyncClient().get("/optional", headers=bad)).status_code == 401
    assert (await AsyncClient().get("/public", headers=bad)).content == b"nobody"
    assert (await AsyncClient().get("/nowhere")).status_code == 404
    preflight = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    assert (await AsyncClient().options("/scoped", headers=preflight)).status_code == 204


async def test_lines_that_django_has_joined_are_refused(site: Site, issuer: LocalIssuer) -> None:
    """Under ASGI too, Django's META has repeated lines in one value."""
    site({"orders": whoami})
    value = f"Bearer {issuer.mint()}"
    response = await AsyncClient().get("/orders", headers={"Authorization": f"{value},{value}"})
    assert response.status_code == 400


async def test_a_token_in_the_form(site: Site, issuer: LocalIssuer) -> None:
    """Read from the body Django has received, and left there for the view."""

    async def item(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.POST["item"])

    site({"orders": item}, {"GUARD": RecordingGuard(issuer, form_body=True)})
    body = f"access_token={issuer.mint()}&item=tea"
    response = await AsyncClient().post("/orders", body, content_type=FORM)
    assert response.content == b"tea"


def test_the_middleware_is_what_it_wraps(site: Site) -> None:
    """Django asks `iscoroutinefunction` of the instance and of `process_view`, and changes thread on a no."""
    site({})
    for get_response in (whoami, sync_whoami):
        middleware = TokenGuardMiddleware(get_response)
        is_async = get_response is whoami
        assert (iscoroutinefunction(middleware), iscoroutinefunction(middleware.process_view)) == (is_async, is_async)
