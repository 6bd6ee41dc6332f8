"""RFC 9068 2: the claims of an access token, their form, and what the application gets of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.spec.support import AUDIENCE, NOW, admitted, bearing, claims_for, guard_for, refused, trust, with_payload

from tokenguard import TokenGuard
from tokenguard.errors import Reason
from tokenguard.testing import LocalIssuer

STRINGS = ("sub", "client_id", "jti")
NOT_A_STRING = [None, 1, 1.5, True, [], {}, ["user-1"], ""]
NOT_A_NUMBER = [None, "1790000000", True, False, [], {}, [1790000000], ""]


@pytest.mark.req("AT-12")
@pytest.mark.parametrize("name", ["sub", "client_id", "jti", "aud", "exp", "iat"])
def test_a_required_claim_must_be_there(guard: TokenGuard, issuer: LocalIssuer, name: str) -> None:
    """Each claim that RFC 9068 2.2 requires is required."""
    refused(guard, issuer.mint(without=name), Reason.MISSING_CLAIM)


@pytest.mark.req("AT-12")
def test_iss_must_be_there(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token without iss is from no issuer that is trusted."""
    refused(guard, issuer.mint(without="iss"), Reason.UNKNOWN_ISSUER)


@pytest.mark.req("AT-12", "A-089")
@pytest.mark.parametrize("value", NOT_A_STRING, ids=repr)
@pytest.mark.parametrize("name", STRINGS)
def test_a_claim_that_is_a_string_is_one_and_not_empty(
    guard: TokenGuard, issuer: LocalIssuer, name: str, value: Any
) -> None:
    """sub, client_id and jti are strings that say something."""
    refused(guard, issuer.mint(**{name: value}), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-089")
def test_sub_is_required(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token of nobody is refused."""
    refused(guard, issuer.mint(without="sub"), Reason.MISSING_CLAIM)


@pytest.mark.req("AT-12", "JW-19")
@pytest.mark.parametrize("value", NOT_A_NUMBER, ids=repr)
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
def test_a_claim_that_is_a_time_is_a_number(guard: TokenGuard, issuer: LocalIssuer, name: str, value: Any) -> None:
    """Times are JSON numbers, and a boolean is none."""
    refused(guard, issuer.mint(**{name: value}), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("AT-12")
def test_a_token_is_what_its_claims_say(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Every required claim is handed to the application under its name."""
    token = guard.validate(issuer.mint(sub="alice", client_id="app", jti="id-1", aud=["https://x.test", AUDIENCE]))
    assert (token.issuer, token.subject, token.client_id, token.id) == (issuer.issuer, "alice", "app", "id-1")
    assert token.audience == ("https://x.test", AUDIENCE)
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 300)


@pytest.mark.req("AT-14")
def test_how_the_user_logged_in_can_be_read(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """auth_time, acr and amr reach the application."""
    token = guard.validate(issuer.mint(auth_time=NOW - 3600, acr="gold", amr=["pwd", "otp"]))
    assert (token.auth_time, token.acr, token.claims["amr"]) == (NOW - 3600, "gold", ["pwd", "otp"])


@pytest.mark.req("AT-14")
def test_how_the_user_logged_in_may_be_absent(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token that does not say how or when the user logged in is good."""
    token = guard.validate(issuer.mint())
    assert (token.auth_time, token.acr) == (None, None)


@pytest.mark.req("AT-13")
def test_what_the_user_may_do_reaches_the_application(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """scope comes as scopes; groups, roles, entitlements and authorization_details as claims."""
    granted = {"groups": ["staff"], "roles": ["buyer"], "entitlements": ["gold"]}
    details = [{"type": "payment", "amount": "12.50"}]
    token = guard.validate(issuer.mint(scope="orders:read profile", authorization_details=details, **granted))
    assert token.scopes == {"orders:read", "profile"}
    assert {name: token.claims[name] for name in granted} == granted
    assert token.claims["authorization_details"] == details


@pytest.mark.req("A-091", "JB-10")
def test_a_client_for_itself_is_told_from_a_user_by_a_check(issuer: LocalIssuer) -> None:
    """A client whose id is a user's is refused by a check that asks for it; without one both ids can be seen."""
    own = issuer.mint(sub="user-1", client_id="user-1")

    def is_a_user(claims: Any) -> bool:
        return bool(claims["sub"] != claims["client_id"])

    token = guard_for(issuer).validate(own)
    assert (token.subject, token.client_id) == ("user-1", "user-1")
    guard = guard_for(trust(issuer, checks=(is_a_user,)))
    refused(guard, own, Reason.CLAIM_REFUSED)
    assert guard.validate(issuer.mint(sub="user-1", client_id="app")).subject == "user-1"


@pytest.mark.req("JB-10")
def test_one_subject_at_two_issuers_is_two_users(issuer: LocalIssuer, other: LocalIssuer) -> None:
    """The issuer comes with the subject, so that alice here is not alice there."""
    guard = guard_for(issuer, other)
    tokens = [guard.validate(each.mint(sub="alice")) for each in (issuer, other)]
    assert len({(token.issuer, token.subject) for token in tokens}) == 2


@pytest.mark.req("A-092")
@pytest.mark.parametrize("value", ["user-2", ["user-2"], None, 1])
@pytest.mark.parametrize("name", ["act", "may_act"])
def test_an_actor_is_an_object(guard: TokenGuard, issuer: LocalIssuer, name: str, value: Any) -> None:
    """act and may_act of another form are refused (RFC 8693 4.1, 4.4)."""
    refused(guard, issuer.mint(**{name: value}), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-092")
@pytest.mark.parametrize("length", [16, 100, 990, 1000])
def test_a_chain_of_actors_ends_somewhere(guard: TokenGuard, issuer: LocalIssuer, length: int) -> None:
    """Actors nested beyond any delegation are refused."""
    chain = b'{"act":' * length + b"{}" + b"}" * length
    claims = json.dumps(claims_for(issuer)).encode()
    refused(guard, with_payload(issuer, claims[:-1] + b"," + chain[1:]), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-092")
def test_who_acted_reaches_the_application(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A short chain of actors is handed on."""
    act = {"sub": "service-2", "act": {"sub": "service-1"}}
    assert guard.validate(issuer.mint(act=act)).claims["act"] == act


@pytest.mark.req("A-092")
def test_who_may_act_is_granted_nothing(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """may_act changes neither the subject nor the scopes."""
    token = guard.validate(issuer.mint(sub="alice", may_act={"sub": "admin", "scope": "admin"}))
    assert (token.subject, token.scopes) == ("alice", frozenset())


@pytest.mark.req("A-093")
@pytest.mark.parametrize(
    "value", ["payment", {"type": "payment"}, [{}], [{"type": 1}], ["payment"], None, [[]]], ids=repr
)
def test_authorization_details_are_typed_objects(guard: TokenGuard, issuer: LocalIssuer, value: Any) -> None:
    """authorization_details of another form are refused (RFC 9396 2)."""
    refused(guard, issuer.mint(authorization_details=value), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-093")
def test_unknown_authorization_details_grant_nothing(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Details of a type that nobody here knows are handed on, and give no scope."""
    token = guard.validate(issuer.mint(authorization_details=[{"type": "unheard-of", "scope": "admin"}]))
    assert token.scopes == frozenset()


@pytest.mark.req("A-094")
@pytest.mark.parametrize(
    ("name", "double"), [("aud", "\u0430ud"), ("exp", "\u0435xp"), ("sub", "\uff53ub"), ("jti", "JTI")]
)
def test_a_name_that_looks_like_a_claims_is_not_it(
    guard: TokenGuard, issuer: LocalIssuer, name: str, double: str
) -> None:
    """A claim in look-alike letters is one that nobody knows, so the real one is missing."""
    claims = claims_for(issuer)
    claims[double] = claims.pop(name)
    refused(guard, with_payload(issuer, claims), Reason.MISSING_CLAIM)


@pytest.mark.req("A-095", "JW-27")
def test_names_of_language_internals_are_inert(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Claims named like Python's internals, and format strings in values, are text like any other."""
    hostile = {"__proto__": {"admin": True}, "__class__": "x", "constructor": {}, "{0.__class__}": "%s%n", "": "empty"}
    token = admitted(guard, bearing(issuer.mint(sub="{0.__class__}%s", **hostile)))
    assert {name: token.claims[name] for name in hostile} == hostile
    assert "{0.__class__}%s" in repr(token)
    assert not hasattr(token, "admin")
