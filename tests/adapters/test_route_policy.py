"""A route's own policy for when nobody can tell whether a token is revoked, where the route is the first to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import flask
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from tests.adapters import django_project  # noqa: F401 - configures Django
from tests.adapters.in_process import CountingGuard, http_scope

import tokenguard.flask
from tokenguard import Requirement, TokenGuard, asgi
from tokenguard.django import requires
from tokenguard.errors import Unavailable
from tokenguard.testing import LocalIssuer

Status = Callable[[TokenGuard, Requirement, dict[str, str]], int]


class Silent:
    """A store of revocations that never answers."""

    async def ask(self, _token: Any, _now: float) -> None:
        """As `RemoteRevocations.ask`."""
        raise ConnectionError


def in_flask(guard: TokenGuard, requirement: Requirement, headers: dict[str, str]) -> int:
    """A decorated view."""
    app = flask.Flask(__name__)
    app.get("/")(tokenguard.flask.Protect(guard).requires(requirement)(lambda: "ok"))
    return app.test_client().get("/", headers=headers).status_code


def in_django(guard: TokenGuard, requirement: Requirement, headers: dict[str, str]) -> int:
    """A decorated view."""

    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    with override_settings(TOKENGUARD={"GUARD": guard}):
        return int(requires(requirement)(view)(RequestFactory().get("/", headers=headers)).status_code)


def in_django_async(guard: TokenGuard, requirement: Requirement, headers: dict[str, str]) -> int:
    """An async one."""

    async def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    async def status() -> int:
        return int((await requires(requirement)(view)(RequestFactory().get("/", headers=headers))).status_code)

    with override_settings(TOKENGUARD={"GUARD": guard}):
        return asyncio.run(status())


def in_asgi(guard: TokenGuard, requirement: Requirement, headers: dict[str, str]) -> int:
    """What the middleware asks."""
    try:
        asyncio.run(asgi.check(guard, http_scope("/", headers=headers), requirement))
    except Unavailable as error:
        return error.status
    return 200


@pytest.mark.parametrize("status", [in_flask, in_django, in_django_async, in_asgi])
def test_a_route_may_decide_for_itself(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, status: Status
) -> None:
    """In place of the guard's policy, whichever that is."""
    headers = {"Authorization": f"Bearer {issuer.mint()}"}
    with (
        make_guard(revocations=Silent()) as closed,
        make_guard(revocations=Silent(), when_revocations_unknown="open") as opened,
    ):
        assert status(closed, Requirement(), headers) == 503
        assert status(closed, Requirement(when_revocations_unknown="open"), headers) == 200
        assert status(opened, Requirement(), headers) == 200
        assert status(opened, Requirement(when_revocations_unknown="closed"), headers) == 503
