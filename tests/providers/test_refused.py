"""Each preset refuses what looks like its provider's access tokens: ID tokens above all, for this very audience."""

from __future__ import annotations

from typing import Any

import pytest
from tests.providers import samples
from tests.providers.support import KEY, KEYS, Sample
from tests.spec.support import AUDIENCE, NOW, refused, signing_key

from tokenguard import ClientSecret, Introspection, Requirement, TokenGuard, providers
from tokenguard.errors import ConfigurationError, InsufficientScope, InvalidToken, Reason

OTHER = "82229342-1101-4ab6-817b-70c0747630f3"
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
WRONG = Reason.WRONG_TYPE

#: what the provider's ID token has or lacks beside its access token, well signed and for our audience
LOOK_ALIKES: list[tuple[str, Sample, dict[str, Any], Reason]] = [
    ("auth0 ID token", samples.AUTH0, {"without": ("azp", "scope", "permissions"), "nonce": "n"}, WRONG),
    ("auth0 ID token without nonce", samples.AUTH0, {"without": ("azp", "scope", "permissions")}, WRONG),
    ("auth0 ID token of the other profile", samples.AUTH0_RFC9068, {"typ": "JWT"}, WRONG),
    ("auth0 issuer without slash", samples.AUTH0, {"iss": "https://my-domain.auth0.com"}, Reason.UNKNOWN_ISSUER),
    ("okta ID token", samples.OKTA, {"without": ("cid", "scp"), "amr": ["pwd"], "at_hash": "h"}, WRONG),
    ("okta org server", samples.OKTA, {"iss": "https://example.okta.com"}, Reason.UNKNOWN_ISSUER),
    ("entra ID token", samples.ENTRA, {"without": ("azp", "azpacr", "scp"), "nonce": "n"}, WRONG),
    ("entra v1 ID token", samples.ENTRA_V1, {"without": ("appid", "appidacr", "scp")}, WRONG),
    ("entra v1 token at v2", samples.ENTRA, {"ver": "1.0"}, WRONG),
    ("entra, API by its URI in v2", samples.ENTRA, {"aud": f"api://{samples.API}"}, Reason.WRONG_AUDIENCE),
    ("entra, another tenant", samples.ENTRA, {"tid": OTHER}, Reason.CLAIM_REFUSED),
    ("entra any, tid of another", samples.ENTRA_ANY, {"tid": OTHER}, Reason.UNKNOWN_ISSUER),
    ("entra any, no tid and no iss", samples.ENTRA_ANY, {"without": ("tid", "iss")}, Reason.UNKNOWN_ISSUER),
    ("entra any, no tid and an empty iss", samples.ENTRA_ANY, {"iss": "", "without": ("tid",)}, Reason.UNKNOWN_ISSUER),
    ("entra any, no tid", samples.ENTRA_ANY, {"without": ("tid",)}, Reason.UNKNOWN_ISSUER),
    (
        "entra any, the place itself", samples.ENTRA_ANY,
        {"iss": "https://login.microsoftonline.com/{tenantid}/v2.0", "tid": "{tenantid}"}, Reason.UNKNOWN_ISSUER,
    ),
    (
        "entra any, no id", samples.ENTRA_ANY,
        {"iss": "https://login.microsoftonline.com/common/v2.0", "tid": "common"}, Reason.CLAIM_REFUSED,
    ),
    (
        "entra any, another host", samples.ENTRA_ANY,
        {"iss": f"https://login.microsoftonline.com.evil.test/{samples.TENANT}/v2.0"}, Reason.UNKNOWN_ISSUER,
    ),
    ("keycloak token for account", samples.KEYCLOAK, {"aud": "account"}, Reason.WRONG_AUDIENCE),
    ("keycloak without aud", samples.KEYCLOAK, {"without": ("aud",)}, Reason.MISSING_CLAIM),
    ("cognito ID token", samples.COGNITO, {"token_use": "id", "aud": samples.APP_CLIENT}, WRONG),
    ("cognito, another app", samples.COGNITO, {"client_id": "another"}, Reason.WRONG_AUDIENCE),
    ("cognito, for nobody", samples.COGNITO, {"without": ("client_id",)}, Reason.MISSING_CLAIM),
    ("google sign-in", samples.GOOGLE, {"azp": "1.apps.googleusercontent.com"}, Reason.CLAIM_REFUSED),
    ("google sign-in with at_hash", samples.GOOGLE, {"at_hash": "h"}, WRONG),
    ("ory ID token", samples.ORY, {"without": ("client_id", "scp", "ext"), "at_hash": "h", "sid": "s"}, WRONG),
    ("zitadel ID token", samples.ZITADEL, {"without": ("jti", "nbf"), "amr": ["pwd"], "at_hash": "h"}, WRONG),
    ("zitadel ID token of the simplest kind", samples.ZITADEL, {"without": ("jti",)}, WRONG),
    ("authentik ID token", samples.AUTHENTIK, {"without": ("uid", "azp"), "at_hash": "h"}, WRONG),
    ("authentik ID token without hash", samples.AUTHENTIK, {"without": ("uid",)}, WRONG),
    ("duende ID token", samples.DUENDE, {"typ": "JWT", "without": ("client_id", "scope")}, WRONG),
    ("duende plain JWT", samples.DUENDE, {"typ": "JWT"}, WRONG),
    ("pingone ID token", samples.PINGONE, {"without": ("client_id", "scope")}, WRONG),
    ("pingone ID token with a nonce", samples.PINGONE, {"nonce": "n"}, WRONG),
]  # fmt: skip


@pytest.mark.req("A-096", "A-097", "AT-18")
@pytest.mark.parametrize(
    ("sample", "changes", "reason"), [row[1:] for row in LOOK_ALIKES], ids=[r[0] for r in LOOK_ALIKES]
)
def test_a_look_alike_is_refused(sample: Sample, changes: dict[str, Any], reason: Reason) -> None:
    """One difference, as the provider documents it, is enough; and the token without it is let in.

    With one issuer configured the signature comes first, with several the issuer; the outcome is the same.
    """
    assert sample.guard.validate(sample.token())
    refused(sample.guard, sample.token(**changes), reason)
    elsewhere = TokenGuard(audience=AUDIENCE, issuers=[sample.issuer, "https://other.test"], clock=lambda: NOW)
    with pytest.raises(InvalidToken):
        elsewhere.validate(sample.token(**changes))


@pytest.mark.req("A-099")
@pytest.mark.parametrize("kind", ["ID", "Refresh", "Offline", "Logout", None])
def test_keycloak_says_the_kind_in_the_payload(kind: str | None) -> None:
    """Every kind of Keycloak's tokens but the access token is refused."""
    sample = Sample(samples.KEYCLOAK.issuer, {**samples.KEYCLOAK.claims, "typ": kind})
    refused(sample.guard, sample.token(), WRONG)


@pytest.mark.parametrize("mode", ["both", "opaque", "every"])
def test_authentik_is_not_asked_about_what_may_be_a_refresh_token(mode: Any) -> None:
    """It answers about those too, and nothing in the answer says so; live routes check the JWT first."""
    secret = ClientSecret("api", "secret")
    arguments = ("https://id.example.com", "orders", "client-of-orders")
    with pytest.raises(ConfigurationError, match=r"authentik: Introspection\.mode"):
        providers.authentik(*arguments, introspection=Introspection(secret, mode=mode))
    assert providers.authentik(*arguments, introspection=Introspection(secret, mode="live"))


@pytest.mark.req("JK-01")
def test_a_key_that_is_published_for_one_tenant_signs_for_no_other() -> None:
    """The common key set of Entra has keys for personal accounts only; for any tenant they count as not there."""
    consumers = f"https://login.microsoftonline.com/{CONSUMERS}/v2.0"
    place = "https://login.microsoftonline.com/{tenantid}/v2.0"
    only = signing_key("RS256", "consumers")
    jwks = {"keys": [{**KEY.jwk, "issuer": place}, {**only.jwk, "issuer": consumers}]}
    issuer = providers.entra(providers.ANY_TENANT, samples.API, jwks=jwks)
    sample = Sample(issuer, samples.ENTRA.claims)
    assert sample.guard.validate(sample.token())
    header, payload = {"alg": "RS256", "kid": only.kid, "typ": "JWT"}, {**samples.ENTRA.claims, "iat": 1, "exp": 2e9}
    refused(sample.guard, only.jws(header, payload), Reason.UNKNOWN_KEY)


def test_a_remembered_token_of_any_tenant_is_checked_again() -> None:
    """The second look finds the issuer by its configured name, not by the tenant's."""
    guard = samples.ENTRA_ANY.guard
    raw = samples.ENTRA_ANY.token()
    assert guard.validate(raw).tenant == guard.validate(raw).tenant == samples.TENANT
    token = guard.validate(raw)
    guard.authorize(token, Requirement(issuers=[token.issuer]))
    with pytest.raises(InvalidToken):
        guard.authorize(token, Requirement(issuers=[token.issuer.replace(samples.TENANT, OTHER)]))


def test_a_scope_without_the_prefix_is_not_anothers_scope_with_it() -> None:
    """Only this issuer's prefix is left out: another API's scopes stay what they are."""
    guard = samples.COGNITO.guard
    token = guard.validate(samples.COGNITO.token(scope="billing/read"))
    assert token.scopes == {"billing/read"}
    for scope in ("read", "orders/read"):
        with pytest.raises(InsufficientScope):
            guard.authorize(token, Requirement(scope))


@pytest.mark.req("A-164")
def test_keycloaks_account_is_no_audience() -> None:
    """Every token of a realm may be for account: neither the preset nor the guard takes it as our name."""
    with pytest.raises(ConfigurationError, match="account"):
        providers.keycloak("https://id.example.com", "shop", audience=("orders-api", "account"))
    with pytest.raises(ConfigurationError, match="account"):
        TokenGuard(audience="account", issuers=[providers.keycloak("https://id.example.com", "shop", **KEYS)])
    assert TokenGuard(audience=AUDIENCE, issuers=[providers.keycloak("https://id.example.com", "shop", **KEYS)])


@pytest.mark.req("A-164")
@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: providers.auth0("https://x.auth0.com"), "auth0: domain"),
        (lambda: providers.auth0("x.auth0.com/"), "auth0: domain"),
        (lambda: providers.auth0("x.auth0.com", profile="jwt"), "auth0: profile"),  # type: ignore[arg-type]
        (lambda: providers.auth0("x.auth0.com", separator={"a": 1}), "auth0: unknown setting separator"),  # type: ignore[call-arg]
        (lambda: providers.okta("okta", server="default"), "okta: domain"),
        (lambda: providers.okta("x.okta.com", server=""), "okta: server"),
        (lambda: providers.okta("x.okta.com", server="a/b"), "okta: server"),
        (lambda: providers.entra("contoso.onmicrosoft.com", samples.API), "entra: tenant"),
        (lambda: providers.entra("common", samples.API), "entra: tenant"),
        (lambda: providers.entra([], samples.API), "entra: tenant"),
        (lambda: providers.entra(samples.TENANT, "api"), "entra: client_id"),
        (lambda: providers.entra(samples.TENANT, samples.API, version=3), "entra: version"),  # type: ignore[call-overload]
        (lambda: providers.entra(samples.TENANT, samples.API, cloud="mars"), "entra: cloud"),  # type: ignore[call-overload]
        (lambda: providers.keycloak("http://id.example.com", "shop"), "keycloak: url"),
        (lambda: providers.keycloak("https://id.example.com", "a/b"), "keycloak: realm"),
        (lambda: providers.keycloak("https://id.example.com", "shop", client=""), "keycloak: client"),
        (lambda: providers.cognito("eu-west-1", "client"), "cognito: user_pool"),
        (lambda: providers.cognito(samples.POOL, ()), "cognito: clients"),
        (lambda: providers.google(audience="1.apps.googleusercontent.com"), "google: audience"),
        (lambda: providers.ory("example"), "ory: issuer"),
        (lambda: providers.zitadel("https://x.zitadel.cloud", ""), "zitadel: project"),
        (lambda: providers.authentik("https://id.example.com", "..", "c"), "authentik: application"),
        (lambda: providers.authentik("https://id.example.com", "orders", ""), "authentik: client_id"),
        (lambda: providers.duende("id.example.com"), "duende: authority"),
        (lambda: providers.pingone("environment"), "pingone: environment"),
        (lambda: providers.pingone(samples.ENVIRONMENT, domain="https://auth.pingone.eu"), "pingone: domain"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(call: Any, named: str) -> None:
    """What a provider would never send is refused when the preset is called, not at the first request."""
    with pytest.raises(ConfigurationError, match=named):
        call()
