"""Each preset lets its provider's tokens in, and reads from them what the provider says there."""

from __future__ import annotations

from typing import Any

import pytest
from tests.providers import samples
from tests.providers.support import KEYS, Sample
from tests.spec.support import AUDIENCE, NOW, signing_key

from tokenguard import Requirement, TokenGuard, errors, providers

USERS: dict[str, tuple[Sample, dict[str, Any]]] = {
    "auth0": (
        samples.AUTH0,
        {
            "client_id": "my_client_id", "scopes": {"openid", "profile", "orders:read"}, "roles": {"admin"},
            "permissions": {"delete:orders"}, "tenant": "org_9ybsU1dN2dKfDkBi",
        },
    ),
    "auth0 rfc9068": (samples.AUTH0_RFC9068, {"client_id": "my_client_id", "permissions": {"delete:orders"}}),
    "okta": (
        samples.OKTA,
        {"client_id": "0oadnyx8dLlOqU3Nq0h7", "scopes": {"openid", "orders:read"}, "roles": {"Everyone", "admins"}},
    ),
    "entra": (
        samples.ENTRA,
        {"client_id": samples.CLIENT, "scopes": {"orders.read"}, "roles": {"Orders.Admin"}, "tenant": samples.TENANT},
    ),
    "entra v1": (
        samples.ENTRA_V1,
        {"client_id": samples.CLIENT, "scopes": {"orders.read"}, "roles": set(), "tenant": samples.TENANT},
    ),
    "entra any": (
        samples.ENTRA_ANY,
        {"issuer": f"https://login.microsoftonline.com/{samples.TENANT}/v2.0", "tenant": samples.TENANT},
    ),
    "keycloak": (
        samples.KEYCLOAK,
        {"client_id": "webclient", "scopes": {"openid", "orders:read"}, "roles": {"user", "admin"}},
    ),
    "cognito": (
        samples.COGNITO,
        {
            "client_id": samples.APP_CLIENT, "audience": (samples.APP_CLIENT,), "scopes": {"openid", "read"},
            "roles": {"admins"},
        },
    ),
    "ory": (
        samples.ORY,
        {"client_id": "8d3f5b3a-client", "scopes": {"openid", "orders:read"}, "roles": {"admin"}},
    ),
    "zitadel": (
        samples.ZITADEL,
        {"client_id": "345377791925000000", "scopes": set(), "roles": {"admin"}, "tenant": "344373908297744388"},
    ),
    "authentik": (samples.AUTHENTIK, {"client_id": "client-of-orders", "roles": {"admins"}}),
    "duende": (samples.DUENDE, {"client_id": "mobile_app", "scopes": {"openid", "orders:read"}, "roles": {"admin"}}),
    "pingone": (samples.PINGONE, {"client_id": "app-1", "scopes": {"openid", "orders:read"}}),
}  # fmt: skip


@pytest.mark.req("AT-18")
@pytest.mark.parametrize("name", USERS)
def test_a_users_token_is_read_as_documented(name: str) -> None:
    """Scopes, client, roles, permissions and tenant come out under one name each; a user stands behind the token."""
    sample, expected = USERS[name]
    token = sample.guard.validate(sample.token())
    assert {field: getattr(token, field) for field in expected} == expected
    assert (token.subject, token.is_client, token.actor) == (sample.claims["sub"], False, None)


@pytest.mark.req("A-091", "JB-10")
@pytest.mark.parametrize(
    ("sample", "changes", "without"),
    [
        (samples.AUTH0, {"sub": "my_client_id@clients", "gty": "client-credentials"}, ()),
        (samples.AUTH0, {"gty": "client-credentials"}, ()),
        (samples.AUTH0_RFC9068, {"sub": "my_client_id@clients"}, ()),
        (samples.OKTA, {"sub": "0oadnyx8dLlOqU3Nq0h7"}, ("uid",)),
        (samples.ENTRA, {"idtyp": "app"}, ("scp",)),
        (samples.ENTRA, {}, ("scp",)),
        (samples.ENTRA_V1, {}, ("scp",)),
        (samples.KEYCLOAK, {"clientHost": "10.0.0.1", "clientAddress": "10.0.0.1"}, ()),
        (samples.COGNITO, {"sub": samples.APP_CLIENT}, ("username", "cognito:groups")),
        (samples.GOOGLE, {}, ()),
        (samples.ORY, {"sub": "8d3f5b3a-client"}, ("ext",)),
        (samples.DUENDE, {}, ("sub",)),
        (samples.PINGONE, {}, ("sub",)),
    ],
)
def test_a_clients_own_token_is_not_taken_for_a_users(
    sample: Sample, changes: dict[str, Any], without: tuple[str, ...]
) -> None:
    """Where no user is behind a token, that is seen, however the provider says it."""
    assert sample.guard.validate(sample.token(without=without, **changes)).is_client


@pytest.mark.req("AT-13")
@pytest.mark.parametrize("scope", ["orders.read", f"api://{samples.API}/orders.read"])
def test_a_route_names_entras_scopes_as_clients_ask_for_them_or_as_tokens_have_them(scope: str) -> None:
    """The challenge tells a client what to ask for, with the prefix; the token has the scope without."""
    guard = samples.ENTRA.guard
    token = guard.validate(samples.ENTRA.token())
    guard.authorize(token, Requirement(scope))
    poor = guard.validate(samples.ENTRA.token(scp="profile"))
    with pytest.raises(errors.InsufficientScope) as caught:
        guard.authorize(poor, Requirement(scope))
    assert caught.value.scope == scope


@pytest.mark.parametrize(
    ("cloud", "version", "iss", "keys"),
    [
        ("us", 2, "https://login.microsoftonline.us/{}/v2.0", "https://login.microsoftonline.us/{}/discovery/v2.0/keys"),
        ("us", 1, "https://sts.windows.net/{}/", "https://login.microsoftonline.us/{}/discovery/keys"),
        (
            "china", 2, "https://login.partner.microsoftonline.cn/{}/v2.0",
            "https://login.partner.microsoftonline.cn/{}/discovery/v2.0/keys",
        ),
        (
            "china", 1, "https://sts.chinacloudapi.cn/{}/",
            "https://login.partner.microsoftonline.cn/{}/discovery/keys",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tenant", [samples.TENANT, providers.ANY_TENANT])
def test_a_national_cloud_has_a_name_and_keys_of_its_own(
    cloud: Any, version: Any, iss: str, keys: str, tenant: str
) -> None:
    """Its tokens are let in, and the global cloud's are not, of which the keys are others."""
    config = providers.entra(tenant, samples.API, version=version, cloud=cloud)
    assert config.jwks_uri == keys.format("common" if tenant == providers.ANY_TENANT else tenant)
    user = samples.ENTRA if version == 2 else samples.ENTRA_V1
    sample = Sample(providers.entra(tenant, samples.API, version=version, cloud=cloud, **KEYS), user.claims)
    assert sample.guard.validate(sample.token(iss=iss.format(samples.TENANT))).tenant == samples.TENANT
    elsewhere = f"https://login.microsoftonline.com/{samples.TENANT}/v2.0"
    with pytest.raises(errors.InvalidToken):
        sample.guard.validate(sample.token(iss=elsewhere))
    assert len(providers.entra([samples.TENANT], samples.API, cloud=cloud)) == 1


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES512", "EdDSA"])
def test_ory_signs_with_what_its_key_is_for(algorithm: str) -> None:
    """Hydra makes keys for each of these."""
    key = signing_key(algorithm)
    sample = Sample(providers.ory("https://example.projects.oryapis.com", jwks={"keys": [key.jwk]}), samples.ORY.claims)
    header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    token = key.jws(header, {**sample.claims, "iat": int(NOW), "exp": int(NOW) + 300})
    assert sample.guard.validate(token).subject == "user-1"


def test_ory_may_have_scopes_in_either_claim_or_both() -> None:
    """As strategies.jwt.scope_claim says: list, string, both."""
    sample = samples.ORY
    for claims, without in (
        ({}, ()),
        ({"scope": "openid orders:read"}, ("scp",)),
        ({"scope": "openid orders:read"}, ()),
    ):
        token = sample.guard.validate(sample.token(without=without, **claims))
        assert token.scopes == {"openid", "orders:read"}


def test_zitadels_roles_may_be_objects_in_an_array() -> None:
    """As the table of its reserved claims shows them."""
    claim = f"urn:zitadel:iam:org:project:{samples.PROJECT}:roles"
    token = samples.ZITADEL.token(**{claim: [{"admin": {"id1": "shop.zitadel.cloud"}}, {"user": {}}]})
    assert samples.ZITADEL.guard.validate(token).roles == {"admin", "user"}


def test_pingones_permissions_are_read_where_that_is_asked_for() -> None:
    """The claim's name has a dot in it, and is one name."""
    issuer = providers.pingone(samples.ENVIRONMENT, permissions="p1.permissions", **KEYS)
    sample = Sample(issuer, {**samples.PINGONE.claims, "p1.permissions": ["orders:delete"]}, typ=None)
    assert sample.guard.validate(sample.token()).permissions == {"orders:delete"}


def test_the_tokens_of_several_tenants_are_told_apart() -> None:
    """A list of tenants makes a list of issuers; another tenant's token is unknown, though the key is the same."""
    other = "82229342-1101-4ab6-817b-70c0747630f3"
    issuers = providers.entra([samples.TENANT, other, other], samples.API, **KEYS)
    guard = TokenGuard(audience=AUDIENCE, issuers=issuers, clock=lambda: NOW)
    assert len(guard.issuers) == 2
    for tenant in (samples.TENANT, other):
        iss = f"https://login.microsoftonline.com/{tenant}/v2.0"
        assert guard.validate(samples.ENTRA.token(iss=iss, tid=tenant)).issuer == iss


def test_a_cognito_token_asked_for_with_a_resource_is_for_that_resource() -> None:
    """aud counts where it is there, and client_id then says nothing about whom the token is for."""
    sample = Sample(
        providers.cognito(samples.POOL, samples.APP_CLIENT, audience=AUDIENCE, **KEYS), samples.COGNITO.claims
    )
    assert sample.guard.validate(sample.token(aud=AUDIENCE)).audience == (AUDIENCE,)
    assert sample.guard.validate(sample.token()).audience == (samples.APP_CLIENT,)
    for aud in ("https://other.example.com", []):
        with pytest.raises(errors.InvalidToken, match="audience"):
            sample.guard.validate(sample.token(aud=aud))
