"""A user's access token of each provider, shaped as its documentation shows it (the presets' docstrings say where)."""

from __future__ import annotations

from tests.providers.support import KEYS, Sample
from tests.spec.support import AUDIENCE

from tokenguard import providers

TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
API = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
CLIENT = "75dbe77f-10a3-4e59-85fd-8c127544f17c"
ENVIRONMENT = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
PROJECT = "344374183645413380"
POOL = "eu-west-1_Ab12Cd34E"
APP_CLIENT = "1example23456789"

AUTH0 = Sample(
    providers.auth0("my-domain.auth0.com", roles="https://example.com/roles", **KEYS),
    {
        "iss": "https://my-domain.auth0.com/", "sub": "auth0|123456", "azp": "my_client_id",
        "aud": [AUDIENCE, "https://my-domain.auth0.com/userinfo"], "scope": "openid profile orders:read",
        "permissions": ["delete:orders"], "org_id": "org_9ybsU1dN2dKfDkBi", "https://example.com/roles": ["admin"],
    },
)  # fmt: skip
AUTH0_RFC9068 = Sample(
    providers.auth0("my-domain.auth0.com", profile="rfc9068", **KEYS),
    {
        "iss": "https://my-domain.auth0.com/", "sub": "auth0|123456", "client_id": "my_client_id",
        "aud": [AUDIENCE, "https://my-domain.auth0.com/userinfo"], "scope": "openid profile orders:read",
        "jti": "73WakrfVbNJBaAmhQtEeDv", "permissions": ["delete:orders"],
    },
    typ="at+jwt",
)  # fmt: skip
OKTA = Sample(
    providers.okta("example.okta.com", audience="api://default", **KEYS),
    {
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://default",
        "iss": "https://example.okta.com/oauth2/default", "cid": "0oadnyx8dLlOqU3Nq0h7", "uid": "00ujmkLgagxeRrAg20g3",
        "scp": ["openid", "orders:read"], "sub": "alice@example.com", "groups": ["Everyone", "admins"],
    },
    typ=None,
)  # fmt: skip
ENTRA = Sample(
    providers.entra(TENANT, API, **KEYS),
    {
        "aud": API, "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0", "azp": CLIENT, "azpacr": "0",
        "name": "Abe Lincoln", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "rh": "I", "scp": "orders.read",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": TENANT, "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0", "roles": ["Orders.Admin"],
    },
)  # fmt: skip
ENTRA_V1 = Sample(
    providers.entra(TENANT, API, version=1, **KEYS),
    {
        "aud": f"api://{API}", "iss": f"https://sts.windows.net/{TENANT}/", "acr": "1", "amr": ["wia"],
        "appid": CLIENT, "appidacr": "0", "oid": "02223b6b-aa1d-42d4-9ec0-1b2bb9194438", "scp": "orders.read",
        "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA", "tid": TENANT, "ver": "1.0",
    },
)  # fmt: skip
ENTRA_ANY = Sample(providers.entra(providers.ANY_TENANT, API, **KEYS), ENTRA.claims)
KEYCLOAK = Sample(
    providers.keycloak("https://id.example.com", "shop", client="orders-api", audience="orders-api", **KEYS),
    {
        "iss": "https://id.example.com/realms/shop", "sub": "e5346bc2-dd9f-4df8-8d0d-76e49d819811", "typ": "Bearer",
        "jti": "db3db14e-94fa-47c3-8630-3d1d6c7e8bcd", "aud": ["orders-api", "account"], "azp": "webclient",
        "acr": "1", "scope": "openid orders:read", "realm_access": {"roles": ["user"]},
        "resource_access": {"orders-api": {"roles": ["admin"]}, "account": {"roles": ["manage-account"]}},
        "preferred_username": "alice",
    },
)  # fmt: skip
COGNITO = Sample(
    providers.cognito(POOL, APP_CLIENT, scope_prefix="orders/", **KEYS),
    {
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["admins"], "token_use": "access",
        "iss": f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}", "version": 2, "client_id": APP_CLIENT,
        "scope": "openid orders/read", "auth_time": 1676312777, "jti": "aaaaaaaa-bbbb-cccc", "username": "alice",
    },
    typ=None,
)  # fmt: skip
GOOGLE = Sample(
    providers.google(**KEYS),
    {
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "azp": "112010400000000710080",
        "sub": "112010400000000710080", "email": "caller@shop.iam.gserviceaccount.com", "email_verified": True,
    },
)  # fmt: skip
ORY = Sample(
    providers.ory("https://example.projects.oryapis.com", **KEYS),
    {
        "iss": "https://example.projects.oryapis.com", "aud": [AUDIENCE], "client_id": "8d3f5b3a-client", "nbf": 1,
        "jti": "43dd92be-5a45", "scp": ["openid", "orders:read"], "sub": "user-1", "ext": {"roles": ["admin"]},
    },
)  # fmt: skip
ZITADEL = Sample(
    providers.zitadel("https://shop.zitadel.cloud", PROJECT, **KEYS),
    {
        "iss": "https://shop.zitadel.cloud", "sub": "345377791925026818", "aud": ["345377791925000000", PROJECT],
        "client_id": "345377791925000000", "jti": "V2_345377791925026818-at", "nbf": 1,
        f"urn:zitadel:iam:org:project:{PROJECT}:roles": {"admin": {"344373908297744388": "shop.zitadel.cloud"}},
        "urn:zitadel:iam:user:resourceowner:id": "344373908297744388",
    },
)  # fmt: skip
AUTHENTIK = Sample(
    providers.authentik("https://id.example.com", "orders", "client-of-orders", **KEYS),
    {
        "iss": "https://id.example.com/application/o/orders/", "sub": "5d41402abc", "aud": "client-of-orders",
        "auth_time": 1, "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd"], "nonce": "n",
        "sid": "b1946ac9", "groups": ["admins"], "azp": "client-of-orders", "uid": "S6vzNgGEmf",
    },
)  # fmt: skip
DUENDE = Sample(
    providers.duende("https://id.example.com", **KEYS),
    {
        "iss": "https://id.example.com", "aud": AUDIENCE, "client_id": "mobile_app", "sub": "123", "nbf": 1,
        "scope": ["openid", "orders:read"], "jti": "ABC", "auth_time": 1, "idp": "local", "amr": ["pwd"],
        "role": "admin",
    },
    typ="at+jwt",
)  # fmt: skip
PINGONE = Sample(
    providers.pingone(ENVIRONMENT, **KEYS),
    {
        "iss": f"https://auth.pingone.com/{ENVIRONMENT}/as", "aud": [AUDIENCE], "client_id": "app-1",
        "sub": "user-1", "scope": "openid orders:read", "sid": "session-1", "acr": "Single_Factor", "auth_time": 1,
    },
    typ=None,
)  # fmt: skip
