"""RFC 6750 2: where a token is read from, and where never (with RFC 9110 11 and OAuth 2.1 5.1)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.support import REALM, URL, admitted, asking, bearing, challenge_of, guard_for, request_refused

from tokenguard import Request, TokenGuard
from tokenguard.core.credentials import MAX_FORM_BODY
from tokenguard.errors import InvalidRequest, InvalidToken, MissingToken, Reason
from tokenguard.testing import LocalIssuer

FORM = ("Content-Type", "application/x-www-form-urlencoded")


@pytest.fixture(scope="module")
def form_guard(issuer: LocalIssuer) -> TokenGuard:
    """A guard that also reads tokens from forms."""
    return guard_for(issuer, form_body=True)


def form_of(*tokens: str, content_type: str = FORM[1], method: str = "POST", header: str | None = None) -> Request:
    """A request with these as access_token in its form."""
    headers = [("Content-Type", content_type)] + ([("Authorization", f"Bearer {header}")] if header else [])
    return asking(*headers, method=method, form="&".join(f"access_token={token}" for token in tokens).encode())


# RFC 6750 2.1: the header


@pytest.mark.req("BT-01", "O21-03")
@pytest.mark.parametrize("name", ["Authorization", "authorization", b"authorization", "AUTHORIZATION"])
def test_the_token_is_read_from_the_authorization_header(
    guard: TokenGuard, issuer: LocalIssuer, name: str | bytes
) -> None:
    """A good token in the header is let in, however the server spells the field's name."""
    value = f"Bearer {issuer.mint(sub='alice')}"
    sent = value.encode() if isinstance(name, bytes) else value
    assert admitted(guard, asking((name, sent))).subject == "alice"


@pytest.mark.req("BT-02", "A-005")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_ignores_case(guard: TokenGuard, issuer: LocalIssuer, scheme: str) -> None:
    """Scheme names are compared without regard to case."""
    assert admitted(guard, asking(("Authorization", f"{scheme} {issuer.mint()}")))


@pytest.mark.req("BT-03")
@pytest.mark.parametrize("spaces", [" ", "  ", " " * 20])
def test_one_or_more_spaces_stand_before_the_token(guard: TokenGuard, issuer: LocalIssuer, spaces: str) -> None:
    """Any number of spaces separates scheme and token."""
    assert admitted(guard, asking(("Authorization", f"Bearer{spaces}{issuer.mint()}")))


@pytest.mark.req("BT-04", "A-002")
@pytest.mark.parametrize("value", ["Bearer", "bearer", "Bearer ", "Bearer      ", " Bearer "])
def test_bearer_without_a_token_is_malformed(guard: TokenGuard, value: str) -> None:
    """The scheme alone is a malformed credential, not an absent one."""
    request_refused(guard, asking(("Authorization", value)), InvalidRequest, Reason.MALFORMED_CREDENTIALS)


MALFORMED = [
    pytest.param("Bearer {} more", marks=pytest.mark.req("A-003"), id="two words"),
    pytest.param("Bearer\t{}", marks=pytest.mark.req("A-004"), id="tab for a space"),
    pytest.param("Bearer \t{}", marks=pytest.mark.req("A-004"), id="tab after the space"),
    pytest.param("Bearer\xa0{}", id="no-break space"),
    pytest.param("Bearer {}\xa0", id="no-break space behind"),
    pytest.param("Bearer {}\x0b", id="vertical tab behind"),
    pytest.param("Bearer {}\n", id="line feed behind"),
    pytest.param("Bearer:{}", id="colon"),
    pytest.param('Bearer "{}"', id="quoted"),
    pytest.param("Bearer token={}", id="parameter"),
    pytest.param("Bearer {}=x", id="padding inside"),
    pytest.param("Bearer =", marks=pytest.mark.req("A-020"), id="one padding character"),
    pytest.param("Bearer =====", marks=pytest.mark.req("A-020"), id="padding only"),
    pytest.param("Bearer {}\x00", marks=pytest.mark.req("A-016"), id="NUL"),
    pytest.param("Bearer {}\x7f", marks=pytest.mark.req("A-016"), id="DEL"),
    pytest.param("Bearer {}\r\nX-Injected: 1", marks=pytest.mark.req("A-016"), id="line break"),
    pytest.param("Bearer é{}", marks=pytest.mark.req("A-016"), id="Latin-1 letter"),
    pytest.param("Bearer \uff45\uff59\uff2a{}", marks=pytest.mark.req("A-016"), id="full-width letters"),
    pytest.param("Bearer \u0661\u0662{}", marks=pytest.mark.req("A-016"), id="digits of another script"),
    pytest.param("Bearer \ud800{}", marks=pytest.mark.req("A-016"), id="lone surrogate"),
]


@pytest.mark.req("BT-03", "O21-05")
@pytest.mark.parametrize("template", MALFORMED)
def test_credentials_off_the_grammar_are_malformed(guard: TokenGuard, issuer: LocalIssuer, template: str) -> None:
    """Whatever is not scheme, spaces and one b64token is a bad request, even around a good token."""
    request = asking(("Authorization", template.format(issuer.mint())))
    request_refused(guard, request, InvalidRequest, Reason.MALFORMED_CREDENTIALS)


@pytest.mark.req("BT-03", "O21-05", "A-016")
@pytest.mark.parametrize("octet", [octet for octet in range(256) if not chr(octet).isalnum() or octet > 127])
def test_only_the_characters_of_a_token68_get_as_far_as_the_token(
    guard: TokenGuard, issuer: LocalIssuer, octet: int
) -> None:
    """Each octet beyond letters and digits is either one of the token's six, or makes the request malformed."""
    request = asking((b"Authorization", b"Bearer x" + bytes([octet]) + issuer.mint().encode()))
    if chr(octet) in "-._~+/":
        request_refused(guard, request, InvalidToken, Reason.MALFORMED_TOKEN)
    else:
        request_refused(guard, request, InvalidRequest, Reason.MALFORMED_CREDENTIALS)


@pytest.mark.req("BT-05", "A-015", "AT-17", "O21-07")
@pytest.mark.parametrize(
    "value", ["Basic dXNlcjpwYXNz", "Negotiate YII=", "Digest username=x", "DPoP {}", "Bearerish {}", "{}", "", "  "]
)
def test_another_scheme_alone_counts_as_no_credentials(guard: TokenGuard, issuer: LocalIssuer, value: str) -> None:
    """A token under a scheme that is not offered, or credentials of another kind, get nowhere and learn nothing."""
    request = asking(("Authorization", value.format(issuer.mint())))
    error = request_refused(guard, request, MissingToken, Reason.MISSING_TOKEN)
    assert challenge_of(guard, error) == {"realm": REALM}


@pytest.mark.req("BT-11", "A-006", "A-007")
@pytest.mark.parametrize("second", ["Bearer {}", "DPoP {}", "Basic dXNlcjpwYXNz", ""])
@pytest.mark.parametrize("order", [1, -1])
def test_two_authorization_lines_are_refused(guard: TokenGuard, issuer: LocalIssuer, second: str, order: int) -> None:
    """A repeated Authorization field is a bad request, in any order, even when both lines hold the same good token."""
    token = issuer.mint()
    lines = [("Authorization", f"Bearer {token}"), ("authorization", second.format(token))][::order]
    request_refused(guard, asking(*lines), InvalidRequest, Reason.SEVERAL_CREDENTIALS)


@pytest.mark.req("BT-11", "A-008")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Bearer {0}, Bearer {0}", Reason.SEVERAL_CREDENTIALS),
        ("Bearer {0},Bearer {0}", Reason.SEVERAL_CREDENTIALS),
        ("bearer {0} , BEARER {0}", Reason.SEVERAL_CREDENTIALS),
        ("Basic YTpi, Bearer {0}", Reason.SEVERAL_CREDENTIALS),
        ("DPoP {0},bearer {0}", Reason.SEVERAL_CREDENTIALS),
        ("Bearer {0}, DPoP {0}", Reason.MALFORMED_CREDENTIALS),
        ("Bearer {0}, Basic YTpi", Reason.MALFORMED_CREDENTIALS),
    ],
)
def test_two_credentials_folded_into_one_line_are_refused(
    guard: TokenGuard, issuer: LocalIssuer, line: str, reason: Reason
) -> None:
    """What WSGI servers and proxies make of repeated lines is a bad request too."""
    request_refused(guard, asking(("Authorization", line.format(issuer.mint()))), InvalidRequest, reason)


@pytest.mark.req("A-001", "BT-15")
def test_no_credentials_at_all(guard: TokenGuard) -> None:
    """A request without credentials is told nothing but where it is."""
    error = request_refused(guard, asking(), MissingToken, Reason.MISSING_TOKEN)
    assert challenge_of(guard, error) == {"realm": REALM}


@pytest.mark.req("A-017")
def test_a_megabyte_of_authorization_is_refused_by_its_size(guard: TokenGuard) -> None:
    """Size is what a huge value is refused for: a token that would be refused for its form is not looked at."""
    huge = "." * 1_000_000
    request_refused(guard, asking(("Authorization", f"Bearer {huge}")), InvalidToken, Reason.TOKEN_TOO_LARGE)


# RFC 6750 2.2: the form body


@pytest.mark.req("BT-06")
def test_forms_are_not_read_by_default(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token in a form is no credential unless the guard was told to look there."""
    request_refused(guard, form_of(issuer.mint()), MissingToken, Reason.MISSING_TOKEN)


@pytest.mark.req("BT-06", "BT-07", "O21-04")
@pytest.mark.parametrize(
    "content_type", [FORM[1], FORM[1].upper(), FORM[1] + "; charset=UTF-8", FORM[1] + ";charset=x"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_token_in_a_form_is_read_when_asked_for(
    form_guard: TokenGuard, issuer: LocalIssuer, content_type: str, method: str
) -> None:
    """With form_body, a form that a method gives a meaning to may carry the token."""
    assert admitted(form_guard, form_of(issuer.mint(), content_type=content_type, method=method))


@pytest.mark.req("BT-07")
@pytest.mark.parametrize("form", [{"access_token": "{}"}, [("a", "1"), ("access_token", "{}")]])
def test_a_form_may_come_parsed(form_guard: TokenGuard, issuer: LocalIssuer, form: Any) -> None:
    """A framework's own parsed form is read like the raw one."""
    token = issuer.mint()
    pairs = [(name, value.format(token)) for name, value in (form.items() if isinstance(form, dict) else form)]
    parsed = dict(pairs) if isinstance(form, dict) else pairs
    assert admitted(form_guard, asking(FORM, method="POST", form=parsed))


@pytest.mark.req("BT-07", "A-012")
@pytest.mark.parametrize("method", ["GET", "get", "HEAD", "DELETE", "OPTIONS"])
def test_a_form_under_a_method_without_a_body_is_ignored(
    form_guard: TokenGuard, issuer: LocalIssuer, method: str
) -> None:
    """A token in the body of a GET is no credential."""
    request_refused(form_guard, form_of(issuer.mint(), method=method), MissingToken, Reason.MISSING_TOKEN)


@pytest.mark.req("BT-07", "A-013")
@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data; boundary=x", "application/json", "text/plain", "", "application/x-www-form-urlencoded-not"],
)
def test_a_body_that_is_no_form_is_ignored(form_guard: TokenGuard, issuer: LocalIssuer, content_type: str) -> None:
    """A token in a body of another media type is no credential."""
    request = form_of(issuer.mint(), content_type=content_type)
    request_refused(form_guard, request, MissingToken, Reason.MISSING_TOKEN)


@pytest.mark.req("BT-07")
def test_a_form_with_two_content_types_is_ignored(form_guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Two Content-Type lines say nothing of what the body is."""
    body = f"access_token={issuer.mint()}".encode()
    request = asking(FORM, ("Content-Type", "text/plain"), method="POST", form=body)
    request_refused(form_guard, request, MissingToken, Reason.MISSING_TOKEN)


@pytest.mark.req("BT-07")
@pytest.mark.parametrize("name", ["é", "%C3%A9", "%E9"])
def test_a_form_that_is_not_ascii_is_ignored(form_guard: TokenGuard, issuer: LocalIssuer, name: str) -> None:
    """What is encoded into the body has to be ASCII as a whole for a token in it to count."""
    body = f"name={name}&access_token={issuer.mint()}".encode()
    request_refused(form_guard, asking(FORM, method="POST", form=body), MissingToken, Reason.MISSING_TOKEN)


@pytest.mark.req("BT-08", "A-014")
def test_two_tokens_in_a_form_are_refused(form_guard: TokenGuard, issuer: LocalIssuer) -> None:
    """access_token twice in a body is a bad request, even when both are the same good token."""
    token = issuer.mint()
    request_refused(form_guard, form_of(token, token), InvalidRequest, Reason.SEVERAL_CREDENTIALS)


@pytest.mark.req("BT-08")
@pytest.mark.parametrize("value", ["", "a+b", "%00", "="])
def test_a_form_field_that_is_no_token_is_malformed(form_guard: TokenGuard, value: str) -> None:
    """An access_token field off the grammar is a bad request, as in the header."""
    request_refused(form_guard, form_of(value), InvalidRequest, Reason.MALFORMED_CREDENTIALS)


def test_a_form_is_searched_up_to_a_size(form_guard: TokenGuard, issuer: LocalIssuer) -> None:
    """What is longer is refused without a look at its fields."""
    start = f"access_token={issuer.mint(sub='alice')}&a="
    for size, is_read in ((MAX_FORM_BODY, True), (MAX_FORM_BODY + 1, False)):
        request = asking(FORM, method="POST", form=start.ljust(size, "a").encode())
        if is_read:
            assert admitted(form_guard, request).subject == "alice"
        else:
            request_refused(form_guard, request, InvalidRequest, Reason.MALFORMED_CREDENTIALS)


@pytest.mark.req("BT-10", "A-009")
def test_a_token_in_the_header_and_one_in_the_form_are_refused(form_guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Two methods in one request are a bad request, even with the same good token."""
    token = issuer.mint()
    request_refused(form_guard, form_of(token, header=token), InvalidRequest, Reason.SEVERAL_CREDENTIALS)


@pytest.mark.req("BT-10")
def test_a_form_without_a_token_leaves_the_header_alone(form_guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Other fields in a form do not make it a second method."""
    request = asking(FORM, ("Authorization", f"Bearer {issuer.mint()}"), method="POST", form=b"item=tea&quantity=2")
    assert admitted(form_guard, request)


# RFC 6750 2.3, OAuth 2.1 5.1: never the query; nor anywhere else


@pytest.mark.req("BT-09", "O21-02", "A-010")
def test_a_token_in_the_query_is_no_credential(
    guard: TokenGuard, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """A token in the URL is not read, and not logged either."""
    token = issuer.mint()
    caplog.set_level("DEBUG")
    request = asking(url=f"{URL}?access_token={token}")
    request_refused(guard, request, MissingToken, Reason.MISSING_TOKEN)
    assert caplog.records
    assert token not in caplog.text


@pytest.mark.req("BT-09", "BT-10", "O21-02", "A-011")
@pytest.mark.parametrize("query", ["access_token=junk", "access_token={}"])
def test_a_token_in_the_query_does_not_disturb_the_header(guard: TokenGuard, issuer: LocalIssuer, query: str) -> None:
    """A good header counts as it would without the query, which is never looked at."""
    token = issuer.mint(sub="alice")
    request = asking(("Authorization", f"Bearer {token}"), url=f"{URL}?{query.format(issuer.mint(sub='mallory'))}")
    assert admitted(guard, request).subject == "alice"


@pytest.mark.req("BT-28", "A-019", "BT-29")
@pytest.mark.parametrize("name", ["Cookie", "Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization"])
@pytest.mark.parametrize("value", ["Bearer {}", "access_token={}", "Authorization={}", "{}"])
def test_no_other_header_is_read(guard: TokenGuard, issuer: LocalIssuer, name: str, value: str) -> None:
    """A token in a cookie, or in a header that is for a proxy, is no credential."""
    request = asking((name, value.format(issuer.mint())))
    request_refused(guard, request, MissingToken, Reason.MISSING_TOKEN)


@pytest.mark.req("BT-29")
def test_proxy_credentials_do_not_disturb_ours(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Proxy-Authorization beside Authorization is somebody else's."""
    assert admitted(guard, bearing(issuer.mint(), **{"Proxy-Authorization": "Bearer junk"}))
