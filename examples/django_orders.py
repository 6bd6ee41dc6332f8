"""A small orders API with Django, protected by tokenguard; a whole project in one file.

    TOKENGUARD_ISSUERS=https://auth.example.com TOKENGUARD_AUDIENCE=https://api.example.com \
    python examples/django_orders.py runserver

or with `gunicorn examples.django_orders:application`, `uvicorn examples.django_orders:asgi_application`.
"""

from __future__ import annotations

import json
import secrets
import sys
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View

from tokenguard import TokenGuard
from tokenguard.django import public, requires

guard = TokenGuard.from_env()

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(32),
    INSTALLED_APPS=["tokenguard.django"],
    MIDDLEWARE=[
        "tokenguard.django.TokenGuardMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    TOKENGUARD={"GUARD": guard},
)

orders: dict[int, dict[str, Any]] = {1: {"id": 1, "item": "coffee", "quantity": 1}}


@method_decorator(requires("orders:read"), name="get")
@method_decorator(requires("orders:write"), name="post")
class Orders(View):
    """Reading and writing need different scopes."""

    def get(self, _request: HttpRequest) -> HttpResponse:
        """Every order."""
        return JsonResponse(list(orders.values()), safe=False)

    def post(self, request: Any) -> HttpResponse:
        """A new order, for whoever the token is about."""
        number = len(orders) + 1
        asked = json.loads(request.body)
        orders[number] = {"id": number, "item": asked["item"], "quantity": asked.get("quantity", 1)}
        orders[number]["placed_by"] = request.access_token.subject
        return JsonResponse(orders[number], status=201)


@requires("orders:read")
async def read_order(_request: HttpRequest, number: int) -> HttpResponse:
    """One order; a view may be async."""
    if number not in orders:
        raise Http404
    return JsonResponse(orders[number])


def me(request: Any) -> HttpResponse:
    """Whom the token is about: any token will do, and the middleware sees to it."""
    token = request.access_token
    return JsonResponse({"subject": token.subject, "client_id": token.client_id, "scopes": sorted(token.scopes)})


@public(optional=True)
def greeting(request: Any) -> HttpResponse:
    """A token is welcome here, not needed; a bad one is still refused."""
    token = request.access_token
    return JsonResponse({"message": f"Hello, {token.subject if token else 'stranger'}"})


@public
def health(_request: HttpRequest) -> HttpResponse:
    """For whoever asks."""
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("orders", Orders.as_view()),
    path("orders/<int:number>", read_order),
    path("me", me),
    path("greeting", greeting),
    path("health", health),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
else:
    application = get_wsgi_application()
    asgi_application = get_asgi_application()
