"""What protection adds to a Flask view, called through the whole WSGI application without a server."""

from __future__ import annotations

from typing import Any

from benchmarks import world
from benchmarks.apps import flask_app
from benchmarks.apps.environ import environ
from benchmarks.measure import Case, fresh, measure
from benchmarks.rows import Row, absent, extra, timing
from benchmarks.suites import Plan


def run(plan: Plan) -> list[Row]:
    """The plain view, what a no-op decorator adds to it, and what others add to that."""
    token = world.mint()
    made = flask_app.protections(world.guard(), world.guard_without_cache())
    apps = {f"/{name}": flask_app.build(**{name: protect}) for name, protect in made.items()}
    cases = [
        world.bare_check("RS256", [token], "bare RS256"),
        _case("plain view", apps["/plain"], "/plain", token),
        _case("no-op decorator", apps["/noop"], "/noop", token),
        _case("Protect, warm", apps["/protected"], "/protected", token),
    ]
    missing = []
    if not plan.quick:
        cases.append(_case("Protect, cold", apps["/uncached"], "/uncached", token))
        try:
            cases.append(_case("flask-jwt-extended", flask_app.build_with_flask_jwt_extended(), "/peer", token))
        except ImportError as error:
            missing.append(absent("Flask", "flask-jwt-extended", f"not installed: {error}"))
    samples = measure(cases, *plan.part("requests through Flask", 1.0))
    bare, plain, noop, *others = (case.name for case in cases)
    return [
        timing("Flask", plain, samples),
        extra("Flask", noop, samples, plain, bare),
        *(extra("Flask", name, samples, noop, bare) for name in others),
        *missing,
    ]


def _case(name: str, app: Any, path: str, token: str) -> Case:
    def request(asked: dict[str, Any]) -> None:
        app(asked, _start_response)

    return Case(name, request, fresh(lambda: (environ(path, token),)))


def _start_response(status: str, _headers: object, _exc_info: object = None) -> None:
    assert status == "200 OK", status
