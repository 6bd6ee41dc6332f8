"""The applications that are measured, in process and behind real servers: an endpoint, plain and protected."""

from __future__ import annotations

import json
import os

from benchmarks import world
from tokenguard import Issuer, TokenGuard

#: the endpoints' answer
ANSWER = {"order": 1, "item": "coffee"}
#: what the protected endpoints demand
NEEDED = "orders:read"
#: where a served application finds the issuer's key set
KEY_SET_VARIABLE = "TOKENGUARD_BENCHMARK_JWKS"


def guard_for_server(**settings: int) -> TokenGuard:
    """A guard in a server's process, for the issuer of the process that started it."""
    return TokenGuard(audience=world.AUDIENCE, issuers=[Issuer(world.ISSUER, jwks=key_set_for_server())], **settings)


def key_set_for_server() -> dict[str, list[dict[str, str]]]:
    """The issuer's JWK Set."""
    key_set: dict[str, list[dict[str, str]]] = json.loads(os.environ[KEY_SET_VARIABLE])
    return key_set
