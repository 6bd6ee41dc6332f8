"""Back-channel logout: the form that comes in, what follows, the answer (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl

from tokenguard.core.challenge import Challenge
from tokenguard.core.credentials import MAX_FORM_BODY, may_hold_form_token
from tokenguard.core.effects import Flow
from tokenguard.core.logout_token import read_logout
from tokenguard.core.revoking import keep
from tokenguard.core.trust import Memory, Setup
from tokenguard.errors import Denied, InvalidLogoutToken, Reason, Unavailable

# what an intermediary keeps of an answer would stand for the next logout, too (Back-Channel Logout 2.8)
_UNCACHED = ("Cache-Control", "no-store")
#: logout tokens remembered: each is good for minutes only, and nobody but an issuer can make one
MAX_REMEMBERED = 10_000


class Backchannel:
    """Carries out the logouts of a guard's issuers. `received`: remembers the tokens that have had their effect.

    A token is remembered once its effect is sure: an issuer whose logout we could not carry out may send it again.
    Another process may take the same token once more; that revokes what is revoked already, and no more.
    """

    def __init__(self, received: Memory[bool]) -> None:
        self._received = received

    def takes(self, setup: Setup) -> bool:
        """Are the logout tokens of any issuer believed, or may they be, of one that is looked up?"""
        return setup.tenants is not None or any(trusted.config.logout is not None for trusted in setup.issuers.values())

    def receive(self, setup: Setup, token: str, now: float, monotonic: float) -> Flow[None]:
        """End what a logout token names. Raises `InvalidLogoutToken` or `Unavailable`."""
        logout = yield from read_logout(setup, token, now, monotonic)
        issuer = logout.revocation.issuer
        digest = hashlib.blake2b(f"{issuer}\n{logout.id}".encode(), digest_size=32).digest()
        # the same jti twice within its time is a replay (Back-Channel Logout 2.6)
        if self._received.get(digest) is not None:
            error = InvalidLogoutToken(Reason.LOGOUT_REPLAYED, "a logout token with this jti has had its effect")
            error.concerns(issuer, None, logout.id)
            raise error
        yield from keep((logout.revocation,))
        self._received.put(digest, True)


def read_form(content_type: str, body: bytes | None) -> str:
    """The logout token of a POST; whatever else the form holds is ignored. Raises `InvalidLogoutToken`.

    `body`: None where it is too long to be read, or does not say how long it is.
    """
    # a form with logout_token (Back-Channel Logout 2.5), once
    if not may_hold_form_token("POST", [content_type]):
        raise InvalidLogoutToken(Reason.MISSING_TOKEN, "the Content-Type is not application/x-www-form-urlencoded")
    if body is None or len(body) > MAX_FORM_BODY:
        hint = f"forms are read up to {MAX_FORM_BODY} bytes, in Flask and Django with a Content-Length"
        raise InvalidLogoutToken(Reason.TOKEN_TOO_LARGE, hint)
    tokens = [
        value for name, value in parse_qsl(body.decode("latin-1"), keep_blank_values=True) if name == "logout_token"
    ]
    if not tokens:
        raise InvalidLogoutToken(Reason.MISSING_TOKEN, "the form has no logout_token")
    if len(tokens) > 1:
        raise InvalidLogoutToken(Reason.SEVERAL_CREDENTIALS, "logout_token occurs more than once in the form")
    return tokens[0]


def write_answer(error: Denied | Unavailable | None) -> Challenge:
    """The HTTP answer: 200 where the logout has had its effect, else 400 (Back-Channel Logout 2.8)."""
    if error is None:
        return Challenge(200, [_UNCACHED], {})
    headers = [_UNCACHED]
    if isinstance(error, Unavailable):  # a logout that failed is a 400 too, whoever is at fault
        headers.append(("Retry-After", str(error.retry_after)))
    return Challenge(400, headers, {"error": error.error, "error_description": error.description})
