"""Flask: views that need a token, in process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from flask.views import MethodView, View
from tests.adapters.recording import RecordingGuard, bearer

from tokenguard import Requirement, any_of
from tokenguard.flask import Protect, current_token
from tokenguard.testing import Broken, LocalIssuer


@pytest.fixture
def protect(recording_guard: RecordingGuard) -> Protect:
    """What a view is decorated with."""
    return Protect(recording_guard)


@pytest.fixture
def app() -> Flask:
    """An app without a view."""
    return Flask(__name__)


def test_a_view_runs_with_the_token_at_hand(app: Flask, protect: Protect, issuer: LocalIssuer) -> None:
    """`current_token` is the verified token of the request."""

    @app.get("/orders/<int:number>")
    @protect("orders:read")
    def order(number: int) -> list[Any]:
        return [number, current_token.subject]

    response = app.test_client().get("/orders/3", headers=bearer(issuer, "orders:read", sub="alice"))
    assert response.json == [3, "alice"]


def test_a_refused_view_does_not_run(app: Flask, protect: Protect, issuer: LocalIssuer) -> None:
    """The answer to a refusal is the challenge with a JSON body, and the view is not called."""
    ran = []

    @app.get("/")
    @protect("orders:read")
    def view() -> str:
        ran.append(True)
        return ""

    response = app.test_client().get("/", headers=bearer(issuer, "profile"))
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


def test_an_async_view_is_checked_before_it_runs(app: Flask, protect: Protect, issuer: LocalIssuer) -> None:
    """An `async def` view is refused and admitted like any other."""

    @app.get("/")
    @protect("orders:read")
    async def view() -> dict[str, Any]:
        return {"subject": current_token.subject}

    client = app.test_client()
    assert client.get("/").status_code == 401
    assert client.get("/", headers=bearer(issuer, "orders:read", sub="alice")).json == {"subject": "alice"}


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
    app: Flask, protect: Protect, issuer: LocalIssuer
) -> None:
    """`decorators = [protect(...)]` covers every method, sync and async."""
    for base in (Orders, AsyncView):
        protected = type("Protected", (base,), {"decorators": [protect("orders")]})
        app.add_url_rule(f"/{base.__name__}/<name>", view_func=protected.as_view(base.__name__))
    client = app.test_client()
    cases = {("GET", "/Orders/x"): "read x", ("POST", "/Orders/x"): "write x", ("GET", "/AsyncView/x"): "async x"}
    for (method, path), answer in cases.items():
        assert client.open(path, method=method).status_code == 401
        assert client.open(path, method=method, headers=bearer(issuer, "orders")).text == answer


def test_methods_of_a_class_based_view_are_decorated_one_by_one(
    app: Flask, protect: Protect, issuer: LocalIssuer
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
    client, headers = app.test_client(), bearer(issuer, "orders:write")
    assert client.get("/", headers=headers).status_code == 403
    assert client.post("/", headers=headers).text == "written"


def test_nested_checks_authenticate_once(
    app: Flask, protect: Protect, recording_guard: RecordingGuard, issuer: LocalIssuer
) -> None:
    """Default-deny and two decorators look at the token once, and each demands its own."""
    protect.all(app)

    @app.get("/")
    @protect("orders:read")
    @protect.requires(any_of("eu", "us"))
    def view() -> str:
        return "in"

    client = app.test_client()
    assert client.get("/", headers=bearer(issuer, "orders:read us")).text == "in"
    assert len(recording_guard.asked) == 1
    assert client.get("/", headers=bearer(issuer, "orders:read")).status_code == 403
    assert client.get("/", headers=bearer(issuer, "eu")).status_code == 403


def test_requires_takes_a_whole_requirement(app: Flask, protect: Protect, issuer: LocalIssuer) -> None:
    """What scopes can't say, a `Requirement` can."""

    @app.get("/")
    @protect.requires(Requirement(issuers=["https://other.example.com"]))
    def view() -> str:
        return ""

    response = app.test_client().get("/", headers=bearer(issuer))
    assert response.status_code == 401
    assert response.json is not None
    assert response.json["error_description"] == "The issuer of the token is not accepted for this resource."


def test_two_guards_each_have_their_say(app: Flask, issuer: LocalIssuer) -> None:
    """What one guard accepted is no token of another one's."""
    other = LocalIssuer("https://other.test", algorithm="ES256", clock=issuer.clock)
    ours, theirs = RecordingGuard(issuer), RecordingGuard(other)
    app.add_url_rule("/", "view", Protect(ours)()(Protect(theirs, optional=True)()(lambda: "in")))
    assert app.test_client().get("/", headers=bearer(issuer)).status_code == 401
    assert (len(ours.asked), len(theirs.asked)) == (1, 1)


def test_with_two_guards_current_token_is_the_inner_ones(app: Flask, issuer: LocalIssuer) -> None:
    """The view has the token of the decorator next to it."""
    tokens = []
    inner = Protect(RecordingGuard(issuer))
    outer = Protect(RecordingGuard(issuer))

    @app.get("/")
    @outer()
    def view() -> str:
        tokens.append(current_token._get_current_object())
        inner()(lambda: tokens.append(current_token._get_current_object()))()
        return ""

    app.test_client().get("/", headers=bearer(issuer))
    assert len({id(token) for token in tokens}) == 2


def test_a_token_is_not_kept_for_the_next_request(app: Flask, protect: Protect, issuer: LocalIssuer) -> None:
    """An app context that outlives a request, as tests and scripts push it, must not carry its token along."""

    @app.get("/")
    @protect()
    def view() -> str:
        return "in"

    with app.app_context():
        client = app.test_client()
        assert client.get("/", headers=bearer(issuer)).status_code == 200
        assert client.get("/").status_code == 401


def test_without_a_token_current_token_is_false(
    app: Flask, recording_guard: RecordingGuard, issuer: LocalIssuer
) -> None:
    """A view can ask whether there is one: where `optional` let the request in, and where nothing is protected."""

    @app.get("/optional")
    @Protect(recording_guard, optional=True)("orders:read")
    def view() -> str:
        return "known" if current_token else "unknown"

    @app.get("/public")
    def public() -> str:
        return "known" if current_token else "unknown"

    client = app.test_client()
    assert client.get("/optional").text == "unknown"
    assert client.get("/optional", headers=bearer(issuer, "orders:read")).text == "known"
    assert client.get("/optional", headers=bearer(issuer)).status_code == 403
    assert client.get("/optional", headers={"Authorization": "Bearer bad"}).status_code == 401
    assert client.get("/public", headers=bearer(issuer)).text == "unknown"


def test_current_token_outside_a_request_is_a_mistake(app: Flask) -> None:
    """There is no request whose token it could be."""
    with app.app_context(), pytest.raises(RuntimeError, match="request context"):
        current_token.subject  # noqa: B018 - reading it is what fails


def test_a_form_body_is_read_only_where_the_guard_takes_tokens_from_it(app: Flask, issuer: LocalIssuer) -> None:
    """A token in the body is not looked for by default, and found where it is allowed; the view has the form still."""

    def view() -> dict[str, Any]:
        return dict(request.form)

    guards = {"off": RecordingGuard(issuer), "on": RecordingGuard(issuer, form_body=True)}
    for name, guard in guards.items():
        app.add_url_rule(f"/{name}", name, Protect(guard)()(view), methods=["POST"])
    client, form = app.test_client(), {"access_token": issuer.mint(), "item": "tea"}
    assert client.post("/off", data=form).status_code == 401
    assert client.post("/on", data=form).json == form
    assert client.post("/on", data=form, headers=bearer(issuer)).status_code == 400


READ_FIRST: dict[str, Callable[[], Any]] = {
    "parsed": lambda: request.form,
    "kept": lambda: request.get_data(cache=True),
    "parsed and kept": lambda: (request.get_data(), request.form),
}


@pytest.mark.parametrize("read", READ_FIRST.values(), ids=list(READ_FIRST))
def test_a_token_in_a_form_that_somebody_has_read_counts(
    app: Flask, issuer: LocalIssuer, read: Callable[[], Any]
) -> None:
    """A logging `before_request` function hides no token, neither a bad one where it is optional nor one too many."""
    app.before_request(lambda: read() and None)
    protect = Protect(RecordingGuard(issuer, form_body=True), optional=True)
    app.add_url_rule("/", "view", protect()(lambda: str(current_token.subject)), methods=["POST"])
    client = app.test_client()
    assert client.post("/", data={"access_token": issuer.mint(sub="alice")}).text == "alice"
    assert client.post("/", data={"access_token": issuer.broken(Broken.EXPIRED)}).status_code == 401
    assert client.post("/", data={"access_token": [issuer.mint(), issuer.mint()]}).status_code == 400
    assert client.post("/", data={"access_token": issuer.mint()}, headers=bearer(issuer)).status_code == 400


@pytest.mark.req("BT-07")
def test_a_parsed_form_counts_only_if_it_is_ascii(app: Flask, issuer: LocalIssuer) -> None:
    """As a raw one does (RFC 6750 2.2)."""
    app.before_request(lambda: request.form and None)
    app.add_url_rule("/", "view", Protect(RecordingGuard(issuer, form_body=True))()(lambda: "in"), methods=["POST"])
    form = {"access_token": issuer.mint(), "item": "th\u00e9"}
    assert app.test_client().post("/", data=form).status_code == 401


def test_a_form_that_can_not_be_searched_is_refused(app: Flask) -> None:
    """Too long, or read by somebody who has kept nothing: a bad token may be in it, where a token is optional."""

    @app.before_request
    def drain() -> None:
        if "drained" in request.args:
            request.stream.read()

    guard = RecordingGuard(LocalIssuer(), form_body=True)
    app.add_url_rule("/", "view", Protect(guard, optional=True)()(lambda: "in"), methods=["POST"])
    client = app.test_client()
    assert client.post("/", data={"item": "tea"}).text == "in"
    assert client.post("/", data={"item": "x" * 70_000}).status_code == 400
    assert client.post("/?drained", data={"item": "tea"}).status_code == 400
