"""FastAPI endpoints: plain, with a no-op dependency, with `Protect`, and with PyJWT as the tutorials have it."""

from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from benchmarks import world
from benchmarks.apps import ANSWER, NEEDED, guard_for_server, key_set_for_server
from tokenguard import TokenGuard
from tokenguard.fastapi import Protect


def protections(warm: TokenGuard, cold: TokenGuard, jwk: dict[str, str]) -> dict[str, Any]:
    """What may stand before an endpoint. `warm` remembers tokens, `cold` does not; `jwk` is the key for PyJWT."""

    async def nothing() -> None:
        """The least that a dependency can do."""

    return {
        "plain": None,
        "noop": Depends(nothing),
        "protected": Security(Protect(warm), scopes=[NEEDED]),
        "uncached": Security(Protect(cold), scopes=[NEEDED]),
        "pyjwt": Depends(_pyjwt(jwk)),
    }


def build(**protections: Any) -> FastAPI:
    """An application with an endpoint for each protection, at a path of its name."""
    app = FastAPI(openapi_url=None)
    for name, protection in protections.items():
        app.get(f"/{name}", dependencies=[] if protection is None else [protection])(_endpoint)
    return app


async def _endpoint() -> dict[str, Any]:
    return ANSWER


def _pyjwt(jwk: dict[str, str]) -> Any:
    key, bearer = jwt.PyJWK(jwk).key, HTTPBearer()

    async def check(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                credentials.credentials, key, algorithms=["RS256"], audience=world.AUDIENCE, issuer=world.ISSUER
            )
        except jwt.InvalidTokenError:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None
        if NEEDED not in claims.get("scope", "").split():
            raise HTTPException(403)
        return claims

    return check


def served() -> FastAPI:
    """For a server: `uvicorn --factory benchmarks.apps.fastapi_app:served`."""
    return build(**protections(guard_for_server(), guard_for_server(token_cache=0), key_set_for_server()["keys"][0]))
