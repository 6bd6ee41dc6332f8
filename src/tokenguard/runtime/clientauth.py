"""How we tell an issuer who we are when we ask it about a token (RFC 7662 2.1)."""

from __future__ import annotations

import base64
import inspect
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote_plus

import jwt

from tokenguard.core.effects import AnswerFailed
from tokenguard.errors import ConfigurationError
from tokenguard.introspection import Authentication, BearerToken, ClientSecret, PrivateKeyJWT

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 2.2
#: seconds that an assertion of ours is valid: it is used once, at once
_ASSERTION_LIFETIME = 60


class Credentials(NamedTuple):
    """What goes into a request: headers, and members of its form."""

    headers: dict[str, str]
    form: dict[str, str]

    def __repr__(self) -> str:
        return "Credentials()"


async def credentials_for(settings: Authentication, issuer: str, clock: Callable[[], float] = time.time) -> Credentials:
    """Our credentials for one request. `AnswerFailed` where the deployment's own callable gives none."""
    match settings:
        case ClientSecret(client_id, client_secret, method="client_secret_post"):
            return Credentials({}, {"client_id": client_id, "client_secret": client_secret})
        case ClientSecret():
            return Credentials({"Authorization": f"Basic {_basic(settings)}"}, {})
        case PrivateKeyJWT():
            form = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": _assertion(settings, issuer, clock())}
            return Credentials({}, form)
        case BearerToken():
            return Credentials({"Authorization": f"Bearer {await _bearer(settings)}"}, {})
        case _:  # the certificate says it; the id goes along (RFC 8705 2)
            return Credentials({}, {"client_id": settings.client_id})


def check_credentials(settings: Authentication, issuer: str) -> None:
    """Can we sign with the key that is configured? Asked when the guard is built."""
    if isinstance(settings, PrivateKeyJWT):
        if settings.algorithm.lower() == "none" or settings.algorithm.upper().startswith("HS"):
            raise ConfigurationError("PrivateKeyJWT.algorithm must be an asymmetric one")
        try:
            _assertion(settings, issuer, 0.0)
        except Exception:  # PyJWT and cryptography raise of all kinds, and their texts may show the key
            raise ConfigurationError(
                "PrivateKeyJWT.key is no private key as PEM that PrivateKeyJWT.algorithm can sign with"
            ) from None


def _basic(settings: ClientSecret) -> str:
    # form-encoded first (RFC 6749 2.3.1), which the servers that don't decode it take for another password
    encode: Callable[[str], str] = quote_plus if settings.form_encode else str
    pair = f"{encode(settings.client_id)}:{encode(settings.client_secret)}"
    return base64.b64encode(pair.encode()).decode()


def _assertion(settings: PrivateKeyJWT, issuer: str, now: float) -> str:
    claims = {
        "iss": settings.client_id,
        "sub": settings.client_id,
        # the issuer identifier: an endpoint's URL could be another server's (RFC 7523 3 leaves both open)
        "aud": settings.audience or issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": int(now),
        "exp": int(now) + _ASSERTION_LIFETIME,
    }
    headers = {} if settings.key_id is None else {"kid": settings.key_id}
    return jwt.encode(claims, settings.key, algorithm=settings.algorithm, headers=headers)


async def _bearer(settings: BearerToken) -> str:
    try:
        answer = settings.token()
        token = await answer if inspect.isawaitable(answer) else answer
    except AnswerFailed:
        raise
    # the deployment's own code: anything may come, and its text may hold anything
    except (Exception, SystemExit, KeyboardInterrupt) as cause:
        raise AnswerFailed(f"the callable of BearerToken raised {type(cause).__name__}") from None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise AnswerFailed("the callable of BearerToken did not answer a token")
    return token
