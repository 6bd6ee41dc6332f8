"""Providers that run their servers themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Unpack

from tokenguard._checks import string_tuple
from tokenguard.claim_names import ClaimNames, Where
from tokenguard.config import ID_TOKEN_CLAIMS, Issuer
from tokenguard.errors import ConfigurationError
from tokenguard.providers.arguments import Settings, built, guid, host, one_name

_USER_POOL = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d)_[A-Za-z0-9]+")
_GOOGLE_CLIENT = ".apps.googleusercontent.com"


def auth0(
    domain: str,
    *,
    profile: Literal["auth0", "rfc9068"] = "auth0",
    roles: Where | None = None,
    **settings: Unpack[Settings],
) -> Issuer:
    """Tokens of an Auth0 tenant; `domain` is its own, as example.eu.auth0.com, or your custom one.

    `profile`: the "JSON Web Token (JWT) Profile" of the API in Auth0's settings. `roles`: the namespaced claim that
    an Action of yours adds, as "https://example.com/roles". Permissions are there with RBAC and "Add Permissions in
    the Access Token"; the tenant is the organization, `org_id`.

    The issuer ends in a slash. With Auth0's own profile typ is JWT, so that azp, which every access token has, and
    the absence of an ID token's claims tell. A machine's subject is its client id with @clients behind.

    Auth0 docs: "Access Token Profiles" (Token profile differences; sample tokens), "Work with Tokens and
    Organizations", "Signing Algorithms".
    """
    if profile not in ("auth0", "rfc9068"):
        raise ConfigurationError('auth0: profile must be "auth0" or "rfc9068"')
    own: dict[str, Any] = {"profile": "rfc9068"}
    if profile == "auth0":
        own = {"profile": "jwt", "types": ("jwt",), "separator": {"azp": None}, "id_token_claims": ID_TOKEN_CLAIMS}
    return built(
        "auth0",
        f"https://{host('auth0: domain', domain)}/",
        settings,
        algorithms=("RS256", "PS256"),
        claims=ClaimNames(
            roles=roles,
            permissions="permissions",
            tenant="org_id",
            client_subject="{client_id}@clients",
            client_marks={"gty": "client-credentials"},
        ),
        **own,
    )


def okta(domain: str, *, server: str = "default", groups: Where = "groups", **settings: Unpack[Settings]) -> Issuer:
    """Tokens of a custom authorization server of an Okta organization, `https://DOMAIN/oauth2/SERVER`.

    `server`: its id, or "default". Tokens of the organization's own server (without /oauth2/...) are for Okta's APIs
    alone and can't be validated by others. `groups`: the groups claim that you configured; it becomes the roles. The
    audience is what the server's settings say, api://default unless changed.

    Access tokens have no typ; cid and scp, which ID tokens lack, tell. There is a uid where there is a user. An
    introspection answer has client_id and scope instead, which count too.

    Okta docs: "OpenID Connect & OAuth 2.0" (Access token payload: cid, scp, uid; ID token payload), "Authorization
    servers" (types), "Customize tokens returned from Okta with a groups claim".
    """
    return built(
        "okta",
        f"https://{host('okta: domain', domain)}/oauth2/{one_name('okta: server', server)}",
        settings,
        profile="jwt",
        algorithms=("RS256",),
        separator={"cid": None, "scp": None},
        id_token_claims=ID_TOKEN_CLAIMS,
        claims=ClaimNames(scopes="scp", client="cid", roles=groups, user="uid"),
    )


def cognito(
    user_pool: str, clients: str | tuple[str, ...], *, scope_prefix: str = "", **settings: Unpack[Settings]
) -> Issuer:
    """Tokens of an Amazon Cognito user pool, as eu-west-1_Ab12Cd34E.

    `clients`: the ids of the app clients whose tokens you accept. Access tokens have no aud, so client_id is checked
    in its place; a token that was asked for with a resource has aud, which then counts alone: give your own
    identifier as `audience` for those, beside the clients. `scope_prefix`: your resource server's identifier and the
    slash after it, to name its scopes without.

    token_use tells access tokens from ID tokens. Groups of users are the roles. A client acting for itself has its
    id as subject, and no username.

    Amazon Cognito Developer Guide: "Understanding the access token", "Verifying JSON web tokens", "Scopes, M2M, and
    resource servers".
    """
    pool = _USER_POOL.fullmatch(user_pool) if isinstance(user_pool, str) else None
    if pool is None:
        raise ConfigurationError("cognito: user_pool must be its id with the region, as eu-west-1_Ab12Cd34E")
    accepted = string_tuple("cognito: clients", clients)
    resource = settings.pop("audience", None)
    if resource is not None:
        accepted += string_tuple("cognito: audience", resource)
    return built(
        "cognito",
        f"https://cognito-idp.{pool[1]}.amazonaws.com/{user_pool}",
        settings,
        profile="jwt",
        algorithms=("RS256",),
        separator={"token_use": "access"},
        audience=accepted,
        claims=ClaimNames(
            scopes="scope",
            client="client_id",
            audience=["aud", "client_id"],
            roles="cognito:groups",
            scope_prefix=scope_prefix,
            user="username",
        ),
    )


def google(**settings: Unpack[Settings]) -> Issuer:
    """ID tokens that Google makes for service accounts, as Cloud Run, Tasks, Scheduler and Pub/Sub send them.

    Google's access tokens are opaque and for Google's APIs alone: no other API can check them by a standard. What
    Google has for an API of yours are these tokens, for the audience that the calling service names. They say who
    calls and grant nothing: there are no scopes, so decide by `subject`, the account's unique id.

    ID tokens of people who sign in are refused: those are for an OAuth client, so no id of one can be the audience;
    a service account's token has its own id as azp too, and none of nonce and at_hash. (So it is in every token that
    Google's pages show; they do not promise it.)

    Google Cloud docs: "Token types" (Access tokens; Identity tokens), "Verify VM identity" (contents of the token),
    "Authenticating service-to-service" of Cloud Run.
    """
    audience = settings.get("audience")
    for name in () if audience is None else string_tuple("google: audience", audience):
        if name.endswith(_GOOGLE_CLIENT):
            raise ConfigurationError("google: audience is an OAuth client's id: those are ID tokens of people")
    return built(
        "google",
        "https://accounts.google.com",
        settings,
        profile="jwt",
        algorithms=("RS256",),
        separator={"azp": None},
        id_token_claims=ID_TOKEN_CLAIMS,
        claims=ClaimNames(client="azp"),
        checks=(_is_service_account,),
    )


def _is_service_account(claims: Mapping[str, Any]) -> bool:
    """People's tokens have the OAuth client as azp."""
    return bool(claims.get("azp") == claims.get("sub"))


def pingone(
    environment: str,
    *,
    domain: str = "auth.pingone.com",
    permissions: Where | None = None,
    **settings: Unpack[Settings],
) -> Issuer:
    """Tokens of a PingOne environment, `https://DOMAIN/ENVIRONMENT/as`.

    `domain`: that of your region, as auth.pingone.eu, or a custom one (`https://DOMAIN/as` is not covered). The
    audience is that of the custom resource. `permissions`: "p1.permissions", where the resource includes its users'
    permissions in access tokens; what is in that claim must be strings.

    typ may be at+jwt, and is always so from March 2027; until then client_id and scope, which all access tokens have,
    and the absence of nonce and hashes tell. That ID tokens lack those two is not said anywhere: what surely keeps
    them out is that they are for the application's client id, so do not take that for the audience. A client acting
    for itself has no sub.

    PingOne Platform APIs: "Token claims" (Access token claims). PingOne docs: "Customizing access tokens".
    """
    return built(
        "pingone",
        f"https://{host('pingone: domain', domain)}/{guid('pingone: environment', environment)}/as",
        settings,
        profile="jwt",
        algorithms=("RS256",),
        separator={"client_id": None, "scope": None},
        id_token_claims=ID_TOKEN_CLAIMS,
        claims=ClaimNames(scopes="scope", client="client_id", permissions=permissions, user="sub"),
    )
