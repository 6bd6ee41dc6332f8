"""System checks: `manage.py check` says what is wrong with the settings, and names the key.

Django runs the checks of what has been imported before: that is what INSTALLED_APPS is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from tokenguard.django.conf import current
from tokenguard.django.middleware import TokenGuardMiddleware
from tokenguard.errors import ConfigurationError


@checks.register(checks.Tags.security)
def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """settings.TOKENGUARD describes a guard."""
    try:
        current()
    except ConfigurationError as error:
        return [checks.Error(str(error), id="tokenguard.E001")]
    return []


@checks.register(checks.Tags.security)
def check_middleware(**_: Any) -> list[checks.CheckMessage]:
    """Ours is there, and before CsrfViewMiddleware."""
    ours = list(_positions(TokenGuardMiddleware))
    csrf = list(_positions(CsrfViewMiddleware))
    if not ours:
        return [
            checks.Warning(
                "TokenGuardMiddleware is not in MIDDLEWARE: views are open unless they say otherwise.",
                hint="Add tokenguard.django.TokenGuardMiddleware before CsrfViewMiddleware, or silence this check.",
                id="tokenguard.W001",
            )
        ]
    if csrf and min(csrf) < min(ours):
        return [
            checks.Error(
                "TokenGuardMiddleware stands after CsrfViewMiddleware, which refuses POST requests that carry a token.",
                hint="Move tokenguard.django.TokenGuardMiddleware before it in MIDDLEWARE.",
                id="tokenguard.E002",
            )
        ]
    return []


@checks.register(checks.Tags.security)
def check_rest_framework(**_: Any) -> list[checks.CheckMessage]:
    """Views of REST framework with our authentication need more than that to be closed."""
    configured = getattr(settings, "REST_FRAMEWORK", {})
    if "DEFAULT_AUTHENTICATION_CLASSES" not in configured or list(_positions(TokenGuardMiddleware)):
        return []
    # a project without REST framework can't import these
    from rest_framework.permissions import AllowAny  # noqa: PLC0415
    from rest_framework.settings import api_settings  # noqa: PLC0415

    from tokenguard.django.drf import TokenAuthentication  # noqa: PLC0415

    is_ours = any(issubclass(kind, TokenAuthentication) for kind in api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    if is_ours and all(permission is AllowAny for permission in api_settings.DEFAULT_PERMISSION_CLASSES):
        return [
            checks.Warning(
                "TokenAuthentication lets requests without a token in, and so does AllowAny, the default permission.",
                hint='Set REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"], to IsAuthenticated for example.',
                id="tokenguard.W002",
            )
        ]
    return []


def _positions(kind: type) -> Iterator[int]:
    """Where in MIDDLEWARE a class or one derived from it stands."""
    for position, dotted in enumerate(settings.MIDDLEWARE):
        middleware = import_string(dotted)
        if isinstance(middleware, type) and issubclass(middleware, kind):
            yield position
