"""Django: which views need a token, which token, and what the middleware does to a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from tests.adapters.recording import RecordingGuard, bearer

from tokenguard import Requirement, any_of
from tokenguard.django import public, requires
from tokenguard.django.admission import DjangoRequest
from tokenguard.errors import ConfigurationError
from tokenguard.testing import LocalIssuer

Site = Callable[..., None]
PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}


@pytest.fixture
def client() -> Client:
    """A browser's worth of CSRF checking, which Django's test client leaves out by default."""
    return Client(enforce_csrf_checks=True)


def whoami(request: Any) -> HttpResponse:
    """The subject of the token."""
    return HttpResponse(request.access_token.subject if request.access_token else "nobody")


# What needs a token


def test_every_view_needs_a_token(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """A view that says nothing is closed, and gets the token."""
    site({"orders": whoami})
    response = client.get("/orders")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api.example.com"'
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {"error_description": "An access token is required."}
    assert client.get("/orders", headers=bearer(issuer, sub="alice")).content == b"alice"


def test_a_refused_view_does_not_run(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """Whoever refuses, middleware or decorator."""
    ran = []
    site({"a": lambda _: ran.append("a"), "b": requires("orders")(lambda _: ran.append("b"))})
    assert client.get("/a").status_code == 401
    assert client.get("/b", headers=bearer(issuer)).status_code == 403
    assert ran == []


def test_unknown_urls_stay_404(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """With a token or without."""
    site({"orders": whoami})
    assert client.get("/nowhere").status_code == 404
    assert client.get("/nowhere", headers=bearer(issuer)).status_code == 404


def test_public_views_do_not_look_at_headers(site: Site, client: Client, recording_guard: RecordingGuard) -> None:
    """A health check answers whoever asks, whatever stands in the header."""
    site({"health": public(whoami)})
    assert client.get("/health").content == b"nobody"
    assert client.get("/health", headers={"Authorization": "Bearer bad"}).content == b"nobody"
    assert recording_guard.asked == []


def test_optional_forgives_only_a_missing_token(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """A bad token is refused even where none is needed."""
    site({"greeting": public(optional=True)(whoami), "scoped": requires("vip", optional=True)(whoami)})
    for path in ("/greeting", "/scoped"):
        assert client.get(path).content == b"nobody"
        assert client.get(path, headers=bearer(issuer, "vip", sub="alice")).content == b"alice"
        assert client.get(path, headers={"Authorization": "Bearer bad"}).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer"}).status_code == 400
    assert client.get("/scoped", headers=bearer(issuer)).status_code == 403


def test_public_marks_no_other_use_of_a_view(site: Site, client: Client) -> None:
    """The same function may stand open at one URL and closed at another."""
    site({"open": public(whoami), "closed": whoami})
    assert client.get("/open").status_code == 200
    assert client.get("/closed").status_code == 401


@pytest.mark.parametrize(
    "view",
    [
        requires("orders")(public(whoami)),
        public(requires("orders")(whoami)),
        requires(optional=True)(requires("orders")(whoami)),
        requires("orders")(requires(optional=True)(whoami)),
    ],
)
def test_decorators_that_disagree_close(
    site: Site, client: Client, issuer: LocalIssuer, view: Callable[..., Any]
) -> None:
    """Whichever stands outside, a scope that is required somewhere is required."""
    site({"orders": view})
    assert client.get("/orders").status_code == 401
    assert client.get("/orders", headers=bearer(issuer)).status_code == 403
    assert client.get("/orders", headers=bearer(issuer, "orders")).status_code == 200


# What they require


@pytest.mark.parametrize(
    ("wanted", "answers"),
    [
        ("orders", {"orders": 200, "order": 403, "": 403}),
        (["orders", "eu"], {"orders": 403, "eu orders": 200}),
        (any_of("orders", "admin"), {"orders": 200, "admin": 200, "": 403}),
        (Requirement("orders"), {"orders": 200, "": 403}),
        (Requirement(issuers=["https://other.test"]), {"orders": 401}),
        (None, {"": 200}),
    ],
)
def test_requires(site: Site, client: Client, issuer: LocalIssuer, wanted: Any, answers: dict[str, int]) -> None:
    """Scopes, expressions of scopes, and whole requirements."""
    site({"orders": requires(wanted)(whoami)})
    for scope, status in answers.items():
        assert client.get("/orders", headers=bearer(issuer, scope)).status_code == status


def test_a_missing_token_is_told_what_is_needed(site: Site, client: Client) -> None:
    """The challenge names the scope of the view, though the middleware writes it."""
    site({"orders": requires("orders:read")(whoami)})
    assert client.get("/orders")["WWW-Authenticate"] == 'Bearer realm="api.example.com", scope="orders:read"'


@method_decorator(requires("read"), name="get")
@method_decorator(requires("write"), name="post")
@method_decorator(public, name="options")
class Orders(View):
    """A view whose methods say what they need."""

    def get(self, _request: Any) -> HttpResponse:
        """Read."""
        return HttpResponse("read")

    def post(self, _request: Any) -> HttpResponse:
        """Write."""
        return HttpResponse("written")

    def delete(self, _request: Any) -> HttpResponse:
        """Says nothing."""
        return HttpResponse("deleted")

    @method_decorator(public)
    def page(self, _request: Any) -> HttpResponse:
        """No method of HTTP, though a request may name it."""
        return HttpResponse("page")


@pytest.mark.parametrize(
    ("method", "answers"),
    [
        ("GET", {None: 401, "read": 200, "write": 403}),
        ("HEAD", {None: 401, "read": 200, "write": 403}),
        ("POST", {None: 401, "write": 200, "read": 403}),
        ("DELETE", {None: 401, "": 200}),
        ("OPTIONS", {None: 200}),
        ("PAGE", {None: 401, "": 405}),
    ],
)
def test_methods_of_a_class_based_view(
    site: Site, client: Client, issuer: LocalIssuer, method: str, answers: dict[str | None, int]
) -> None:
    """Each says for itself, to the middleware too; one that says nothing needs a token."""
    site({"orders": Orders.as_view()})
    for scope, status in answers.items():
        headers = {} if scope is None else bearer(issuer, scope)
        assert client.generic(method, "/orders", headers=headers).status_code == status


def test_the_middleware_hears_what_a_method_needs(site: Site, client: Client) -> None:
    """So that the challenge names its scope; HEAD is answered by `get`."""
    site({"orders": Orders.as_view()})
    for method, scope in {"GET": "read", "HEAD": "read", "POST": "write"}.items():
        response = client.generic(method, "/orders")
        assert response["WWW-Authenticate"] == f'Bearer realm="api.example.com", scope="{scope}"'


def test_a_class_based_view_as_a_whole(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """`method_decorator` on `dispatch`, for both decorators."""
    closed = method_decorator(requires("all"), name="dispatch")(type("Closed", (Orders,), {}))
    opened = method_decorator(public, name="dispatch")(
        type("Opened", (View,), {"get": lambda _, request: whoami(request)})
    )
    site({"closed": closed.as_view(), "opened": opened.as_view()})
    assert client.get("/closed", headers=bearer(issuer, "read")).status_code == 403
    assert client.get("/closed", headers=bearer(issuer, "read all")).status_code == 200
    assert client.get("/opened").status_code == 200


def test_decorated_views_keep_name_and_marks() -> None:
    """Other decorators leave attributes on a view, which must survive ours."""
    for decorate in (public, requires("orders"), public(optional=True)):
        view = decorate(csrf_exempt(whoami))
        assert (view.__name__, view.csrf_exempt) == ("whoami", True)


def test_a_mistake_in_a_decorator_is_named() -> None:
    """When the module is imported, not when the first request comes."""
    with pytest.raises(ConfigurationError, match="scopes must be"):
        requires(whoami)  # type: ignore[arg-type] # without its parentheses
    with pytest.raises(ConfigurationError, match="not one scope"):
        requires("orders:read orders:write")
    with pytest.raises(ConfigurationError, match="optional must be"):
        public(optional="yes")  # type: ignore[call-overload]


# Once a request


def test_middleware_and_decorators_authenticate_once(
    site: Site, client: Client, issuer: LocalIssuer, recording_guard: RecordingGuard
) -> None:
    """The token is kept with the request, and authorized as often as somebody asks."""
    site({"orders": requires("read")(requires("eu")(whoami))})
    assert client.get("/orders", headers=bearer(issuer, "read eu")).status_code == 200
    assert len(recording_guard.asked) == 1
    assert client.get("/orders", headers=bearer(issuer, "read")).status_code == 403


def test_only_our_own_token_counts(site: Site, client: Client) -> None:
    """Another package's middleware may set `request.access_token` to what it has not verified."""

    def forge(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        def middleware(request: Any) -> HttpResponse:
            request.access_token = "whatever the header says"
            return get_response(request)

        return middleware

    globals()["forge"] = forge
    site({"orders": requires()(whoami)}, MIDDLEWARE=["tokenguard.django.TokenGuardMiddleware", f"{__name__}.forge"])
    assert client.get("/orders").status_code == 401


def test_a_view_can_be_tested_without_the_middleware(site: Site, issuer: LocalIssuer) -> None:
    """With a request from Django's factory: a header, or the token itself."""
    view = requires("orders")(whoami)
    site({})
    factory = RequestFactory()
    assert view(factory.get("/", headers=bearer(issuer, "orders", sub="alice"))).content == b"alice"
    assert view(factory.get("/")).status_code == 401
    with_token: Any = factory.get("/")
    with_token.access_token = RecordingGuard(issuer).validate(issuer.mint(scope="orders", sub="bob"))
    assert view(with_token).content == b"bob"


# CORS


def test_a_preflight_gets_an_empty_answer_and_no_view(site: Site, client: Client, issuer: LocalIssuer) -> None:
    """Browsers send none of their credentials with it, and a function view might not look at the method."""
    ran = []
    site({"orders": lambda _: ran.append("view"), "scoped": requires("orders")(lambda _: ran.append("scoped"))})
    for path in ("/orders", "/scoped"):
        response = client.options(path, headers=PREFLIGHT)
        assert (response.status_code, response.content) == (204, b"")
        assert client.options(path, headers={"Origin": "https://app.example.com"}).status_code == 401
        assert client.options(path, headers={**PREFLIGHT, "Authorization": "Bearer bad"}).status_code == 401
    assert ran == []
    assert client.get("/orders", headers=PREFLIGHT).status_code == 401


def add_cors(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """CORS middleware in its simplest form."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Access-Control-Allow-Origin"] = "*"
        return response

    return middleware


@pytest.mark.parametrize("is_outside", [True, False])
def test_cors_middleware_may_stand_on_either_side(site: Site, client: Client, is_outside: bool) -> None:
    """Its headers go on refusals and preflights alike, since we answer from where the view would."""
    both = [f"{__name__}.add_cors", "tokenguard.django.TokenGuardMiddleware"]
    site({"orders": whoami}, MIDDLEWARE=both if is_outside else both[::-1])
    assert client.get("/orders")["Access-Control-Allow-Origin"] == "*"
    assert client.options("/orders", headers=PREFLIGHT)["Access-Control-Allow-Origin"] == "*"


# The URL


def test_the_url_is_by_djangos_rules(site: Site) -> None:
    """Scheme and host as Django trusts proxies, path and query as sent where the server tells."""
    site({}, ALLOWED_HOSTS=["api.test"], SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
    factory = RequestFactory(HTTP_HOST="api.test", HTTP_X_FORWARDED_PROTO="https")
    assert DjangoRequest(factory.get("/caf\u00e9/\u2603?q=1"), None).url == "https://api.test/caf%C3%A9/%E2%98%83?q=1"
    assert DjangoRequest(factory.get("/a", RAW_URI="/%61?q"), None).url == "https://api.test/%61?q"
    # a host that is not allowed is none; nothing raises that a caller could provoke
    assert DjangoRequest(factory.get("/a", HTTP_HOST="evil.test"), None).url == "https:///a"
