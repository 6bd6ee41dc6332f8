"""The one credential of a request, or why there is none (RFC 6750 2, RFC 9110 11.4).

Read from the Authorization header; from the form body only where the guard allows it; never from the query (RFC
9700 4.3.2), a cookie (RFC 6750 5.3) or Proxy-Authorization (RFC 9110 11.7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from tokenguard.core.model import Credential, Form, Request
from tokenguard.errors import InvalidRequest, MissingToken, Reason

# b64token (RFC 6750 2.1), but for the padding
_B64TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
_SCHEME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]*")
# a second credential in one line: some servers and proxies join repeated lines with a comma (RFC 9110 5.3)
_FOLDED = re.compile(r",\s*bearer\s", re.IGNORECASE)
_FORM_TYPE = "application/x-www-form-urlencoded"
#: bytes of a form body that adapters read for a token: one token and a few fields beside it
MAX_FORM_BODY = 64 * 1024
#: RFC 6750 2.2: the method must give the body a meaning
_BODYLESS_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def read_credential(request: Request, *, form_body: bool) -> Credential:
    """The Bearer token of a request; `MissingToken` or `InvalidRequest` where there is not exactly one."""
    lines = request.header_values("authorization")
    if len(lines) > 1:
        raise InvalidRequest(Reason.SEVERAL_CREDENTIALS, "the request has several Authorization lines")
    token = _bearer_token(lines[0].strip(" \t")) if lines else None
    if form_body and may_hold_form_token(request.method, request.header_values("content-type")):
        in_form = _form_token(request.form)
        if in_form is not None:
            # one method a request (RFC 6750 2)
            if token is not None:
                raise InvalidRequest(Reason.SEVERAL_CREDENTIALS, "a token in the header and one in the form body")
            token = in_form
    if token is None:
        raise MissingToken
    return Credential("Bearer", token)


def may_hold_form_token(method: str, content_types: list[str]) -> bool:
    """May the body of such a request hold a token (RFC 6750 2.2)? Adapters read the body only then."""
    if method.upper() in _BODYLESS_METHODS or len(content_types) != 1:
        return False
    return content_types[0].partition(";")[0].strip().lower() == _FORM_TYPE


def _bearer_token(value: str) -> str | None:
    """The token in one Authorization value; None where it is for another scheme."""
    # scheme, one or more spaces, one b64token (RFC 6750 2.1); scheme names ignore case (RFC 9110 11.1)
    scheme, _, rest = value.partition(" ")
    token = rest.lstrip(" ")
    if scheme.lower() == "bearer" and _is_b64token(token):
        return token
    if _FOLDED.search(value):
        raise InvalidRequest(Reason.SEVERAL_CREDENTIALS, "the Authorization header holds several credentials")
    named = _SCHEME.match(value)
    if named is not None and named[0].lower() == "bearer":
        raise InvalidRequest(
            Reason.MALFORMED_CREDENTIALS, "the Authorization header does not read: Bearer, a space, one token"
        )
    return None


def _is_b64token(text: str) -> bool:
    """In two passes in C; a regular expression takes 3 µs for a usual token, as long as the rest of a warm check."""
    body = text.rstrip("=")
    return body.isascii() and body != "" and not body.encode("ascii").translate(None, _B64TOKEN)


def _form_token(form: Form | None) -> str | None:
    if form is None:
        return None
    if isinstance(form, bytes):
        if len(form) > MAX_FORM_BODY:
            raise InvalidRequest(
                Reason.MALFORMED_CREDENTIALS, f"form bodies are searched for a token up to {MAX_FORM_BODY} bytes"
            )
        pairs = parse_qsl(form.decode("latin-1"), keep_blank_values=True)
    else:
        pairs = list(form.items() if isinstance(form, Mapping) else form)
    # a form that holds anything but ASCII, encoded or not, is none in which a token may be (RFC 6750 2.2)
    if any(isinstance(text, str) and not text.isascii() for pair in pairs for text in pair):
        return None
    tokens = [value for name, value in pairs if name == "access_token"]
    if len(tokens) > 1:
        raise InvalidRequest(Reason.SEVERAL_CREDENTIALS, "access_token occurs more than once in the form body")
    if not tokens:
        return None
    if not isinstance(tokens[0], str) or not _is_b64token(tokens[0]):
        raise InvalidRequest(Reason.MALFORMED_CREDENTIALS, "access_token in the form body is no token")
    return tokens[0]
