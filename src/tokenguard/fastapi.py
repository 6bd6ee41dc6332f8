"""FastAPI: routes and routers that need an access token.

    protect = Protect(guard)

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(protect, scopes=["orders:read"])]): ...

    @app.get("/any", dependencies=[Depends(protect.requires(any_of("orders:read", "admin")))])
    @app.get("/me", dependencies=[Depends(protect)])

Scopes of routers and routes add up, and a request is authenticated once, whatever asks. A refusal is both the `Denied`
(or `Unavailable`) and FastAPI's HTTPException: FastAPI answers it with `{"detail": {"error": ..., ...}}` and the
challenge, CORS headers are kept, and the app's own handler for any of these classes takes over.

FastAPI parses a JSON body before it runs dependencies, so a malformed one is a 422 for anybody; and dependencies do not
reach mounted applications. `tokenguard.asgi.TokenGuardMiddleware` comes before both. `unprotected_routes` lists what
nothing protects. `tokenguard.starlette` has what is for connections that last, and for back-channel logout.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, ItemsView, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

from fastapi import HTTPException, Security, routing
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowAuthorizationCode, OAuthFlows
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.exceptions import WebSocketException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.routing import Host, Mount
from starlette.websockets import WebSocket, WebSocketState

from tokenguard._checks import require_flag
from tokenguard._forms import UNSEARCHABLE
from tokenguard._raising import framework_error
from tokenguard.asgi import (
    TokenGuardMiddleware,
    can_refuse_handshake,
    check,
    close_code,
    is_form_searchable,
    recall,
    wants_form_body,
)
from tokenguard.core.credentials import MAX_FORM_BODY
from tokenguard.core.model import AccessToken, Form
from tokenguard.core.requirements import AllOf, Requirement, Scopes, requirement_of
from tokenguard.errors import ConfigurationError, Denied, Unavailable
from tokenguard.guard import TokenGuard
from tokenguard.starlette import backchannel_logout, ending_with_token, until_token_ends

__all__ = [
    "Protect",
    "UnprotectedRoute",
    "backchannel_logout",
    "ending_with_token",
    "unprotected_routes",
    "until_token_ends",
]


class Protect(SecurityBase):
    """A dependency that gives the request's access token, or refuses the request.

    `optional`: gives None to a request without a token, and forgives nothing else.
    `websocket_subprotocol`: also take a WebSocket's token from the subprotocol after this name, since browsers can't
    send headers: `new WebSocket(url, ["tokenguard.bearer", token])` for `websocket_subprotocol="tokenguard.bearer"`.
    The endpoint must then `accept(subprotocol="tokenguard.bearer")`.

    In the OpenAPI document it is an HTTP bearer scheme: one pastes a token into Swagger UI. With `authorization_url`
    and `token_url` it is OAuth 2.0's authorization code flow: Swagger UI fetches one. `scopes`: descriptions by scope,
    to choose from there. `scheme_name`, `description`: as shown there; give each guard's `Protect` its own name.

    Raises `ConfigurationError` when built.
    """

    def __init__(
        self,
        guard: TokenGuard,
        *,
        optional: bool = False,
        websocket_subprotocol: str | None = None,
        authorization_url: str | None = None,
        token_url: str | None = None,
        scopes: Mapping[str, str] | None = None,
        scheme_name: str = "AccessToken",
        description: str | None = None,
    ) -> None:
        if not isinstance(guard, TokenGuard):
            raise ConfigurationError("guard must be a TokenGuard")
        require_flag("optional", optional)
        if (authorization_url is None) != (token_url is None):
            raise ConfigurationError("give authorization_url and token_url, or neither")
        self.guard = guard
        self.optional = optional
        self.scheme_name = scheme_name
        self.model = (
            HTTPBearer(bearerFormat="JWT", description=description)
            if authorization_url is None or token_url is None
            else _authorization_code(authorization_url, token_url, scopes or {}, description)
        )
        self._subprotocol = websocket_subprotocol

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> AccessToken | None:
        requirement = requirement_of(security_scopes.scopes)
        if self._subprotocol is None:
            token = recall(self.guard, connection.scope, requirement)
            if token is not None:
                return token
        return await self._check(connection, requirement)

    def requires(self, wanted: Scopes | Requirement) -> Callable[..., Awaitable[Any]]:
        """A dependency that gives the token too, for what a list of scopes can't say: `any_of(...)`, a `Requirement`.

        OpenAPI shows the scopes that are needed in any case. In tests, `app.dependency_overrides[protect]` replaces
        the check here too: an `AccessToken` that the override gives still has to meet what is wanted, anything else
        is the test's own stand-in and is handed through.
        """
        requirement = requirement_of(wanted)

        checked = Security(self, scopes=_certain_scopes(requirement.scopes))

        async def required(connection: HTTPConnection, token: Any = checked) -> Any:
            if isinstance(token, AccessToken):
                return await self._check(connection, requirement, token)
            return token

        return required

    async def _check(
        self, connection: HTTPConnection, requirement: Requirement, token: AccessToken | None = None
    ) -> AccessToken | None:
        """Authenticate once per request, unless `token` is what did so, and authorize."""
        read_form = None
        if self.guard.form_body and isinstance(connection, Request) and wants_form_body(self.guard, connection.scope):
            read_form = partial(_read_form, connection)
        try:
            if token is not None and not requirement.live:
                self.guard.authorize(token, requirement)
                return token
            return await check(
                self.guard, connection.scope, requirement,
                optional=self.optional, subprotocol=self._subprotocol, read_form=read_form,
            )  # fmt: skip
        except (Denied, Unavailable) as error:
            raise self._refusal(error, connection) from None

    def _refusal(self, error: Denied | Unavailable, connection: HTTPConnection) -> Exception:
        """The error as one of FastAPI's, for a request or a WebSocket."""
        if isinstance(connection, WebSocket) and not _awaits_answer(connection):
            return framework_error(error, WebSocketException, code=close_code(error))
        challenge = self.guard.challenge(error)
        return framework_error(
            error, HTTPException,
            status_code=challenge.status, detail=challenge.body, headers=_HeaderLines(challenge.headers),
        )  # fmt: skip


Kind: TypeAlias = Literal["documentation", "optional", "exempt", "mount", "open"]


class UnprotectedRoute(NamedTuple):
    """What can be reached without a token.

    `path`: the template, mounts included. `methods`: sorted; WEBSOCKET for a WebSocket, none for a mounted app whose
    routes can't be read. `kind`: "documentation" (FastAPI's own pages and the OpenAPI document), "optional" (a token
    is checked where there is one), "exempt" (from a `TokenGuardMiddleware`), "mount" (a whole application) or "open".
    """

    path: str
    methods: tuple[str, ...]
    kind: Kind


def unprotected_routes(app: Any) -> list[UnprotectedRoute]:
    """The routes that neither a `Protect` nor a `TokenGuardMiddleware` protects, in mounted applications too.

    For a test of your own: `assert {route.path for route in unprotected_routes(app)} == {"/health"}`. It can't know
    other means of protection, and does not see files that `app.frontend()` serves.
    """
    return list(_unprotected(app, "", ()))


class _HeaderLines(Mapping[str, str]):
    """Headers in which a name may repeat: `items()` gives every line, as Starlette's responses need it.

    Whoever looks a name up, or makes a dict of it, gets the values joined by commas (RFC 9110 5.3).
    """

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self.lines = tuple(lines)

    def __getitem__(self, name: str) -> str:
        values = [value for key, value in self.lines if key == name]
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.lines))

    def __len__(self) -> int:
        return len(dict(self.lines))

    def items(self) -> ItemsView[str, str]:
        """Every line, in order."""
        return _Lines(self)


class _Lines(ItemsView[str, str]):
    _mapping: _HeaderLines

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._mapping.lines)


def _authorization_code(
    authorization_url: str, token_url: str, scopes: Mapping[str, str], description: str | None
) -> OAuth2:
    flow = OAuthFlowAuthorizationCode(authorizationUrl=authorization_url, tokenUrl=token_url, scopes=dict(scopes))
    return OAuth2(flows=OAuthFlows(authorizationCode=flow), description=description)


def _certain_scopes(scopes: object) -> list[str]:
    """The scopes without which an expression can't be met: of an `any_of`, none."""
    if not isinstance(scopes, AllOf):
        return []
    certain: list[str] = []
    for part in scopes.parts:
        certain += [part] if isinstance(part, str) else _certain_scopes(part)
    return certain


async def _read_form(request: Request) -> Form | None:
    """The form of a request, which the endpoint may want as well."""
    if not is_form_searchable(request.scope):
        return UNSEARCHABLE
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM_BODY:
                return UNSEARCHABLE
    except ClientDisconnect:
        return UNSEARCHABLE
    except RuntimeError:
        return await _parsed_form(request)
    kept = request._body = bytes(body)  # noqa: SLF001 - for the endpoint, as `Request.body` would without a limit
    return kept


async def _parsed_form(request: Request) -> Form | None:
    """The form of a request whose body somebody has read: FastAPI, if the endpoint declares form fields."""
    try:
        form = await request.form()
    except RuntimeError:
        return UNSEARCHABLE  # or somebody who has kept nothing
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _awaits_answer(connection: WebSocket) -> bool:
    """Can the handshake still be answered with an HTTP response?"""
    return connection.application_state is WebSocketState.CONNECTING and can_refuse_handshake(connection.scope)


#: a middleware, and the path at which what it covers is mounted
_Shield: TypeAlias = tuple[TokenGuardMiddleware, str]
#: FastAPI before 0.137 copies the routes of included routers into the application, where they can be read as they are
_effective_routes: Callable[[Iterable[Any]], Iterator[Any]] = getattr(routing, "iter_route_contexts", iter)
#: the attributes of FastAPI that name its own pages
_DOCUMENTATION = ("openapi_url", "docs_url", "redoc_url", "swagger_ui_oauth2_redirect_url")


def _unprotected(app: Any, mounted_at: str, shields: tuple[_Shield, ...]) -> Iterator[UnprotectedRoute]:
    """What of an application, or of what middleware has made of one, can be reached."""
    shields += tuple((middleware, mounted_at) for middleware in _middlewares(app))
    if not hasattr(app, "routes"):
        if hasattr(app, "app"):
            yield from _unprotected(app.app, mounted_at, shields)
        elif not _is_covered(f"{mounted_at}/{{path}}", shields):
            yield UnprotectedRoute(f"{mounted_at}/{{path}}", (), _kind([], shields, otherwise="mount"))
        return
    documentation = {getattr(app, name, None) for name in _DOCUMENTATION}
    for route in _effective_routes(app.routes):
        path = mounted_at + (getattr(route, "path", None) or "")
        if isinstance(getattr(route, "original_route", route), Mount | Host):
            yield from _unprotected(route.app, path, shields)
            continue
        protects = list(_protects(getattr(route, "dependant", None)))
        if _is_covered(path, shields) or not all(protect.optional for protect in protects):
            continue
        is_documentation = path.removeprefix(mounted_at) in documentation
        kind: Kind = "documentation" if is_documentation else _kind(protects, shields, otherwise="open")
        yield UnprotectedRoute(path, tuple(sorted(getattr(route, "methods", None) or ["WEBSOCKET"])), kind)


def _kind(protects: list[Protect], shields: tuple[_Shield, ...], *, otherwise: Kind) -> Kind:
    """Why it can be reached, though these look at it."""
    if protects or (shields and all(middleware.optional for middleware, _ in shields)):
        return "optional"
    return "exempt" if shields else otherwise


def _middlewares(app: Any) -> Iterator[TokenGuardMiddleware]:
    """The application itself, if it is one, and those it was told to add."""
    if isinstance(app, TokenGuardMiddleware):
        yield app
    for cls, args, keywords in getattr(app, "user_middleware", ()):
        if isinstance(cls, type) and issubclass(cls, TokenGuardMiddleware):
            yield cls(app, *args, **keywords)


def _protects(dependant: Dependant | None) -> Iterator[Protect]:
    """Every `Protect` among the dependencies of a route, at any depth."""
    if dependant is None:
        return
    if isinstance(dependant.call, Protect):
        yield dependant.call
    for dependency in dependant.dependencies:
        yield from _protects(dependency)


def _is_covered(path: str, shields: tuple[_Shield, ...]) -> bool:
    """Does one of these middlewares refuse whatever a path template can match?"""
    return any(_covers(middleware, path.removeprefix(mounted_at) or "/") for middleware, mounted_at in shields)


def _covers(middleware: TokenGuardMiddleware, template: str) -> bool:
    # what stands before the first parameter decides whether an exempt path can match: "/{name}" can be /health
    fixed, parameter, _ = template.partition("{")
    can_be_exempt = parameter and any(path.startswith(fixed) for path in middleware.exempt_paths)
    return not (middleware.optional or middleware.is_exempt(template) or can_be_exempt)
