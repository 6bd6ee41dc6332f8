"""Flask: views that need an access token.

    protect = Protect(guard)

    @app.get("/orders")
    @protect("orders:read")
    def orders():
        return {"for": current_token.subject}

    protect.all(app, except_=["health", "/docs"])    # or: every view, but for these

A refusal is both the `Denied` (or `Unavailable`) and Werkzeug's HTTPException of that status: Flask answers it with a
JSON body and the challenge, `after_request` functions run, and the app's own handler for any of these classes, or for
the status, takes over. A request is authenticated once, however many decorators it passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from functools import cache, partial, wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from flask import Blueprint, Flask, Response, after_this_request, current_app, request
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.local import LocalProxy

from tokenguard._app_settings import guard_from_settings
from tokenguard._backchannel import answer, check_guard
from tokenguard._checks import require_flag, string_tuple
from tokenguard._forms import is_length_searchable
from tokenguard._paths import ExemptPaths
from tokenguard._raising import framework_error
from tokenguard.core.challenge import Challenge
from tokenguard.core.model import AccessToken, Form
from tokenguard.core.requirements import Requirement, Scopes, is_plainly_met, requirement_of
from tokenguard.errors import ConfigurationError, Denied, MissingToken, Unavailable
from tokenguard.guard import TokenGuard
from tokenguard.wsgi import EnvironRequest, form_of

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: where a request keeps its tokens, by guard. Not in `g`: an app context pushed by hand serves several requests
_TOKENS = "tokenguard.tokens"


class Protect:
    """Decorators for views, and a switch for whole apps.

    `guard`: who checks; None means that of each app's `app.config["TOKENGUARD"]`, see `init_app`.
    `optional`: lets requests without a token in, and forgives nothing else. With scopes it means: a token, if there
    is one, needs these.
    """

    def __init__(self, guard: TokenGuard | None = None, *, optional: bool = False) -> None:
        if guard is not None and not isinstance(guard, TokenGuard):
            raise ConfigurationError("guard must be a TokenGuard, or None for that of the app's config")
        require_flag("optional", optional)
        self._guard = guard
        self._optional = optional

    def init_app(self, app: Flask) -> None:
        """Build the app's guard from `app.config["TOKENGUARD"]`, for every `Protect` that was given none.

        The mapping has the settings of `TokenGuard.from_mapping` in upper case, {"AUDIENCE": ..., "ISSUERS": [...]},
        or {"GUARD": ...}, a `TokenGuard` or the dotted path of one. Several apps may share one `Protect`, and several
        `Protect`s one app. Raises `ConfigurationError`.
        """
        if self._guard is not None:
            raise ConfigurationError("Protect has a guard of its own: it needs no init_app")
        if "tokenguard" in app.extensions:
            return
        if "TOKENGUARD" not in app.config:
            raise ConfigurationError('app.config["TOKENGUARD"] is not set')
        app.extensions["tokenguard"] = guard_from_settings(app.config["TOKENGUARD"])

    def __call__(self, scopes: Scopes | None = None) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
        """A decorator: the view needs a token with these scopes (see `Scopes`), or any token."""
        return self.requires(scopes)

    def requires(self, wanted: Scopes | Requirement | None) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
        """A decorator: the view needs a token that meets what is wanted.

        For plain and `async def` views, methods of class-based views, and their `decorators`.
        """
        requirement = requirement_of(wanted)

        def decorate(view: Callable[_P, _R]) -> Callable[_P, _R]:
            if iscoroutinefunction(view):
                # checked before the view's event loop is made: nothing in it would wait
                @wraps(view)
                def checked_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                    self._check(requirement)
                    return current_app.ensure_sync(view)(*args, **kwargs)

                return cast("Callable[_P, _R]", checked_async)

            @wraps(view)
            def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
                self._check(requirement)
                return view(*args, **kwargs)

            return checked

        return decorate

    def all(self, app: Flask | Blueprint, except_: Collection[str] = ()) -> None:
        """Every view of an app or blueprint needs a token, static files too; decorators may demand more.

        `except_`: names of endpoints ("health", "static", "docs.index"), and paths with all below them ("/docs").
        Unknown URLs stay 404, and the OPTIONS answers that Flask writes itself, CORS preflights, stay open: no view
        of the app runs for either.
        """
        names = string_tuple("except_", except_, one_string=False) if except_ else ()
        endpoints = frozenset(name for name in names if not name.startswith("/"))
        paths = [name for name in names if name.startswith("/")]
        exempt = ExemptPaths("except_", paths) if paths else ()

        def check_unless_exempt() -> None:
            rule = request.url_rule
            if rule is None or request.endpoint in endpoints or request.path in exempt:
                return
            if request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
                return
            self._check(Requirement())

        app.before_request(check_unless_exempt)

    def _check(self, requirement: Requirement) -> None:
        """Authenticate once per request and guard; authorize each time."""
        guard = self._guard or _guard_of_app()
        environ = request.environ
        tokens: dict[TokenGuard, AccessToken] = environ.setdefault(_TOKENS, {})
        token = tokens.get(guard)
        line = environ.get("HTTP_AUTHORIZATION")
        if token is None and line is not None:
            # the usual request, in a third of the time: a remembered Bearer token
            token = guard.recall(line)
            if token is not None:
                tokens[guard] = token
        if token is not None and is_plainly_met(token, requirement):
            return
        try:
            if token is None or requirement.live:
                asked = EnvironRequest(environ, form_of(guard, environ, _read_form) if guard.form_body else None)
            if token is None:
                # kept whether or not it is enough here: whoever looks next must not take its proof for a replay
                token = tokens[guard] = guard.authenticate(
                    asked, when_revocations_unknown=requirement.when_revocations_unknown
                )
                headers = guard.response_headers(token)
                if headers:
                    after_this_request(partial(_with_headers, headers))
            if requirement.live:
                guard.confirm(asked, requirement)
            else:
                guard.authorize(token, requirement)
        except MissingToken as error:
            if not self._optional:
                error.scope = requirement.scope  # so that the client knows what to ask for
                raise _as_werkzeug(error, guard) from None
        except (Denied, Unavailable) as error:
            raise _as_werkzeug(error, guard) from None


def _with_headers(headers: list[tuple[str, str]], response: Response) -> Response:
    for name, value in headers:
        response.headers[name] = value
    return response


def backchannel_logout(guard: TokenGuard | None = None) -> Callable[[], Response]:
    """A view for POST: the `backchannel_logout_uri` of a client, see `BackchannelLogout`.

        app.post("/backchannel-logout")(backchannel_logout(guard))

    It takes no access token: `Protect.all` needs `except_=["backchannel_logout"]`. `guard`: None for that of the app's
    config. Raises `ConfigurationError` where no issuer of the guard has `Issuer.logout`.
    """
    if guard is not None:
        check_guard(guard)

    def backchannel_logout() -> Response:
        receiver = guard or _guard_of_app()
        check_guard(receiver)
        body = request.get_data() if is_length_searchable(request.headers.get("Content-Length", "")) else None
        written = answer(receiver, request.headers.get("Content-Type", ""), body)
        return Response(
            json.dumps(written.body) if written.body else None,
            written.status,
            written.headers,
            content_type="application/json" if written.body else None,
        )

    return backchannel_logout


def _read_form() -> Form | None:
    if "form" in request.__dict__:  # parsed before us, which has used up the body
        return list(request.form.items(multi=True))
    return request.get_data()


def _current_token() -> AccessToken | None:
    return next(reversed(request.environ.get(_TOKENS, {}).values()), None)


#: the token of the request, that of the last guard if several looked at it. False where there is none: `optional`
#: let the request in, or nothing protects the view
current_token: AccessToken = cast("AccessToken", LocalProxy(_current_token))


def _guard_of_app() -> TokenGuard:
    try:
        guard: TokenGuard = current_app.extensions["tokenguard"]
    except KeyError:
        raise ConfigurationError("Protect() without a guard needs init_app(app)") from None
    return guard


class _Refusal(HTTPException):
    """What of a refusal Werkzeug asks for. Its own classes would join several challenges into one broken line."""

    challenge: Challenge

    def get_body(self, *_: Any, **__: Any) -> str:
        return json.dumps(self.challenge.body)

    def get_headers(self, *_: Any, **__: Any) -> list[tuple[str, str]]:
        return [("Content-Type", "application/json"), *self.challenge.headers]


@cache
def _refusal_class(status: int) -> type[_Refusal]:
    """Flask looks handlers up by class: one for 401 or `Unauthorized` must find ours."""
    return type(f"Refusal{status}", (_Refusal, default_exceptions[status]), {"__module__": __name__})


def _as_werkzeug(error: Denied | Unavailable, guard: TokenGuard) -> Exception:
    challenge = guard.challenge(error)
    return framework_error(error, _refusal_class(challenge.status), challenge=challenge, response=None)
