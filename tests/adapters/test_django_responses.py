"""A refusal as Django sends it, through its own handlers."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from tests.adapters.django_project import OURS
from tests.adapters.recording import RecordingGuard

from tokenguard import Challenge
from tokenguard.django import ChallengeResponse
from tokenguard.errors import Denied, Unavailable
from tokenguard.testing import LocalIssuer

Site = Callable[..., None]
LINES = ['DPoP algs="ES256"', 'Bearer realm="api.example.com"']


class TwoSchemes(RecordingGuard):
    """Challenges for two schemes, in two lines."""

    def challenge(self, error: Denied | Unavailable) -> Challenge:
        status, headers, body = super().challenge(error)
        return Challenge(status, [("WWW-Authenticate", LINES[0]), *headers], body)


def view(_request: HttpRequest) -> HttpResponse:
    """Never reached."""
    return HttpResponse("in")


def sent_by_wsgi() -> list[tuple[str, str]]:
    """The headers that Django hands to a WSGI server for a request without a token."""
    environ: dict[str, Any] = {"PATH_INFO": "/orders", "wsgi.input": io.BytesIO()}
    setup_testing_defaults(environ)
    started: list[list[tuple[str, str]]] = []
    get_wsgi_application()(environ, lambda _status, headers: started.append(headers))
    return [(name.lower(), value) for name, value in started[0]]


async def sent_by_asgi() -> list[tuple[str, str]]:
    """The headers that Django sends to an ASGI server for a request without a token."""
    messages: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/orders",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
    }
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not requests:
            await asyncio.get_running_loop().create_future()  # the client stays connected
        return requests.pop()

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await get_asgi_application()(scope, receive, send)
    return [(name.decode().lower(), value.decode()) for name, value in messages[0]["headers"]]


@pytest.mark.req("BT-24")
async def test_several_challenges_are_separate_lines(site: Site, issuer: LocalIssuer) -> None:
    """Under WSGI and ASGI, though Django keeps one value for a header."""
    site({"orders": view}, {"GUARD": TwoSchemes(issuer)})
    for sent in (sent_by_wsgi(), await sent_by_asgi()):
        assert [value for name, value in sent if name == "www-authenticate"] == LINES
        assert ("cache-control", "no-store") in sent
        assert ("content-type", "application/json") in sent


def overwrite(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that has its own opinion."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        assert response["WWW-Authenticate"] == ", ".join(LINES)
        response["WWW-Authenticate"] = "Negotiate"
        return response

    return middleware


def test_a_middleware_has_the_last_word(site: Site, issuer: LocalIssuer) -> None:
    """It sees one header as Django keeps it, and what it writes is sent."""
    site({"orders": view}, {"GUARD": TwoSchemes(issuer)}, MIDDLEWARE=[f"{__name__}.overwrite", OURS])
    assert [value for name, value in sent_by_wsgi() if name == "www-authenticate"] == ["Negotiate"]


def test_without_a_challenge_there_is_no_such_header() -> None:
    """503 is not about credentials."""
    response = ChallengeResponse(Challenge(503, [("Retry-After", "5")], {"error": "temporarily_unavailable"}))
    assert dict(response.items()) == {"Retry-After": "5", "Content-Type": "application/json"}
    assert (response.status_code, json.loads(response.content)) == (503, {"error": "temporarily_unavailable"})
