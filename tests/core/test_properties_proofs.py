"""Properties of DPoP proofs: whatever is sent, it is refused with the library's own words, and never let in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.core.strategies import any_text, json_values, properties
from tests.spec.possession import SECRET, bound, challenges, client_key, guard_with, proving, with_proof
from tests.spec.support import URL

from tokenguard import Request
from tokenguard.errors import Denied
from tokenguard.testing.jws import b64url

GUARDS = (
    guard_with(),
    guard_with(nonces="always", nonce_secrets=(SECRET,)),
    guard_with(token_cache=0, required=True, base_url="https://api.example.com"),
)
TOKEN = bound()
CLAIMS = ("jti", "htm", "htu", "iat", "ath", "nonce")


def refused(request: Request) -> None:
    """By every guard, with an answer that can be sent."""
    for guard in GUARDS:
        with pytest.raises(Denied) as caught:
            guard.check(request)
        assert challenges(guard, caught.value)
        answer = guard.challenge(caught.value)
        for name, value in answer.headers:
            assert name.isascii()
            assert value.isascii()
            assert value.isprintable()
        json.dumps(answer.body)


@properties
@given(any_text)
def test_any_text_is_no_proof(text: str) -> None:
    """Not even one that a server should never let through."""
    refused(with_proof(TOKEN, text))


@properties
@given(json_values, json_values)
def test_any_json_is_no_proof(header: Any, payload: Any) -> None:
    """Signed or not."""
    encoded = (b64url(json.dumps(part).encode("utf-8", "surrogatepass")) for part in (header, payload))
    refused(with_proof(TOKEN, f"{'.'.join(encoded)}.AAAA"))


@properties
@given(st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "crit", "b64", "kid"]), json_values, min_size=1))
def test_any_header_of_another_form_is_refused(header: dict[str, Any]) -> None:
    """Under a signature that holds, where what is changed is one of the members that count."""
    # what is None is left out, and only these must be there
    assume(header.get("crit") is not None or not header.keys().isdisjoint({"typ", "alg", "jwk"}))
    refused(proving(TOKEN, header=header))


@properties
@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "d", "n", "e", "alg", "use", "key_ops"]), json_values, min_size=1
    )
)
def test_any_other_key_is_refused(members: dict[str, Any]) -> None:
    """Members of any form in place of or beside the right ones."""
    jwk = client_key().jwk | members
    if all(jwk.get(name) == value for name, value in client_key().jwk.items()):
        jwk["y"] = jwk["x"]
    refused(proving(TOKEN, header={"jwk": jwk}))


@properties
@given(st.sampled_from(CLAIMS[1:5]), json_values)
def test_any_other_claim_is_refused(name: str, value: Any) -> None:
    """Under a signature that holds."""
    refused(proving(TOKEN, **{name: value}))


@properties
@given(st.lists(any_text, max_size=3), any_text, any_text)
def test_any_credentials_are_refused(proofs: list[str], scheme: str, token: str) -> None:
    """Whatever stands in the headers."""
    lines = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    refused(Request("GET", URL, lines))
    refused(Request("GET", URL, [("Authorization", f"DPoP {token}"), *lines]))
