"""`TokenGuard`: built once, shared by every thread and task; checks the access tokens of requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tokenguard._checks import require_flag, require_number, string_tuple
from tokenguard.config import MAX_LEEWAY, HTTPSettings, Issuer, Limits
from tokenguard.core import credentials, pipeline
from tokenguard.core.challenge import Challenge, write_challenge
from tokenguard.core.effects import Flow
from tokenguard.core.model import AccessToken, Request, Verified
from tokenguard.core.requirements import Requirement, Scopes, authorize, one_of
from tokenguard.errors import ConfigurationError, Denied, Unavailable
from tokenguard.resolver import IssuerResolver
from tokenguard.runtime import observe
from tokenguard.runtime.drivers import arun, run
from tokenguard.runtime.health import Health
from tokenguard.runtime.http import tls_context
from tokenguard.runtime.introspector import Clocks
from tokenguard.runtime.issuers import Issuers, issuer_configs
from tokenguard.runtime.tokencache import BoundedMemory
from tokenguard.settings import arguments_from_environ, arguments_from_mapping

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.1, 5.6.2


class TokenGuard:
    """Checks access tokens for one resource server.

    `audience`: our identifier, or several, as issuers put it into `aud`. `issuers`: whom we trust; a string means
    `Issuer(string)`, and one `IssuerResolver` may be among them, for the issuers in a table of yours. `leeway`:
    seconds of clock skew forgiven, 300 at most. `clock`: epoch seconds; `monotonic`: seconds, for caches.
    `token_cache`: verified tokens remembered, 0 for none. `realm`: named in challenges, the host of the (first)
    audience by default. `form_body`: also accept `access_token` in a form body (RFC 6750 2.2), and refuse forms over
    64 KiB. `limits`, `http`: see there. `request_id_header`: whose value is put into log records.

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
        issuers: Iterable[str | Issuer | IssuerResolver],
        leeway: float = 30,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        token_cache: int = 10_000,
        realm: str | None = None,
        form_body: bool = False,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        http: HTTPSettings = HTTPSettings(),  # noqa: B008 - frozen
        request_id_header: str = "x-request-id",
    ) -> None:
        audiences = string_tuple("audience", audience)
        listed, resolver = issuer_configs(issuers)
        require_number("leeway", leeway, low=0, high=MAX_LEEWAY)
        require_number("token_cache", token_cache, low=0)
        require_flag("form_body", form_body)
        if not callable(clock) or not callable(monotonic):
            raise ConfigurationError("clock and monotonic must be callables that answer seconds")
        if realm is not None and (not isinstance(realm, str) or not realm.isprintable() or not realm.isascii()):
            raise ConfigurationError("realm must be a string of printable ASCII characters")
        if not isinstance(request_id_header, str) or not _FIELD_NAME.fullmatch(request_id_header):
            raise ConfigurationError("request_id_header must be the name of a header field")
        if not isinstance(limits, Limits) or not isinstance(http, HTTPSettings):
            raise ConfigurationError("limits must be a Limits, http an HTTPSettings")
        _check_http(http)

        self._clock = clock
        self._monotonic = monotonic
        self._realm = realm or _host(audiences[0])
        self._request_id_header = request_id_header.lower()
        self._issuers = Issuers(listed, resolver, audiences, http, Clocks(clock, monotonic, leeway), limits)
        self._ask = self._issuers.ask
        self._tokens = BoundedMemory[Verified](token_cache) if token_cache else None
        self._setup = self._issuers.setup(form_body=form_body, tokens=self._tokens)

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
        return write_challenge(error, self._realm)

    def wants_form_body(self, method: str, content_type: str) -> bool:
        """Must an adapter hand over the request's body, since a token may be in it?"""
        return self._setup.form_body and credentials.may_hold_form_token(method, [content_type])

    # -- running ---------------------------------------------------------------------------------------------------

    @property
    def issuers(self) -> tuple[str, ...]:
        """The identifiers of the issuers in the list; those that an `IssuerResolver` knows are not in it."""
        return tuple(self._setup.issuers)

    def add_issuer(self, issuer: str | Issuer) -> None:
        """Trust one more issuer from the next request on, or one of the list with other settings.

        In this process, as `remove_issuer`. Raises `ConfigurationError`, and then nothing is changed.
        """
        configs, resolver = issuer_configs([issuer])
        if resolver is not None:
            raise ConfigurationError("add_issuer takes a string or an Issuer, not an IssuerResolver")
        with self._issuers.changing:
            self._setup = self._issuers.added(configs[0], self._setup)

    def remove_issuer(self, issuer: str) -> bool:
        """Trust an issuer no more: its tokens are refused from the next request on, remembered ones too.

        What an `IssuerResolver` answered for it is forgotten, None too, and it is looked up for its next token: take
        it out of the table first. Whatever request is under way ends as it would have. True if there was
        something to remove. In this process: tell each worker.
        """
        with self._issuers.changing:
            setup = self._issuers.without(issuer, self._setup)
            if setup is None:
                return False
            self._setup = setup
        if self._tokens is not None:  # none of them would be let in; this is to keep nothing of what they say
            self._tokens.discard(lambda verified: verified.configured == issuer)
        return True

    def health(self) -> Health:
        """The state of each issuer's keys, and of asking it, for a readiness endpoint. Waits for nothing.

        Where keys are missing or too old to serve, it also begins to fetch them, cool-down permitting: a service that
        gets no requests before it is ready would otherwise never be.
        """
        return self._issuers.health()

    def warm(self, issuers: Iterable[str] | None = None) -> None:
        """Fetch keys before the first request: of every issuer in the list, or of those named, looked up if need be.

        Raises `Unavailable` if some can't be had, `ConfigurationError` for a name that is no issuer's.
        """
        try:
            self._issuers.warm(issuers)
        except Unavailable as error:
            self._report(error, None)
            raise

    async def awarm(self, issuers: Iterable[str] | None = None) -> None:
        """`warm`, for async code."""
        try:
            await self._issuers.awarm(issuers)
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

    def _report(self, error: Denied | Unavailable, source: Request | str | None) -> None:
        if not observe.wants(error):
            return
        token = request_id = None
        if isinstance(source, Request):
            request_id = next(iter(source.header_values(self._request_id_header)), None)
            with contextlib.suppress(Denied):
                token = credentials.read_credential(source, form_body=self._setup.form_body).token
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
