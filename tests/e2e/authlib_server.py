"""An authorization server of another make: Authlib's, in a small Flask app, whose JWTs can be introspected and revoked.

POST /token (client_credentials) gives an at+jwt (RFC 9068), /introspect answers for it (RFC 7662), /revoke ends it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, jsonify, request
from joserfc.jwk import KeySet
from jwt.algorithms import ECAlgorithm
from werkzeug.serving import WSGIRequestHandler, make_server

from tokenguard.testing import SigningKey

API = "https://api.example.com"


class Client(ClientMixin):  # type: ignore[misc] # ships no types
    """A confidential client; `asks` tells a resource server, which may ask about every token."""

    def __init__(self, client_id: str, client_secret: str, *, asks: bool = False) -> None:
        self.client_id, self.client_secret, self.asks = client_id, client_secret, asks

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.client_secret, client_secret)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method in {"client_secret_basic", "client_secret_post"}

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


class Token:
    """What the server remembers of a JWT that it issued."""

    def __init__(self, client: Client, scope: str, lifetime: int) -> None:
        self.client, self.scope = client, scope
        self.issued_at = int(time.time())
        self.expires_at = self.issued_at + lifetime
        self.revoked = False

    def check_client(self, client: Client) -> bool:
        return client is self.client

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked


def build_app(issuer: str, key: SigningKey, clients: Mapping[str, Client]) -> Flask:
    """The server as a Flask application."""
    issued: dict[str, Token] = {}

    def save(token: Mapping[str, Any], asked: Any) -> None:
        issued[token["access_token"]] = Token(asked.client, token.get("scope", ""), token["expires_in"])

    class ByToken:
        def query_token(self, token_string: str, _hint: str | None) -> Token | None:
            return issued.get(token_string)

    class Introspection(ByToken, IntrospectionEndpoint):  # type: ignore[misc]
        def check_permission(self, token: Token, client: Client, _request: object) -> bool:
            return client.asks or token.client is client

        def introspect_token(self, token: Token) -> dict[str, Any]:
            return {
                "active": True,  # Authlib has seen to the others
                "client_id": token.client.client_id,
                "sub": token.client.client_id,
                "token_type": "Bearer",
                "scope": token.scope,
                "aud": [API],
                "iss": issuer,
                "iat": token.issued_at,
                "exp": token.expires_at,
            }

    class Revocation(ByToken, RevocationEndpoint):  # type: ignore[misc]
        def revoke_token(self, token: Token, _request: object) -> None:
            token.revoked = True

    class Generator(JWTBearerTokenGenerator):  # type: ignore[misc]
        def get_jwks(self) -> KeySet:
            return KeySet.import_key_set({"keys": [jwk_of(key)]})

        def get_audiences(self, *_: object) -> list[str]:
            return [API]

    app = Flask(__name__)
    server = AuthorizationServer(app, query_client=clients.get, save_token=save)
    server.register_grant(grants.ClientCredentialsGrant)
    server.register_token_generator("default", Generator(issuer=issuer, alg=key.algorithm))
    server.register_endpoint(Introspection)
    server.register_endpoint(Revocation)

    @app.get("/.well-known/oauth-authorization-server")
    def metadata() -> Response:
        return jsonify(issuer=issuer, jwks_uri=f"{issuer}/jwks", introspection_endpoint=f"{issuer}/introspect")

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify(keys=[key.jwk])

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    @app.post("/introspect")
    def introspect() -> Any:
        assert request.content_type == "application/x-www-form-urlencoded"
        return server.create_endpoint_response(Introspection.ENDPOINT_NAME)

    @app.post("/revoke")
    def revoke() -> Any:
        return server.create_endpoint_response(Revocation.ENDPOINT_NAME)

    return app


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log(self, *_: object) -> None:
        """Nothing."""


def jwk_of(key: SigningKey) -> dict[str, Any]:
    """The private JWK, as Authlib wants to have it."""
    private: dict[str, Any] = ECAlgorithm.to_jwk(key.private, as_dict=True)  # type: ignore[arg-type]
    return private | {"kid": key.kid, "alg": key.algorithm}


@contextmanager
def authlib_server(clients: Mapping[str, Client]) -> Iterator[str]:
    """The server on loopback; its issuer identifier."""
    http = make_server("127.0.0.1", 0, Flask(__name__), threaded=True, request_handler=Quiet)
    issuer = f"http://127.0.0.1:{http.server_port}"
    http.app = build_app(issuer, SigningKey.generate("ES256"), clients)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
