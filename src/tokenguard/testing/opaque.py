"""Opaque access tokens, and the endpoint that says what they are (RFC 7662, RFC 9701)."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote_plus

import jwt

from tokenguard.testing.documents import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenguard.testing.issuer import LocalIssuer
    from tokenguard.testing.server import SeenRequest

INTROSPECTION_PATH = "/introspect"
SIGNED_TYPE = "token-introspection+jwt"
_SIGNED = f"application/{SIGNED_TYPE}"


class OpaqueTokens:
    """What an issuer knows of its opaque tokens, and which of all its tokens it has revoked."""

    def __init__(self) -> None:
        self._issued: dict[str, dict[str, Any]] = {}
        self._revoked: set[str] = set()

    def issue(self, members: Mapping[str, Any], prefix: str) -> str:
        """A new token that means these members."""
        token = prefix + secrets.token_urlsafe(24)
        self._issued[token] = dict(members)
        return token

    def revoke(self, token: str) -> None:
        """Call a token inactive from now on, a JWT too."""
        self._revoked.add(token)

    def members(self, issuer: LocalIssuer, token: str) -> dict[str, Any]:
        """The members of an introspection answer (RFC 7662 2.2)."""
        known = self._issued.get(token) or _claims_of_jwt(issuer, token)
        if known is None or token in self._revoked or known.get("exp", issuer.clock()) < issuer.clock():
            return {"active": False}
        confirmation = known.get("cnf")
        bound_to_key = isinstance(confirmation, dict) and "jkt" in confirmation
        return {"active": True, "token_type": "DPoP" if bound_to_key else "Bearer", **known}


def respond_to_post(issuer: LocalIssuer, request: SeenRequest) -> Response:
    """Answer a POST, as a well-behaved issuer does."""
    if request.path != INTROSPECTION_PATH:
        return Response.of_json(404, {"error": "not_found"})
    form = {name: values[0] for name, values in parse_qs(request.body.decode("ascii", "replace")).items()}
    if not issuer.authenticates(request, form):
        return Response.of_json(401, {"error": "invalid_client"})
    if "token" not in form:
        return Response.of_json(400, {"error": "invalid_request"})
    members = issuer.introspect(form["token"])
    if request.headers.get("accept") == _SIGNED:
        answer = issuer.signed_introspection(members)
        return Response(200, answer.encode(), {"Content-Type": _SIGNED})
    return Response.of_json(200, members)


def has_secret(client: tuple[str, str], request: SeenRequest, form: Mapping[str, str]) -> bool:
    """Is the request from this client: by Basic, form-encoded or as it is, or in the body (RFC 6749 2.3.1)?"""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
        return client in {(name, secret), (unquote_plus(name), unquote_plus(secret))}
    return client == (form.get("client_id"), form.get("client_secret"))


def _claims_of_jwt(issuer: LocalIssuer, token: str) -> dict[str, Any] | None:
    jws = jwt.PyJWS()
    for key in issuer.published_keys():
        try:
            payload = jws.decode(token, key.private.public_key(), algorithms=[key.algorithm])  # type: ignore[arg-type]
        except jwt.PyJWTError:
            continue
        claims: dict[str, Any] = json.loads(payload)
        return claims
    return None
