"""What the middleware adds to a chain of middleware, resolver and view, under WSGI and under ASGI."""

from __future__ import annotations

import io
from typing import Any

from benchmarks import world
from benchmarks.apps import asgi_scope, django_app
from benchmarks.apps.environ import environ
from benchmarks.measure import Case, fresh, measure
from benchmarks.rows import Row, extra, timing
from benchmarks.suites import Plan


def run(plan: Plan) -> list[Row]:
    """For each of WSGI and ASGI: a no-op middleware, and what ours adds to it, warm and cold."""
    django_app.configure()
    token = world.mint()
    cases: list[Case] = [world.bare_check("RS256", [token], "bare RS256")]
    for kind, is_async in {"WSGI": False, "ASGI": True}.items():
        make = _asgi_request if is_async else _wsgi_request
        chains = {
            "no-op middleware": django_app.chain(django_app.NOOP, is_async=is_async),
            "middleware, warm": django_app.chain(django_app.OURS, is_async=is_async),
        }
        if not plan.quick:
            chains["middleware, cold"] = django_app.chain(django_app.OURS, guard="cold", is_async=is_async)
        cases += [_case(f"{kind}, {name}", chain, make, token, is_async) for name, chain in chains.items()]
    samples = measure(cases, *plan.part("requests through Django", 1.0))
    rows = []
    for case in cases[1:]:
        noop = f"{case.name.partition(',')[0]}, no-op middleware"
        if case.name == noop:
            rows.append(timing("Django", noop, samples))
        else:
            rows.append(extra("Django", case.name, samples, noop, "bare RS256"))
    return rows


def _case(name: str, chain: Any, make: Any, token: str, is_async: bool) -> Case:
    return Case(name, chain, fresh(lambda: (make(token),)), is_async)


def _wsgi_request(token: str) -> Any:
    from django.core.handlers.wsgi import WSGIRequest

    return WSGIRequest(environ("/sync", token))


def _asgi_request(token: str) -> Any:
    from django.core.handlers.asgi import ASGIRequest

    return ASGIRequest(asgi_scope.scope("/async", token), io.BytesIO())
