"""Django: a logout at the issuer ends access here; a whole project in one file.

    TOKENGUARD_AUDIENCE=https://api.example.com TOKENGUARD_ISSUERS='[{"issuer": "https://auth.example.com",
      "max_lifetime": 3600, "logout": {"client_ids": "orders-web"}}]' gunicorn examples.django_logout:application

At the issuer, the client orders-web has https://api.example.com/backchannel-logout as its backchannel_logout_uri. Where
access tokens have no claim sid, say "ends": "subject" beside client_ids. With several processes, give the guard a
`tokenguard.stores.redis.RedisRevocations` as `revocations`.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from tokenguard import TokenGuard
from tokenguard.django import backchannel_logout, requires

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(32),
    INSTALLED_APPS=["tokenguard.django"],
    MIDDLEWARE=[
        "tokenguard.django.TokenGuardMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    TOKENGUARD={"GUARD": TokenGuard.from_env()},
)


@requires("orders:read")
def list_orders(_request: HttpRequest) -> HttpResponse:
    """Every order."""
    return JsonResponse([{"id": 1, "item": "coffee", "quantity": 1}], safe=False)


urlpatterns = [
    path("orders", list_orders),
    path("backchannel-logout", backchannel_logout),
]

application = get_wsgi_application()
asgi_application = get_asgi_application()
