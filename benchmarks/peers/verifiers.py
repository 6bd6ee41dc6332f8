"""Verifiers that know key sets or belong to a framework, called without a request around them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from benchmarks.peers import Peer
from tokenguard.testing import LocalIssuer


def _auth0(local: LocalIssuer) -> Callable[[str], Any]:
    from auth0_api_python import ApiClient, ApiClientOptions

    async def fetch(url: str) -> dict[str, Any]:
        return local.jwks if url == local.jwks_uri else {"issuer": local.issuer, "jwks_uri": local.jwks_uri}

    domain = local.issuer.removeprefix("https://")
    options = ApiClientOptions(
        domain=domain, audience=local.audience, custom_fetch=fetch, cache_ttl_seconds=3_600, dpop_enabled=False
    )
    return ApiClient(options).verify_access_token


def _fastmcp(local: LocalIssuer) -> Callable[[str], Any]:
    from fastmcp.server.auth.providers.jwt import JWTVerifier

    logging.getLogger("fastmcp").setLevel(logging.CRITICAL)  # it prints a box for each token it refuses
    return JWTVerifier(
        jwks_uri=local.jwks_uri,
        issuer=local.issuer,
        audience=local.audience,
        algorithm=local.signing_key.algorithm,
    ).verify_token


def _flask_jwt_extended(local: LocalIssuer) -> Callable[[str], Any]:
    from flask import Flask
    from flask_jwt_extended import JWTManager, decode_token

    app = Flask(__name__)
    app.config.update(
        JWT_ALGORITHM=local.signing_key.algorithm,
        JWT_PUBLIC_KEY=local.signing_key.public_pem.decode(),
        JWT_DECODE_AUDIENCE=local.audience,
        JWT_DECODE_ISSUER=local.issuer,
    )
    JWTManager(app)
    app.app_context().push()  # decode_token reads the app's settings; it stays for the process
    return decode_token


def _simplejwt(local: LocalIssuer) -> Callable[[str], Any]:
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            SECRET_KEY="x" * 50,
            INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework_simplejwt"],
            SIMPLE_JWT={"TOKEN_TYPE_CLAIM": None},  # its own kind of claim, which no authorization server sends
        )
        django.setup()
    from rest_framework_simplejwt.backends import TokenBackend
    from rest_framework_simplejwt.tokens import AccessToken

    backend = TokenBackend(
        local.signing_key.algorithm,
        verifying_key=local.signing_key.public_pem.decode(),
        audience=local.audience,
        issuer=local.issuer,
    )

    class Checked(AccessToken):  # the settings, and so its own backend, are the process's
        def get_token_backend(self) -> Any:
            return backend

    return Checked


PEERS = (
    Peer("auth0-api-python", _auth0, algorithms=("RS256",), is_async=True),
    Peer("fastmcp JWTVerifier", _fastmcp, is_async=True),
    Peer("flask-jwt-extended", _flask_jwt_extended),
    Peer("simplejwt", _simplejwt),
)
