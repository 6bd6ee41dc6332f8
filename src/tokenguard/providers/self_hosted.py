"""Servers that you run yourself, or have run for you."""

from __future__ import annotations

from typing import Unpack

from tokenguard._checks import string_tuple
from tokenguard.claim_names import MEMBER_NAMES, ClaimNames, Path, Where
from tokenguard.config import DEFAULT_ALGORITHMS, ID_TOKEN_CLAIMS, Issuer
from tokenguard.errors import ConfigurationError
from tokenguard.introspection import Introspection
from tokenguard.providers.arguments import Settings, base_url, built, one_name, text


def keycloak(url: str, realm: str, *, client: str | None = None, **settings: Unpack[Settings]) -> Issuer:
    """Tokens of a Keycloak realm, `URL/realms/REALM`; versions before 17 have /auth at the end of the URL.

    `client`: the id of the client that stands for your API, whose roles are then roles beside the realm's.
    The audience must be put into tokens, by an Audience mapper or through client roles; `account`, which Keycloak
    puts into nearly every token, says nothing and is refused as a setting.

    The payload's typ is Bearer (DPoP for bound tokens) where an ID token has ID and a refresh token Refresh. A
    client acting for itself has a user of its own as subject, and the claims of the scope service_account.

    Keycloak Server Administration Guide: "Audience support", "Using a service account", "OIDC token and SAML
    assertion mappings"; the types of tokens: `TokenUtil`, and `DPoPUtil.withDPoPVerifier` for the two of access tokens.
    """
    roles: list[str | Path] = [("realm_access", "roles")]
    if client is not None:
        roles.append(("resource_access", text("keycloak: client", client), "roles"))
    audience = settings.get("audience")
    if audience is not None and "account" in string_tuple("keycloak: audience", audience):
        raise ConfigurationError("keycloak: the audience account is in nearly every token; map one for your API")
    return built(
        "keycloak",
        f"{base_url('keycloak: url', url, settings)}/realms/{one_name('keycloak: realm', realm)}",
        settings,
        profile="jwt",
        algorithms=(*DEFAULT_ALGORITHMS, "RS384", "RS512", "PS384", "PS512", "ES384", "ES512"),
        separator={"typ": ("Bearer", "DPoP")},
        claims=ClaimNames(
            scopes="scope",
            client=["client_id", "azp"],
            roles=roles,
            other_audiences=("account",),
            client_marks={"clientHost": None, "clientAddress": None},
        ),
    )


def ory(issuer: str, *, roles: Where = (("ext", "roles"), ("roles",)), **settings: Unpack[Settings]) -> Issuer:
    """JWTs of Ory Hydra or Ory Network, `https://SLUG.projects.oryapis.com` there; `issuer` exactly as configured.

    Access tokens are opaque (ory_at_...) unless strategies.access_token is jwt: give an `introspection` for those.
    The audience must be asked for by the client and be granted. Scopes are in scp as an array, or in scope as a
    string, as strategies.jwt.scope_claim says. Claims that your consent app adds are in ext, or on top where
    allowed_top_level_claims has them; `roles` says which are roles. client_id, which ID tokens lack, tells.

    Ory docs: "Opaque and JWT access tokens" (Custom claims), "Advanced OAuth2 and OpenID Connect flows" (audience). In
    Hydra's source: the claims that are always there, `GetJWTClaims` in oauth2/session.go; scope_claim (list, string,
    both), `GetJWTScopeField`; the algorithms that a signing key may have, `GenerateJWK`.
    """
    base_url("ory: issuer", issuer, settings)
    return built(
        "ory",
        issuer,
        settings,
        profile="jwt",
        algorithms=("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"),
        separator={"client_id": None},
        id_token_claims=ID_TOKEN_CLAIMS,
        claims=ClaimNames(scopes=["scp", "scope"], client="client_id", roles=roles),
    )


def zitadel(url: str, project: str, **settings: Unpack[Settings]) -> Issuer:
    """JWTs of a ZITADEL instance, for the project with this id, which is the audience.

    Access tokens are opaque unless the application's (or service user's) token type is JWT: give an `introspection`
    for those. Tokens list no scopes: authorize by `roles`, which are the names of an object's members and there
    where the scope for roles was asked for or the project asserts them. Inside each is for which organizations it was
    granted, which `roles` leaves out: where you serve several, look at `claims`. The tenant is the user's organization.

    An ID token has the project as audience too; jti, which it lacks, and the absence of its own claims tell. A
    service user is a user here, so `is_client` does not hold for it.

    ZITADEL docs: "Claims" (the matrix; reserved claims), "Scopes" (urn:zitadel:iam:org:project:id:{projectid}:aud).
    """
    project = one_name("zitadel: project", project)
    return built(
        "zitadel",
        base_url("zitadel: url", url, settings),
        settings,
        profile="jwt",
        algorithms=("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"),
        separator={"jti": None},
        id_token_claims=ID_TOKEN_CLAIMS | {"amr", "auth_time"},
        audience=project,
        claims=ClaimNames(
            client=["client_id", "azp"],
            roles=[
                ("urn:zitadel:iam:org:project:roles", MEMBER_NAMES),
                (f"urn:zitadel:iam:org:project:{project}:roles", MEMBER_NAMES),
            ],
            tenant="urn:zitadel:iam:user:resourceowner:id",
        ),
    )


def authentik(url: str, application: str, client_id: str, **settings: Unpack[Settings]) -> Issuer:
    """Tokens of an application's OAuth2 provider in authentik, `URL/application/o/APPLICATION/`.

    `application`: its slug. `client_id`: that of its provider, which is the audience of every token. The provider
    needs a signing key (without one it signs by its secret, which is refused), no encryption key, and the issuer mode
    "Each provider has a different issuer".

    Access token and ID token are alike but for uid and azp, which the access token alone has; it may have a nonce.
    Groups, there with the scope profile, are the roles. Machines are users of authentik: `is_client` does not hold.
    An `introspection` must be for live routes alone, since authentik answers about refresh tokens as well.

    authentik docs: "OAuth 2.0 provider" (Issuer mode; Scopes), "Machine-to-machine authentication"; the form of
    access tokens is `IDToken.to_access_token` in authentik/providers/oauth2/id_token.py, the algorithms are
    `JWTAlgorithms` in models.py; that introspection does not tell refresh tokens is `TokenIntrospectionView`.
    """
    introspection = settings.get("introspection")
    if isinstance(introspection, Introspection) and introspection.mode != "live":
        # its refresh tokens are opaque, for the same audience, and their answers look like those of access tokens
        raise ConfigurationError('authentik: Introspection.mode must be "live": opaque tokens are refresh tokens there')
    client_id = text("authentik: client_id", client_id)
    base = base_url("authentik: url", url, settings)
    return built(
        "authentik",
        f"{base}/application/o/{one_name('authentik: application', application)}/",
        settings,
        profile="jwt",
        algorithms=("RS256", "ES256", "ES384", "ES512"),
        separator={"uid": None, "azp": client_id},
        id_token_claims=("at_hash", "c_hash"),
        audience=client_id,
        claims=ClaimNames(client="azp", roles="groups"),
    )


def duende(authority: str, **settings: Unpack[Settings]) -> Issuer:
    """Tokens of a Duende IdentityServer; `authority` exactly as its issuer.

    The audience is the name of an ApiResource; without one tokens have no aud, and are refused. typ is at+jwt
    (AccessTokenJwtType), which tells; yet RFC 9068 is not kept in full: scope is an array unless
    EmitScopesAsSpaceDelimitedStringInJwt is set, and a client acting for itself has no sub. Roles are in role.

    Duende IdentityServer docs: "Authorization based on Scopes and other Claims" (Scope claim format), "API
    Resources", "IdentityServer Options" (AccessTokenJwtType, EmitScopesAsSpaceDelimitedStringInJwt).
    """
    base_url("duende: authority", authority, settings)
    return built(
        "duende",
        authority,
        settings,
        profile="jwt",
        types=("at+jwt",),
        separator={"client_id": None},
        claims=ClaimNames(scopes="scope", client="client_id", roles="role", user="sub"),
    )
