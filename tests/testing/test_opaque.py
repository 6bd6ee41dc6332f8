"""LocalIssuer's opaque tokens, and its introspection endpoint as any client sees it."""

from __future__ import annotations

import base64

import httpx
import pytest

from tokenguard.testing import LocalIssuer, SigningKey

KEY = SigningKey.generate("ES256")


def ask(issuer: LocalIssuer, token: str, **headers: str) -> httpx.Response:
    """Ask the served issuer, in the body as the client it knows unless headers say otherwise."""
    client_id, secret = issuer.resource_server
    form = {"token": token} | ({} if headers else {"client_id": client_id, "client_secret": secret})
    return httpx.post(issuer.introspection_endpoint, data=form, headers=headers, trust_env=False)


def test_an_opaque_token_means_what_it_was_minted_with() -> None:
    """The usual members and more; without a server too."""
    issuer = LocalIssuer(signing_key=KEY, clock=lambda: 1000)
    token = issuer.mint_opaque(prefix="op_", scope="a", without=("jti", "aud"))
    assert token.startswith("op_")
    assert issuer.introspect(token) == {
        "active": True,
        "token_type": "Bearer",
        "iss": issuer.issuer,
        "sub": "user-1",
        "client_id": "client-1",
        "iat": 1000,
        "exp": 1300,
        "scope": "a",
    }


def test_what_is_unknown_revoked_or_expired_is_not_active() -> None:
    """And nothing more is said; a JWT is known by its signature."""
    now = [1000.0]
    issuer = LocalIssuer(signing_key=KEY, clock=lambda: now[0])
    opaque, jwt, forged = issuer.mint_opaque(), issuer.mint(sub="alice"), LocalIssuer(issuer.issuer).mint()
    assert issuer.introspect(jwt)["sub"] == "alice"
    for token in ("made-up", "", forged):
        assert issuer.introspect(token) == {"active": False}
    issuer.revoke(jwt)
    assert issuer.introspect(jwt) == {"active": False}
    assert issuer.introspect(opaque)["active"]
    now[0] += 301
    assert issuer.introspect(opaque) == {"active": False}


def test_the_endpoint_is_in_the_metadata_and_answers_its_client() -> None:
    """By Basic, form-encoded or not, and by the body."""
    with LocalIssuer(signing_key=KEY).serve() as issuer:
        issuer.resource_server = ("an api", "p:w%")
        token = issuer.mint_opaque()
        assert issuer.metadata["introspection_endpoint"] == issuer.introspection_endpoint
        for headers in (
            {},
            {"authorization": "Basic " + base64.b64encode(b"an+api:p%3Aw%25").decode()},
            {"authorization": "basic " + base64.b64encode(b"an api:p:w%").decode()},
        ):
            assert ask(issuer, token, **headers).json()["active"]
        assert issuer.requests[-1].body == f"token={token}".encode()


@pytest.mark.parametrize("credentials", ["", "Bearer x", "Basic " + base64.b64encode(b"api:wrong").decode()])
def test_the_endpoint_answers_nobody_else(credentials: str) -> None:
    """401, whatever the token."""
    with LocalIssuer(signing_key=KEY).serve() as issuer:
        assert ask(issuer, issuer.mint_opaque(), authorization=credentials).status_code == 401


def test_a_question_without_a_token_and_other_paths_are_refused() -> None:
    """400 and 404."""
    with LocalIssuer(signing_key=KEY).serve() as issuer:
        issuer.authenticates = lambda *_: True  # type: ignore[method-assign]
        assert httpx.post(issuer.introspection_endpoint, data={}, trust_env=False).status_code == 400
        assert httpx.post(issuer.base_url + "/token", data={"token": "x"}, trust_env=False).status_code == 404


def test_a_signed_answer_comes_to_who_accepts_it() -> None:
    """RFC 9701 4, 5."""
    with LocalIssuer(signing_key=KEY).serve() as issuer:
        issuer.authenticates = lambda *_: True  # type: ignore[method-assign]
        answer = ask(issuer, issuer.mint_opaque(), accept="application/token-introspection+jwt")
        assert answer.headers["content-type"] == "application/token-introspection+jwt"
        assert answer.text.count(".") == 2


def test_the_endpoint_can_misbehave() -> None:
    """As the other ones, and refuse its client besides."""
    with LocalIssuer(signing_key=KEY).serve() as issuer:
        issuer.misbehave("unauthorized", path="/introspect")
        assert ask(issuer, issuer.mint_opaque()).status_code == 401
        issuer.behave()
        assert ask(issuer, issuer.mint_opaque()).status_code == 200
