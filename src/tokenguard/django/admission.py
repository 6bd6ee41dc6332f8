"""Whether a request gets to its view: for the middleware and the decorators, sync and async."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, RawPostDataException
from django.http.response import HttpResponseBase

from tokenguard import asgi, wsgi
from tokenguard._forms import UNSEARCHABLE
from tokenguard.core.credentials import read_credential
from tokenguard.core.model import AccessToken, Form, Request
from tokenguard.core.requirements import Requirement, is_plainly_met
from tokenguard.core.target_uri import request_url
from tokenguard.django.conf import Conf
from tokenguard.errors import Denied, MissingToken, Unavailable
from tokenguard.guard import TokenGuard
from tokenguard.wsgi import EnvironRequest, form_of

_R = TypeVar("_R", bound=HttpResponseBase)


class Access(NamedTuple):
    """What a view says of itself. `looks`: at the request's headers at all; `optional`: forgives a missing token."""

    looks: bool = True
    optional: bool = False
    requirement: Requirement = Requirement()


ANY_TOKEN = Access()


def recall(request: Any, guard: TokenGuard, requirement: Requirement) -> AccessToken | None:
    """What `check` would give for the usual request, at once: its token is remembered, and it is enough.

    None says nothing: then ask `check`.
    """
    line = request.META.get("HTTP_AUTHORIZATION")
    if line is None:
        return None  # first of all: it may be a preflight, whoever has set a token
    token = getattr(request, "access_token", None)
    if not isinstance(token, AccessToken):
        token = guard.recall(line)
        if token is None:
            return None
        request.access_token = token
        request._dont_enforce_csrf_checks = True  # noqa: SLF001 - as in `_keep`: it is in the header
    return token if is_plainly_met(token, requirement) else None


def admit(request: HttpRequest, conf: Conf, access: Access) -> HttpResponseBase | None:
    """None, or the answer in the view's place."""
    if recall(request, conf.guard, access.requirement) is not None:
        return None
    if is_preflight(request):
        return HttpResponse(status=204)
    try:
        check(request, conf.guard, access.requirement)
    except (Denied, Unavailable) as error:
        return _refuse(request, conf, access, error)
    return None


async def aadmit(request: HttpRequest, conf: Conf, access: Access) -> HttpResponseBase | None:
    """`admit`, for async code."""
    if recall(request, conf.guard, access.requirement) is not None:
        return None
    if is_preflight(request):
        return HttpResponse(status=204)
    try:
        await acheck(request, conf.guard, access.requirement)
    except (Denied, Unavailable) as error:
        return _refuse(request, conf, access, error)
    return None


def check(request: HttpRequest, guard: TokenGuard, requirement: Requirement) -> AccessToken:
    """Authenticate once per request, authorize each time.

    The token is kept as `request.access_token`, whether or not it is enough here: whoever looks next must not take its
    proof for a replay.
    """
    token = kept_token(request)
    if token is None or requirement.live:
        asked = _asked(request, guard)
    if token is None:
        try:
            token = guard.authenticate(asked, when_revocations_unknown=requirement.when_revocations_unknown)
        except MissingToken as missing:
            missing.scope = requirement.scope  # so that the client knows what to ask for
            raise
        _keep(request, asked, token)
    if requirement.live:
        return guard.confirm(asked, requirement)
    guard.authorize(token, requirement)
    return token


async def acheck(request: HttpRequest, guard: TokenGuard, requirement: Requirement) -> AccessToken:
    """`check`, for async code."""
    token = kept_token(request)
    if token is None or requirement.live:
        asked = _asked(request, guard)
    if token is None:
        try:
            token = await guard.aauthenticate(asked, when_revocations_unknown=requirement.when_revocations_unknown)
        except MissingToken as missing:
            missing.scope = requirement.scope
            raise
        _keep(request, asked, token)
    if requirement.live:
        return await guard.aconfirm(asked, requirement)
    guard.authorize(token, requirement)
    return token


def with_headers(request: HttpRequest, conf: Conf, response: _R) -> _R:
    """The answer to a request, with the headers that the guard wants there: the next nonce for DPoP."""
    for name, value in conf.guard.response_headers(kept_token(request)):
        response[name] = value
    return response


def kept_token(request: HttpRequest) -> AccessToken | None:
    """The request's token, if we have authenticated it; other packages use the same name for things of theirs."""
    token = getattr(request, "access_token", None)
    return token if isinstance(token, AccessToken) else None


def is_preflight(request: HttpRequest) -> bool:
    """A CORS preflight (Fetch standard, 4.8): browsers send it without credentials, and it asks for no content.

    It gets an empty answer and never the view, which might not look at the method. CORS middleware has answered it
    before, or adds its headers after.
    """
    if request.method != "OPTIONS" or "HTTP_AUTHORIZATION" in request.META:
        return False
    return "HTTP_ORIGIN" in request.META and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META


class DjangoRequest(EnvironRequest):
    """A request as Django has it: META is the environ of WSGI, and made in its likeness under ASGI."""

    __slots__ = ("_request",)

    def __init__(self, request: HttpRequest, form: Form | None) -> None:
        EnvironRequest.__init__(self, request.META, form)
        self._request = request

    @property
    def url(self) -> str:  # type: ignore[override] # computed for the few who ask
        """Absolute; scheme and host by Django's rules for proxies and ALLOWED_HOSTS: none if it does not allow it."""
        try:
            host = self._request.get_host()
        except DisallowedHost:
            host = ""
        scope = getattr(self._request, "scope", None)
        target = wsgi.sent_target(self._request.META, "utf-8") if scope is None else asgi.sent_target(scope)
        return request_url(self._request.scheme or "", host, target)

    @property
    def client_certificate(self) -> bytes | None:  # type: ignore[override] # computed for the few who ask
        """In DER, as the server of WSGI or ASGI gives it."""
        scope = getattr(self._request, "scope", None)
        return super().client_certificate if scope is None else asgi.client_certificate(scope)


def _asked(request: HttpRequest, guard: TokenGuard) -> DjangoRequest:
    form = form_of(guard, request.META, partial(_read_form, request)) if guard.form_body else None
    return DjangoRequest(request, form)


def _read_form(request: HttpRequest) -> Form | None:
    try:
        return request.body
    except RawPostDataException:
        # somebody has read the stream; REST framework keeps what it has parsed as POST, which is empty otherwise
        pairs = [(name, value) for name, values in request.POST.lists() for value in values]
        return pairs or UNSEARCHABLE


def _keep(request: Any, asked: Request, token: AccessToken) -> None:
    request.access_token = token
    # Another site can make a browser send forms and cookies, but not this header. What Django's test client does, too.
    if asked.form is None or "dpop" in token.bound_by or _is_in_header(asked):
        request._dont_enforce_csrf_checks = True  # noqa: SLF001 - Django has no public name for it


def _is_in_header(asked: Request) -> bool:
    try:
        read_credential(asked, form_body=False)
    except MissingToken:
        return False
    return True


def _refuse(request: HttpRequest, conf: Conf, access: Access, error: Denied | Unavailable) -> HttpResponseBase | None:
    if access.optional and isinstance(error, MissingToken):
        return None
    return conf.refusal(request, error, conf.guard.challenge(error))
