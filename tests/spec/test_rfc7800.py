"""RFC 7800 3.1: the confirmation claim, to whom a token is bound."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.possession import ISSUER, bound, client_key, guard_with, proving
from tests.spec.support import bearing, guard_for, refused

from tokenguard import MTLS, DPoP, Request, TokenGuard
from tokenguard.core.confirmation import Binding, read_binding
from tokenguard.errors import InvalidToken, Reason

DIGEST = "0" * 43
#: everything that can be confirmed is set up
GUARD = guard_for(ISSUER, dpop=DPoP(), mtls=MTLS())


def reason_for(request: Request) -> Reason:
    """Why a request is refused."""
    with pytest.raises(InvalidToken) as caught:
        GUARD.check(request)
    return caught.value.reason


@pytest.mark.req("CF-01", "A-137")
@pytest.mark.parametrize("cnf", [None, "jkt", [], ["jkt"], 1, True])
def test_a_confirmation_is_an_object(cnf: Any) -> None:
    """Any other form is refused, and not read as none."""
    assert reason_for(bearing(ISSUER.mint(cnf=cnf))) is Reason.MALFORMED_CLAIMS


@pytest.mark.req("CF-02")
@pytest.mark.parametrize("members", [("jwk", "jku"), ("jwk", "jwe"), ("jwe", "jku", "jkt")])
def test_one_key_is_named_in_one_way(members: tuple[str, ...]) -> None:
    """Two of jwk, jwe and jku make it malformed, also beside a binding that is known."""
    token = ISSUER.mint(cnf=dict.fromkeys(members, DIGEST))
    assert reason_for(bearing(token)) is Reason.MALFORMED_CLAIMS


@pytest.mark.req("CF-03", "CF-04", "CF-05", "CF-06", "A-137", "A-136")
@pytest.mark.parametrize(
    "cnf",
    [
        {},
        {"jwk": client_key().jwk},
        {"jwe": "a.b.c.d.e"},
        {"jku": "https://keys.test/", "kid": "1"},
        {"kid": "1"},
        {"x5t": DIGEST},
        {"JKT": DIGEST},
        {"unheard-of": 1},
    ],
)
def test_a_binding_that_nothing_confirms_is_refused(cnf: dict[str, Any]) -> None:
    """With whatever scheme it comes: the issuer meant to bind the token. Nothing is fetched: there is no network."""
    token = ISSUER.mint(cnf=cnf)
    assert reason_for(bearing(token)) is Reason.NOT_BOUND
    assert reason_for(proving(token)) is Reason.NOT_BOUND


@pytest.mark.req("CF-03")
def test_what_is_unknown_beside_a_binding_is_ignored() -> None:
    """The one that is known must hold, and does."""
    assert GUARD.check(proving(bound(cnf={"jkt": client_key().thumbprint, "x": 1}))).bound_by == {"dpop"}


@pytest.mark.req("CF-04", "MT-10")
@pytest.mark.parametrize("member", ["jkt", "x5t#S256"])
@pytest.mark.parametrize(
    "value", [None, "", 5, ["x"], "0" * 42, "0" * 44, "0" * 42 + "=", "0" * 42 + "1", "é" * 43, "+" * 43]
)
def test_a_digest_has_its_form(member: str, value: Any) -> None:
    """SHA-256 in base64url, to the character."""
    assert reason_for(bearing(ISSUER.mint(cnf={member: value}))) is Reason.MALFORMED_CLAIMS


@pytest.mark.req("CF-04")
@pytest.mark.parametrize("settings", [{}, {"mtls": MTLS()}])
def test_what_is_not_set_up_confirms_nothing(settings: dict[str, Any]) -> None:
    """A token bound to a key, where there is no DPoP."""
    refused(guard_for(ISSUER, **settings), bound(), Reason.NOT_BOUND)
    with pytest.raises(InvalidToken) as caught:
        guard_for(ISSUER, **settings).check(bearing(bound()))
    assert caught.value.reason is Reason.NOT_BOUND
    assert caught.value.token_id is not None


def test_a_binding_shows_no_digest() -> None:
    """Only in which ways it binds."""
    binding = read_binding({"jkt": DIGEST, "x5t#S256": DIGEST})
    assert repr(binding) == "Binding(dpop, mtls)"
    assert Binding(None, None).ways == frozenset()


def test_a_remembered_token_is_bound_all_the_same() -> None:
    """The second look at it, which parses nothing, asks for a proof as the first did."""
    guard: TokenGuard = guard_with()
    token = bound()
    for _ in range(2):
        assert guard.check(proving(token)).bound_by == {"dpop"}
        with pytest.raises(InvalidToken):
            guard.check(bearing(token))
