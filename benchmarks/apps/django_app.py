"""A Django project in one module: two views, a no-op middleware, and chains of middleware made for measuring."""

from __future__ import annotations

from typing import Any

import django
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, JsonResponse
from django.test.utils import override_settings
from django.urls import path

from benchmarks import world
from benchmarks.apps import ANSWER

#: what settings name: it remembers tokens
warm = world.guard()
#: and this one does not
cold = world.guard_without_cache()


def view(_request: HttpRequest) -> JsonResponse:
    """The endpoint for WSGI."""
    return JsonResponse(ANSWER)


async def async_view(_request: HttpRequest) -> JsonResponse:
    """The endpoint for ASGI."""
    return JsonResponse(ANSWER)


urlpatterns = [path("sync", view), path("async", async_view)]


class NoopMiddleware:
    """The least that a middleware with a view hook can do, sync and async."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.process_view = self._process_view_async

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Sync."""

    async def _process_view_async(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Async."""


NOOP = "benchmarks.apps.django_app.NoopMiddleware"
OURS = "tokenguard.django.TokenGuardMiddleware"


def chain(*middleware: str, guard: str = "warm", is_async: bool) -> Any:
    """What a Django handler calls with a request: these middlewares, the URL resolver and the view."""
    with override_settings(MIDDLEWARE=list(middleware), TOKENGUARD={"GUARD": f"{__name__}.{guard}"}):
        handler = BaseHandler()
        handler.load_middleware(is_async=is_async)
    return handler._middleware_chain  # without the handler around it, which would be measured too


def configure() -> None:
    """Once a process, before anything else."""
    settings.configure(
        DEBUG=False, SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True, MIDDLEWARE=[]
    )
    django.setup()
