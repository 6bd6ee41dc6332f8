"""The middleware: every view that the settings cover needs a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tokenguard.django.admission import ANY_TOKEN, Access, aadmit, admit, with_headers
from tokenguard.django.conf import current
from tokenguard.django.decorators import access_of

_Answer = HttpResponseBase | None


class TokenGuardMiddleware:
    """Lets a request through to its view if it carries a token that the guard accepts.

    Checks once Django knows the view: unknown URLs stay 404, and a view that says what it needs (`requires`,
    `public`) gets just that, wherever it is. `request.access_token` is the token, or None.

    Stands before `CsrfViewMiddleware`: a verified token in the Authorization header takes the place of a CSRF token.
    Sync and async alike: no thread is changed for it, unless a sync-only middleware stands further inside.
    Raises `ConfigurationError` when Django builds it, at its start.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._conf = current()
        self._covers_all = self._conf.paths is None and self._conf.exempt_paths is None
        self._is_async = iscoroutinefunction(get_response)
        self.process_view: Callable[..., _Answer | Awaitable[_Answer]] = self._check
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._acheck

    def __call__(self, request: Any) -> Any:
        request.access_token = None
        if not self._conf.guard.senders.gives_nonces:
            return self._get_response(request)
        if self._is_async:
            return self._answer(request)
        return with_headers(request, self._conf, self._get_response(request))

    async def _answer(self, request: Any) -> Any:
        return with_headers(request, self._conf, await self._get_response(request))

    def _check(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> _Answer:
        access = self._needed(request, view)
        return None if access is None else admit(request, self._conf, access)

    async def _acheck(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> _Answer:
        access = self._needed(request, view)
        return None if access is None else await aadmit(request, self._conf, access)

    def _needed(self, request: HttpRequest, view: Callable[..., Any]) -> Access | None:
        access = access_of(view, request.method or "")
        if access is None:
            return ANY_TOKEN if self._covers_all or self._conf.covers(request.path_info) else None
        return access if access.looks else None
