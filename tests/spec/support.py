"""What the tests by clause share: one moment, a few keys, guards that know them, and what a refusal looks like."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from tests.spec.rfc9110 import parse_challenge

from tokenguard import AccessToken, Issuer, Request, TokenGuard
from tokenguard.errors import (
    ConfigurationError,
    Denied,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    MissingToken,
    Reason,
)
from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.jws import b64url

NOW = 1_790_000_000.0
AUDIENCE = "https://api.example.com"
REALM = "api.example.com"
URL = "https://api.example.com/orders"

#: status and error code of each kind of refusal (RFC 6750 3.1)
ANSWERS: dict[type[Denied], tuple[int, str | None]] = {
    MissingToken: (401, None),
    InvalidRequest: (400, "invalid_request"),
    InvalidToken: (401, "invalid_token"),
    InsufficientScope: (403, "insufficient_scope"),
}


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@cache
def signing_key(algorithm: str, kid: str = "key-1") -> SigningKey:
    """One key for all tests that ask for this algorithm and kid: RSA keys take long to make."""
    return SigningKey.generate(algorithm, kid)


def local_issuer(algorithm: str = "ES256", issuer: str | None = None, *, kid: str = "key-1") -> LocalIssuer:
    """An authorization server that lives at `NOW` and publishes one key."""
    return LocalIssuer(issuer, audience=AUDIENCE, signing_key=signing_key(algorithm, kid), clock=lambda: NOW)


def trust(issuer: LocalIssuer, **settings: Any) -> Issuer:
    """The configuration that trusts it, with the keys at hand."""
    return Issuer(issuer.issuer, **{"jwks": issuer.jwks, **settings})


def guard_for(*issuers: LocalIssuer | Issuer, **settings: Any) -> TokenGuard:
    """A guard that lives at `NOW` and trusts these."""
    configs = [trust(issuer) if isinstance(issuer, LocalIssuer) else issuer for issuer in issuers]
    return TokenGuard(**{"audience": AUDIENCE, "issuers": configs, "clock": lambda: NOW, **settings})


def bearing(token: str, *, method: str = "GET", **headers: str) -> Request:
    """A request with the token in its Authorization header."""
    return asking(("Authorization", f"Bearer {token}"), *headers.items(), method=method)


def asking(*headers: tuple[str | bytes, str | bytes], method: str = "GET", url: str = URL, form: Any = None) -> Request:
    """A request with these header lines."""
    return Request(method, url, headers, form=form)


def refused(guard: TokenGuard, token: str, reason: Reason, kind: type[Denied] = InvalidToken) -> Denied:
    """The refusal of a bare token: of exactly this kind, for exactly this reason, answered as RFC 6750 3.1 says."""
    with pytest.raises(Denied) as caught:
        guard.validate(token)
    return judged(guard, caught.value, kind, reason)


def request_refused(
    guard: TokenGuard, request: Request, kind: type[Denied], reason: Reason, scopes: Any = None
) -> Denied:
    """The same for a request, asked both ways."""
    with pytest.raises(Denied) as caught:
        guard.check(request, scopes)
    with pytest.raises(Denied) as awaited:
        asyncio.run(guard.acheck(request, scopes))
    assert (type(awaited.value), awaited.value.reason) == (type(caught.value), caught.value.reason)
    return judged(guard, caught.value, kind, reason)


def admitted(guard: TokenGuard, request: Request, scopes: Any = None) -> AccessToken:
    """The token of a request that is let in, asked both ways."""
    token = asyncio.run(guard.acheck(request, scopes))
    assert guard.check(request, scopes).claims == token.claims
    return token


def challenge_of(guard: TokenGuard, error: Denied) -> dict[str, str]:
    """The parameters of the one Bearer challenge that answers a refusal."""
    (line,) = (value for name, value in guard.challenge(error).headers if name == "WWW-Authenticate")
    scheme, parameters = parse_challenge(line)
    assert scheme == "Bearer"
    return parameters


def judged(guard: TokenGuard, error: Denied, kind: type[Denied], reason: Reason) -> Denied:
    """The refusal, after a look at its class, its reason and the answer that is made of it."""
    assert (type(error), error.reason) == (kind, reason), error.hint
    answer = guard.challenge(error)
    assert (answer.status, challenge_of(guard, error).get("error")) == ANSWERS[kind]
    assert answer.body.get("error") == ANSWERS[kind][1]
    return error


def without_alg(key: SigningKey) -> dict[str, Any]:
    """The JWK of a key, which then leaves the algorithm open."""
    return {name: value for name, value in key.jwk.items() if name != "alg"}


def skipped(jwk: Any, algorithm: str = "ES256") -> None:
    """Assert that a published key is not used, while the key beside it is; and that it is no configuration alone.

    The token that tells is signed by the key beside it and names this one: would this one be in use, its
    signature would be what is wrong.
    """
    issuer = local_issuer("ES256", kid="beside")
    algorithms = tuple({"ES256", algorithm})
    guard = guard_for(trust(issuer, jwks={"keys": [jwk, issuer.signing_key.jwk]}, algorithms=algorithms))
    assert guard.validate(issuer.mint())
    named = jwk.get("kid") if isinstance(jwk, dict) else None
    refused(guard, issuer.mint(header={"kid": named if isinstance(named, str) else "?"}), Reason.UNKNOWN_KEY)
    with pytest.raises(ConfigurationError, match="no usable key"):
        guard_for(trust(issuer, jwks={"keys": [jwk]}, algorithms=algorithms))


# Tokens written by hand


def header_for(issuer: LocalIssuer, **members: Any) -> dict[str, Any]:
    """The header that the issuer would write, and more members."""
    return {"alg": issuer.signing_key.algorithm, "kid": issuer.signing_key.kid, "typ": "at+jwt", **members}


def claims_for(issuer: LocalIssuer, **claims: Any) -> dict[str, Any]:
    """The claims that the issuer would write, and more."""
    who = {"iss": issuer.issuer, "aud": AUDIENCE, "sub": "user-1", "client_id": "client-1", "jti": "token-1"}
    return {**who, "iat": int(NOW), "exp": int(NOW) + 300, **claims}


def signed_text(issuer: LocalIssuer, header: str, payload: str) -> str:
    """A token whose signature holds over exactly these segments, encoded well or not."""
    signature = issuer.signing_key.sign(f"{header}.{payload}".encode())
    return f"{header}.{payload}.{b64url(signature)}"


def with_payload(issuer: LocalIssuer, payload: Mapping[str, Any] | bytes) -> str:
    """A token of the issuer, with exactly this payload under a signature that holds."""
    return issuer.signing_key.jws(header_for(issuer), payload)


def with_header(issuer: LocalIssuer, header: Mapping[str, Any] | bytes) -> str:
    """A token of the issuer, with exactly this header under a signature that holds."""
    return issuer.signing_key.jws(header, claims_for(issuer))


def with_signature(token: str, signature: bytes) -> str:
    """The token under another signature."""
    return f"{token.rpartition('.')[0]}.{b64url(signature)}"


def octets(segment: str) -> bytes:
    """What a base64url segment says."""
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
