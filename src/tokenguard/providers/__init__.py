"""Issuers of well-known providers, right about each one's peculiarities: one line in place of a page of settings.

Each function returns an `Issuer` and takes that class's other settings too (`audience`, `introspection`, `keys`,
`jwks`, `jwks_uri`, `checks`, `max_lifetime`, `logout`, `insecure_http`). Wrong arguments raise `ConfigurationError`.

They follow what the providers document and are tested with tokens shaped like that; none has met its provider's live
service in these tests. Try yours with `tokenguard explain` and a token of your own.

>>> from tokenguard import TokenGuard
>>> guard = TokenGuard(audience="https://api.example.com", issuers=[auth0("example.eu.auth0.com")])
>>> guard.issuers
('https://example.eu.auth0.com/',)
"""

from tokenguard.providers.entra_id import ANY_TENANT, entra
from tokenguard.providers.hosted import auth0, cognito, google, okta, pingone
from tokenguard.providers.self_hosted import authentik, duende, keycloak, ory, zitadel

__all__ = [
    "ANY_TENANT",
    "auth0",
    "authentik",
    "cognito",
    "duende",
    "entra",
    "google",
    "keycloak",
    "okta",
    "ory",
    "pingone",
    "zitadel",
]
