"""What protection adds to a FastAPI endpoint, called through the whole ASGI application without a server."""

from __future__ import annotations

from typing import Any

from benchmarks import world
from benchmarks.apps import fastapi_app
from benchmarks.apps.asgi_scope import scope
from benchmarks.measure import Case, fresh, measure
from benchmarks.rows import Row, extra, timing
from benchmarks.suites import Plan
from tokenguard.asgi import TokenGuardMiddleware


def run(plan: Plan) -> list[Row]:
    """The plain endpoint, and what each protection adds to it; the token is remembered but where it says cold."""
    token = world.mint()
    warm = world.guard()
    made = fastapi_app.protections(warm, world.guard_without_cache(), world.local_issuer("RS256").jwks["keys"][0])
    # an application each: in one, later routes would pay for being looked at later
    apps: dict[str, Any] = {f"/{name}": fastapi_app.build(**{name: protection}) for name, protection in made.items()}
    cases = [
        world.bare_check("RS256", [token], "bare RS256"),
        _case("plain endpoint", apps["/plain"], "/plain", token),
        _case("no-op async dependency", apps["/noop"], "/noop", token),
        _case("Protect, warm", apps["/protected"], "/protected", token),
    ]
    if not plan.quick:
        cases += [
            _case("Protect, cold", apps["/uncached"], "/uncached", token),
            _case("ASGI middleware, warm", TokenGuardMiddleware(apps["/plain"], warm), "/plain", token),
            _case("PyJWT + HTTPBearer", apps["/pyjwt"], "/pyjwt", token),
        ]
    samples = measure(cases, *plan.part("requests through FastAPI", 1.0))
    bare, plain, *others = (case.name for case in cases)
    return [timing("FastAPI", plain, samples), *(extra("FastAPI", name, samples, plain, bare) for name in others)]


def _case(name: str, app: Any, path: str, token: str) -> Case:
    async def request(asked: dict[str, Any]) -> None:
        await app(asked, _receive, _send)

    return Case(name, request, fresh(lambda: (scope(path, token),)), is_async=True)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: dict[str, Any]) -> None:
    assert message.get("status", 200) == 200, message
