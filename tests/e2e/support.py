"""A real authorization server for the tests, and the OAuth clients registered with it."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from contextlib import nullcontext
from hashlib import sha256
from typing import Any, Self
from urllib.parse import quote

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from .login import Browser
from .server import Server

API, OTHER_API = "https://api.example.com", "https://other.example.com"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
SERVICE, SERVICE_SECRET = "orders-service", "orders-service-secret"
MACHINE, MACHINE_SECRET = "orders-machine", "orders-machine-secret"  # its tokens are bound to its certificate
APP, APP_CALLBACK = "orders-app", "https://app.example.com/callback"
# public as well, and told of logouts: one with the session, which is then in its access tokens too, one without
WEB, PHONE = "orders-web", "orders-phone"
DOCS = "orders-docs"  # public, redirects to /docs/oauth2-redirect on any port of 127.0.0.1, may call from there

API_SECRET = "orders-api-secret/+%:"
API_KEY = ec.generate_private_key(ec.SECP256R1())
OPAQUE = "opaque"

JWK = dict[str, Any]


def signing_keys() -> list[JWK]:
    """Three new private JWKs, which serve all of ALGORITHMS; the server makes each one's kid from its thumbprint."""
    keys = (
        RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True),
        ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True),
        OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True),
    )
    # Without key_ops: the server would publish the private key's "sign" with the public key.
    return [{name: value for name, value in key.items() if name != "key_ops"} for key in keys]


class Provider:
    """oidc-provider on loopback: runs once built, and is a context manager that ends it.

    `path` is a prefix of the issuer identifier, such as "/tenant"; `issuer` stays the same through `kill` and
    `restart`. Each token method asks for a token signed with `alg`, one of ALGORITHMS.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._keys = signing_keys()
        self._start(port=0)
        self._http = httpx.Client(trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._http.close()

    @property
    def metadata(self) -> dict[str, Any]:
        """The OpenID discovery document, fetched anew."""
        return _answer(self._http.get(f"{self.issuer}/.well-known/openid-configuration"))

    @property
    def jwks(self) -> list[JWK]:
        """The published keys, fetched anew."""
        keys: list[JWK] = _answer(self._http.get(self.metadata["jwks_uri"]))["keys"]
        return keys

    @property
    def key_fetches(self) -> int:
        """How often the keys were fetched since the server started, by whomever."""
        return int(self._http.get(f"{self._server.ready['control']}/control/key-fetches").text)

    def client_credentials_token(self, scope: str = "orders:read", alg: str = "RS256", audience: str = API) -> str:
        """An access token that the confidential client got for itself; an empty `scope` asks for none.

        With OPAQUE in place of an `alg` it is an opaque one, for the audience API.
        """
        form = {"grant_type": "client_credentials", "client_id": SERVICE, "client_secret": SERVICE_SECRET}
        return self._tokens(form | {"scope": scope, "resource": resource(alg, audience)})["access_token"]

    def certificate_bound_token(self, pem: str, scope: str = "orders:read", alg: str = "RS256") -> str:
        """An access token that is bound to a certificate (RFC 8705 3), with which a client asked for it."""
        form = {"grant_type": "client_credentials", "client_id": MACHINE, "client_secret": MACHINE_SECRET}
        certificate = {"X-Client-Certificate": quote(pem)}
        answer = self._http.post(
            self.metadata["token_endpoint"],
            data=form | {"scope": scope, "resource": resource(alg)},
            headers=certificate,
        )
        token: str = _answer(answer)["access_token"]
        return token

    def user_tokens(
        self,
        scope: str = "orders:read",
        alg: str = "RS256",
        subject: str = "alice",
        client: str = APP,
        browser: Browser | None = None,
    ) -> dict[str, str]:
        """What a public client gets once `subject` logged in and consented: access_token, id_token, refresh_token.

        `browser`: where that happens, and the session stays; another one each time if none is given.
        """
        verifier = secrets.token_urlsafe(32)
        request = {
            "client_id": client,
            "response_type": "code",
            "redirect_uri": APP_CALLBACK,
            "scope": f"openid offline_access {scope}",
            "prompt": "consent",  # without it there is no offline_access, so no refresh token (OpenID Connect Core 11)
            "resource": resource(alg),
            # RFC 7636 4.2
            "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        with nullcontext(browser) if browser is not None else Browser() as used:
            code = used.authorization_code(self.metadata["authorization_endpoint"], request, subject)
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return self._tokens(form | {"client_id": client, "redirect_uri": APP_CALLBACK, "resource": resource(alg)})

    def tell_of_logouts(self, uri: str) -> None:
        """Have the clients WEB and PHONE told of logouts here from now on."""
        self._http.post(f"{self._server.ready['control']}/control/logout-uri", json=uri).raise_for_status()

    def log_out(self, browser: Browser) -> None:
        """End the session that the server has with this browser; its clients have been told when this returns."""
        browser.log_out(self.metadata["end_session_endpoint"])

    def refresh(self, refresh_token: str, alg: str = "RS256") -> dict[str, str]:
        """New tokens for the public client; the refresh token among them replaces the one given."""
        form = {"grant_type": "refresh_token", "client_id": APP, "refresh_token": refresh_token}
        return self._tokens(form | {"resource": resource(alg)})

    def revoke(self, token: str) -> None:
        """Have the confidential client revoke a token of its own (RFC 7009 2.1)."""
        form = {"token": token, "client_id": SERVICE, "client_secret": SERVICE_SECRET}
        self._http.post(self.metadata["revocation_endpoint"], data=form).raise_for_status()

    def rotate(self, *, retain: bool = True) -> None:
        """Sign with new keys from now on; the old ones stay published, or are gone at once with `retain=False`."""
        self._keys = signing_keys() + (self._keys if retain else [])
        self._http.post(f"{self._server.ready['control']}/control/keys", json=self._keys).raise_for_status()

    def kill(self) -> None:
        """End the server as a crash would; its grants and refresh tokens are lost, its keys are not."""
        self._server.kill()

    def restart(self) -> None:
        """Start the killed server again, on the same port and with the same keys."""
        self._start(port=httpx.URL(self.issuer).port)

    def _start(self, port: int | None) -> None:
        self._server = Server({"port": port, "path": self._path, "keys": self._keys, "apiKeys": _public_keys()})
        self.issuer = self._server.ready["issuer"]

    def _tokens(self, form: dict[str, str]) -> dict[str, str]:
        return _answer(self._http.post(self.metadata["token_endpoint"], data=form))


def _public_keys() -> list[JWK]:
    """The resource server's own, for private_key_jwt."""
    return [ECAlgorithm.to_jwk(API_KEY.public_key(), as_dict=True)]


def resource(alg: str = "RS256", audience: str = API) -> str:
    """The resource indicator (RFC 8707) that asks for a token with this audience, signed with `alg`."""
    return f"{audience}/{alg}"


def _answer(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, f"{response.status_code} from {response.url.path}: {response.text}"
    body: dict[str, Any] = response.json()
    return body
