"""`ClaimNames`: claims under an issuer's own names, in every form in which they may come."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import pytest
from tests.spec.support import AUDIENCE, guard_for, local_issuer, refused, trust

from tokenguard import AccessToken, ClaimNames, Issuer, Requirement, TokenGuard
from tokenguard.core.trust import tenants_issuer
from tokenguard.errors import ConfigurationError, InsufficientScope, Reason

ISSUER = local_issuer()
PLAIN = {"header": {"typ": "JWT"}}


def guard_with(profile: str = "jwt", **names: Any) -> TokenGuard:
    """A guard whose issuer has these names."""
    return guard_for(trust(ISSUER, profile=profile, claims=ClaimNames(**names)))


def token_with(names: dict[str, Any], **claims: Any) -> AccessToken:
    """A token with these claims, as that guard reads it."""
    return guard_with(**names).validate(ISSUER.mint(**PLAIN, **claims))


@pytest.mark.parametrize(
    ("where", "claims", "roles"),
    [
        ("roles", {"roles": ["a", "b"]}, {"a", "b"}),
        ("roles", {"roles": "a b"}, {"a b"}),
        ("roles", {}, set()),
        ("roles", {"roles": []}, set()),
        ("https://example.com/roles", {"https://example.com/roles": ["a"]}, {"a"}),
        ("realm.roles", {"realm.roles": ["a"], "realm": {"roles": ["b"]}}, {"a"}),
        (("realm", "roles"), {"realm.roles": ["a"], "realm": {"roles": ["b"]}}, {"b"}),
        (("realm", "roles"), {"realm": "roles"}, set()),
        (("realm", "roles"), {"realm": {}}, set()),
        (["roles", ("realm", "roles")], {"roles": ["a"], "realm": {"roles": ["b"]}}, {"a", "b"}),
        ([["realm", "roles"]], {"realm": {"roles": ["b"]}}, {"b"}),
        ((("realm", "roles"),), {"realm": {"roles": ["b"]}}, {"b"}),
        (("roles", "*"), {"roles": {"a": {"org": 1}, "b": False}}, {"a", "b"}),
        (("roles", "*"), {"roles": [{"a": {"org": 1}}, {"b": False}]}, {"a", "b"}),
        (("roles", "*"), {"roles": ["a"]}, set()),
        ("*", {"*": ["a"]}, {"a"}),
    ],
)
def test_a_name_a_path_or_several(where: Any, claims: dict[str, Any], roles: set[str]) -> None:
    """A string is one name whatever is in it, a tuple a path, a list several; `*` is for the names of members."""
    for profile in ("jwt", "rfc9068"):
        token = guard_with(profile, roles=where, permissions=where).validate(ISSUER.mint(**claims))
        assert (token.roles, token.permissions) == (roles, roles)


@pytest.mark.req("A-090")
@pytest.mark.parametrize("value", [1, None, True, [1], ["a", None], {"a": True}, [["a"]]], ids=repr)
@pytest.mark.parametrize("name", ["roles", "permissions", "tenant"])
def test_another_form_is_refused(name: str, value: Any) -> None:
    """What can't be read is the token's fault, found when it is verified and not in the middle of a view."""
    for profile in ("jwt", "rfc9068"):
        refused(guard_with(profile, **{name: name}), ISSUER.mint(**{name: value}), Reason.MALFORMED_CLAIMS)


@pytest.mark.parametrize("name", ["tenant", "session"])
def test_a_name_of_one_thing_is_not_empty(name: str) -> None:
    """Or all that have none would be taken for one."""
    for profile in ("jwt", "rfc9068"):
        refused(guard_with(profile, **{name: name}), ISSUER.mint(**{name: ""}), Reason.MALFORMED_CLAIMS)


def test_without_names_nothing_is_read() -> None:
    """A claim that happens to be called roles is no role unless the issuer is said to put them there."""
    token = guard_for(ISSUER).validate(ISSUER.mint(roles=["admin"], permissions=["all"], tenant="t"))
    assert (token.roles, token.permissions, token.tenant) == (frozenset(), frozenset(), None)


@pytest.mark.parametrize(
    ("names", "claims", "expected"),
    [
        ({"scopes": "rights"}, {"rights": ["a"], "scope": "b"}, {"scopes": {"a"}}),
        ({"scopes": ["rights", "scope"]}, {"scope": "b"}, {"scopes": {"b"}}),
        ({"scopes": ["rights", "scope"]}, {"rights": "", "scope": "b"}, {"scopes": set()}),
        ({"client": ("app", "id")}, {"app": {"id": "c"}}, {"client_id": "c"}),
        ({"client": "app"}, {}, {"client_id": None}),
        ({"audience": ["aud", "client_id"]}, {"client_id": AUDIENCE, "without": "aud"}, {"audience": (AUDIENCE,)}),
        ({"tenant": ["org", "tid"]}, {"tid": "t"}, {"tenant": "t"}),
    ],
)
def test_the_first_that_is_there_counts(
    names: dict[str, Any], claims: dict[str, Any], expected: dict[str, Any]
) -> None:
    """One claim decides; a later one does not add to an earlier one that is empty."""
    token = token_with(names, **claims)
    assert {name: getattr(token, name) for name in expected} == expected


@pytest.mark.req("AT-08")
def test_an_audience_under_another_name_is_still_demanded() -> None:
    """Naming another claim moves the check, and does not remove it."""
    guard = guard_with(audience="client_id")
    refused(guard, ISSUER.mint(**PLAIN), Reason.WRONG_AUDIENCE)
    refused(guard, ISSUER.mint(**PLAIN, scope="", without="client_id"), Reason.MISSING_CLAIM)
    refused(guard, ISSUER.mint(**PLAIN, client_id=[1]), Reason.MALFORMED_CLAIMS)


@pytest.mark.parametrize("wanted", ["read", "api://app/read"])
def test_a_prefix_is_for_clients(wanted: str) -> None:
    """Tokens may have scopes with the prefix or without, and routes may name them so or so."""
    guard = guard_with(scopes="scp", scope_prefix="api://app/")
    for scp in (["read"], "api://app/read"):
        token = guard.validate(ISSUER.mint(**PLAIN, scp=scp))
        assert token.scopes == {"read"}
        guard.authorize(token, Requirement(wanted))
    for scp in ("api://other/read", "reader", "api://app/", ""):
        with pytest.raises(InsufficientScope):
            guard.authorize(guard.validate(ISSUER.mint(**PLAIN, scp=scp)), Requirement(wanted))


@pytest.mark.req("A-091")
@pytest.mark.parametrize(
    ("names", "claims", "is_client"),
    [
        ({}, {"without": "sub"}, True),
        ({}, {"sub": "client-1"}, True),
        ({}, {"sub": "client-1@clients"}, False),
        ({"client_subject": "{client_id}@clients"}, {"sub": "client-1@clients"}, True),
        ({"client_subject": "{client_id}@clients"}, {"sub": "client-1"}, True),
        ({"client_marks": {"gty": "cc"}}, {"gty": "cc"}, True),
        ({"client_marks": {"gty": "cc"}}, {"gty": "code"}, False),
        ({"client_marks": {"gty": ("cc", "m2m")}}, {"gty": "m2m"}, True),
        ({"client_marks": {"host": None}}, {"host": ""}, True),
        ({"user": "uid"}, {"uid": "u"}, False),
        ({"user": "uid"}, {}, True),
    ],
)
def test_a_client_for_itself_is_told_by_what_the_issuer_says(
    names: dict[str, Any], claims: dict[str, Any], is_client: bool
) -> None:
    """By its subject, by a mark, or by what only users' tokens have."""
    assert token_with(names, **claims).is_client is is_client


def test_a_token_with_names_can_be_pickled() -> None:
    """A background job may get the token, and reads the same from it."""
    token = token_with({"roles": "roles"}, roles=["admin"])
    assert pickle.loads(pickle.dumps(token)).roles == {"admin"}  # noqa: S301


@pytest.mark.req("A-164")
@pytest.mark.parametrize(
    "names",
    [
        *({"roles": where} for where in ("", (), [], ("a", ""), ("a", 1), [()], [("a", 1)], 1, {"a"})),
        {"scope_prefix": None},
        {"other_audiences": ("",)},
        {"client_subject": "client"},
        {"client_marks": {"": 1}},
        {"client_marks": "gty"},
    ],
    ids=repr,
)  # fmt: skip
def test_names_that_say_nothing_are_refused(names: dict[str, Any]) -> None:
    """The setting is named in the error."""
    with pytest.raises(ConfigurationError, match=rf"ClaimNames\.{next(iter(names))}"):
        ClaimNames(**names)


@pytest.mark.req("A-164")
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"claims": {"roles": "roles"}}, "claims"),
        ({"claims": ClaimNames(scopes="scp")}, r"claims\.scopes"),
        ({"claims": ClaimNames(client="azp")}, r"claims\.client"),
        ({"claims": ClaimNames(audience="client_id")}, r"claims\.audience"),
        ({"types": ("jwt",)}, "types"),
        ({"id_token_claims": ("nonce",)}, "id_token_claims"),
        *(({"profile": "jwt", "types": types}, "types") for types in ("jwt", (), ("JWT",), ("logout+jwt",))),
        ({"profile": "jwt", "id_token_claims": ()}, "id_token_claims"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], named: str) -> None:
    """RFC 9068 fixes the names of scope, client and audience, and its typ; the other profile has bounds too."""
    with pytest.raises(ConfigurationError, match=rf"Issuer\.{named}"):
        trust(ISSUER, **settings)


@pytest.mark.req("AT-18")
def test_types_narrow_the_lax_profile() -> None:
    """Claims may be lax where the header is not, and the other way round."""
    marked = guard_for(trust(ISSUER, profile="jwt", types=("at+jwt",)))
    assert marked.validate(ISSUER.mint(scope="a"))
    refused(marked, ISSUER.mint(header={"typ": "JWT"}, scope="a"), Reason.WRONG_TYPE)
    untyped = guard_for(trust(ISSUER, profile="jwt", types=("",)))
    assert untyped.validate(ISSUER.mint(header={"typ": None}, scope="a"))
    refused(untyped, ISSUER.mint(scope="a"), Reason.WRONG_TYPE)


@pytest.mark.req("AT-18")
def test_what_must_be_absent_can_be_said_beside_a_separator() -> None:
    """Presence alone says little where an ID token may be given the same claim."""
    guard = guard_for(trust(ISSUER, profile="jwt", separator={"uid": None}, id_token_claims=("at_hash",)))
    assert guard.validate(ISSUER.mint(**PLAIN, uid="u", nonce="n"))
    refused(guard, ISSUER.mint(**PLAIN, uid="u", at_hash="h"), Reason.WRONG_TYPE)
    refused(guard, ISSUER.mint(**PLAIN), Reason.WRONG_TYPE)


def test_an_audience_that_names_no_api_is_not_ours() -> None:
    """All tokens of such an issuer have it: each would be taken for one of ours."""
    names = ClaimNames(other_audiences=(f"{ISSUER.issuer}/resources", AUDIENCE))
    with pytest.raises(ConfigurationError, match="names no API"):
        guard_for(trust(ISSUER, claims=names))
    assert guard_for(trust(ISSUER, claims=names), audience="https://other.example.com")


@pytest.mark.req("A-164")
def test_an_issuer_for_any_tenant_needs_the_tenants_claim_and_keys_of_its_own() -> None:
    """Metadata are for one issuer, and so is introspection."""
    place = "https://login.example.com/{tenantid}"
    names = ClaimNames(tenant="tid")
    for settings in ({"claims": names}, {"jwks_uri": "https://login.example.com/keys"}):
        with pytest.raises(ConfigurationError, match="tenantid"):
            Issuer(place, **settings)


def test_a_tenant_that_nobody_has_verified_is_not_kept() -> None:
    """Python 3.12 never forgets what was interned: made-up tenants would fill the memory."""
    settings = {"jwks": ISSUER.jwks, "profile": "jwt", "claims": ClaimNames(tenant="tid")}
    config = Issuer("https://login.example.com/{tenantid}", **settings)
    found = tenants_issuer(config, {"tid": "made-up"})
    assert found == "https://login.example.com/made-up"
    assert sys.intern("".join(list(found))) is not found
