"""Microsoft Entra ID: two versions of tokens; one tenant, several, or any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, Unpack, overload

from tokenguard.claim_names import ClaimNames
from tokenguard.config import ID_TOKEN_CLAIMS, TENANT_PLACE, ClaimCheck, Issuer
from tokenguard.errors import ConfigurationError
from tokenguard.providers.arguments import Settings, built, guid, is_guid, text

#: every organization's tokens are let in: look at `AccessToken.tenant`
ANY_TENANT = TENANT_PLACE
Cloud: TypeAlias = Literal["global", "us", "china"]
#: where each cloud signs people in, and names itself in tokens of version 2; and its name in those of version 1
_CLOUDS: dict[Cloud, tuple[str, str]] = {
    "global": ("https://login.microsoftonline.com", "https://sts.windows.net"),
    "us": ("https://login.microsoftonline.us", "https://sts.windows.net"),
    "china": ("https://login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn"),
}


@overload
def entra(
    tenant: str,
    client_id: str,
    *,
    version: Literal[1, 2] = ...,
    app_id_uri: str | None = ...,
    cloud: Cloud = ...,
    **settings: Unpack[Settings],
) -> Issuer: ...


@overload
def entra(
    tenant: list[str] | tuple[str, ...],
    client_id: str,
    *,
    version: Literal[1, 2] = ...,
    app_id_uri: str | None = ...,
    cloud: Cloud = ...,
    **settings: Unpack[Settings],
) -> list[Issuer]: ...


def entra(
    tenant: str | list[str] | tuple[str, ...],
    client_id: str,
    *,
    version: Literal[1, 2] = 2,
    app_id_uri: str | None = None,
    cloud: Cloud = "global",
    **settings: Unpack[Settings],
) -> Issuer | list[Issuer]:
    """Tokens of Microsoft Entra ID for the API that is registered with this client id.

    `tenant`: the tenant's id, also where people know it by a domain; a list of ids, for a list of issuers; or
    `ANY_TENANT`, for work and school accounts of whatever organization: the issuer must then carry the token's own
    `tid`, a key that Microsoft publishes for one tenant only is not used, and who is served is up to you, by
    `AccessToken.tenant`.
    `version`: 2 for `accessTokenAcceptedVersion` 2 in the app manifest, 1 for 1 or null (the default there).
    `app_id_uri`: as registered, by default api://CLIENT_ID; clients ask for its scopes by `app_id_uri/scope`, tokens
    have them without, and routes may name them either way. `cloud`: "us" for US Government, "china" for the one that
    21Vianet operates. Azure AD B2C and External ID have issuers of other forms: write an `Issuer` for those.

    An access token has ver, and azp (version 2) or appid (version 1), which ID tokens lack. Scopes are in scp, which
    only users' tokens have; what an application may do by itself is in roles, as are users' roles.

    Microsoft identity platform: "Access token claims reference" (Header claims; Payload claims), "Access tokens"
    (Token formats; Validate the issuer, with the keys of one tenant), "Optional claims" (idtyp), "National clouds"
    (Microsoft Entra authentication endpoints); the version 1 issuers there, in Microsoft Q&A ("What are the token
    issuers for the sovereign cloud").
    """
    if isinstance(tenant, list | tuple):
        if not tenant:
            raise ConfigurationError("entra: tenant is an empty list")
        return [
            entra(each, client_id, version=version, app_id_uri=app_id_uri, cloud=cloud, **settings)
            for each in dict.fromkeys(tenant)
        ]
    if cloud not in _CLOUDS:
        raise ConfigurationError('entra: cloud must be "global", "us" or "china"')
    login, sts = _CLOUDS[cloud]
    if version not in (1, 2):
        raise ConfigurationError("entra: version must be 1 or 2")
    if tenant != ANY_TENANT:
        tenant = guid("entra: tenant (the id, since tokens never have the domain; or providers.ANY_TENANT)", tenant)
    client_id = guid("entra: client_id", client_id)
    app_id_uri = text("entra: app_id_uri", app_id_uri or f"api://{client_id}").rstrip("/")
    audience: tuple[str, ...]
    if version == 2:
        issuer, client, audience = f"{login}/{tenant}/v2.0", "azp", (client_id,)
    else:
        issuer, client, audience = f"{sts}/{tenant}/", "appid", (client_id, app_id_uri)
    keys_of = "common" if tenant == ANY_TENANT else tenant
    where = {} if "jwks" in settings else {"jwks_uri": f"{login}/{keys_of}/discovery/{'v2.0/' * (version == 2)}keys"}
    return built(
        "entra",
        issuer,
        settings,
        profile="jwt",
        algorithms=("RS256",),
        types=("jwt",),
        separator={"ver": f"{version}.0", client: None},
        id_token_claims=ID_TOKEN_CLAIMS,
        audience=audience,
        claims=ClaimNames(
            scopes="scp",
            client=client,
            roles="roles",
            tenant="tid",
            scope_prefix=f"{app_id_uri}/",
            client_marks={"idtyp": "app"},
            user="scp",
        ),
        checks=(_of_tenant(tenant),),
        **where,
    )


def _of_tenant(tenant: str) -> ClaimCheck:
    def tid_fits(claims: Mapping[str, Any]) -> bool:
        """A tid that is there is a GUID and the issuer's; for any tenant, that the two match was checked before."""
        tid = claims.get("tid", tenant)
        return is_guid(tid) if tenant == ANY_TENANT else tid == tenant

    return tid_fits
