"""Django's settings: which paths, which answers, and what `manage.py check` says of mistakes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from tests.adapters.django_project import CSRF, OURS
from tests.adapters.recording import RecordingGuard, bearer

from tokenguard import Challenge
from tokenguard.django import TokenGuardMiddleware, public, requires
from tokenguard.django.conf import current
from tokenguard.errors import Denied, Unavailable
from tokenguard.testing import LocalIssuer

Site = Callable[..., None]


def view(_request: HttpRequest) -> HttpResponse:
    """Anything."""
    return HttpResponse("in")


# Which paths


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/orders", 401), ("/API/orders", 401), ("/apis", 200), ("/admin/page", 200), ("/api/docs/a", 200)],
)
def test_only_what_is_below_the_paths_is_closed(site: Site, path: str, status: int) -> None:
    """PATHS and EXEMPT_PATHS go by segment; an admin site stands beside an API."""
    views = dict.fromkeys(["api/orders", "API/orders", "apis", "admin/page", "api/docs/a"], view)
    site(views, {"PATHS": ["/api/"], "EXEMPT_PATHS": ["/api/docs"]})
    assert Client().get(path).status_code == status


def test_paths_are_those_of_the_project(site: Site) -> None:
    """A prefix under which the server has mounted it does not count."""
    site({"api/orders": view, "other": view}, {"PATHS": ["/api"]}, FORCE_SCRIPT_NAME="/mounted")
    assert Client().get("/api/orders").status_code == 401
    assert Client().get("/other").status_code == 200


def test_a_view_that_says_what_it_needs_gets_it_everywhere(site: Site, issuer: LocalIssuer) -> None:
    """Outside PATHS, too; there a decorated view has its CSRF protection lifted like any other."""
    views = {"orders": requires("orders")(view), "optional": public(optional=True)(view), "plain": view}
    site(views, {"PATHS": ["/api"], "EXEMPT_PATHS": ["/orders"]})
    client = Client(enforce_csrf_checks=True)
    assert client.get("/plain").status_code == 200
    assert client.get("/orders").status_code == 401
    assert client.get("/orders", headers=bearer(issuer)).status_code == 403
    assert client.post("/orders", headers=bearer(issuer, "orders")).content == b"in"
    assert client.get("/optional", headers={"Authorization": "Bearer bad"}).status_code == 401


# Whose answers


def answer(request: HttpRequest, error: Denied | Unavailable, challenge: Challenge) -> HttpResponse:
    """A project's own way to refuse."""
    body = {"at": request.path, "why": error.reason}
    return JsonResponse(body, status=challenge.status, headers=dict(challenge.headers))


@pytest.mark.parametrize("refusal", [answer, f"{__name__}.answer"])
def test_the_project_can_answer_refusals_itself(site: Site, issuer: LocalIssuer, refusal: Any) -> None:
    """REFUSAL gets the request, the error and the challenge, from middleware and decorators alike."""
    site({"plain": view, "scoped": requires("orders")(view)}, {"REFUSAL": refusal})
    response = Client().get("/plain")
    assert response.json() == {"at": "/plain", "why": "missing_token"}
    assert response["WWW-Authenticate"].startswith("Bearer realm=")
    response = Client().get("/scoped", headers=bearer(issuer))
    assert (response.status_code, response.json()["why"]) == (403, "insufficient_scope")


# Mistakes


def complaint(**settings: Any) -> str:
    """What `manage.py check` says."""
    with override_settings(**settings), pytest.raises(SystemCheckError) as error:
        call_command("check", "--fail-level", "WARNING")
    return str(error.value)


def tokenguard(**keys: Any) -> dict[str, Any]:
    """Settings with which nothing is wrong but what is given."""
    return {"AUDIENCE": "https://api.example.com", "ISSUERS": ["https://auth.example.com"], **keys}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "settings.TOKENGUARD is not set"),
        ([], "TOKENGUARD must be a mapping"),
        (tokenguard(AUDIANCE="x"), "unknown setting TOKENGUARD.AUDIANCE, did you mean TOKENGUARD.AUDIENCE?"),
        (tokenguard(EXEMPT="/docs"), "unknown setting TOKENGUARD.EXEMPT, did you mean TOKENGUARD.EXEMPT_PATHS?"),
        (tokenguard(LEEWAY="30"), "TOKENGUARD: leeway must be a number"),
        (tokenguard(ISSUERS=["http://auth.example.com"]), "http://auth.example.com must be https"),
        (tokenguard(GUARD="x.y"), "TOKENGUARD.GUARD has its own settings: remove AUDIENCE, ISSUERS"),
        ({"GUARD": "no_such.guard"}, "TOKENGUARD.GUARD: no_such.guard can't be imported"),
        (tokenguard(PATHS=["api"]), "TOKENGUARD.PATHS: api must begin with a slash"),
        (tokenguard(PATHS=[]), "TOKENGUARD.PATHS must hold non-empty strings"),
        (tokenguard(PATHS="/api"), "TOKENGUARD.PATHS must be a tuple of strings"),
        (tokenguard(EXEMPT_PATHS="/docs"), "TOKENGUARD.EXEMPT_PATHS must be a tuple of strings"),
        (tokenguard(REFUSAL=3), "TOKENGUARD.REFUSAL must be a callable"),
        (tokenguard(REFUSAL="os.nothing"), "TOKENGUARD.REFUSAL: os.nothing can't be imported"),
        (tokenguard(USER="os.sep"), "TOKENGUARD.USER must be a callable"),
    ],
)
def test_manage_py_check_names_the_wrong_key(given: Any, said: str) -> None:
    """And an error keeps the project from starting."""
    text = complaint(TOKENGUARD=given)
    assert "(tokenguard.E001)" in text
    assert said in text


def test_an_installed_app_is_checked_in_a_project_that_imports_nothing_of_ours() -> None:
    """In a process of its own, as `manage.py check` runs."""
    code = """
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(INSTALLED_APPS=["tokenguard.django"], TOKENGUARD={"AUDIANCE": "x"})
django.setup()
call_command("check")
"""
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode != 0
    assert "unknown setting TOKENGUARD.AUDIANCE" in ran.stderr


class Derived(TokenGuardMiddleware):
    """A project's own."""


def test_manage_py_check_sees_the_order_of_middleware() -> None:
    """Behind CsrfViewMiddleware ours comes too late, also under another name; absent it protects nothing."""
    for wrong in ([CSRF, OURS], [CSRF, f"{__name__}.Derived"]):
        text = complaint(TOKENGUARD=tokenguard(), MIDDLEWARE=wrong)
        assert "(tokenguard.E002)" in text
        assert "CsrfViewMiddleware" in text
    assert "(tokenguard.W001)" in complaint(TOKENGUARD=tokenguard(), MIDDLEWARE=[CSRF])


AUTHENTICATION = "DEFAULT_AUTHENTICATION_CLASSES"
PERMISSIONS = "DEFAULT_PERMISSION_CLASSES"
BY_TOKEN = {AUTHENTICATION: ["tokenguard.django.drf.TokenAuthentication"]}


@pytest.mark.parametrize(
    ("middleware", "rest_framework", "is_open"),
    [
        ([CSRF], BY_TOKEN, True),
        ([], BY_TOKEN | {PERMISSIONS: ["rest_framework.permissions.AllowAny"]}, True),
        ([], BY_TOKEN | {PERMISSIONS: []}, True),
        ([], BY_TOKEN | {PERMISSIONS: ["rest_framework.permissions.IsAuthenticated"]}, False),
        ([OURS, CSRF], BY_TOKEN, False),
        ([], {AUTHENTICATION: ["rest_framework.authentication.BasicAuthentication"]}, False),
        ([], {}, False),
    ],
)
def test_manage_py_check_sees_views_of_rest_framework_left_open(
    middleware: list[str], rest_framework: dict[str, Any], is_open: bool
) -> None:
    """Our authentication admits requests without a token; permissions or the middleware have to refuse them."""
    with override_settings(TOKENGUARD=tokenguard(), MIDDLEWARE=middleware, REST_FRAMEWORK=rest_framework):
        said = [message.id for message in run_checks()]
    assert ("tokenguard.W002" in said) is is_open


@pytest.mark.parametrize("middleware", [[OURS, CSRF], [OURS], [f"{__name__}.Derived", CSRF]])
def test_manage_py_check_has_nothing_to_say_of_what_is_right(middleware: list[str]) -> None:
    """With every key of ours in use."""
    right = tokenguard(PATHS=["/api"], EXEMPT_PATHS=["/api/docs"], REFUSAL=f"{__name__}.answer", USER=str, LEEWAY=5)
    with override_settings(TOKENGUARD=right, MIDDLEWARE=middleware):
        call_command("check", "--fail-level", "WARNING")


def test_a_guard_is_built_once_for_the_settings_in_force() -> None:
    """Every caller has the same, so that there is one source of keys; other settings make another."""
    with override_settings(TOKENGUARD=tokenguard()):
        first = current()
        assert current() is first
        assert first.guard.issuers == ("https://auth.example.com",)
    with override_settings(TOKENGUARD=tokenguard(ISSUERS=["https://other.example.com"])):
        assert current().guard.issuers == ("https://other.example.com",)


def test_importing_it_needs_no_settings() -> None:
    """URL modules, type checkers and documentation builders import it before there are any."""
    imports = "import tokenguard.django, tokenguard.django.apps, tokenguard.django.drf"
    code = f"{imports}; from django.conf import settings; assert not settings.configured"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_recording_guard_can_be_given_by_path(issuer: LocalIssuer) -> None:
    """{"GUARD": "dotted.path"} takes whatever guard the project has built."""
    globals()["the_guard"] = RecordingGuard(issuer)
    with override_settings(TOKENGUARD={"GUARD": f"{__name__}.the_guard"}):
        assert current().guard is globals()["the_guard"]
