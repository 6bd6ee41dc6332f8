"""Django REST framework: who a token is about, and what it may do.

    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["tokenguard.django.drf.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    }

    class Orders(APIView):
        permission_classes = [HasScopes("orders:read")]

Authentication alone lets requests without a token in: REST framework's default permission is `AllowAny`.

`request.auth` is the `AccessToken`, and `request.user` a `TokenUser`, or what settings.TOKENGUARD["USER"] makes of the
token. With the middleware or without it, a request is authenticated once. Refusals are both the `Denied` (or
`Unavailable`) and REST framework's APIException, so that its exception handler, or the project's, answers them.
"""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.permissions import BasePermission, OperationHolderMixin
from rest_framework.request import Request

from tokenguard._raising import framework_error
from tokenguard.core.model import AccessToken
from tokenguard.core.requirements import Requirement, Scopes, refer_to, requirement_of
from tokenguard.django.admission import ANY_TOKEN, check
from tokenguard.django.conf import current
from tokenguard.errors import ConfigurationError, Denied, InvalidToken, MissingToken, Reason, Unavailable


class TokenUser:
    """Who a token is about, where the project has no users of its own for that. Its permissions are its scopes."""

    is_authenticated = True
    is_active = True
    is_anonymous = False
    is_staff = False
    is_superuser = False

    def __init__(self, token: AccessToken) -> None:
        self.token = token

    @property
    def pk(self) -> str | None:
        """Issuer and subject, which are an identity together only (RFC 8725 3.8); None for a token without subject."""
        # no issuer identifier has a "#" (RFC 8414 2), so no two pairs look alike
        return None if self.token.subject is None else f"{self.token.issuer}#{self.token.subject}"

    def has_perm(self, *_: Any) -> bool:
        """False: Django's permissions are for Django's users."""
        return False

    has_perms = has_perm

    def __str__(self) -> str:
        return self.token.subject or ""


class TokenAuthentication(BaseAuthentication):  # type: ignore[misc] # ships no types
    """Authenticates by access token; a request without one is left to the next authentication class.

    settings.TOKENGUARD["USER"], a callable(token), gives `request.user`; a token for which it gives None is refused.
    List this class first, or a missing token is answered by another class's challenge, or with 403.
    """

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        conf = current()
        try:
            token = check(request._request, conf.guard, ANY_TOKEN.requirement)  # noqa: SLF001 - its documented name
            user = TokenUser(token) if conf.user_of is None else conf.user_of(token)
            if user is None:
                unknown = InvalidToken(Reason.CLAIM_REFUSED, "TOKENGUARD.USER knows no user for the token")
                refer_to(token, unknown)
                raise unknown
            _headers_of_answer(request).update(conf.guard.response_headers(token))
        except MissingToken:
            return None
        except (Denied, Unavailable) as error:
            raise _api_exception(request, error) from None
        return user, token

    def authenticate_header(self, _request: Request) -> str:
        return _challenge_line(MissingToken())


class HasScopes(OperationHolderMixin, BasePermission):  # type: ignore[misc] # ships no types
    """A permission: the token meets what is wanted. Needs `TokenAuthentication`.

    `permission_classes = [HasScopes("orders:read")]`, or [HasScopes(any_of("a", "b"))], or [HasScopes] beside the
    view's attribute `required_scopes`. Combines with others by `&`, `|` and `~`; a combination that refuses is
    answered by REST framework itself, since none of its parts alone is the reason. `~HasScopes("a")` admits requests
    without a token, too, unless `& IsAuthenticated` stands beside it.
    """

    def __init__(self, wanted: Scopes | Requirement | None = None) -> None:
        self._wanted = None if wanted is None else requirement_of(wanted)
        self._refused: tuple[Request, Denied] | None = None

    def __call__(self) -> HasScopes:
        """REST framework makes a permission for each request by calling what is listed."""
        return HasScopes(self._wanted)

    def has_permission(self, request: Request, view: Any) -> bool:
        requirement = self._wanted or _wanted_by(view)
        try:
            if not isinstance(request.auth, AccessToken):
                missing = MissingToken()
                missing.scope = requirement.scope
                raise missing
            if requirement.live:
                check(request._request, current().guard, requirement)  # noqa: SLF001 - its documented name
            else:
                current().guard.authorize(request.auth, requirement)
        except Denied as error:
            self._refused = request, error
            return False
        except Unavailable as error:
            raise _api_exception(request, error) from None
        return True

    @property
    def message(self) -> None:
        # asked for only where this permission alone refuses: within `a | b` the other one may still grant
        if self._refused is not None:
            raise _api_exception(*self._refused)


class _Refusal(APIException):  # type: ignore[misc] # ships no types
    """What of a refusal REST framework's exception handler asks for."""


def _api_exception(request: Request, error: Denied | Unavailable) -> Exception:
    challenge = current().guard.challenge(error)
    # the handler sends two headers of an exception; the others go with whatever the view answers
    others = {name: value for name, value in challenge.headers if name not in {"WWW-Authenticate", "Retry-After"}}
    _headers_of_answer(request).update(others)
    return framework_error(
        error,
        _Refusal,
        status_code=challenge.status,
        detail={name: ErrorDetail(value, code=error.reason) for name, value in challenge.body.items()},
        auth_header=_challenge_line(error),
        wait=error.retry_after if isinstance(error, Unavailable) else None,
    )


def _headers_of_answer(request: Request) -> dict[str, str]:
    headers: dict[str, str] = getattr(request.parser_context.get("view"), "headers", {})
    return headers


def _challenge_line(error: Denied | Unavailable) -> str:
    """All challenges in one line, as RFC 9110 11.6.1 allows: REST framework keeps one value a header."""
    headers = current().guard.challenge(error).headers
    return ", ".join(value for name, value in headers if name == "WWW-Authenticate")


def _wanted_by(view: Any) -> Requirement:
    wanted = getattr(view, "required_scopes", None)
    if wanted is None:
        raise ConfigurationError(f"{type(view).__name__} has the permission HasScopes, but no required_scopes")
    return requirement_of(wanted)
