"""A Django project for the tests: settings that each test overrides."""

from __future__ import annotations

import django
from django.conf import settings

OURS = "tokenguard.django.TokenGuardMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "tokenguard.django"],
        MIDDLEWARE=[OURS, CSRF],
        ROOT_URLCONF=(),
        SECRET_KEY="only for tests",
    )
    django.setup()
