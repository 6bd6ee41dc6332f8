"""Flask: views, apps and what they answer, in process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, jsonify, request
from flask.views import MethodView, View
from werkzeug.exceptions import HTTPException, Unauthorized

from tokenguard import AccessToken, Challenge, Issuer, Request, Requirement, TokenGuard, any_of
from tokenguard.core.requirements import Scopes
from tokenguard.errors import ConfigurationError, Denied, InvalidToken, Unavailable
from tokenguard.flask import Protect, current_token
from tokenguard.testing import Broken, LocalIssuer


class CountingGuard(TokenGuard):
    """Counts how often it looks at a request."""

    authentications = 0

    def check(
        self, request: Request, scopes: Scopes | None = None, *, requirement: Requirement | None = None
    ) -> AccessToken:
        self.authentications += 1
        return super().check(request, scopes, requirement=requirement)


def guard_for(issuer: LocalIssuer, **settings: Any) -> CountingGuard:
    """A guard that trusts the issuer."""
    return CountingGuard(audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)], **settings)


@pytest.fixture
def guard(local_issuer: LocalIssuer) -> CountingGuard:
    """A guard that trusts the issuer."""
    return guard_for(local_issuer)


@pytest.fixture
def protect(guard: TokenGuard) -> Protect:
    """What a view is decorated with."""
    return Protect(guard)


@pytest.fixture
def app() -> Flask:
    """An app without a view."""
    return Flask(__name__)


def bearer(issuer: LocalIssuer, scope: str = "", **claims: Any) -> dict[str, str]:
    """Headers with a valid token."""
    return {"Authorization": f"Bearer {issuer.mint(scope=scope, **claims)}"}


# Views


def test_a_view_runs_with_the_token_at_hand(app: Flask, protect: Protect, local_issuer: LocalIssuer) -> None:
    """`current_token` is the verified token of the request."""

    @app.get("/orders/<int:number>")
    @protect("orders:read")
    def order(number: int) -> list[Any]:
        return [number, current_token.subject]

    response = app.test_client().get("/orders/3", headers=bearer(local_issuer, "orders:read", sub="alice"))
    assert response.json == [3, "alice"]


def test_a_refused_view_does_not_run(app: Flask, protect: Protect, local_issuer: LocalIssuer) -> None:
    """The answer to a refusal is the challenge with a JSON body, and the view is not called."""
    ran = []

    @app.get("/")
    @protect("orders:read")
    def view() -> str:
        ran.append(True)
        return ""

    response = app.test_client().get("/", headers=bearer(local_issuer, "profile"))
    assert response.status_code == 403
    assert response.content_type == "application/json"
    assert response.json == {
        "error": "insufficient_scope",
        "error_description": "The token does not cover what this resource requires.",
    }
    assert 'scope="orders:read"' in response.headers["WWW-Authenticate"]
    assert response.headers["Cache-Control"] == "no-store"
    assert ran == []


def test_a_decorated_view_keeps_its_name(protect: Protect) -> None:
    """Flask names endpoints after functions, so two decorated views must not look like one."""

    @protect()
    def plain() -> None:
        """Documented."""

    @protect()
    async def asynchronous() -> None:
        """Documented too."""

    assert (plain.__name__, plain.__doc__) == ("plain", "Documented.")
    assert (asynchronous.__name__, asynchronous.__doc__) == ("asynchronous", "Documented too.")


def test_an_async_view_is_checked_before_it_runs(app: Flask, protect: Protect, local_issuer: LocalIssuer) -> None:
    """An `async def` view is refused and admitted like any other."""

    @app.get("/")
    @protect("orders:read")
    async def view() -> dict[str, Any]:
        return {"subject": current_token.subject}

    client = app.test_client()
    assert client.get("/").status_code == 401
    assert client.get("/", headers=bearer(local_issuer, "orders:read", sub="alice")).json == {"subject": "alice"}


class Orders(MethodView):
    """A class-based view with an async method."""

    def get(self, name: str) -> str:
        """Read."""
        return f"read {name}"

    async def post(self, name: str) -> str:
        """Write."""
        return f"write {name}"


class AsyncView(View):
    """A class-based view that is async as a whole."""

    async def dispatch_request(self, name: str) -> str:
        """Answer."""
        return f"async {name}"


def test_class_based_views_are_decorated_as_flask_decorates_them(
    app: Flask, protect: Protect, local_issuer: LocalIssuer
) -> None:
    """`decorators = [protect(...)]` covers every method, sync and async."""
    for base in (Orders, AsyncView):
        protected = type("Protected", (base,), {"decorators": [protect("orders")]})
        app.add_url_rule(f"/{base.__name__}/<name>", view_func=protected.as_view(base.__name__))
    client = app.test_client()
    cases = {("GET", "/Orders/x"): "read x", ("POST", "/Orders/x"): "write x", ("GET", "/AsyncView/x"): "async x"}
    for (method, path), answer in cases.items():
        assert client.open(path, method=method).status_code == 401
        assert client.open(path, method=method, headers=bearer(local_issuer, "orders")).text == answer


def test_methods_of_a_class_based_view_are_decorated_one_by_one(
    app: Flask, protect: Protect, local_issuer: LocalIssuer
) -> None:
    """Reading and writing may need different scopes."""

    class Mixed(MethodView):
        @protect("orders:read")
        def get(self) -> str:
            return "read"

        @protect("orders:write")
        async def post(self) -> str:
            return "written"

    app.add_url_rule("/", view_func=Mixed.as_view("mixed"))
    client, headers = app.test_client(), bearer(local_issuer, "orders:write")
    assert client.get("/", headers=headers).status_code == 403
    assert client.post("/", headers=headers).text == "written"


def test_nested_checks_authenticate_once(
    app: Flask, protect: Protect, guard: CountingGuard, local_issuer: LocalIssuer
) -> None:
    """Default-deny and two decorators look at the token once, and each demands its own."""
    protect.all(app)

    @app.get("/")
    @protect("orders:read")
    @protect.requires(any_of("eu", "us"))
    def view() -> str:
        return "in"

    client = app.test_client()
    assert client.get("/", headers=bearer(local_issuer, "orders:read us")).text == "in"
    assert guard.authentications == 1
    assert client.get("/", headers=bearer(local_issuer, "orders:read")).status_code == 403
    assert client.get("/", headers=bearer(local_issuer, "eu")).status_code == 403


def test_requires_takes_a_whole_requirement(app: Flask, protect: Protect, local_issuer: LocalIssuer) -> None:
    """What scopes can't say, a `Requirement` can."""

    @app.get("/")
    @protect.requires(Requirement(issuers=["https://other.example.com"]))
    def view() -> str:
        return ""

    response = app.test_client().get("/", headers=bearer(local_issuer))
    assert response.status_code == 401
    assert response.json is not None
    assert response.json["error_description"] == "The issuer of the token is not accepted for this resource."


def test_two_guards_each_have_their_say(app: Flask, local_issuer: LocalIssuer) -> None:
    """What one guard accepted is no token of another one's; `current_token` is that of the inner one."""
    other = LocalIssuer(algorithm="ES256", issuer="https://other.test")
    ours, theirs = guard_for(local_issuer), guard_for(other)

    @app.get("/")
    @Protect(ours)()
    @Protect(theirs, optional=True)()
    def view() -> str:
        return ""

    response = app.test_client().get("/", headers=bearer(local_issuer))
    assert response.status_code == 401
    assert (ours.authentications, theirs.authentications) == (1, 1)


def test_a_token_is_not_kept_for_the_next_request(app: Flask, protect: Protect, local_issuer: LocalIssuer) -> None:
    """An app context that outlives a request, as tests and scripts push it, must not carry its token along."""

    @app.get("/")
    @protect()
    def view() -> str:
        return "in"

    with app.app_context():
        client = app.test_client()
        assert client.get("/", headers=bearer(local_issuer)).status_code == 200
        assert client.get("/").status_code == 401


def test_without_a_token_current_token_is_false(app: Flask, guard: TokenGuard, local_issuer: LocalIssuer) -> None:
    """A view can ask whether there is one: where `optional` let the request in, and where nothing is protected."""

    @app.get("/optional")
    @Protect(guard, optional=True)("orders:read")
    def view() -> str:
        return "known" if current_token else "unknown"

    @app.get("/public")
    def public() -> str:
        return "known" if current_token else "unknown"

    client = app.test_client()
    assert client.get("/optional").text == "unknown"
    assert client.get("/optional", headers=bearer(local_issuer, "orders:read")).text == "known"
    assert client.get("/optional", headers=bearer(local_issuer)).status_code == 403
    assert client.get("/optional", headers={"Authorization": "Bearer bad"}).status_code == 401
    assert client.get("/public", headers=bearer(local_issuer)).text == "unknown"


def test_current_token_outside_a_request_is_a_mistake(app: Flask) -> None:
    """There is no request whose token it could be."""
    with app.app_context(), pytest.raises(RuntimeError, match="request context"):
        current_token.subject  # noqa: B018 - reading it is what fails


# Whole apps


@pytest.fixture
def closed(app: Flask, protect: Protect) -> Flask:
    """An app in which everything needs a token, but for the exceptions."""
    app.static_folder = "."
    protect.all(app, except_=["health", "/docs", "static"])
    for endpoint, rule in {
        "orders": "/orders",
        "health": "/health",
        "docs": "/docs",
        "docs_page": "/docs/<path:page>",
        "docs_of_orders": "/docs-of-orders",
    }.items():
        app.add_url_rule(rule, endpoint, lambda page="": f"in {page}")
    app.add_url_rule("/slash/", "slash", lambda: "in")
    app.add_url_rule("/any", "any", lambda: "in", methods=["GET", "OPTIONS"])
    return app


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/orders", 401),
        ("GET", "/health", 200),
        ("GET", "/docs", 200),
        ("GET", "/docs/style.css", 200),
        ("GET", "/docs/../orders", 401),
        ("GET", "/docs-of-orders", 401),
        ("GET", "/nowhere", 404),
        ("POST", "/orders", 405),
        ("GET", "/slash", 308),
        ("GET", "/slash/", 401),
        ("OPTIONS", "/orders", 200),
        ("OPTIONS", "/any", 401),
        ("GET", "/static/test_flask.py", 200),
    ],
)
def test_default_deny(closed: Flask, method: str, path: str, status: int) -> None:
    """Every view needs a token but the exceptions; what no view answers stays as Flask has it."""
    with closed.test_client().open(path, method=method) as response:
        assert response.status_code == status


def test_static_files_are_closed_unless_excepted(app: Flask, protect: Protect) -> None:
    """Default-deny means static files too."""
    app.static_folder = "."
    protect.all(app)
    assert app.test_client().get("/static/test_flask.py").status_code == 401


def test_a_blueprint_can_be_closed_alone(app: Flask, protect: Protect, local_issuer: LocalIssuer) -> None:
    """`all` on a blueprint leaves the rest of the app alone."""
    api = Blueprint("api", __name__, url_prefix="/api")
    api.add_url_rule("/orders", "orders", lambda: "in")
    api.add_url_rule("/health", "health", lambda: "in")
    protect.all(api, except_=["api.health"])
    app.register_blueprint(api)
    app.add_url_rule("/", "home", lambda: "in")
    client = app.test_client()
    assert client.get("/api/orders").status_code == 401
    assert client.get("/api/orders", headers=bearer(local_issuer)).status_code == 200
    assert client.get("/api/health").status_code == 200
    assert client.get("/").status_code == 200


# Refusals as the framework's own errors


class TwoSchemes(TokenGuard):
    """Challenges for two schemes, in two lines."""

    def challenge(self, error: Denied | Unavailable) -> Challenge:
        status, headers, body = super().challenge(error)
        return Challenge(status, [("WWW-Authenticate", 'DPoP algs="ES256"'), *headers], body)


@pytest.mark.req("BT-24")
def test_several_challenges_are_separate_lines(app: Flask, local_issuer: LocalIssuer) -> None:
    """Werkzeug's own class would write one line that no client can read."""
    guard = TwoSchemes(audience="https://api.test", issuers=[Issuer(local_issuer.issuer, jwks=local_issuer.jwks)])
    app.add_url_rule("/", "view", Protect(guard)()(lambda: "in"))
    response = app.test_client().get("/")
    assert response.headers.getlist("WWW-Authenticate") == ['DPoP algs="ES256"', 'Bearer realm="api.test"']


@pytest.mark.parametrize("caught", [401, Unauthorized, HTTPException, Denied, InvalidToken])
def test_the_app_can_answer_refusals_itself(
    app: Flask, protect: Protect, local_issuer: LocalIssuer, caught: type[Exception] | int
) -> None:
    """A handler for the status, Werkzeug's class or ours gets the error, with everything it says."""

    @app.errorhandler(caught)
    def handler(error: Exception) -> tuple[Response, int]:
        assert isinstance(error, Denied)
        assert isinstance(error, Unauthorized)
        return jsonify(why=error.reason, status=error.code), 418

    app.add_url_rule("/", "view", protect()(lambda: "in"))
    expired = local_issuer.broken(Broken.EXPIRED)
    response = app.test_client().get("/", headers={"Authorization": f"Bearer {expired}"})
    assert (response.status_code, response.json) == (418, {"why": "expired", "status": 401})


def test_the_app_can_answer_for_an_issuer_that_is_down(app: Flask, served_issuer: LocalIssuer) -> None:
    """`Unavailable` is Werkzeug's ServiceUnavailable."""
    served_issuer.misbehave("down")

    @app.errorhandler(Unavailable)
    def handler(error: Unavailable) -> tuple[str, int]:
        assert isinstance(error, HTTPException)
        return "later", 599

    with TokenGuard(audience=served_issuer.audience, issuers=[served_issuer.issuer]) as guard:
        app.add_url_rule("/", "view", Protect(guard)()(lambda: "in"))
        response = app.test_client().get("/", headers=bearer(served_issuer))
    assert (response.status_code, response.text) == (599, "later")


def test_after_request_functions_see_refusals(app: Flask, protect: Protect) -> None:
    """What adds CORS headers to responses adds them to refusals too."""
    protect.all(app)

    @app.after_request
    def add_cors(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    app.add_url_rule("/", "view", lambda: "in")
    response = app.test_client().get("/")
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == "*"


# The form body


def test_a_form_body_is_read_only_where_the_guard_takes_tokens_from_it(app: Flask, local_issuer: LocalIssuer) -> None:
    """A token in the body is not looked for by default, and found where it is allowed; the view has the form still."""

    def view() -> dict[str, Any]:
        return dict(request.form)

    guards = {"off": guard_for(local_issuer), "on": guard_for(local_issuer, form_body=True)}
    for name, guard in guards.items():
        app.add_url_rule(f"/{name}", name, Protect(guard)()(view), methods=["POST"])
    client, form = app.test_client(), {"access_token": local_issuer.mint(), "item": "tea"}
    assert client.post("/off", data=form).status_code == 401
    assert client.post("/on", data=form).json == form
    assert client.post("/on", data=form, headers=bearer(local_issuer)).status_code == 400


# Settings


def configured(issuer: LocalIssuer, **settings: Any) -> Flask:
    """An app with the settings of a guard that trusts the issuer."""
    app = Flask(__name__)
    issuers = [{"issuer": issuer.issuer, "jwks": issuer.jwks}]
    app.config["TOKENGUARD"] = {"AUDIENCE": issuer.audience, "ISSUERS": issuers, **settings}
    return app


def test_several_apps_share_one_extension(local_issuer: LocalIssuer) -> None:
    """Each app's config makes its own guard; a token for one is none for the other."""
    other = LocalIssuer(algorithm="ES256", issuer="https://other.test")
    protect = Protect()
    apps = [configured(local_issuer), configured(other, REALM="orders")]
    for app in apps:
        protect.init_app(app)
        app.add_url_rule("/", "view", protect()(lambda: "in"))
    first, second = (app.test_client() for app in apps)
    assert first.get("/", headers=bearer(local_issuer)).status_code == 200
    assert second.get("/", headers=bearer(other)).status_code == 200
    assert second.get("/", headers=bearer(local_issuer)).status_code == 401
    assert second.get("/").headers["WWW-Authenticate"] == 'Bearer realm="orders"'


def test_several_extensions_share_one_apps_guard(local_issuer: LocalIssuer) -> None:
    """A second `Protect`, say an optional one, brings no second key source."""
    app = configured(local_issuer)
    Protect().init_app(app)
    guard = app.extensions["tokenguard"]
    Protect(optional=True).init_app(app)
    assert app.extensions["tokenguard"] is guard


def test_the_config_may_hold_a_guard(guard: TokenGuard) -> None:
    """{"GUARD": ...} is taken as it is."""
    app = Flask(__name__)
    app.config["TOKENGUARD"] = {"GUARD": guard}
    Protect().init_app(app)
    assert app.extensions["tokenguard"] is guard


def test_configuration_mistakes_are_named(app: Flask, guard: TokenGuard, protect: Protect) -> None:
    """Each mistake is a `ConfigurationError` that says what to change."""
    with pytest.raises(ConfigurationError, match=r'app.config\["TOKENGUARD"\]'):
        Protect().init_app(app)
    with pytest.raises(ConfigurationError, match="needs no init_app"):
        protect.init_app(app)
    with pytest.raises(ConfigurationError, match="guard must be"):
        Protect(json)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="optional must be"):
        Protect(guard, optional=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="scopes must be"):
        protect(lambda: "in")  # type: ignore[arg-type] # @protect without its parentheses
    with pytest.raises(ConfigurationError, match="except_ must be"):
        protect.all(app, except_="health")
    app.config["TOKENGUARD"] = {"AUDIANCE": "https://api.example.com"}
    with pytest.raises(ConfigurationError, match=r"TOKENGUARD\.AUDIANCE, did you mean TOKENGUARD\.AUDIENCE"):
        Protect().init_app(app)


def test_an_app_without_a_guard_lets_nobody_in(app: Flask, local_issuer: LocalIssuer) -> None:
    """A forgotten `init_app` is an error, not an open door."""
    app.testing = True
    app.add_url_rule("/", "view", Protect()()(lambda: "in"))
    with pytest.raises(ConfigurationError, match="init_app"):
        app.test_client().get("/", headers=bearer(local_issuer))
