"""What LocalIssuer mints, and the keys it publishes."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import jwt
import pytest

import tokenguard.testing
from testing.judge import claims_of, decode, defects, header_of, key_for, signature_holds
from tokenguard.testing import ALGORITHMS, LocalIssuer, SigningKey
from tokenguard.testing.jws import mac

NOW = 1_790_000_000.75
KEY = SigningKey.generate("ES256", "current")


def make_issuer(**settings: object) -> LocalIssuer:
    """An issuer at a fixed time."""
    return LocalIssuer(**({"signing_key": KEY, "clock": lambda: NOW} | settings))  # type: ignore[arg-type]


def kids(issuer: LocalIssuer) -> list[str]:
    """The published key ids, in order."""
    return [key["kid"] for key in issuer.jwks["keys"]]


def test_pyjwt_accepts_a_minted_token() -> None:
    """With the real clock and every check PyJWT has."""
    issuer = LocalIssuer()
    token = issuer.mint(scope="orders:read")
    key = jwt.PyJWKSet.from_dict(issuer.jwks)[header_of(token)["kid"]]
    required = ["iss", "sub", "aud", "exp", "iat", "jti"]
    claims = jwt.decode(
        token, key, algorithms=["RS256"], audience=issuer.audience, issuer=issuer.issuer, options={"require": required}
    )
    assert claims["scope"] == "orders:read"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_minted_token_has_no_defect(algorithm: str) -> None:
    """Under every algorithm, by the rules of RFC 9068."""
    issuer = make_issuer(signing_key=key_for(algorithm))
    token = issuer.mint()
    assert header_of(token)["alg"] == algorithm
    assert not defects(token, issuer.jwks, issuer="https://issuer.test", audience="https://api.example.com", now=NOW)


def test_a_token_has_the_claims_of_rfc_9068_and_no_other() -> None:
    """Times are whole seconds, five minutes apart."""
    claims = claims_of(make_issuer().mint())
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "iss": "https://issuer.test",
        "aud": "https://api.example.com",
        "sub": "user-1",
        "client_id": "client-1",
        "iat": 1_790_000_000,
        "exp": 1_790_000_300,
    }
    assert header_of(make_issuer().mint()) == {"alg": "ES256", "kid": "current", "typ": "at+jwt"}


def test_no_two_tokens_have_the_same_jti() -> None:
    """Even within a second."""
    issuer = make_issuer()
    assert claims_of(issuer.mint())["jti"] != claims_of(issuer.mint())["jti"]


def test_claims_replace_the_usual_ones_and_add_others() -> None:
    """Any JSON value goes, null too."""
    own: dict[str, Any] = {"https://example.com/roles": ["admin"]}
    claims = claims_of(make_issuer().mint(sub=None, aud=["a", "b"], **own))
    assert claims["sub"] is None
    assert claims["aud"] == ["a", "b"]
    assert claims["https://example.com/roles"] == ["admin"]


@pytest.mark.parametrize(("without", "gone"), [("jti", {"jti"}), (("exp", "sub"), {"exp", "sub"})])
def test_without_leaves_claims_out(without: str | tuple[str, ...], gone: set[str]) -> None:
    """One name or several, and only these."""
    issuer = make_issuer()
    assert set(claims_of(issuer.mint())) - set(claims_of(issuer.mint(without=without))) == gone


def test_several_audiences_are_an_array() -> None:
    """An issuer's tuple becomes the JSON array of RFC 7519 4.1.3."""
    assert claims_of(make_issuer(audience=("a", "b")).mint())["aud"] == ["a", "b"]


def test_header_members_are_replaced_added_and_left_out() -> None:
    """They don't change how the token is signed."""
    token = make_issuer().mint(header={"typ": None, "alg": "RS256", "kid": ["k"], "x5t": "x"})
    assert header_of(token) == {"alg": "RS256", "kid": ["k"], "x5t": "x"}
    assert signature_holds(token, KEY.jwk)


def test_another_algorithm_of_the_keys_type_signs() -> None:
    """The header names it, and the signature is made with it."""
    issuer = make_issuer(signing_key=key_for("RS256"))
    token = issuer.mint(algorithm="PS256")
    assert header_of(token)["alg"] == "PS256"
    assert signature_holds(token, issuer.signing_key.jwk, "PS256")


def test_another_key_signs_under_its_own_kid() -> None:
    """Published or not."""
    other = SigningKey.generate("Ed25519", "other")
    token = make_issuer().mint(key=other)
    assert header_of(token) == {"alg": "Ed25519", "kid": "other", "typ": "at+jwt"}
    assert signature_holds(token, other.jwk)


@pytest.mark.parametrize(("algorithm", "octets"), [(None, 32), ("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_bytes_for_a_key_make_an_hmac(algorithm: str | None, octets: int) -> None:
    """HS256 unless said otherwise, under the kid of the published key."""
    token = make_issuer().mint(algorithm=algorithm, key=b"secret")
    signing_input, _, signature = token.rpartition(".")
    assert header_of(token) == {"alg": algorithm or "HS256", "kid": "current", "typ": "at+jwt"}
    assert decode(signature) == mac(algorithm or "HS256", b"secret", signing_input.encode())
    assert len(decode(signature)) == octets


def test_algorithm_none_has_no_signature() -> None:
    """The header says none, and the third part is empty."""
    token = make_issuer().mint(algorithm="none")
    assert header_of(token)["alg"] == "none"
    assert token.endswith(".")


@pytest.mark.parametrize("key", [None, KEY])
def test_a_key_that_cannot_sign_is_refused(key: SigningKey | None) -> None:
    """Instead of a token that is broken in an unexpected way."""
    with pytest.raises(ValueError, match="RS256"):
        make_issuer().mint(algorithm="RS256", key=key)


def test_an_id_token_is_for_the_client() -> None:
    """Signed like an access token, but typ JWT, the client for an audience, and a nonce (OpenID Connect Core 2)."""
    token = make_issuer().id_token(acr="silver")
    claims = claims_of(token)
    assert header_of(token) == {"alg": "ES256", "kid": "current", "typ": "JWT"}
    assert signature_holds(token, KEY.jwk)
    assert set(claims) == {"iss", "aud", "sub", "nonce", "iat", "exp", "auth_time", "acr"}
    assert claims["aud"] == "client-1"


def test_a_logout_token_is_for_the_client() -> None:
    """With the event that makes it one, good for two minutes, and without a nonce (Back-Channel Logout 2.4)."""
    token = make_issuer().logout_token(sid="s1", without="sub")
    claims = claims_of(token)
    assert header_of(token) == {"alg": "ES256", "kid": "current", "typ": "logout+jwt"}
    assert signature_holds(token, KEY.jwk)
    assert set(claims) == {"iss", "aud", "iat", "exp", "jti", "events", "sid"}
    assert claims["aud"] == "client-1"
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["exp"] - claims["iat"] == 120


def test_the_key_set_is_the_callers_own() -> None:
    """Changing it changes nobody else's."""
    issuer = make_issuer(signing_key=None, algorithm="ES256")
    issuer.jwks["keys"].clear()
    issuer.jwks["keys"][0]["kid"] = "changed"
    assert kids(issuer) == [issuer.signing_key.kid]


def test_no_key_is_made_before_it_is_needed() -> None:
    """An issuer that nobody uses costs nothing."""
    issuer = LocalIssuer(algorithm="ES384")
    assert issuer._keys == []
    issuer.mint()
    assert [key.algorithm for key in issuer._keys] == ["ES384"]


def test_threads_that_come_first_together_get_one_key() -> None:
    """The key that signs is the key that is published."""
    issuer, start = LocalIssuer(), Barrier(8)

    def first_use(_: int) -> str:
        start.wait()
        return issuer.signing_key.kid

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(first_use, range(8)))) == 1


def test_rotation_signs_with_a_new_key_and_keeps_the_last_one() -> None:
    """Old tokens verify by the kept key, and the new key comes first."""
    issuer = make_issuer()
    old_token = issuer.mint()
    issuer.rotate()
    new, old = issuer.jwks["keys"]
    assert signature_holds(issuer.mint(), new)
    assert header_of(issuer.mint())["kid"] == new["kid"]
    assert signature_holds(old_token, old)
    assert new["alg"] == "ES256"


def test_rotation_keeps_as_many_old_keys_as_it_is_told() -> None:
    """The oldest go first; none stays with keep=0."""
    issuer = make_issuer()
    for kid in ("second", "third", "fourth"):
        issuer.rotate(keep=2, kid=kid)
    assert kids(issuer) == ["fourth", "third", "second"]
    issuer.rotate(keep=0, kid="fifth")
    assert kids(issuer) == ["fifth"]


def test_rotation_may_change_the_algorithm() -> None:
    """Both keys are published meanwhile."""
    issuer = make_issuer()
    issuer.rotate(algorithm="Ed25519", kid="new")
    assert [key["alg"] for key in issuer.jwks["keys"]] == ["Ed25519", "ES256"]
    assert header_of(issuer.mint())["alg"] == "Ed25519"


def test_retire_unpublishes_all_but_the_signing_key() -> None:
    """Extra keys too."""
    issuer = make_issuer()
    issuer.extra_keys.append({"kty": "unheard-of"})
    issuer.rotate(kid="new")
    issuer.retire()
    assert kids(issuer) == ["new"]


def test_extra_keys_are_published_as_they_are() -> None:
    """Unreadable ones too, after the issuer's own."""
    issuer = make_issuer()
    issuer.extra_keys += [{"kty": "unheard-of"}, {"kty": "oct", "k": "c2VjcmV0"}]
    assert issuer.jwks["keys"][1:] == [{"kty": "unheard-of"}, {"kty": "oct", "k": "c2VjcmV0"}]


def test_every_public_name_is_there() -> None:
    """Though each loads only when it is asked for."""
    names = tokenguard.testing.__all__
    assert names == sorted(names) == dir(tokenguard.testing)
    assert {getattr(tokenguard.testing, name).__module__ for name in names if name != "ALGORITHMS"} <= {
        f"tokenguard.testing.{home}"
        for home in ("broken", "certificates", "dpop", "faults", "issuer", "keys", "server")
    }
    with pytest.raises(AttributeError, match="Mock"):
        _ = tokenguard.testing.Mock


def test_the_other_side_imports_nothing_of_the_library() -> None:
    """A judge that shared code with the accused would share its mistakes."""
    [folder] = tokenguard.testing.__path__
    trees = [ast.parse(file.read_text()) for file in Path(folder).glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    ours = {name for name in imported if name.split(".")[0] == "tokenguard"}
    assert "tokenguard.testing.keys" in ours
    assert all(name.startswith("tokenguard.testing") for name in ours)
