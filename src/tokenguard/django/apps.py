"""The Django app: `INSTALLED_APPS = [..., "tokenguard.django"]` sees to it that the system checks run."""

from __future__ import annotations

from django.apps import AppConfig


class TokenGuardConfig(AppConfig):
    """No models, no templates: importing the package is what counts."""

    name = "tokenguard.django"
    label = "tokenguard"
    verbose_name = "tokenguard"
