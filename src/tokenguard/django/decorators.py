"""What a view says of the token it needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isawaitable
from typing import Any, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

from tokenguard._checks import require_flag
from tokenguard.core.requirements import Requirement, Scopes, requirement_of
from tokenguard.django.admission import Access, aadmit, admit, kept_token, with_headers
from tokenguard.django.conf import current

_V = TypeVar("_V", bound=Callable[..., Any])

_MARK = "tokenguard_access"


def access_of(view: Callable[..., Any], method: str) -> Access | None:
    """What the view's decorators say, or those of a class-based view's method; None where they say nothing."""
    access: Access | None = getattr(view, _MARK, None)
    if access is None and (view_class := getattr(view, "view_class", None)) is not None:
        name = method.lower()
        if name == "head" and not hasattr(view_class, name):  # Django answers it with `get`
            name = "get"
        access = getattr(getattr(view_class, name, None), _MARK, None) if name in view_class.http_method_names else None
    return access


def requires(wanted: Scopes | Requirement | None = None, *, optional: bool = False) -> Callable[[_V], _V]:
    """A decorator: the view needs a token that meets what is wanted, see `Scopes` and `Requirement`.

    Works on its own too, outside the middleware's PATHS or without it. `optional`: lets requests without a token in,
    and forgives nothing else. For sync and async views; with `method_decorator` for class-based ones. A test that
    calls the view itself may set `request.access_token`.
    """
    require_flag("optional", optional)
    requirement = requirement_of(wanted)
    access = Access(optional=optional, requirement=requirement)

    def decorate(view: _V) -> _V:
        async def checked_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            is_known = kept_token(request) is not None
            answer = await aadmit(request, current(), access)
            if answer is not None:
                return answer
            response = view(request, *args, **kwargs)
            if isawaitable(response):
                response = await response
            return response if is_known else with_headers(request, current(), response)

        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            is_known = kept_token(request) is not None
            if not is_known and _is_awaited(request):
                return checked_async(request, *args, **kwargs)
            answer = admit(request, current(), access)
            if answer is not None:
                return answer
            response = view(request, *args, **kwargs)
            # who authenticated the request, has the last word about its answer
            return response if is_known else with_headers(request, current(), response)

        return _marked(view, checked_async if iscoroutinefunction(view) else checked, access)

    return decorate


@overload
def public(view: _V, /) -> _V: ...
@overload
def public(*, optional: bool = False) -> Callable[[_V], _V]: ...
def public(view: Any = None, /, *, optional: bool = False) -> Any:
    """A decorator: the view needs no token, whatever the middleware covers; the request's headers are not looked at.

    `optional`: they are, and a bad token is refused; `request.access_token` is None only where there is none.
    """
    require_flag("optional", optional)
    access = Access(looks=optional, optional=True)

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        # a function of its own, as with Django's csrf_exempt: the view may be mounted elsewhere, too
        def open_view(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        async def open_view_async(*args: Any, **kwargs: Any) -> Any:
            return await view(*args, **kwargs)

        return _marked(view, open_view_async if iscoroutinefunction(view) else open_view, access)

    return decorate if view is None else decorate(view)


def _marked(view: _V, decorated: Callable[..., Any], access: Access) -> _V:
    marked = wraps(view)(decorated)
    setattr(marked, _MARK, access)
    return cast("_V", marked)


def _is_awaited(request: HttpRequest) -> bool:
    """Does Django await what the view answers? So it does for an async class-based view, with a sync `dispatch`."""
    match = request.resolver_match
    return match is not None and iscoroutinefunction(match.func)
