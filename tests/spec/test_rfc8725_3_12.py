"""RFC 8725 3.11, 3.12: one kind of token is never taken for another, in the strict profile and in the lax one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.support import AUDIENCE, NOW, guard_for, local_issuer, refused, trust

from tokenguard import BackchannelLogout, TokenGuard
from tokenguard.errors import ConfigurationError, Reason
from tokenguard.testing import Broken, LocalIssuer

FOREIGN_TYPES = [
    "logout+jwt", "secevent+jwt", "dpop+jwt", "statuslist+jwt", "token-introspection+jwt", "oauth-authz-req+jwt",
    "client-authentication+jwt", "entity-statement+jwt", "id_token", "rt+jwt", "kb+jwt", "vc+sd-jwt", "JOSE", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def lax(issuer: LocalIssuer) -> TokenGuard:
    """A guard whose issuer sends plain JWTs."""
    return guard_for(trust(issuer, profile="jwt"))


# every other kind, as it would really look, and all for this very audience

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    # header, claims, claims left out
    "logout token": (
        {"typ": "logout+jwt"},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "sid": "s"},
        ("client_id",),
    ),
    "security event": (
        {"typ": "secevent+jwt"},
        {"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}},
        ("client_id",),
    ),
    "status list": ({"typ": "statuslist+jwt"}, {"status_list": {"bits": 1, "lst": "eNrbuRgAAhcBXQ"}}, ("client_id",)),
    "introspection answer": (
        {"typ": "token-introspection+jwt"},
        {"token_introspection": {"active": True, "sub": "user-1"}},
        ("client_id",),
    ),
    "DPoP proof": ({"typ": "dpop+jwt"}, {"htm": "GET", "htu": "https://api.example.com/orders"}, ("client_id",)),
    "request object": (
        {"typ": "oauth-authz-req+jwt"},
        {"response_type": "code", "scope": "openid orders:read", "redirect_uri": "https://app.test/"},
        (),
    ),
    "client assertion": ({"typ": "client-authentication+jwt"}, {"sub": "client-1"}, ("client_id",)),
    "entity statement": ({"typ": "entity-statement+jwt"}, {"jwks": {"keys": []}}, ("client_id",)),
}


@pytest.mark.req("A-098", "AT-19", "JB-15")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["", "application/"])
def test_no_other_kind_of_jwt_is_an_access_token(
    guard: TokenGuard, lax: TokenGuard, issuer: LocalIssuer, kind: str, prefix: str
) -> None:
    """Well signed and meant for us, every other kind is refused for its type by both profiles."""
    header, claims, without = KINDS[kind]
    token = issuer.mint(header={"typ": prefix + header["typ"]}, without=without, **claims)
    for which in (guard, lax):
        refused(which, token, Reason.WRONG_TYPE)


@pytest.mark.req("A-098", "AT-19", "JB-15")
@pytest.mark.parametrize("typ", FOREIGN_TYPES)
def test_a_foreign_type_is_refused_even_with_every_claim(
    guard: TokenGuard, lax: TokenGuard, issuer: LocalIssuer, typ: str
) -> None:
    """The type alone is enough to refuse a token that has all that an access token needs."""
    for which in (guard, lax):
        for spelling in (typ, typ.upper(), f"application/{typ}"):
            refused(which, issuer.mint(header={"typ": spelling}, scope="orders:read"), Reason.WRONG_TYPE)


# ID tokens


@pytest.mark.req("A-096", "AT-18", "JB-15")
@pytest.mark.parametrize("typ", ["JWT", None])
def test_an_id_token_is_refused(guard: TokenGuard, lax: TokenGuard, issuer: LocalIssuer, typ: str | None) -> None:
    """An ID token is for the client: the strict profile sees its type, the lax one its claims or its audience."""
    token = issuer.mint(
        header={"typ": typ}, aud="client-1", azp="client-1", nonce="n", at_hash="h", without="client_id"
    )
    refused(guard, token, Reason.WRONG_TYPE)
    refused(lax, token, Reason.WRONG_TYPE)
    refused(guard, issuer.broken(Broken.ID_TOKEN), Reason.WRONG_TYPE)


@pytest.mark.req("A-097", "AT-18", "JB-15")
@pytest.mark.parametrize("typ", ["JWT", "jwt", None])
@pytest.mark.parametrize(
    "extra", [{}, {"nonce": "n"}, {"at_hash": "h"}, {"c_hash": "h"}, {"s_hash": "h"}, {"azp": "client-1"}]
)
def test_an_id_token_for_this_audience_is_refused(
    guard: TokenGuard, lax: TokenGuard, issuer: LocalIssuer, typ: str | None, extra: dict[str, Any]
) -> None:
    """Where the API is also the client, the audience does not tell; the lax profile then wants a second separator."""
    token = issuer.mint(header={"typ": typ}, auth_time=NOW, without="client_id", **extra)
    refused(guard, token, Reason.WRONG_TYPE)
    refused(lax, token, Reason.WRONG_TYPE)


@pytest.mark.req("A-097", "AT-18")
@pytest.mark.parametrize("name", ["nonce", "at_hash", "c_hash", "s_hash"])
def test_what_only_an_id_token_has_outweighs_what_an_access_token_has(
    lax: TokenGuard, issuer: LocalIssuer, name: str
) -> None:
    """A scope does not make an access token of an ID token."""
    refused(lax, issuer.mint(header={"typ": "JWT"}, scope="openid", **{name: "x"}), Reason.WRONG_TYPE)


# refresh tokens


@pytest.mark.req("A-099", "JB-15")
def test_a_refresh_token_is_refused(guard: TokenGuard, lax: TokenGuard, issuer: LocalIssuer) -> None:
    """A refresh token that is a JWT is for the issuer, has another type, or is signed with a secret."""
    for claims in ({"aud": issuer.issuer}, {"aud": AUDIENCE}):
        token = issuer.mint(header={"typ": "JWT"}, **{"typ": "Refresh", "scope": "openid", "azp": "client-1", **claims})
        refused(guard, token, Reason.WRONG_TYPE)
    refused(lax, issuer.mint(header={"typ": "JWT"}, aud=issuer.issuer, typ="Refresh", scope="x"), Reason.WRONG_AUDIENCE)
    mac = issuer.mint(header={"typ": "JWT"}, algorithm="HS512", key=b"k" * 64, aud=issuer.issuer)
    for which in (guard, lax):
        refused(which, mac, Reason.UNSUPPORTED_ALGORITHM)


# the lax profile (RFC 8725 3.12)


@pytest.mark.req("AT-18")
def test_plain_jwts_are_opted_in(guard: TokenGuard, lax: TokenGuard, issuer: LocalIssuer) -> None:
    """A plain JWT is refused unless the issuer's profile says that it sends such."""
    for typ in ("JWT", "jwt", "application/jwt", None):
        token = issuer.mint(header={"typ": typ}, scope="orders:read")
        refused(guard, token, Reason.WRONG_TYPE)
        assert lax.validate(token).scopes == {"orders:read"}


@pytest.mark.req("AT-18")
def test_a_typed_access_token_passes_the_lax_profile_too(lax: TokenGuard, issuer: LocalIssuer) -> None:
    """An issuer that learns to say at+jwt needs no change of configuration."""
    assert lax.validate(issuer.mint())


@pytest.mark.req("AT-18")
@pytest.mark.parametrize(
    ("claims", "client_id", "scopes"),
    [
        ({"scp": ["a", "b"], "azp": "app"}, "app", {"a", "b"}),
        ({"scp": "a b", "cid": "app"}, "app", {"a", "b"}),
        ({"scope": ["a"], "appid": "app"}, "app", {"a"}),
        ({"scope": "a", "scp": "b", "client_id": "app", "azp": "other"}, "app", {"a"}),
        ({"cid": "app"}, "app", set()),
        ({"scope": ""}, None, set()),
    ],
)
def test_what_providers_send_in_place_of_the_standard_claims_is_read(
    lax: TokenGuard, issuer: LocalIssuer, claims: dict[str, Any], client_id: str | None, scopes: set[str]
) -> None:
    """Vendor names for client and scopes count in the lax profile, with less required."""
    without = {"client_id", "sub", "jti", "iat"} - claims.keys()
    token = lax.validate(issuer.mint(header={"typ": "JWT"}, without=without, **claims))
    assert (token.client_id, token.scopes, token.subject, token.issued_at) == (client_id, scopes, None, None)


@pytest.mark.req("AT-18", "A-090")
@pytest.mark.parametrize(
    "claims", [{"scp": 1}, {"scp": None}, {"scp": ["a", 1]}, {"scp": {"a": 1}}, {"scope": [["a"]]}], ids=repr
)
def test_scopes_of_another_form_are_refused(lax: TokenGuard, issuer: LocalIssuer, claims: dict[str, Any]) -> None:
    """Even the lax profile reads strings and arrays of strings only."""
    refused(lax, issuer.mint(header={"typ": "JWT"}, **claims), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("AT-18", "AT-10", "AT-08")
@pytest.mark.parametrize("name", ["exp", "aud"])
def test_the_lax_profile_is_not_lax_about_everything(lax: TokenGuard, issuer: LocalIssuer, name: str) -> None:
    """An end and an audience are always required."""
    refused(lax, issuer.mint(header={"typ": "JWT"}, without=name), Reason.MISSING_CLAIM)


@pytest.mark.req("AT-18")
def test_a_separator_can_be_a_claim_and_its_value(issuer: LocalIssuer) -> None:
    """A configured claim, with a value or merely present, takes the place of the default rules."""
    guard = guard_for(trust(issuer, profile="jwt", separator={"token_use": "access", "ver": None}))
    good = {"header": {"typ": "JWT"}, "token_use": "access", "ver": 2}
    assert guard.validate(issuer.mint(**good))
    assert guard.validate(issuer.mint(**good | {"nonce": "n", "without": "client_id"}))
    for wrong in ({"token_use": "id"}, {"token_use": None}, {"without": "token_use"}, {"without": "ver"}):
        refused(guard, issuer.mint(**good | wrong), Reason.WRONG_TYPE)


@pytest.mark.req("AT-18", "A-164")
@pytest.mark.parametrize(
    "settings",
    [
        *({"profile": profile} for profile in ("strict", None, "JWT")),
        {"separator": {"a": 1}},
        *({"profile": "jwt", "separator": separator} for separator in ({}, "scope", {"": 1}, {1: 1})),
    ],
    ids=repr,
)
def test_a_profile_is_one_of_two_and_a_separator_goes_with_the_lax_one(settings: dict[str, Any]) -> None:
    """Contradictory or unknown settings are refused when they are made."""
    with pytest.raises(ConfigurationError, match=r"Issuer\.(profile|separator)"):
        trust(local_issuer(), **settings)


@pytest.mark.req("JB-15", "AT-15")
def test_one_key_for_all_kinds_is_no_danger(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Access token and ID token are signed with the same key, and only one of them is let in."""
    assert guard.validate(issuer.mint(scope="orders:read"))
    refused(guard, issuer.id_token(aud=AUDIENCE, scope="orders:read", client_id="client-1", jti="x"), Reason.WRONG_TYPE)


@pytest.mark.req("BL-14")
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
@pytest.mark.parametrize("typ", ["logout+jwt", None])
def test_a_believed_logout_token_is_no_access_token(profile: str, typ: str | None) -> None:
    """Even where its audience is the API's."""
    issuer = local_issuer("RS256")
    trusted = trust(issuer, profile=profile, max_lifetime=3600, logout=BackchannelLogout(AUDIENCE))
    guard = TokenGuard(audience=AUDIENCE, issuers=[trusted], clock=lambda: NOW)
    token = issuer.logout_token(aud=AUDIENCE, header={"typ": typ})
    refused(guard, token, Reason.WRONG_TYPE)
    guard.logout(token)
