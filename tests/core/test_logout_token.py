"""Whatever an issuer signs, or anybody sends in its name: a logout, or `InvalidLogoutToken`."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, json_values, properties
from tests.spec.support import AUDIENCE, NOW, local_issuer, trust

from tokenguard import BackchannelLogout, TokenGuard
from tokenguard.core.revocation import Level
from tokenguard.errors import InvalidLogoutToken
from tokenguard.feeds.backchannel import read_form
from tokenguard.testing.issuer import LOGOUT_EVENT

pytestmark = pytest.mark.req("A-161")

ISSUER = local_issuer()
LOGOUT = BackchannelLogout("client-1", algorithms=("ES256",))
CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp", "nbf", "jti", "events", "nonce"]
HEADER_MEMBERS = ["alg", "kid", "typ", "cty", "crit", "b64", "zip"]


def a_guard() -> TokenGuard:
    """One that has received nothing."""
    trusted = trust(ISSUER, max_lifetime=3600, logout=LOGOUT)
    return TokenGuard(audience=AUDIENCE, issuers=[trusted], clock=lambda: NOW)


@properties
@given(any_text)
def test_any_text_is_a_logout_token_or_none(text: str) -> None:
    """Nothing else comes out."""
    with pytest.raises(InvalidLogoutToken):
        a_guard().logout(text)


@properties
@given(
    st.dictionaries(st.sampled_from(CLAIMS), json_values),
    st.dictionaries(st.sampled_from(HEADER_MEMBERS), json_values),
    st.sets(st.sampled_from(CLAIMS)),
)
def test_any_claims_are_a_logout_or_none(claims: dict[str, Any], header: dict[str, Any], without: set[str]) -> None:
    """And what is believed is what it must be, whatever its claims say beside."""
    guard = a_guard()
    token = ISSUER.logout_token(header=header, without=without - claims.keys(), **claims)
    with contextlib.suppress(InvalidLogoutToken):
        guard.logout(token)
        (kept,) = guard.revocations.held()
        assert kept.issuer == ISSUER.issuer
        assert "nonce" not in claims
        assert isinstance(claims.get("events", {LOGOUT_EVENT: {}})[LOGOUT_EVENT], dict)
        named = claims["sid"] if "sid" in claims else claims.get("sub", "user-1")
        assert (kept.level, kept.value) == (Level.SESSION if "sid" in claims else Level.SUBJECT, named)


@properties
@given(st.binary(max_size=200), st.sampled_from(["", "application/x-www-form-urlencoded"]) | any_text)
def test_any_body_is_a_form_with_a_logout_token_or_none(body: bytes, content_type: str) -> None:
    """Nothing else comes out."""
    with contextlib.suppress(InvalidLogoutToken):
        assert read_form(content_type, body)


@properties
@given(st.lists(st.tuples(st.sampled_from(["logout_token", "state"]), st.text("abc.", max_size=5)), max_size=4))
def test_one_logout_token_is_taken_from_a_form_and_no_more(pairs: list[tuple[str, str]]) -> None:
    """However many other fields there are."""
    body = "&".join(f"{name}={value}" for name, value in pairs).encode()
    tokens = [value for name, value in pairs if name == "logout_token"]
    if len(tokens) == 1:
        assert read_form("application/x-www-form-urlencoded", body) == tokens[0]
    else:
        with pytest.raises(InvalidLogoutToken):
            read_form("application/x-www-form-urlencoded", body)
