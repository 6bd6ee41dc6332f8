"""An authorization server for tests: real keys, real tokens, real HTTP on loopback, and faults on demand.

    issuer = LocalIssuer()
    guard = TokenGuard(audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)])
    guard.validate(issuer.mint(scope="orders:read"))

    with LocalIssuer().serve() as issuer:           # discovery and key set over HTTP
        guard = TokenGuard(audience=issuer.audience, issuers=[issuer.issuer])
        issuer.misbehave("down")

Nothing here checks a token: it plays the other side, and imports nothing of the library it helps to test.
The names load when first used, because pytest imports this package in every session (see `plugin`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenguard.testing.broken import Broken
    from tokenguard.testing.certificates import ClientCertificate
    from tokenguard.testing.dpop import DPoPKey
    from tokenguard.testing.faults import Fault
    from tokenguard.testing.issuer import LocalIssuer
    from tokenguard.testing.keys import ALGORITHMS, SigningKey
    from tokenguard.testing.server import SeenRequest

__all__ = ["ALGORITHMS", "Broken", "ClientCertificate", "DPoPKey", "Fault", "LocalIssuer", "SeenRequest", "SigningKey"]

_HOMES = {
    "ALGORITHMS": "keys",
    "Broken": "broken",
    "ClientCertificate": "certificates",
    "DPoPKey": "dpop",
    "Fault": "faults",
    "LocalIssuer": "issuer",
    "SeenRequest": "server",
    "SigningKey": "keys",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
