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

# scheme, one or more spaces, one b64token (RFC 6750 2.1); scheme names ignore case (RFC 9110 11.1)
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*)")
_SCHEME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]*")
# a second credential in one line: some servers and proxies join repeated lines with a comma (RFC 9110 5.3)
_FOLDED = re.compile(r",\s*bearer\s", re.IGNORECASE)
_FORM_TYPE = "application/x-www-form-urlencoded"
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
    match = _BEARER.fullmatch(value)
    if match is not None:
        return match[1]
    if _FOLDED.search(value):
        raise InvalidRequest(Reason.SEVERAL_CREDENTIALS, "the Authorization header holds several credentials")
    scheme = _SCHEME.match(value)
    if scheme is not None and scheme[0].lower() == "bearer":
        raise InvalidRequest(
            Reason.MALFORMED_CREDENTIALS, "the Authorization header does not read: Bearer, a space, one token"
        )
    return None


def _form_token(form: Form | None) -> str | None:
    if form is None:
        return None
    if isinstance(form, bytes):
        # the body is ASCII as a whole (RFC 6750 2.2)
        if not form.isascii():
            return None
        pairs = parse_qsl(form.decode("ascii"), keep_blank_values=True)
    else:
        pairs = list(form.items() if isinstance(form, Mapping) else form)
    tokens = [value for name, value in pairs if name == "access_token"]
    if len(tokens) > 1:
        raise InvalidRequest(Reason.SEVERAL_CREDENTIALS, "access_token occurs more than once in the form body")
    if not tokens:
        return None
    if not _BEARER.fullmatch(f"Bearer {tokens[0]}"):
        raise InvalidRequest(Reason.MALFORMED_CREDENTIALS, "access_token in the form body is no token")
    return tokens[0]
