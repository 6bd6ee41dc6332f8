"""Flask views: plain, with a no-op decorator, with `Protect`, and with flask-jwt-extended."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask
from flask.typing import ResponseReturnValue

from benchmarks import world
from benchmarks.apps import ANSWER, NEEDED, guard_for_server
from tokenguard import TokenGuard
from tokenguard.flask import Protect

View = Callable[[], ResponseReturnValue]


def noop(view: View) -> View:
    """The least that a decorator can do."""

    @wraps(view)
    def wrapped() -> ResponseReturnValue:
        return view()

    return wrapped


def plain(view: View) -> View:
    """No decorator at all."""
    return view


def protections(warm: TokenGuard, cold: TokenGuard) -> dict[str, Callable[[View], View]]:
    """What may stand before a view. `warm` remembers tokens, `cold` does not."""
    return {
        "plain": plain,
        "noop": noop,
        "protected": Protect(warm)(NEEDED),
        "uncached": Protect(cold)(NEEDED),
    }


def build(**protections: Callable[[View], View]) -> Flask:
    """An application with a view for each protection, at a path of its name."""
    app = Flask(__name__)
    for name, protect in protections.items():
        app.add_url_rule(f"/{name}", name, protect(_view))
    return app


def build_with_flask_jwt_extended() -> Flask:
    """The same view behind `@jwt_required()`; raises ImportError where the package is not installed."""
    from flask_jwt_extended import JWTManager, jwt_required

    app = build(peer=jwt_required())
    key = world.signing_key("RS256")
    app.config.update(
        JWT_ALGORITHM="RS256",
        JWT_PUBLIC_KEY=key.public_pem.decode(),
        JWT_DECODE_AUDIENCE=world.AUDIENCE,
        JWT_DECODE_ISSUER=world.ISSUER,
    )
    JWTManager(app)
    return app


def _view() -> dict[str, Any]:
    return ANSWER


def served() -> Flask:
    """For a server: `gunicorn 'benchmarks.apps.flask_app:served()'`."""
    return build(**protections(guard_for_server(), guard_for_server(token_cache=0)))
