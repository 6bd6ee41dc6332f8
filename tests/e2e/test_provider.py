"""The authorization server issues what the other end-to-end tests rely on; read with PyJWT, apart from tokenguard."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import OKPAlgorithm

from . import server
from .client import DPoPClient
from .server import Server
from .support import ALGORITHMS, API, APP, JWK, SERVICE, Provider, signing_keys

ACCESS_TOKEN_CLAIMS = {"jti", "sub", "iat", "exp", "scope", "client_id", "iss", "aud"}

# PyJWT has no "Ed25519", the RFC 9864 name for EdDSA with that curve.
JWS = jwt.PyJWS()
JWS.register_algorithm("Ed25519", OKPAlgorithm())


def read(token: str, keys: list[JWK]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The token's header and claims, once its signature is verified with the one of `keys` that its kid names."""
    header = jwt.get_unverified_header(token)
    (key,) = [key for key in keys if key["kid"] == header["kid"]]
    payload = JWS.decode(token, jwt.PyJWK(key).key, algorithms=[header["alg"]])
    return header, json.loads(payload)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_access_token_follows_the_rfc_9068_profile_in_every_algorithm(provider: Provider, alg: str) -> None:
    """A client_credentials token has the header and just the claims of RFC 9068 2, its client as subject, no nbf."""
    header, claims = read(provider.client_credentials_token(alg=alg), provider.jwks)
    assert header == {"alg": alg, "typ": "at+jwt", "kid": header["kid"]}
    assert claims.keys() == ACCESS_TOKEN_CLAIMS
    assert (claims["iss"], claims["aud"]) == (provider.issuer, API)
    assert claims["sub"] == claims["client_id"] == SERVICE
    assert claims["scope"] == "orders:read"
    assert claims["exp"] - claims["iat"] == 600


@pytest.mark.parametrize("alg", ["ES256", "Ed25519"])
def test_token_is_bound_to_the_key_of_a_client_with_dpop(provider: Provider, alg: str) -> None:
    """A client written by others asks with a proof, and `cnf` names its key (RFC 9449 6.1)."""
    with DPoPClient(provider, alg=alg) as client:
        _, claims = read(client.token, provider.jwks)
        assert client.token_type == "dpop"
        assert claims["cnf"] == {"jkt": client.thumbprint}


def test_token_is_bound_to_the_certificate_of_a_client_with_one(provider: Provider) -> None:
    """`cnf` has the SHA-256 of its DER (RFC 8705 3.1)."""
    pem = trustme.CA().issue_cert("client.example.com").cert_chain_pems[0].bytes()
    _, claims = read(provider.certificate_bound_token(pem.decode()), provider.jwks)
    digest = x509.load_pem_x509_certificate(pem).fingerprint(SHA256())
    assert claims["cnf"] == {"x5t#S256": urlsafe_b64encode(digest).rstrip(b"=").decode()}


def test_scope_is_absent_when_nothing_was_granted(provider: Provider) -> None:
    """A client that asks for no scope gets a token without the claim, not with an empty one."""
    _, claims = read(provider.client_credentials_token(scope=""), provider.jwks)
    assert claims.keys() == ACCESS_TOKEN_CLAIMS - {"scope"}


def test_both_scopes_are_granted_in_one_string(provider: Provider) -> None:
    """Several scopes come as one space-separated string (RFC 8693 4.2)."""
    _, claims = read(provider.client_credentials_token(scope="orders:read orders:write"), provider.jwks)
    assert claims["scope"] == "orders:read orders:write"


def test_user_logs_in_and_the_app_gets_access_and_id_token(provider: Provider) -> None:
    """The code flow gives an at+jwt for the API and an ID token for the app, both about the user."""
    tokens = provider.user_tokens(scope="orders:write", alg="ES256", subject="bob")
    keys = provider.jwks
    access_header, access = read(tokens["access_token"], keys)
    assert (access_header["typ"], access_header["alg"]) == ("at+jwt", "ES256")
    assert (access["sub"], access["client_id"], access["aud"]) == ("bob", APP, API)
    assert access["scope"] == "orders:write"
    id_header, identity = read(tokens["id_token"], keys)
    assert "typ" not in id_header
    assert (identity["sub"], identity["aud"], identity["iss"]) == ("bob", APP, provider.issuer)


def test_issuer_may_have_a_path() -> None:
    """An issuer below a path prefix names itself, its endpoints and its tokens so."""
    with Provider(path="/tenant") as provider:
        metadata = provider.metadata
        assert provider.issuer.endswith("/tenant")
        assert metadata["issuer"] == provider.issuer
        assert metadata["jwks_uri"].startswith(f"{provider.issuer}/")
        _, claims = read(provider.user_tokens()["access_token"], provider.jwks)
        assert claims["iss"] == provider.issuer


def test_key_set_comes_without_cache_control(provider: Provider) -> None:
    """The server says nothing about how long its keys may be kept, as many do."""
    response = httpx.get(provider.metadata["jwks_uri"], trust_env=False)
    assert "cache-control" not in response.headers


def test_published_keys_are_public_and_tied_to_no_more_than_they_must(provider: Provider) -> None:
    """One RSA key serves RS256 and PS256, one Ed25519 key both names, so neither names an alg; none is private."""
    assert {key["kty"]: key.get("alg") for key in provider.jwks} == {"RSA": None, "EC": "ES256", "OKP": None}
    assert not any("d" in key or "key_ops" in key for key in provider.jwks)


def test_rotation_signs_with_new_keys_and_keeps_the_old_ones_published(own_provider: Provider) -> None:
    """After a rotation tokens of every algorithm have a new kid, and the ones signed before still verify."""
    before = [own_provider.client_credentials_token(alg=alg) for alg in ALGORITHMS]
    own_provider.rotate()
    after = [own_provider.client_credentials_token(alg=alg) for alg in ALGORITHMS]
    keys = own_provider.jwks
    old = {read(token, keys)[0]["kid"] for token in before}
    new = {read(token, keys)[0]["kid"] for token in after}
    assert (len(old), len(new)) == (3, 3)
    assert not old & new


def test_rotation_may_drop_the_old_keys(own_provider: Provider) -> None:
    """With `retain=False` no key that was published before is published after."""
    before = {key["kid"] for key in own_provider.jwks}
    own_provider.rotate(retain=False)
    after = {key["kid"] for key in own_provider.jwks}
    assert len(after) == 3
    assert not before & after


def test_refresh_token_outlives_a_rotation(own_provider: Provider) -> None:
    """The server keeps its grants through a rotation: the app refreshes, and gets a token by a new key."""
    tokens = own_provider.user_tokens()
    own_provider.rotate(retain=False)
    refreshed = own_provider.refresh(tokens["refresh_token"])
    _, claims = read(refreshed["access_token"], own_provider.jwks)
    assert claims["sub"] == "alice"
    assert refreshed["refresh_token"] != tokens["refresh_token"]


def test_killed_server_comes_back_at_the_same_address_with_the_same_keys(own_provider: Provider) -> None:
    """Between kill and restart nothing listens; after it, a token from before verifies."""
    issuer, keys = own_provider.issuer, own_provider.jwks
    token = own_provider.client_credentials_token()
    own_provider.kill()
    with pytest.raises(httpx.ConnectError):
        httpx.get(issuer, trust_env=False)
    own_provider.restart()
    assert (own_provider.issuer, own_provider.jwks) == (issuer, keys)
    read(token, own_provider.jwks)


def test_server_ends_when_the_test_run_does() -> None:
    """The server lives on its standard input, so that a test run that is killed leaves none behind."""
    orphan = Server({"port": 0, "path": "", "keys": signing_keys()})
    assert orphan._process.stdin is not None
    orphan._process.stdin.close()
    try:
        assert orphan._process.wait(timeout=10) == 0
    finally:
        orphan.kill()


def test_missing_installation_is_a_failure_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without node_modules the tests fail, never skip, and name the command that installs it."""
    monkeypatch.setattr(server, "INSTALLED", tmp_path / "missing")
    with pytest.raises(RuntimeError, match="run make test, which installs it"):
        Provider()
