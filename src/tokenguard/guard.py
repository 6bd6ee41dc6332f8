"""`TokenGuard`: built once, shared by every thread and task; checks the access tokens of requests."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, Unpack

from tokenguard._checks import require_field_name, require_flag, require_number, string_tuple
from tokenguard.config import MAX_LEEWAY, HTTPSettings, Issuer, Limits
from tokenguard.core import pipeline
from tokenguard.core.challenge import Challenge, realm_of, write_challenge
from tokenguard.core.credentials import may_hold_form_token
from tokenguard.core.model import AccessToken, Request, Verified
from tokenguard.core.requirements import Requirement, Scopes, authorize, is_plainly_met, one_of
from tokenguard.core.revocation import Revocation, Store, WhenUnknown, require_when_unknown
from tokenguard.core.revoking import Named, revoke
from tokenguard.core.sender import next_nonce
from tokenguard.core.trust import Senders
from tokenguard.errors import ConfigurationError, Denied, Unavailable
from tokenguard.feeds.backchannel import MAX_REMEMBERED, Backchannel
from tokenguard.possession import MTLS, DPoP
from tokenguard.proxies import TrustedProxies
from tokenguard.resolver import IssuerResolver
from tokenguard.runtime.drivers import arun, run
from tokenguard.runtime.health import Health
from tokenguard.runtime.http import check_settings
from tokenguard.runtime.introspector import Clocks
from tokenguard.runtime.issuers import Issuers, issuer_configs
from tokenguard.runtime.reporting import Reporting
from tokenguard.runtime.revoking import Revoking
from tokenguard.runtime.senders import build_senders
from tokenguard.runtime.tokencache import BoundedMemory
from tokenguard.runtime.watching import Watches
from tokenguard.settings import arguments_from_environ, arguments_from_mapping
from tokenguard.stores import MemoryRevocations
from tokenguard.stores.replays import MemoryReplays


class TokenGuard:
    """Checks access tokens for one resource server (RFC 9068 4, RFC 6750).

    `audience`: our identifier, or several, as issuers put it into `aud`. `issuers`: whom we trust; a string means
    `Issuer(string)`, and one `IssuerResolver` may be among them, for the issuers in a table of yours. `leeway`:
    seconds of clock skew forgiven, 300 at most. `clock`: epoch seconds; `monotonic`: seconds, for caches.
    `token_cache`: verified tokens remembered, 0 for none. `realm`: named in challenges, the host of the (first)
    audience by default. `form_body`: also accept `access_token` in a form body (RFC 6750 2.2), and refuse forms over
    64 KiB. `limits`, `http`: see there. `request_id_header`: whose value is put into log records.
    `dpop`, `mtls`: accept tokens that are bound to their sender, which are refused otherwise; `proxies`: who may speak
    for a client's certificate and for the URL that it addressed.
    `revocations`: a store of them (`tokenguard.stores`), by default one in this process's memory;
    `when_revocations_unknown`: "closed" answers 503 where it can't tell, "open" lets the token in, with an alarm in the
    log.

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
        dpop: DPoP | None = None,
        mtls: MTLS | None = None,
        proxies: TrustedProxies | None = None,
        revocations: Store | None = None,
        when_revocations_unknown: WhenUnknown = "closed",
    ) -> None:
        audiences = string_tuple("audience", audience)
        listed, resolver = issuer_configs(issuers)
        require_number("leeway", leeway, low=0, high=MAX_LEEWAY)
        require_number("token_cache", token_cache, low=0)
        require_flag("form_body", form_body)
        if not callable(clock) or not callable(monotonic):
            raise ConfigurationError("clock and monotonic must be callables that answer seconds")
        require_field_name("request_id_header", request_id_header)
        if not isinstance(limits, Limits) or not isinstance(http, HTTPSettings):
            raise ConfigurationError("limits must be a Limits, http an HTTPSettings")
        check_settings(http)
        replays = dpop.replays if isinstance(dpop, DPoP) and dpop.replays is not None else MemoryReplays()
        senders = build_senders(dpop, mtls, proxies, replays=replays, keys=token_cache, leeway=leeway)
        require_when_unknown("when_revocations_unknown", when_revocations_unknown)
        store = MemoryRevocations(monotonic=monotonic) if revocations is None else revocations

        #: does it accept tokens in form bodies? Adapters then hand over forms, see `wants_form_body`
        self.form_body = form_body
        self._clock, self._monotonic = clock, monotonic
        # a form may hold a second token, and a class with a way of its own to authenticate must always be asked
        self._recalls = not form_body and all(
            getattr(type(self), name) is getattr(TokenGuard, name) for name in ("authenticate", "aauthenticate")
        )
        self._dpop, self._realm = dpop, realm_of(realm, audiences[0])
        self._issuers = Issuers(
            listed, resolver, audiences, http, Clocks(clock, monotonic, leeway), limits,
            revocations=store, when_unknown=when_revocations_unknown, replays=replays,
        )  # fmt: skip
        self._ask = self._issuers.ask
        self._reporting = Reporting(
            self._ask, form_body=form_body, dpop=dpop is not None, request_id_header=request_id_header
        )
        self._tokens = BoundedMemory[Verified](token_cache) if token_cache else None
        self._setup = self._issuers.setup(form_body=form_body, tokens=self._tokens, senders=senders)
        self._logouts = Backchannel(BoundedMemory[bool](MAX_REMEMBERED))
        # an alarm each half second for each connection would be no alarm: the request's own has been
        quiet = dataclasses.replace(self._setup.revocations, alarm=lambda *_: None)
        self._watches = Watches(
            lambda token: pipeline.reconsider(self._setup, quiet, token, clock(), monotonic()),
            self._ask,
            self._reporting.report,
        )

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """A guard from a mapping of this class's arguments, whose parts may be mappings in turn; see `settings`."""
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
        now, monotonic = self._clock(), self._monotonic()
        try:
            known = pipeline.recall(self._setup, raw, now, monotonic, True)
            if isinstance(known, AccessToken):
                return known
            begun = pipeline.validate(self._setup, known, now, monotonic)
            return begun if isinstance(begun, AccessToken) else run(begun, self._ask)
        except (Denied, Unavailable) as error:
            self._reporting.report(error, raw)
            raise

    async def avalidate(self, raw: str) -> AccessToken:
        """`validate`, for async code."""
        now, monotonic = self._clock(), self._monotonic()
        try:
            known = pipeline.recall(self._setup, raw, now, monotonic, True)
            if isinstance(known, AccessToken):
                return known
            begun = pipeline.validate(self._setup, known, now, monotonic)
            return begun if isinstance(begun, AccessToken) else await arun(begun, self._ask)
        except (Denied, Unavailable) as error:
            self._reporting.report(error, raw)
            raise

    def recall(self, authorization: str) -> AccessToken | None:
        """For adapters: the token of a request with this one Authorization line, where it is remembered and admitted.

        What `authenticate` would give, but before a `Request` is made. None says nothing: then ask `authenticate`.
        """
        # another scheme may come with a proof; and whatever else is unusual in the line, no remembered token has
        if not self._recalls or authorization[:7] != "Bearer ":
            return None
        try:
            known = pipeline.recall(self._setup, authorization[7:], self._clock(), self._monotonic(), True)
        except (Denied, Unavailable):
            return None
        return known if isinstance(known, AccessToken) else None

    def authenticate(self, request: Request, *, when_revocations_unknown: WhenUnknown | None = None) -> AccessToken:
        """Who is it: everything but what the route demands. Once per request. Raises `Denied` or `Unavailable`.

        `when_revocations_unknown`: the policy of the route, where it is known by then.
        """
        now, monotonic = self._clock(), self._monotonic()
        try:
            begun = pipeline.authenticate(self._setup, request, now, monotonic, when_unknown=when_revocations_unknown)
            return begun if isinstance(begun, AccessToken) else run(begun, self._ask)
        except (Denied, Unavailable) as error:
            self._reporting.report(error, request)
            raise

    async def aauthenticate(
        self, request: Request, *, when_revocations_unknown: WhenUnknown | None = None
    ) -> AccessToken:
        """`authenticate`, for async code."""
        now, monotonic = self._clock(), self._monotonic()
        try:
            begun = pipeline.authenticate(self._setup, request, now, monotonic, when_unknown=when_revocations_unknown)
            return begun if isinstance(begun, AccessToken) else await arun(begun, self._ask)
        except (Denied, Unavailable) as error:
            self._reporting.report(error, request)
            raise

    def check(
        self, request: Request, scopes: Scopes | None = None, *, requirement: Requirement | None = None
    ) -> AccessToken:
        """Authenticate, then authorize: by `scopes` (see `Scopes`) or a whole `requirement`.

        Raises `Denied` or `Unavailable`.
        """
        wanted = one_of(scopes, requirement)
        try:
            begun = pipeline.check(self._setup, request, wanted, self._clock(), self._monotonic())
            return begun if isinstance(begun, AccessToken) else run(begun, self._ask)
        except (Denied, Unavailable) as error:
            self._reporting.report(error, request)
            raise

    async def acheck(
        self, request: Request, scopes: Scopes | None = None, *, requirement: Requirement | None = None
    ) -> AccessToken:
        """`check`, for async code."""
        wanted = one_of(scopes, requirement)
        try:
            begun = pipeline.check(self._setup, request, wanted, self._clock(), self._monotonic())
            return begun if isinstance(begun, AccessToken) else await arun(begun, self._ask)
        except (Denied, Unavailable) as error:
            self._reporting.report(error, request)
            raise

    def authorize(self, token: AccessToken, requirement: Requirement) -> None:
        """May they: does a token that this guard verified meet the requirement? No I/O.

        Raises `InsufficientScope`, `InsufficientAuthentication`, `InvalidToken` (another issuer demanded), or
        `Unavailable` for a requirement with live=True, which needs `check` or `acheck`.
        """
        if is_plainly_met(token, requirement):
            return
        with self._reporting.refusals():
            authorize(token, requirement, self._clock(), self._setup.leeway, self._setup.revocations.when_unknown)

    def confirm(self, request: Request, requirement: Requirement) -> AccessToken:
        """Ask live about the token of a request that was authenticated before, then authorize.

        For adapters, which authenticate a request once and authorize it as often as its routes say: this is
        `authorize` for a requirement with live=True. Raises `Denied` or `Unavailable`.
        """
        flow = pipeline.confirm(self._setup, request, requirement, self._clock(), self._monotonic())
        return self._reporting.run(flow, request)

    async def aconfirm(self, request: Request, requirement: Requirement) -> AccessToken:
        """`confirm`, for async code."""
        flow = pipeline.confirm(self._setup, request, requirement, self._clock(), self._monotonic())
        return await self._reporting.arun(flow, request)

    async def until_ended(self, token: AccessToken) -> Denied | Unavailable:
        """Wait until a request with this token would be refused, and give the refusal; for connections that last.

        Noticed within a second: expiry (with the leeway), revocation here, removal of the issuer, or that nothing can
        tell where the policy is to refuse then; not that the issuer withdrew keys, or would call it inactive now.
        """
        return await self._watches.until_ended(token)

    @property
    def takes_logouts(self) -> bool:
        """Are the logout tokens of any issuer believed (`Issuer.logout`)? With an `IssuerResolver` they may be."""
        return self._logouts.takes(self._setup)

    def logout(self, token: str) -> None:
        """End what an issuer's logout token names (OpenID Connect Back-Channel Logout 1.0; `BackchannelLogout`).

        Each adapter has a ready-made route that hands them over. Raises `InvalidLogoutToken`, or `Unavailable` if the
        keys can't be had or the revocation was not kept: the same token may then come again.
        """
        self._reporting.run(self._logouts.receive(self._setup, token, self._clock(), self._monotonic()), token)

    async def alogout(self, token: str) -> None:
        """`logout`, for async code."""
        await self._reporting.arun(self._logouts.receive(self._setup, token, self._clock(), self._monotonic()), token)

    def challenge(self, error: Denied | Unavailable) -> Challenge:
        """The HTTP answer to a refusal: status, headers (WWW-Authenticate may repeat), and a body to send as JSON."""
        return write_challenge(error, self._realm, self._dpop)

    def response_headers(self, token: AccessToken | None) -> list[tuple[str, str]]:
        """Headers for the answer to a request that was let in with this token: the next nonce for DPoP, or none.

        With a nonce comes `Cache-Control: no-store`, which such an answer needs (RFC 9449 8.2).
        """
        return next_nonce(self._setup.senders, token, self._clock())

    def wants_form_body(self, method: str, content_type: str) -> bool:
        """Must an adapter hand over the request's body, since a token may be in it?"""
        return self._setup.form_body and may_hold_form_token(method, [content_type])

    # -- revoking --------------------------------------------------------------------------------------------------

    def revoke(self, token: str | AccessToken | None = None, **named: Unpack[Named]) -> Revocation:
        """Refuse from now on a `token`, as sent or as verified, or what is `Named`.

        The same one twice is one. Raises `RevocationFailed` if it was not kept, `ConfigurationError` for a wrong
        argument, and for a token as sent what `validate` raises: one that is good for nothing can't be revoked.
        """
        return run(revoke(self._setup, token, named, self._clock(), self._monotonic()), self._ask)

    async def arevoke(self, token: str | AccessToken | None = None, **named: Unpack[Named]) -> Revocation:
        """`revoke`, for async code."""
        return await arun(revoke(self._setup, token, named, self._clock(), self._monotonic()), self._ask)

    @property
    def revocations(self) -> Revoking:
        """The store of revocations at work: to look through, and to write to in bulk."""
        return self._issuers.revoking

    # -- running ---------------------------------------------------------------------------------------------------

    @property
    def issuers(self) -> tuple[str, ...]:
        """The identifiers of the issuers in the list; those that an `IssuerResolver` knows are not in it."""
        return tuple(self._setup.issuers)

    @property
    def senders(self) -> Senders:
        """What confirms the senders of bound tokens, for who looks after a deployment."""
        return self._setup.senders

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
        with self._reporting.refusals():
            self._issuers.warm(issuers)

    async def awarm(self, issuers: Iterable[str] | None = None) -> None:
        """`warm`, for async code."""
        with self._reporting.refusals():
            await self._issuers.awarm(issuers)

    def close(self) -> None:
        """Stop fetching, for good, and end the I/O thread; keys at hand serve on until they are stale."""
        self._issuers.close()

    async def aclose(self) -> None:
        """`close`, for async code."""
        await asyncio.to_thread(self._issuers.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
