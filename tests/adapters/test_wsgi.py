"""A request as WSGI hands it over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenguard import TokenGuard
from tokenguard._forms import UNSEARCHABLE
from tokenguard.errors import Denied, InvalidRequest, MissingToken, Reason
from tokenguard.wsgi import EnvironRequest, form_of

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "wsgi.url_scheme": "https",
    "SERVER_NAME": "inside",
    "SERVER_PORT": "8000",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/caf\u00c3\u00a9/a b",  # UTF-8 as Latin-1, as PEP 3333 has it
    "QUERY_STRING": "q=1",
    "REMOTE_ADDR": "192.0.2.1",
}

BODY = b"item=te"

guard = TokenGuard(audience="https://api.test", issuers=["https://issuer.test"])
form_guard = TokenGuard(audience="https://api.test", issuers=["https://issuer.test"], form_body=True)


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({}, "https://inside:8000/caf%C3%A9/a%20b?q=1"),
        ({"HTTP_HOST": "api.test"}, "https://api.test/caf%C3%A9/a%20b?q=1"),
        ({"HTTP_HOST": "api.test", "SCRIPT_NAME": "/v1"}, "https://api.test/v1/caf%C3%A9/a%20b?q=1"),
        ({"HTTP_HOST": "api.test", "RAW_URI": "/a%2Fb?q=%41"}, "https://api.test/a%2Fb?q=%41"),
        ({"HTTP_HOST": "api.test", "REQUEST_URI": "/a%2Fb"}, "https://api.test/a%2Fb"),
        ({"RAW_URI": "/a"}, "https://inside:8000/a"),
        # a proxy took the beginning away, and the application knows (Werkzeug's ProxyFix), or a part of it is mounted
        ({"HTTP_HOST": "api.test", "SCRIPT_NAME": "/v1", "RAW_URI": "/a%2Fb?q"}, "https://api.test/v1/a%2Fb?q"),
        (
            {"HTTP_HOST": "api.test", "SCRIPT_NAME": "/\u00c3\u00a4", "RAW_URI": "/%C3%A4/b"},
            "https://api.test/%C3%A4/b",
        ),
        ({"HTTP_HOST": "api.test", "PATH_INFO": "/a:b@c"}, "https://api.test/a:b@c?q=1"),
        ({"HTTP_HOST": "api.test", "PATH_INFO": "/\u2603"}, "https://api.test/%3F?q=1"),
        ({"HTTP_HOST": "api.test/a?", "RAW_URI": "/b"}, "https:///b"),
        ({"HTTP_HOST": "api.test", "RAW_URI": "/a#/b"}, ""),
        ({"HTTP_HOST": "api.test", "RAW_URI": "//evil.test/a"}, "https://api.test//evil.test/a"),
        # a URL in the request line (RFC 9112 3.2.2) does not say who we are
        ({"HTTP_HOST": "api.test", "RAW_URI": "http://evil.test/a"}, "https://api.test/caf%C3%A9/a%20b?q=1"),
        ({"HTTP_HOST": "api.test", "RAW_URI": "*"}, "https://api.test/caf%C3%A9/a%20b?q=1"),
    ],
)
def test_the_url_is_the_one_the_client_sent(more: dict[str, str], url: str) -> None:
    """Path and query untouched where the server tells them, host and scheme by the server's account."""
    assert EnvironRequest({**ENVIRON, **more}).url == url


def test_headers_are_found_under_their_cgi_names() -> None:
    """Every field by its lower-case name, those without the prefix too."""
    request = EnvironRequest(
        {**ENVIRON, "HTTP_X_REQUEST_ID": "7", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "3", "HTTP_DPOP": "p"}
    )
    assert request.header_values("x-request-id") == ["7"]
    assert request.header_values("content-type") == ["text/plain"]
    assert request.header_values("content-length") == ["3"]
    assert request.header_values("dpop") == ["p"]
    assert request.header_values("authorization") == []
    assert (request.method, request.peer, request.form) == ("GET", "192.0.2.1", None)


def test_it_shows_nothing_of_the_request() -> None:
    """URL and headers may hold secrets."""
    assert repr(EnvironRequest({**ENVIRON, "HTTP_AUTHORIZATION": "Bearer secret"})) == "Request('GET')"


@pytest.mark.req("BT-11", "A-008")
@pytest.mark.parametrize(
    "folded", ["Bearer a,Bearer b", "Bearer a, Bearer a", "Basic eA==,Bearer b", "Bearer b,Basic eA==", "Bearer a,"]
)
def test_lines_that_the_server_has_joined_are_refused(folded: str) -> None:
    """Two Authorization lines arrive as one value with a comma."""
    with pytest.raises(InvalidRequest):
        guard.authenticate(EnvironRequest({**ENVIRON, "HTTP_AUTHORIZATION": folded}))


def test_a_token_in_the_query_is_no_token() -> None:
    """RFC 9700 4.3.2."""
    with pytest.raises(MissingToken):
        form_guard.authenticate(EnvironRequest({**ENVIRON, "QUERY_STRING": "access_token=x"}))


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_value_ends_in_a_refusal(value: str) -> None:
    """Whatever bytes stand in the header, only our own errors come out."""
    with pytest.raises(Denied):
        guard.authenticate(EnvironRequest({**ENVIRON, "HTTP_AUTHORIZATION": value}))


@pytest.mark.parametrize(
    ("more", "form"),
    [
        ({"CONTENT_LENGTH": "7"}, BODY),
        ({"CONTENT_LENGTH": "8"}, UNSEARCHABLE),  # somebody has read a part of it
        ({"CONTENT_LENGTH": str(64 * 1024 + 1)}, UNSEARCHABLE),
        ({"CONTENT_LENGTH": "9" * 5_000}, UNSEARCHABLE),
        ({"CONTENT_LENGTH": "-1"}, UNSEARCHABLE),
        ({"CONTENT_LENGTH": ""}, UNSEARCHABLE),
        ({}, UNSEARCHABLE),
        ({"CONTENT_LENGTH": "7", "REQUEST_METHOD": "GET"}, None),
        ({"CONTENT_LENGTH": "7", "CONTENT_TYPE": "multipart/form-data"}, None),
    ],
)
def test_a_form_is_read_only_if_a_token_may_be_in_it(more: dict[str, Any], form: Any) -> None:
    """Nobody makes us hold a large body in memory before we know who sent it."""
    environ = {**ENVIRON, "REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded", **more}
    assert form_of(form_guard, environ, lambda: BODY) is form
    assert form_of(guard, environ, lambda: BODY) is None


def test_a_form_of_the_longest_length_is_read() -> None:
    """64 KiB."""
    body = b"x" * 64 * 1024
    environ = {**ENVIRON, "REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    assert form_of(form_guard, environ | {"CONTENT_LENGTH": str(len(body))}, lambda: body) is body


@pytest.mark.parametrize("headers", [{}, {"HTTP_AUTHORIZATION": "Bearer x"}])
def test_a_form_that_cannot_be_searched_is_refused_by_the_guard(headers: dict[str, str]) -> None:
    """A token may be in it, also beside one in the header; a guard that takes none from forms does not mind."""
    environ = {**ENVIRON, "REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded", **headers}
    with pytest.raises(InvalidRequest) as refused:
        form_guard.authenticate(EnvironRequest(environ, UNSEARCHABLE))
    assert refused.value.reason is Reason.MALFORMED_CREDENTIALS
    assert "65536" in refused.value.hint
    with pytest.raises(Denied) as refused_otherwise:
        guard.authenticate(EnvironRequest(environ, UNSEARCHABLE))
    assert not isinstance(refused_otherwise.value, InvalidRequest)
