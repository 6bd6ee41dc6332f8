"""The one credential of a request, or why there is none (RFC 6750 2, RFC 9449 7.1, RFC 9110 11.4).

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
_FOLDED = re.compile(r",\s*(bearer)\s", re.IGNORECASE)
_FOLDED_ANY = re.compile(r",\s*(bearer|dpop)\s", re.IGNORECASE)
#: by their names in lower case: scheme names ignore case (RFC 9110 11.1)
_BEARER_ALONE = {"bearer": "Bearer"}
_BEARER_AND_DPOP = {"bearer": "Bearer", "dpop": "DPoP"}
_new = tuple.__new__
_FORM_TYPE = "application/x-www-form-urlencoded"
#: bytes of a form body that adapters read for a token: one token and a few fields beside it
MAX_FORM_BODY = 64 * 1024
#: RFC 6750 2.2: the method must give the body a meaning
_BODYLESS_METHODS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def read_credential(request: Request, *, form_body: bool, dpop: bool = False) -> Credential:
    """The token of a request; `MissingToken` or `InvalidRequest` where there is not exactly one.

    `dpop`: may it come with the scheme DPoP (RFC 9449 7.1)?
    """
    lines = request.header_values("authorization")
    schemes = _BEARER_AND_DPOP if dpop else _BEARER_ALONE
    if len(lines) > 1:
        raise _several(lines, schemes, "the request has several Authorization lines")
    credential = _of_header(lines[0].strip(" \t"), schemes, request) if lines else None
    if form_body and may_hold_form_token(request.method, request.header_values("content-type")):
        in_form = _form_token(request.form)
        if in_form is not None:
            # one method a request (RFC 6750 2)
            if credential is not None:
                raise _several([*lines, "bearer"], schemes, "a token in the header and one in the form body")
            credential = Credential("Bearer", in_form)
    if credential is None:
        raise MissingToken
    return credential


def may_hold_form_token(method: str, content_types: list[str]) -> bool:
    """May the body of such a request hold a token (RFC 6750 2.2)? Adapters read the body only then."""
    if method.upper() in _BODYLESS_METHODS or len(content_types) != 1:
        return False
    return content_types[0].partition(";")[0].strip().lower() == _FORM_TYPE


def _of_header(value: str, schemes: Mapping[str, str], request: Request) -> Credential | None:
    """The token in one Authorization value; None where it is for a scheme that is not among `schemes`."""
    # scheme, one or more spaces, one b64token (RFC 6750 2.1, RFC 9449 7.1)
    name, _, rest = value.partition(" ")
    token = rest.lstrip(" ")
    scheme = schemes.get(name.lower())
    if scheme is not None and _is_b64token(token):
        proofs = tuple(request.header_values("dpop")) if scheme == "DPoP" else ()
        return _new(Credential, (scheme, token, proofs))  # a call less than Credential(...)
    if (_FOLDED_ANY if "dpop" in schemes else _FOLDED).search(value):
        raise _several(value.split(","), schemes, "the Authorization header holds several credentials")
    scheme = _scheme_of(value, schemes)
    if scheme is None:
        return None
    refusal = InvalidRequest(
        Reason.MALFORMED_CREDENTIALS, f"the Authorization header does not read: {scheme}, a space, one token"
    )
    refusal.schemes = (scheme,)
    raise refusal


def _scheme_of(value: str, schemes: Mapping[str, str]) -> str | None:
    named = _SCHEME.match(value.strip(" \t"))
    return None if named is None else schemes.get(named[0].lower())


def _several(values: list[str], schemes: Mapping[str, str], hint: str) -> InvalidRequest:
    refusal = InvalidRequest(Reason.SEVERAL_CREDENTIALS, hint)
    used = [scheme for value in values if (scheme := _scheme_of(value, schemes)) is not None]
    refusal.schemes = tuple(dict.fromkeys(used)) or refusal.schemes
    return refusal


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
