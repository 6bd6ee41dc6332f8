"""LocalIssuer: an authorization server for tests, as far as a resource server sees one."""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from tokenguard.testing.broken import Broken, break_token
from tokenguard.testing.documents import JWKS_PATH, Discovery, metadata, respond
from tokenguard.testing.dpop import DPoPKey, confirmation
from tokenguard.testing.faults import Fault, Misbehaviour
from tokenguard.testing.jws import compact
from tokenguard.testing.keys import SigningKey, signer
from tokenguard.testing.opaque import INTROSPECTION_PATH, SIGNED_TYPE, OpaqueTokens, has_secret, respond_to_post
from tokenguard.testing.server import LOOPBACK, LoopbackServer, SeenRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_LIFETIME = 300  # seconds
#: what makes a JWT a logout token (OpenID Connect Back-Channel Logout 2.4)
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class LocalIssuer:
    """Issues tokens, publishes keys, and misbehaves on demand.

    `issuer` is its identifier, https://issuer.test if none is given; `audience` is whom its tokens are for;
    `algorithm` is one of `ALGORITHMS`; `clock` tells epoch seconds. The first key is made when it is first needed,
    unless a `signing_key` is given (which then decides the algorithm): issuers that share one spare the time of
    making RSA keys, but do not tell each other's tokens apart by signature.

    Attributes that may be set at any time: `extra_keys`, published after its own as they are, readable or not;
    `cache_control`, sent with documents if not None; `discovery`, the forms of metadata that are served.
    `resource_server`, the client id and secret with which its introspection endpoint may be asked.
    `requests` lists what its server has been asked.
    """

    def __init__(
        self,
        issuer: str | None = None,
        *,
        audience: str | tuple[str, ...] = "https://api.example.com",
        algorithm: str = "RS256",
        signing_key: SigningKey | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer or "https://issuer.test"
        self.audience = audience
        self.clock = clock
        self.extra_keys: list[dict[str, Any]] = []
        self.cache_control: str | None = None
        self.discovery: tuple[Discovery, ...] = ("oauth", "openid")
        self.requests: list[SeenRequest] = []
        self.resource_server = ("api", "api-secret")
        self._opaque = OpaqueTokens()
        self.base_url = urljoin(self.issuer, "/").rstrip("/")
        self._named_by_caller = issuer is not None
        self._algorithm = algorithm
        self._keys = [] if signing_key is None else [signing_key]
        self._first_key = threading.Lock()
        self._server: LoopbackServer | None = None

    # Keys

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs."""
        return self.published_keys()[0]

    @property
    def jwks(self) -> dict[str, Any]:
        """The JWK Set as published: the signing key, then older ones, then `extra_keys`; the caller's own to change."""
        return {"keys": [*(key.jwk for key in self.published_keys()), *map(dict, self.extra_keys)]}

    @property
    def jwks_uri(self) -> str:
        """Where `serve` publishes the key set."""
        return self.base_url + JWKS_PATH

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata document as published (RFC 8414 2)."""
        return metadata(self)

    def rotate(self, *, keep: int = 1, algorithm: str | None = None, kid: str | None = None) -> None:
        """Sign with a new key from now on; the last `keep` older ones stay published.

        The new key has the old one's algorithm and a random kid, unless others are given.
        """
        old = self.published_keys()
        self._keys = [SigningKey.generate(algorithm or old[0].algorithm, kid), *old[:keep]]

    def retire(self) -> None:
        """Publish no key but the signing one, and no `extra_keys`."""
        self._keys = [self.signing_key]
        self.extra_keys.clear()

    def published_keys(self) -> list[SigningKey]:
        """The keys, newest first; the list is replaced and never changed, so that a server's thread may read it."""
        with self._first_key:
            if not self._keys:
                self._keys = [SigningKey.generate(self._algorithm)]
            return self._keys

    # Tokens

    def mint(
        self,
        *,
        header: Mapping[str, Any] | None = None,
        without: str | Iterable[str] = (),
        algorithm: str | None = None,
        key: SigningKey | bytes | None = None,
        dpop_key: DPoPKey | None = None,
        certificate: bytes | None = None,
        **claims: Any,
    ) -> str:
        """Issue an access token (RFC 9068 2): valid for 300 seconds, for `audience`, without a scope.

        `claims` come on top of the usual ones, and `without` names claims to leave out. `header` members come on top
        of `alg`, `typ` and `kid`, and a value of None leaves one out; they do not change how the token is signed.
        `algorithm` does: another one of the key's type, "none" for no signature, HS256 to HS512 with bytes for a
        `key`. `key` is any key, published or not. ValueError if the key can't sign under the algorithm.

        `dpop_key` and `certificate`, DER bytes, are whom the token is bound to (RFC 9449 6.1, RFC 8705 3.1), unless
        `claims` has a `cnf` of its own.
        """
        claims = confirmation(dpop_key, certificate) | claims
        return self._sign(
            self._claims(claims, without), {"typ": "at+jwt", **(header or {})}, algorithm=algorithm, key=key
        )

    def id_token(self, **claims: Any) -> str:
        """Issue an OpenID ID token for client-1, signed with the same key: no access token, whatever the API."""
        now = int(self.clock())
        usual = {"iss": self.issuer, "aud": "client-1", "sub": "user-1", "nonce": secrets.token_urlsafe(12)}
        times = {"iat": now, "exp": now + _LIFETIME, "auth_time": now}
        return self._sign(usual | times | claims, {"typ": "JWT"})

    def logout_token(
        self,
        *,
        header: Mapping[str, Any] | None = None,
        without: str | Iterable[str] = (),
        algorithm: str | None = None,
        key: SigningKey | bytes | None = None,
        **claims: Any,
    ) -> str:
        """Issue a logout token for client-1 (OpenID Connect Back-Channel Logout 2.4), valid for two minutes.

        It ends what user-1 has; give `sid` for one session. The arguments are those of `mint`.
        """
        now = int(self.clock())
        usual = {"aud": "client-1", "exp": now + 120, "events": {LOGOUT_EVENT: {}}}
        claims = self._claims(usual | claims, {"client_id", *({without} if isinstance(without, str) else without)})
        return self._sign(claims, {"typ": "logout+jwt", **(header or {})}, algorithm=algorithm, key=key)

    def broken(self, kind: Broken | str, **claims: Any) -> str:
        """Issue an access token that is wrong in one way; ValueError if `Broken` has no such kind."""
        return break_token(self, Broken(kind), claims)

    def _claims(self, claims: Mapping[str, Any], without: str | Iterable[str]) -> dict[str, Any]:
        now = int(self.clock())
        usual = {"iss": self.issuer, "aud": self.audience, "sub": "user-1", "client_id": "client-1"}
        times = {"iat": now, "exp": now + _LIFETIME, "jti": secrets.token_urlsafe(12)}
        left_out = {without} if isinstance(without, str) else set(without)
        return {name: value for name, value in {**usual, **times, **claims}.items() if name not in left_out}

    def _sign(
        self,
        payload: Mapping[str, Any],
        header: dict[str, Any],
        *,
        algorithm: str | None = None,
        key: SigningKey | bytes | None = None,
    ) -> str:
        key = self.signing_key if key is None else key
        algorithm, sign = signer(key, algorithm)
        kid = self.signing_key.kid if isinstance(key, bytes) else key.kid
        members = {"alg": algorithm, "kid": kid} | header
        return compact({name: value for name, value in members.items() if value is not None}, payload, sign)

    # Opaque tokens

    @property
    def introspection_endpoint(self) -> str:
        """Where `serve` answers questions about tokens (RFC 7662 2)."""
        return self.base_url + INTROSPECTION_PATH

    def mint_opaque(
        self,
        *,
        prefix: str = "",
        without: str | Iterable[str] = (),
        dpop_key: DPoPKey | None = None,
        certificate: bytes | None = None,
        **members: Any,
    ) -> str:
        """Issue an opaque access token; the arguments and the usual members are those of `mint`.

        `prefix` is how it begins. `introspect` tells what it means, and so does the introspection endpoint.
        """
        members = confirmation(dpop_key, certificate) | members
        return self._opaque.issue(self._claims(members, without), prefix)

    def revoke(self, token: str) -> None:
        """Call a token inactive from now on, opaque or JWT: only who asks will know."""
        self._opaque.revoke(token)

    def introspect(self, token: str) -> dict[str, Any]:
        """What the endpoint answers about a token, opaque or JWT: its members, or just that it is not active."""
        return self._opaque.members(self, token)

    def signed_introspection(self, members: Mapping[str, Any], *, typ: str = SIGNED_TYPE, **claims: Any) -> str:
        """The signed form of an answer (RFC 9701 5), for the client of `resource_server`; `claims` come on top."""
        usual = {"iss": self.issuer, "aud": self.resource_server[0], "iat": int(self.clock())}
        return self._sign(usual | {"token_introspection": dict(members)} | claims, {"typ": typ})

    def authenticates(self, request: SeenRequest, form: Mapping[str, str]) -> bool:
        """May whoever sent this ask about tokens? Replace it on an instance for other means than a client secret."""
        return has_secret(self.resource_server, request, form)

    # Server

    @contextmanager
    def serve(self, port: int = 0, *, path: str = "") -> Iterator[Self]:
        """Publish metadata and keys over HTTP on 127.0.0.1 until the context ends.

        An issuer without a given identifier becomes http://127.0.0.1:PORT plus `path`, and stays so afterwards.
        Port 0 takes any free one. ValueError for a `path` beside a given identifier.
        """
        if path and self._named_by_caller:
            raise ValueError("path is part of the issuer identifier that was given")
        server = LoopbackServer(port, partial(respond, self), self.requests, partial(respond_to_post, self))
        self.base_url = f"http://{LOOPBACK}:{server.port}"
        if not self._named_by_caller:
            self.issuer = self.base_url + path
        self._server = server
        try:
            yield self
        finally:
            self._server = None
            server.close()

    def count(self, path: str) -> int:
        """How many requests the server has had for this path, whatever the query."""
        return sum(urlsplit(request.path).path == path for request in self.requests)

    def misbehave(
        self,
        fault: Fault | str,
        *,
        path: str | None = None,
        seconds: float = 1.0,
        url: str = "https://elsewhere.test/",
    ) -> None:
        """Put a `Fault` in force, on one path ("/jwks") or on all that have none of their own, until `behave`.

        `seconds` is the delay of slow and the interval of drip; `url` is what redirect, wrong_issuer and
        wrong_jwks_uri name. The port is the whole server's, so down takes no path and replaces the other faults.
        RuntimeError unless served; ValueError if there is no such fault.
        """
        misbehaviour = Misbehaviour(Fault(fault), seconds, url)
        if misbehaviour.fault is Fault.DOWN and path is not None:
            raise ValueError("a server is down for every path")
        self._running.misbehave(path, misbehaviour)

    def behave(self) -> None:
        """End all faults; answers that were held back come now. RuntimeError unless served."""
        self._running.behave()

    @property
    def _running(self) -> LoopbackServer:
        if self._server is None:
            raise RuntimeError("the issuer has no server: use `with issuer.serve():`")
        return self._server
