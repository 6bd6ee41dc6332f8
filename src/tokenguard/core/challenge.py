"""A refusal as HTTP: status, WWW-Authenticate and a JSON body (RFC 6750 3, RFC 9449 7.1, RFC 9110 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tokenguard.errors import ConfigurationError, Denied, Unavailable, UseDPoPNonce
from tokenguard.possession import DPoP

# what error_description may hold (RFC 6750 3); the fixed sentences do, this is for whoever adds one
_FOREIGN = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
# what a quoted-string may hold at all (RFC 9110 5.6.4): no CR, LF, NUL, so no header can be split
_UNQUOTABLE = re.compile(r"[^\x20-\x7E]")


class Challenge(NamedTuple):
    """An HTTP answer. `headers`: (name, value) pairs in which WWW-Authenticate may repeat; `body`: to send as JSON."""

    status: int
    headers: list[tuple[str, str]]
    body: dict[str, Any]


def write_challenge(error: Denied | Unavailable, realm: str, dpop: DPoP | None = None) -> Challenge:
    """The answer for a refused request. `realm`: names the protected space in each challenge; `dpop`: if accepted.

    Each scheme that would do is offered, on a line of its own; the one that the request used comes first.
    """
    if isinstance(error, Unavailable):
        headers = [("Retry-After", str(error.retry_after)), ("Cache-Control", "no-store")]
        return Challenge(error.status, headers, _body(error))
    headers = [
        ("WWW-Authenticate", f"{scheme} {_parameters(error, realm, scheme, dpop)}") for scheme in _schemes(error, dpop)
    ]
    if isinstance(error, UseDPoPNonce) and error.nonce is not None:
        headers.append(("DPoP-Nonce", error.nonce))
    headers.append(("Cache-Control", "no-store"))
    return Challenge(error.status, headers, _body(error))


def _schemes(error: Denied, dpop: DPoP | None) -> Iterable[str]:
    if dpop is None:
        return ("Bearer",)
    offered = ("DPoP",) if dpop.required else ("Bearer", "DPoP")
    # who sent no token used no scheme
    return offered if error.error is None else dict.fromkeys((*error.schemes, *offered))


def _parameters(error: Denied, realm: str, scheme: str, dpop: DPoP | None) -> str:
    # realm is always there: a scheme without a parameter is no challenge (RFC 6750 3)
    parameters = [("realm", realm)]
    # an error in the challenge of the scheme that was used, and none for a request without a token (RFC 6750 3.1,
    # RFC 9449 7.2)
    is_concerned = error.error is None or scheme in error.schemes
    if error.error is not None and is_concerned:
        parameters += [("error", error.error), ("error_description", _FOREIGN.sub(" ", error.description))]
    if error.scope is not None and is_concerned:
        parameters.append(("scope", error.scope))
    if error.acr_values and is_concerned:
        parameters.append(("acr_values", " ".join(error.acr_values)))
    if error.max_age is not None and is_concerned:
        parameters.append(("max_age", str(error.max_age)))
    if scheme == "DPoP" and dpop is not None:
        parameters.append(("algs", " ".join(dpop.algorithms)))
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


def realm_of(realm: str | None, audience: str) -> str:
    """The realm that is set, or the host of an audience that is a URL, or any other audience whole."""
    if realm is not None and (not isinstance(realm, str) or not realm.isprintable() or not realm.isascii()):
        raise ConfigurationError("realm must be a string of printable ASCII characters")
    try:
        return realm or urlsplit(audience).hostname or audience
    except ValueError:
        return audience
