"""What an issuer publishes: its metadata, in the well-known forms, and its key set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenguard.testing.issuer import LocalIssuer

JWKS_PATH = "/jwks"

Discovery = Literal["oauth", "openid", "openid_inserted"]

_WELL_KNOWN: dict[Discovery, str] = {
    "oauth": "/.well-known/oauth-authorization-server{path}",  # RFC 8414 3.1: before the issuer's path
    "openid": "{path}/.well-known/openid-configuration",  # OpenID Connect Discovery 4.1: after it
    "openid_inserted": "/.well-known/openid-configuration{path}",  # RFC 8414 5: the OpenID name, put before it
}


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer before it is written; Content-Length is the writer's business."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, status: int, document: Mapping[str, Any], **headers: str) -> Response:
        """The document as JSON, with its media type."""
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})


def metadata(issuer: LocalIssuer) -> dict[str, Any]:
    """The issuer's metadata: the required members of RFC 8414 2 and of OpenID Connect Discovery 3."""
    base = issuer.issuer.rstrip("/")
    return {
        "issuer": issuer.issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "jwks_uri": issuer.jwks_uri,
        "introspection_endpoint": issuer.introspection_endpoint,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [issuer.signing_key.algorithm],
    }


def well_known_paths(issuer: LocalIssuer) -> list[str]:
    """Where the issuer's metadata is found, in the forms it serves; a slash that ends its path is dropped first."""
    path = urlsplit(issuer.issuer).path.rstrip("/")
    return [_WELL_KNOWN[form].format(path=path) for form in issuer.discovery]


def respond(issuer: LocalIssuer, path: str, if_none_match: str) -> Response:
    """Answer a GET of this path, as a well-behaved issuer does."""
    cache_control = {} if issuer.cache_control is None else {"Cache-Control": issuer.cache_control}
    if path == JWKS_PATH:
        response = Response.of_json(200, issuer.jwks)
        etag = f'"{hashlib.sha256(response.body).hexdigest()[:16]}"'
        headers = {**response.headers, "ETag": etag, **cache_control}
        # RFC 9110 13.1.2: a list of entity tags, any of which may match
        if etag in [tag.strip() for tag in if_none_match.split(",")]:
            return Response(304, headers=headers)
        return Response(200, response.body, headers)
    if path in well_known_paths(issuer):
        return Response.of_json(200, metadata(issuer), **cache_control)
    return Response.of_json(404, {"error": "not_found"})
