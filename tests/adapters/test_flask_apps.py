"""Flask: whole apps behind a guard, how they answer refusals, and their settings."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, Response, jsonify
from tests.adapters.recording import RecordingGuard, bearer
from werkzeug.exceptions import HTTPException, Unauthorized

from tokenguard import Challenge, TokenGuard
from tokenguard.errors import ConfigurationError, Denied, InvalidToken, Unavailable
from tokenguard.flask import Protect
from tokenguard.testing import Broken, LocalIssuer


@pytest.fixture
def protect(recording_guard: RecordingGuard) -> Protect:
    """What a view is decorated with."""
    return Protect(recording_guard)


@pytest.fixture
def app() -> Flask:
    """An app without a view."""
    return Flask(__name__)


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
        ("GET", "/static/test_flask_apps.py", 200),
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
    assert app.test_client().get("/static/test_flask_apps.py").status_code == 401


def test_a_blueprint_can_be_closed_alone(app: Flask, protect: Protect, issuer: LocalIssuer) -> None:
    """`all` on a blueprint leaves the rest of the app alone."""
    api = Blueprint("api", __name__, url_prefix="/api")
    api.add_url_rule("/orders", "orders", lambda: "in")
    api.add_url_rule("/health", "health", lambda: "in")
    protect.all(api, except_=["api.health"])
    app.register_blueprint(api)
    app.add_url_rule("/", "home", lambda: "in")
    client = app.test_client()
    assert client.get("/api/orders").status_code == 401
    assert client.get("/api/orders", headers=bearer(issuer)).status_code == 200
    assert client.get("/api/health").status_code == 200
    assert client.get("/").status_code == 200


# Refusals as the framework's own errors


class TwoSchemes(RecordingGuard):
    """Challenges for two schemes, in two lines."""

    def challenge(self, error: Denied | Unavailable) -> Challenge:
        status, headers, body = super().challenge(error)
        return Challenge(status, [("WWW-Authenticate", 'DPoP algs="ES256"'), *headers], body)


@pytest.mark.req("BT-24")
def test_several_challenges_are_separate_lines(app: Flask, issuer: LocalIssuer) -> None:
    """Werkzeug's own class would write one line that no client can read."""
    app.add_url_rule("/", "view", Protect(TwoSchemes(issuer))()(lambda: "in"))
    response = app.test_client().get("/")
    assert response.headers.getlist("WWW-Authenticate") == ['DPoP algs="ES256"', 'Bearer realm="api.example.com"']


@pytest.mark.parametrize("caught", [401, Unauthorized, HTTPException, Denied, InvalidToken])
def test_the_app_can_answer_refusals_itself(
    app: Flask, protect: Protect, issuer: LocalIssuer, caught: type[Exception] | int
) -> None:
    """A handler for the status, Werkzeug's class or ours gets the error, with everything it says."""

    @app.errorhandler(caught)
    def handler(error: Exception) -> tuple[Response, int]:
        assert isinstance(error, Denied)
        assert isinstance(error, Unauthorized)
        return jsonify(why=error.reason, status=error.code), 418

    app.add_url_rule("/", "view", protect()(lambda: "in"))
    expired = issuer.broken(Broken.EXPIRED)
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


# Settings


def configured(issuer: LocalIssuer, **settings: Any) -> Flask:
    """An app with the settings of a guard that trusts the issuer."""
    app = Flask(__name__)
    issuers = [{"issuer": issuer.issuer, "jwks": issuer.jwks}]
    app.config["TOKENGUARD"] = {"AUDIENCE": issuer.audience, "ISSUERS": issuers, "CLOCK": issuer.clock, **settings}
    return app


def test_several_apps_share_one_extension(issuer: LocalIssuer) -> None:
    """Each app's config makes its own guard; a token for one is none for the other."""
    other = LocalIssuer("https://other.test", algorithm="ES256", clock=issuer.clock)
    protect = Protect()
    apps = [configured(issuer), configured(other, REALM="orders")]
    for app in apps:
        protect.init_app(app)
        app.add_url_rule("/", "view", protect()(lambda: "in"))
    first, second = (app.test_client() for app in apps)
    assert first.get("/", headers=bearer(issuer)).status_code == 200
    assert second.get("/", headers=bearer(other)).status_code == 200
    assert second.get("/", headers=bearer(issuer)).status_code == 401
    assert second.get("/").headers["WWW-Authenticate"] == 'Bearer realm="orders"'


def test_several_extensions_share_one_apps_guard(issuer: LocalIssuer) -> None:
    """A second `Protect`, say an optional one, brings no second key source."""
    app = configured(issuer)
    Protect().init_app(app)
    guard = app.extensions["tokenguard"]
    Protect(optional=True).init_app(app)
    assert app.extensions["tokenguard"] is guard


def test_the_config_may_hold_a_guard(recording_guard: RecordingGuard) -> None:
    """{"GUARD": ...} is taken as it is."""
    app = Flask(__name__)
    app.config["TOKENGUARD"] = {"GUARD": recording_guard}
    Protect().init_app(app)
    assert app.extensions["tokenguard"] is recording_guard


def test_configuration_mistakes_are_named(app: Flask, recording_guard: RecordingGuard, protect: Protect) -> None:
    """Each mistake is a `ConfigurationError` that says what to change."""
    with pytest.raises(ConfigurationError, match=r'app.config\["TOKENGUARD"\]'):
        Protect().init_app(app)
    with pytest.raises(ConfigurationError, match="needs no init_app"):
        protect.init_app(app)
    with pytest.raises(ConfigurationError, match="guard must be"):
        Protect("guard")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="optional must be"):
        Protect(recording_guard, optional=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="scopes must be"):
        protect(lambda: "in")  # type: ignore[arg-type] # @protect without its parentheses
    with pytest.raises(ConfigurationError, match="except_ must be"):
        protect.all(app, except_="health")
    app.config["TOKENGUARD"] = {"AUDIANCE": "https://api.example.com"}
    with pytest.raises(ConfigurationError, match=r"TOKENGUARD\.AUDIANCE, did you mean TOKENGUARD\.AUDIENCE"):
        Protect().init_app(app)


def test_an_app_without_a_guard_lets_nobody_in(app: Flask, issuer: LocalIssuer) -> None:
    """A forgotten `init_app` is an error, not an open door."""
    app.testing = True
    app.add_url_rule("/", "view", Protect()()(lambda: "in"))
    with pytest.raises(ConfigurationError, match="init_app"):
        app.test_client().get("/", headers=bearer(issuer))
