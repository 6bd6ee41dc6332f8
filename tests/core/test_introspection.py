"""What an introspection answer means (RFC 7662 2.2), without any network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenguard import ClaimNames, ClientSecret, Introspection, Issuer, Limits
from tokenguard.core.effects import Outcome
from tokenguard.core.introspection import AnswerError, read_members, read_outcome
from tokenguard.core.keys import NEVER_FETCHED
from tokenguard.core.trust import Trusted
from tokenguard.errors import Reason

ISSUER, AUDIENCE = "https://issuer.test", "https://api.example.com"
ACTIVE = {"active": True, "aud": AUDIENCE, "scope": "a b", "client_id": "client-1", "sub": "alice"}


class Keys:
    """No keys."""

    snapshot = NEVER_FETCHED


def outcome(members: dict[str, Any], *, issuer: dict[str, Any] | None = None, **settings: Any) -> Outcome:
    """What these members mean."""
    config = Issuer(ISSUER, introspection=Introspection(ClientSecret("api", "secret"), **settings), **issuer or {})
    trusted = Trusted(config, frozenset({AUDIENCE}), Keys())
    return read_outcome(members, json.dumps(members).encode(), trusted)


def refusal(members: dict[str, Any], **settings: Any) -> Reason:
    """Why a token that the issuer calls active is refused all the same."""
    result = outcome(members, **settings)
    assert result.active
    assert result.verified is None
    return result.reason


def test_an_active_answer_is_what_a_verified_token_is() -> None:
    """The fields are filled from the answer; who was asked is the issuer."""
    verified = outcome(
        {**ACTIVE, "jti": "t-1", "iat": 10, "exp": 20, "nbf": 10, "acr": "high", "auth_time": 5}
    ).verified
    assert verified is not None
    assert (verified.issuer, verified.subject, verified.client_id, verified.id) == (ISSUER, "alice", "client-1", "t-1")
    assert (verified.audience, verified.scopes) == ((AUDIENCE,), {"a", "b"})
    assert (verified.issued_at, verified.expires_at, verified.not_before) == (10, 20, 10)
    assert (verified.acr, verified.auth_time, verified.binding) == ("high", 5, None)


@pytest.mark.req("IN-05", "JI-09")
def test_inactive_says_so_whatever_stands_beside_it() -> None:
    """Nothing else of the answer is looked at."""
    assert outcome({"active": False}).reason is Reason.INACTIVE
    result = outcome({**ACTIVE, "active": False})
    assert (result.active, result.verified, result.reason) == (False, None, Reason.INACTIVE)


@pytest.mark.req("IN-04", "A-145")
@pytest.mark.parametrize("active", ["true", "false", 1, 0, 1.0, None, [True], {"active": True}, "", "1"], ids=repr)
def test_only_a_json_boolean_counts(active: Any) -> None:
    """Everything else is the issuer's fault, and lets nobody in."""
    with pytest.raises(AnswerError):
        outcome({**ACTIVE, "active": active})


@pytest.mark.req("IN-04", "A-145")
def test_active_must_be_there() -> None:
    """And be called so."""
    for members in ({}, {"Active": True}, {"activ\u0435": True}):
        with pytest.raises(AnswerError):
            outcome(members)


@pytest.mark.req("IN-04", "IN-16", "A-145")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<!doctype html>"),
        ("text/html", b'{"active": true}'),
        ("", b'{"active": true}'),
        ("application/json-seq", b'{"active": true}'),
        ("application/token-introspection+jwt", b'{"active": true}'),
        ("application/json", b""),
        ("application/json", b"<!doctype html>"),
        ("application/json", b"[true]"),
        ("application/json", b"true"),
        ("application/json", b"null"),
        ("application/json", b'{"active": true'),
        ("application/json", b'{"active": true} {}'),
        ("application/json", b'{"active": false, "active": true}'),
        ("application/json", b'{"active": true, "active": true}'),
        ("application/json", b'{"active": true, "cnf": {"jkt": "a", "jkt": "b"}}'),
        ("application/json", b'{"active": true, "exp": 1e999}'),
        ("application/json", b'{"active": true, "exp": NaN}'),
        ("application/json", b'\xff\xfe{"active": true}'),
        ("application/json", b'{"active": true, "x": ' + b"[" * 20 + b"]" * 20 + b"}"),
        ("application/json", b'{"active": true, "x": [' + b"1," * 2000 + b"1]}"),
    ],
)
def test_what_is_no_strict_json_object_is_no_answer(content_type: str, body: bytes) -> None:
    """Web pages, repeated members, numbers out of range, depth and size: the issuer's fault."""
    with pytest.raises(AnswerError):
        read_members(content_type, body, Limits())


def test_the_media_type_may_have_parameters() -> None:
    """As some servers write it."""
    assert read_members("Application/JSON; charset=utf-8", b'{"active": true}', Limits()) == {"active": True}


@pytest.mark.req("IN-08", "IN-12", "A-146")
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"aud": "https://other.example.com"}, Reason.WRONG_AUDIENCE),
        ({"aud": []}, Reason.WRONG_AUDIENCE),
        ({"aud": [AUDIENCE, 7]}, Reason.MALFORMED_CLAIMS),
        ({"aud": None}, Reason.MALFORMED_CLAIMS),
        ({"aud": AUDIENCE + "/"}, Reason.WRONG_AUDIENCE),
        ({"iss": ISSUER + "/"}, Reason.UNKNOWN_ISSUER),
        ({"iss": None}, Reason.UNKNOWN_ISSUER),
        ({"exp": "20"}, Reason.MALFORMED_CLAIMS),
        ({"exp": True}, Reason.MALFORMED_CLAIMS),
        ({"exp": None}, Reason.MALFORMED_CLAIMS),
        ({"exp": 10**400}, Reason.MALFORMED_CLAIMS),
        ({"iat": "10"}, Reason.MALFORMED_CLAIMS),
        ({"nbf": "10"}, Reason.MALFORMED_CLAIMS),
        ({"scope": 7}, Reason.MALFORMED_CLAIMS),
        ({"scope": None}, Reason.MALFORMED_CLAIMS),
        ({"client_id": 7}, Reason.MALFORMED_CLAIMS),
        ({"sub": ""}, Reason.MALFORMED_CLAIMS),
        ({"cnf": "x"}, Reason.MALFORMED_CLAIMS),
        ({"cnf": None}, Reason.MALFORMED_CLAIMS),
        ({"act": "admin"}, Reason.MALFORMED_CLAIMS),
        ({"authorization_details": {}}, Reason.MALFORMED_CLAIMS),
    ],
    ids=repr,
)
def test_members_are_checked_as_claims_are(members: dict[str, Any], reason: Reason) -> None:
    """An issuer that calls a token active does not thereby say that it is for us."""
    assert refusal(ACTIVE | members) is reason


@pytest.mark.req("IN-08")
def test_the_audience_must_be_named_unless_it_is_said_that_it_need_not_be() -> None:
    """And one that is named must be ours either way."""
    unnamed = {name: value for name, value in ACTIVE.items() if name != "aud"}
    assert refusal(unnamed) is Reason.MISSING_CLAIM
    verified = outcome(unnamed, without_audience=True).verified
    assert verified is not None
    assert verified.audience == ()
    assert refusal({**ACTIVE, "aud": "other"}, without_audience=True) is Reason.WRONG_AUDIENCE


def test_a_longest_lifetime_needs_an_exp() -> None:
    """What is configured is required, whatever the answer leaves out."""
    settings = {"issuer": {"max_lifetime": 100}}
    assert refusal(ACTIVE, **settings) in {Reason.MISSING_CLAIM, Reason.LIFETIME_TOO_LONG}
    assert refusal({**ACTIVE, "iat": 10}, **settings) is Reason.LIFETIME_TOO_LONG
    assert outcome({**ACTIVE, "iat": 10, "exp": 100}, **settings).verified


@pytest.mark.req("IN-14", "IN-15")
@pytest.mark.parametrize(
    "members",
    [
        {"token_type": "refresh_token"},
        {"token_type": "N_A"},
        {"token_type": None},
        {"token_type": ""},
        {"token_use": "refresh_token"},
        {"token_use": "id"},
        {"typ": "Refresh"},
        {"typ": "Offline"},
        {"typ": "ID"},
    ],
    ids=repr,
)
def test_what_is_active_and_no_access_token_is_refused(members: dict[str, Any]) -> None:
    """The endpoint knows refresh tokens too, and whoever has one could send it here."""
    assert refusal(ACTIVE | members) is Reason.WRONG_TYPE


@pytest.mark.req("IN-14")
@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER"])
def test_bearer_is_written_in_any_case(token_type: str) -> None:
    """RFC 6749 5.1."""
    assert outcome({**ACTIVE, "token_type": token_type}).verified


@pytest.mark.req("IN-14")
def test_a_bound_token_stays_bound() -> None:
    """cnf is kept for the check of the sender, and a DPoP token that names no key can't be confirmed."""
    verified = outcome({**ACTIVE, "token_type": "DPoP", "cnf": {"jkt": "0" * 43}}).verified
    assert verified is not None
    assert verified.binding is not None
    assert verified.binding.ways == {"dpop"}
    assert refusal({**ACTIVE, "token_type": "DPoP", "cnf": {"jkt": "x"}}) is Reason.MALFORMED_CLAIMS
    assert refusal({**ACTIVE, "token_type": "DPoP"}) is Reason.NOT_BOUND


@pytest.mark.req("IN-15")
def test_an_answer_may_keep_to_the_standards_names() -> None:
    """Where the issuer's own are not there: RFC 7662 2.2 has scope and client_id, whatever its JWTs have."""
    names = ClaimNames(scopes="scp", client="cid", scope_prefix="api/")
    issuer = {"profile": "jwt", "claims": names}
    verified = outcome({**ACTIVE, "scope": "a api/b"}, issuer=issuer).verified
    assert verified is not None
    assert (verified.scopes, verified.client_id) == ({"a", "b"}, "client-1")
    verified = outcome({**ACTIVE, "scp": ["c"], "cid": "client-2"}, issuer=issuer).verified
    assert verified is not None
    assert (verified.scopes, verified.client_id) == ({"c"}, "client-2")


def test_unknown_members_are_left_alone() -> None:
    """They are there for the application, under claims."""
    verified = outcome({**ACTIVE, "username": "al", "x": {"y": [1]}, "may_act": {"sub": "z"}}).verified
    assert verified is not None
    assert json.loads(verified.payload)["x"] == {"y": [1]}


def test_nothing_is_shown_of_an_answer() -> None:
    """Neither by the outcome nor by what asks for it."""
    assert "alice" not in repr(outcome({**ACTIVE, "email": "alice@example.com"})._replace(verified=None))
