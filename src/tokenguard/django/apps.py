"""The Django app: `INSTALLED_APPS = [..., "tokenguard.django"]` turns the system checks on."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register

from tokenguard.django.checks import check_middleware, check_settings


class TokenGuardConfig(AppConfig):
    """No models, no templates: only checks."""

    name = "tokenguard.django"
    label = "tokenguard"
    verbose_name = "tokenguard"

    def ready(self) -> None:
        register(check_settings, Tags.security)
        register(check_middleware, Tags.security)
