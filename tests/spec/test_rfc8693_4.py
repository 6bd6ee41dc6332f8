"""RFC 8693 4: who acts for whom, as far as a resource server may rely on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.spec.support import NOW, guard_for, refused, trust

from tokenguard import TokenGuard
from tokenguard.errors import Reason
from tokenguard.testing import LocalIssuer


@pytest.mark.req("TX-01", "TX-06")
def test_subject_and_actor_are_two(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Who the token is about and who acts for them have a name each; without act nobody acts."""
    token = guard.validate(issuer.mint(sub="alice", act={"sub": "service-1", "iss": "https://other.test"}))
    assert (token.subject, token.actor) == ("alice", {"sub": "service-1", "iss": "https://other.test"})
    assert guard.validate(issuer.mint(sub="alice")).actor is None


@pytest.mark.req("TX-01", "A-092")
@pytest.mark.parametrize(
    "act",
    [
        *("service-1", ["service-1"], 1, None, {"sub": 1}, {"sub": ""}, {"sub": ["service-1"]}, {"iss": {}}),
        {"sub": "service-2", "act": "service-1"},
        {"sub": "service-2", "act": {"sub": 1}},
    ],
    ids=repr,
)
def test_an_actor_of_another_form_is_refused(guard: TokenGuard, issuer: LocalIssuer, act: Any) -> None:
    """An actor that can't be read must not be read as none."""
    refused(guard, issuer.mint(act=act), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("TX-02", "A-092")
def test_earlier_actors_are_history(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Only the outermost actor is one; who acted before can be read in the claims and decides nothing."""
    history = {"sub": "service-2", "act": {"sub": "admin", "scope": "admin", "act": {"sub": "root"}}}
    token = guard.validate(issuer.mint(sub="alice", client_id="app", act=history))
    assert token.actor == {"sub": "service-2"}
    assert (token.subject, token.client_id, token.scopes, token.is_client) == ("alice", "app", frozenset(), False)
    assert token.claims["act"] == history


@pytest.mark.req("TX-03")
@pytest.mark.parametrize("extra", [{"exp": 1}, {"nbf": NOW * 2}, {"aud": "https://other.test"}, {"exp": "never"}])
def test_times_and_audience_of_an_actor_mean_nothing(
    guard: TokenGuard, issuer: LocalIssuer, extra: dict[str, Any]
) -> None:
    """What is in act beside an identity does not end the token, and does not prolong it."""
    assert guard.validate(issuer.mint(act={"sub": "service-1", **extra})).actor == {"sub": "service-1", **extra}
    refused(guard, issuer.mint(exp=int(NOW) - 60, iat=1, act={"sub": "service-1", "exp": 9e9}), Reason.EXPIRED)


@pytest.mark.req("TX-04", "A-092")
def test_who_may_act_does_not_act(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """may_act is for the issuer, when a token is exchanged."""
    token = guard.validate(issuer.mint(sub="alice", may_act={"sub": "admin"}))
    assert (token.subject, token.actor, token.roles) == ("alice", None, frozenset())


@pytest.mark.req("TX-05")
def test_scope_and_client_id_keep_their_names(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """An exchanged token says scopes and client as every other does."""
    token = guard.validate(issuer.mint(scope="orders:read status", client_id="app", act={"sub": "service-1"}))
    assert (token.scopes, token.client_id) == ({"orders:read", "status"}, "app")


@pytest.mark.req("TX-06", "A-092")
def test_delegated_tokens_can_be_refused(issuer: LocalIssuer) -> None:
    """A check of the deployment sees the chain and decides."""

    def is_direct(claims: Mapping[str, Any]) -> bool:
        return "act" not in claims

    guard = guard_for(trust(issuer, checks=(is_direct,)))
    assert guard.validate(issuer.mint())
    refused(guard, issuer.mint(act={"sub": "service-1"}), Reason.CLAIM_REFUSED)


@pytest.mark.req("TX-01", "A-162")
def test_what_a_view_does_to_actor_and_claims_stays_there(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """The token of the next request, remembered, is what the issuer said; and so is this one's actor."""
    raw = issuer.mint(act={"sub": "service-1"})
    token = guard.validate(raw)
    assert token.actor is not None
    token.actor["sub"] = token.claims["act"]["sub"] = "admin"
    assert token.actor == {"sub": "service-1"}
    assert guard.validate(raw).actor == {"sub": "service-1"}


@pytest.mark.req("A-091", "JB-10")
@pytest.mark.parametrize(("client_id", "is_client"), [("user-1", True), ("app", False)])
def test_a_client_for_itself_is_no_user(
    guard: TokenGuard, issuer: LocalIssuer, client_id: str, is_client: bool
) -> None:
    """A client that got itself a user's id is still seen as a client (RFC 9068 5)."""
    assert guard.validate(issuer.mint(sub="user-1", client_id=client_id)).is_client is is_client
