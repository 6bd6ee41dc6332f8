"""`TokenGuard`: built once, shared by every thread and task; checks the access tokens of requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tokenguard._checks import require_field_name, require_flag, require_number, string_tuple
from tokenguard.config import MAX_LEEWAY, TENANT_PLACE, HTTPSettings, Issuer, Limits
from tokenguard.core import pipeline
from tokenguard.core.challenge import Challenge, write_challenge
from tokenguard.core.credentials import may_hold_form_token, read_credential
from tokenguard.core.effects import Flow
from tokenguard.core.model import AccessToken, Credential, Request, Verified
from tokenguard.core.remote import introspecting
from tokenguard.core.requirements import Requirement, Scopes, authorize, one_of
from tokenguard.core.trust import Senders, Setup
from tokenguard.errors import ConfigurationError, Denied, Unavailable
from tokenguard.possession import MTLS, DPoP
from tokenguard.proxies import TrustedProxies
from tokenguard.runtime import observe
from tokenguard.runtime.drivers import arun, run
from tokenguard.runtime.health import Health
from tokenguard.runtime.http import tls_context
from tokenguard.runtime.introspector import Clocks
from tokenguard.runtime.issuers import Issuers, issuer_configs
from tokenguard.runtime.senders import build_senders
from tokenguard.runtime.tokencache import BoundedMemory
from tokenguard.settings import arguments_from_environ, arguments_from_mapping
from tokenguard.stores.replays import MemoryReplays

#: headers remembered: a handful of keys and types an issuer
_HEADERS_AN_ISSUER = 16


class TokenGuard:
    """Checks access tokens for one resource server.

    `audience`: our identifier, or several, as issuers put it into `aud`. `issuers`: whom we trust; a string means
    `Issuer(string)`. `leeway`: seconds of clock skew forgiven, 300 at most. `clock`: epoch seconds; `monotonic`:
    seconds, for caches. `token_cache`: verified tokens remembered, 0 for none. `realm`: named in challenges, the
    host of the (first) audience by default. `form_body`: also accept `access_token` in a form body (RFC 6750 2.2),
    and refuse forms over 64 KiB. `limits`, `http`: see there. `request_id_header`: whose value is put into log records.
    `dpop`, `mtls`: accept tokens that are bound to their sender, which are refused otherwise; `proxies`: who may speak
    for a client's certificate and for the URL that it addressed.

    Raises `ConfigurationError`, naming the setting. Opens no socket and starts no thread before it must.

    >>> from tokenguard.testing import LocalIssuer
    >>> local = LocalIssuer()
    >>> guard = TokenGuard(audience=local.audience, issuers=[Issuer(local.issuer, jwks=local.jwks)])
    >>> token = guard.validate(local.mint(sub="alice", scope="orders:read"))
    >>> token.subject, sorted(token.scopes)
    ('alice', ['orders:read'])
    """

    def __init__(
        self,
        *,
        audience: str | Iterable[str],
        issuers: Iterable[str | Issuer],
        leeway: float = 30,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        token_cache: int = 10_000,
        realm: str | None = None,
        form_body: bool = False,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        http: HTTPSettings = HTTPSettings(),  # noqa: B008 - frozen
        request_id_header: str = "x-request-id",
        dpop: DPoP | None = None,
        mtls: MTLS | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        audiences = string_tuple("audience", audience)
        configs = issuer_configs(issuers)
        require_number("leeway", leeway, low=0, high=MAX_LEEWAY)
        require_number("token_cache", token_cache, low=0)
        require_flag("form_body", form_body)
        if not callable(clock) or not callable(monotonic):
            raise ConfigurationError("clock and monotonic must be callables that answer seconds")
        if realm is not None and (not isinstance(realm, str) or not realm.isprintable() or not realm.isascii()):
            raise ConfigurationError("realm must be a string of printable ASCII characters")
        require_field_name("request_id_header", request_id_header)
        if not isinstance(limits, Limits) or not isinstance(http, HTTPSettings):
            raise ConfigurationError("limits must be a Limits, http an HTTPSettings")
        _check_http(http)
        replays = dpop.replays if isinstance(dpop, DPoP) and dpop.replays is not None else MemoryReplays()
        senders = build_senders(dpop, mtls, proxies, replays=replays, keys=token_cache, leeway=leeway)

        self._clock = clock
        self._monotonic = monotonic
        self._realm = realm or _host(audiences[0])
        self._request_id_header = request_id_header.lower()
        self._issuers = Issuers(configs, audiences, http, Clocks(clock, monotonic, leeway), limits, replays=replays)
        self._ask = self._issuers.ask
        trusted = self._issuers.trusted
        self._setup = Setup(
            issuers=trusted,
            only=trusted[configs[0].issuer] if len(configs) == 1 else None,
            algorithms=frozenset(name for config in configs for name in config.algorithms),
            limits=limits,
            leeway=leeway,
            form_body=form_body,
            tokens=BoundedMemory[Verified](token_cache) if token_cache else None,
            headers=BoundedMemory(_HEADERS_AN_ISSUER * len(configs)),
            introspecting=introspecting(trusted.values()),
            of_many_tenants=tuple(each for issuer, each in trusted.items() if TENANT_PLACE in issuer),
            senders=senders,
        )
        self._dpop = dpop

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """A guard from a mapping of this class's arguments; issuers, http and limits may be mappings in turn.

        >>> guard = TokenGuard.from_mapping(
        ...     {
        ...         "audience": "https://api.example.com",
        ...         "issuers": [{"issuer": "https://auth.example.com", "profile": "jwt"}],
        ...     }
        ... )
        >>> guard.issuers
        ('https://auth.example.com',)
        """
        return cls(**arguments_from_mapping(settings))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, prefix: str = "TOKENGUARD_") -> Self:
        """A guard from environment variables: TOKENGUARD_AUDIENCE, TOKENGUARD_ISSUERS and those in `settings`."""
        return cls(**arguments_from_environ(os.environ if environ is None else environ, prefix))

    # -- checking --------------------------------------------------------------------------------------------------

    def validate(self, raw: str) -> AccessToken:
        """Check a bare Bearer token, without an HTTP request around it.

        Raises `InvalidToken` or `Unavailable`. Checks no scope.
        """
        try:
            return run(pipeline.validate(self._setup, raw, self._clock(), self._monotonic()), self._ask)
        except (Denied, Unavailable) as error:
            self._report(error, raw)
            raise

    async def avalidate(self, raw: str) -> AccessToken:
        """`validate`, for async code."""
        try:
            return await arun(pipeline.validate(self._setup, raw, self._clock(), self._monotonic()), self._ask)
        except (Denied, Unavailable) as error:
            self._report(error, raw)
            raise

    def authenticate(self, request: Request) -> AccessToken:
        """Who is it: everything but what the route demands. Once per request. Raises `Denied` or `Unavailable`."""
        return self._run(pipeline.authenticate(self._setup, request, self._clock(), self._monotonic()), request)

    async def aauthenticate(self, request: Request) -> AccessToken:
        """`authenticate`, for async code."""
        flow = pipeline.authenticate(self._setup, request, self._clock(), self._monotonic())
        return await self._arun(flow, request)

    def check(
        self, request: Request, scopes: Scopes | None = None, *, requirement: Requirement | None = None
    ) -> AccessToken:
        """Authenticate, then authorize: by `scopes` (see `Scopes`) or a whole `requirement`.

        Raises `Denied` or `Unavailable`.
        """
        wanted = one_of(scopes, requirement)
        return self._run(pipeline.check(self._setup, request, wanted, self._clock(), self._monotonic()), request)

    async def acheck(
        self, request: Request, scopes: Scopes | None = None, *, requirement: Requirement | None = None
    ) -> AccessToken:
        """`check`, for async code."""
        wanted = one_of(scopes, requirement)
        flow = pipeline.check(self._setup, request, wanted, self._clock(), self._monotonic())
        return await self._arun(flow, request)

    def authorize(self, token: AccessToken, requirement: Requirement) -> None:
        """May they: does a token that this guard verified meet the requirement? No I/O.

        Raises `InsufficientScope`, `InsufficientAuthentication`, `InvalidToken` (another issuer demanded), or
        `Unavailable` for a requirement with live=True, which needs `check` or `acheck`.
        """
        try:
            authorize(token, requirement, self._clock(), self._setup.leeway)
        except (Denied, Unavailable) as error:
            self._report(error, None)
            raise

    def confirm(self, request: Request, requirement: Requirement) -> AccessToken:
        """Ask live about the token of a request that was authenticated before, then authorize.

        For adapters, which authenticate a request once and authorize it as often as its routes say: this is
        `authorize` for a requirement with live=True. Raises `Denied` or `Unavailable`.
        """
        flow = pipeline.confirm(self._setup, request, requirement, self._clock(), self._monotonic())
        return self._run(flow, request)

    async def aconfirm(self, request: Request, requirement: Requirement) -> AccessToken:
        """`confirm`, for async code."""
        flow = pipeline.confirm(self._setup, request, requirement, self._clock(), self._monotonic())
        return await self._arun(flow, request)

    def challenge(self, error: Denied | Unavailable) -> Challenge:
        """The HTTP answer to a refusal: status, headers (WWW-Authenticate may repeat), and a body to send as JSON."""
        return write_challenge(error, self._realm, self._dpop)

    def response_headers(self, token: AccessToken | None) -> list[tuple[str, str]]:
        """Headers for the answer to a request that was let in with this token: the next nonce for DPoP, or none.

        With a nonce comes `Cache-Control: no-store`, which such an answer needs (RFC 9449 8.2).
        """
        proofs = self._setup.senders.dpop
        if token is None or proofs is None or proofs.nonces is None or "dpop" not in token.bound_by:
            return []
        if proofs.settings.nonces != "always":
            return []
        return [("DPoP-Nonce", proofs.nonces.make(self._clock())), ("Cache-Control", "no-store")]

    def wants_form_body(self, method: str, content_type: str) -> bool:
        """Must an adapter hand over the request's body, since a token may be in it?"""
        return self._setup.form_body and may_hold_form_token(method, [content_type])

    # -- running ---------------------------------------------------------------------------------------------------

    @property
    def issuers(self) -> tuple[str, ...]:
        """The identifiers of the configured issuers."""
        return tuple(self._setup.issuers)

    @property
    def senders(self) -> Senders:
        """What confirms the senders of bound tokens, for who looks after a deployment."""
        return self._setup.senders

    def health(self) -> Health:
        """The state of each issuer's keys, and of asking it, for a readiness endpoint. Waits for nothing.

        Where keys are missing or too old to serve, it also begins to fetch them, cool-down permitting: a service that
        gets no requests before it is ready would otherwise never be.
        """
        return self._issuers.health()

    def warm(self) -> None:
        """Fetch every issuer's keys before the first request; raises `Unavailable` if some can't be had."""
        try:
            self._issuers.warm()
        except Unavailable as error:
            self._report(error, None)
            raise

    async def awarm(self) -> None:
        """`warm`, for async code."""
        try:
            await self._issuers.awarm()
        except Unavailable as error:
            self._report(error, None)
            raise

    def close(self) -> None:
        """Stop fetching, for good, and end the I/O thread; keys at hand serve on until they are stale."""
        self._issuers.close()

    async def aclose(self) -> None:
        """`close`, for async code."""
        await asyncio.to_thread(self._issuers.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _run(self, flow: Flow[AccessToken], request: Request) -> AccessToken:
        try:
            return run(flow, self._ask)
        except (Denied, Unavailable) as error:
            self._report(error, request)
            raise

    async def _arun(self, flow: Flow[AccessToken], request: Request) -> AccessToken:
        try:
            return await arun(flow, self._ask)
        except (Denied, Unavailable) as error:
            self._report(error, request)
            raise

    def _credential(self, request: Request) -> Credential:
        setup = self._setup
        return read_credential(request, form_body=setup.form_body, dpop=setup.senders.dpop is not None)

    def _report(self, error: Denied | Unavailable, source: Request | str | None) -> None:
        if not observe.wants(error):
            return
        token = request_id = None
        if isinstance(source, Request):
            request_id = next(iter(source.header_values(self._request_id_header)), None)
            with contextlib.suppress(Denied):
                token = self._credential(source).token
        elif isinstance(source, str):
            token = source
        observe.refused(error, token=token, request_id=request_id)


def _host(audience: str) -> str:
    """The host of an audience that is a URL; any other audience whole."""
    try:
        return urlsplit(audience).hostname or audience
    except ValueError:
        return audience


def _check_http(http: HTTPSettings) -> None:
    try:
        if http.ca_file is not None:
            tls_context(http)
    except (OSError, ValueError):
        raise ConfigurationError(f"HTTPSettings.ca_file: {http.ca_file} holds no readable certificates") from None
