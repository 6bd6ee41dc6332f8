"""A refusal as HTTP: status, WWW-Authenticate and a JSON body (RFC 6750 3, RFC 9110 11.6.1)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from tokenguard.errors import Denied, Unavailable

# what error_description may hold (RFC 6750 3); the fixed sentences do, this is for whoever adds one
_FOREIGN = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
# what a quoted-string may hold at all (RFC 9110 5.6.4): no CR, LF, NUL, so no header can be split
_UNQUOTABLE = re.compile(r"[^\x20-\x7E]")


class Challenge(NamedTuple):
    """An HTTP answer. `headers`: (name, value) pairs in which WWW-Authenticate may repeat; `body`: to send as JSON."""

    status: int
    headers: list[tuple[str, str]]
    body: dict[str, Any]


def write_challenge(error: Denied | Unavailable, realm: str) -> Challenge:
    """The answer for a refused request. `realm`: names the protected space in each challenge."""
    if isinstance(error, Unavailable):
        headers = [("Retry-After", str(error.retry_after)), ("Cache-Control", "no-store")]
        return Challenge(error.status, headers, _body(error))
    return Challenge(
        error.status,
        [("WWW-Authenticate", "Bearer " + _parameters(error, realm)), ("Cache-Control", "no-store")],
        _body(error),
    )


def _parameters(error: Denied, realm: str) -> str:
    # realm is always there: a scheme without a parameter is no challenge (RFC 6750 3)
    parameters = [("realm", realm)]
    # no error code for a request without a token (RFC 6750 3.1)
    if error.error is not None:
        parameters += [("error", error.error), ("error_description", _FOREIGN.sub(" ", error.description))]
    if error.scope is not None:
        parameters.append(("scope", error.scope))
    if error.acr_values:
        parameters.append(("acr_values", " ".join(error.acr_values)))
    if error.max_age is not None:
        parameters.append(("max_age", str(error.max_age)))
    return ", ".join(f"{name}={quote(value)}" for name, value in parameters)


def quote(value: str) -> str:
    r"""A quoted-string (RFC 9110 5.6.4).

    >>> print(quote('the "api"'))
    "the \"api\""
    """
    return '"' + _UNQUOTABLE.sub("", value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _body(error: Denied | Unavailable) -> dict[str, Any]:
    described = {"error_description": error.description}
    return described if error.error is None else {"error": error.error, **described}
