"""RFC 9068 4: an access token of this issuer, for this resource server, signed with a key of this issuer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.support import AUDIENCE, NOW, guard_for, local_issuer, refused, signing_key, trust

from tokenguard import Requirement, TokenGuard
from tokenguard.config import KeyPolicy
from tokenguard.errors import InvalidToken, Reason
from tokenguard.testing import Broken, LocalIssuer

# typ


@pytest.mark.req("AT-01", "AT-02", "A-079", "JB-14")
@pytest.mark.parametrize("typ", ["at+jwt", "at+JWT", "AT+JWT", "application/at+jwt", "APPLICATION/AT+JWT"])
def test_typ_says_access_token(guard: TokenGuard, issuer: LocalIssuer, typ: str) -> None:
    """Both spellings of the media type are taken, in any case."""
    assert guard.validate(issuer.mint(header={"typ": typ}))


@pytest.mark.req("AT-01", "AT-02", "A-079", "JB-14")
@pytest.mark.parametrize(
    "typ",
    ["JWT", "jwt", "", "at", "at+jwt ", " at+jwt", "at+jwt; charset=x", "at+jwt;", "text/at+jwt", "application/",
     "application/application/at+jwt", "application//at+jwt", "/at+jwt", "at+jwt/", "at+jwt\x00", "a\u03c4+jwt"],
)  # fmt: skip
def test_another_typ_is_another_kind_of_token(guard: TokenGuard, issuer: LocalIssuer, typ: str) -> None:
    """Parameters, other trees, look-alikes and plain JWT are not access tokens."""
    refused(guard, issuer.mint(header={"typ": typ}), Reason.WRONG_TYPE)


@pytest.mark.req("AT-01")
def test_typ_must_be_there(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token that does not say what it is, is refused."""
    refused(guard, issuer.mint(header={"typ": None}), Reason.WRONG_TYPE)


# iss


@pytest.fixture(params=["alone", "among others"])
def either_guard(request: pytest.FixtureRequest, issuer: LocalIssuer, other: LocalIssuer) -> TokenGuard:
    """A guard of one issuer, and one of several, which find the issuer in different ways."""
    return guard_for(issuer) if request.param == "alone" else guard_for(issuer, other)


@pytest.mark.req("AT-07", "JW-26", "A-087")
@pytest.mark.parametrize(
    "iss",
    ["https://issuer.test/", "https://ISSUER.test", "HTTPS://issuer.test", "http://issuer.test", "https://issuer.test:443",
     "https://user@issuer.test", "https://issuer.test#", "https://issuer.test?", " https://issuer.test",
     "https://issuer.test\x00", "https://i\u0455suer.test", "https://issuer.tes", "https://issuer.test.evil.test",
     "issuer.test", "", ["https://issuer.test"], {"https://issuer.test": 1}, 1, None, True],
    ids=repr,
)  # fmt: skip
def test_iss_is_the_issuers_to_the_code_point(either_guard: TokenGuard, issuer: LocalIssuer, iss: Any) -> None:
    """Nothing is normalised: what is not the very identifier is another issuer's."""
    refused(either_guard, issuer.mint(iss=iss), Reason.UNKNOWN_ISSUER)


@pytest.mark.req("AT-07", "A-087")
def test_iss_must_be_there(either_guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token without iss is from nobody."""
    refused(either_guard, issuer.mint(without="iss"), Reason.UNKNOWN_ISSUER)


@pytest.mark.req("AT-07", "AS-07")
@pytest.mark.parametrize("identifier", ["https://auth.test/", "https://auth.test/tenant", "https://auth.test:8443/t/"])
def test_an_identifier_with_a_path_or_a_slash_is_compared_as_it_is(identifier: str) -> None:
    """A trailing slash belongs to the identifier where the issuer has one."""
    issuer = local_issuer(issuer=identifier)
    guard = guard_for(issuer)
    assert guard.validate(issuer.mint()).issuer == identifier
    refused(guard, issuer.mint(iss=identifier.removesuffix("/") if identifier.endswith("/") else identifier + "/"),
            Reason.UNKNOWN_ISSUER)  # fmt: skip


@pytest.mark.req("A-088", "A-087", "JB-09")
def test_an_unknown_issuer_is_never_asked(issuer: LocalIssuer, other: LocalIssuer) -> None:
    """An attacker who runs a perfect issuer is refused, and nobody connects to it."""
    with local_issuer(kid="attacker").serve() as attacker:
        attacker.issuer = attacker.base_url
        for guard in (guard_for(issuer), guard_for(issuer, other)):
            with pytest.raises(InvalidToken):
                guard.validate(attacker.mint())
        assert attacker.requests == []


@pytest.mark.req("A-087", "A-088")
def test_an_unknown_issuer_causes_no_fetch_at_ours(issuer: LocalIssuer) -> None:
    """A stranger's token does not even make us ask our own issuer for new keys, although its kid is unknown."""
    seconds = 0.0
    with LocalIssuer(audience=AUDIENCE, signing_key=issuer.signing_key, clock=lambda: NOW).serve() as ours:
        trusted = trust(ours, jwks=None, jwks_uri=ours.jwks_uri, keys=KeyPolicy(cooldown=1))
        with guard_for(trusted, monotonic=lambda: seconds) as guard:
            refused(guard, ours.mint(iss="https://stranger.test"), Reason.UNKNOWN_ISSUER)
            assert ours.requests == []
            guard.warm()
            seconds = 2.0
            refused(guard, ours.broken(Broken.UNKNOWN_KEY, iss="https://stranger.test"), Reason.UNKNOWN_ISSUER)
            assert len(ours.requests) == 1
            refused(guard, ours.broken(Broken.UNKNOWN_KEY), Reason.UNKNOWN_KEY)
            assert len(ours.requests) == 2


# aud


@pytest.mark.req("AT-08", "JW-25", "JB-11", "O21-08", "A-086", "A-101", "O21-01")
@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["https://other.test", AUDIENCE], [AUDIENCE, AUDIENCE]])
def test_aud_names_this_resource_server(guard: TokenGuard, issuer: LocalIssuer, aud: Any) -> None:
    """One of the names in aud, or the only one, is ours."""
    assert guard.validate(issuer.mint(aud=aud))


@pytest.mark.req("AT-08", "JW-25", "JW-26", "JB-11", "O21-08", "A-086", "A-101", "O21-01")
@pytest.mark.parametrize(
    "aud",
    ["", [], [""], "https://other.test", ["https://other.test"], AUDIENCE + "/", "https://API.example.com",
     AUDIENCE + " ", f"x {AUDIENCE}", AUDIENCE[:-1], AUDIENCE + "m", "api.example.com", [AUDIENCE + "/", "orders"],
     f"https://other.test,{AUDIENCE}"],
    ids=repr,
)  # fmt: skip
def test_a_token_for_another_audience_is_refused(guard: TokenGuard, issuer: LocalIssuer, aud: Any) -> None:
    """Near misses and substrings of our name are other audiences."""
    refused(guard, issuer.mint(aud=aud), Reason.WRONG_AUDIENCE)


@pytest.mark.req("AT-08", "JW-25", "A-086")
@pytest.mark.parametrize(
    "aud", [None, 1, True, {"0": AUDIENCE}, {AUDIENCE: 1}, [AUDIENCE, 1], [AUDIENCE, None], [[AUDIENCE]]]
)
def test_aud_of_another_form_is_refused(guard: TokenGuard, issuer: LocalIssuer, aud: Any) -> None:
    """aud is a string or an array of strings, even where one of its members is our name."""
    refused(guard, issuer.mint(aud=aud), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JB-11", "A-086")
def test_aud_must_be_there(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token for everybody is for nobody."""
    refused(guard, issuer.mint(without="aud"), Reason.MISSING_CLAIM)


@pytest.mark.req("JW-26")
def test_audiences_compare_without_unicode_normalisation(issuer: LocalIssuer) -> None:
    """Two spellings of one letter are two audiences."""
    guard = guard_for(issuer, audience="caf\u00e9")
    assert guard.validate(issuer.mint(aud="caf\u00e9"))
    refused(guard, issuer.mint(aud="cafe\u0301"), Reason.WRONG_AUDIENCE)


@pytest.mark.req("AT-08")
def test_several_names_for_us_are_each_accepted(issuer: LocalIssuer) -> None:
    """A resource server may have several identifiers; an issuer's own name for us replaces them."""
    guard = guard_for(issuer, audience=(AUDIENCE, "orders"))
    assert guard.validate(issuer.mint(aud="orders"))
    guard = guard_for(trust(issuer, audience="api://orders"))
    assert guard.validate(issuer.mint(aud="api://orders"))
    refused(guard, issuer.mint(), Reason.WRONG_AUDIENCE)


# signature and key


@pytest.mark.req("AT-03")
def test_rs256_is_verified() -> None:
    """RS256, which every implementation must have, is there by default."""
    issuer = local_issuer("RS256")
    assert guard_for(issuer).validate(issuer.mint())


@pytest.mark.req("AT-04", "A-021")
@pytest.mark.parametrize("kind", [Broken.ALG_NONE, Broken.HS256_PUBLIC_KEY])
def test_alg_none_and_macs_are_refused(guard: TokenGuard, issuer: LocalIssuer, kind: Broken) -> None:
    """A token that nobody signed, or anybody could have, is refused."""
    refused(guard, issuer.broken(kind), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("AT-09", "JK-01", "JB-09", "O21-01")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Broken.WRONG_KEY, Reason.BAD_SIGNATURE),
        (Broken.UNKNOWN_KEY, Reason.UNKNOWN_KEY),
        (Broken.EMBEDDED_KEY, Reason.BAD_SIGNATURE),
        (Broken.TAMPERED, Reason.BAD_SIGNATURE),
    ],
)
def test_only_the_issuers_published_keys_count(
    guard: TokenGuard, issuer: LocalIssuer, kind: Broken, reason: Reason
) -> None:
    """A signature by a key that the issuer does not publish is worth nothing."""
    refused(guard, issuer.broken(kind), reason)


@pytest.mark.req("AT-15")
def test_any_signing_key_of_the_issuer_may_have_signed(issuer: LocalIssuer) -> None:
    """No key is special: whichever of its published keys an issuer uses for access tokens will do."""
    second = signing_key("RS256", "key-2")
    guard = guard_for(trust(issuer, jwks={"keys": [*issuer.jwks["keys"], second.jwk]}))
    assert guard.validate(issuer.mint())
    assert guard.validate(issuer.mint(key=second))


@pytest.mark.req("AT-16")
def test_only_one_kind_of_metadata_is_loaded(issuer: LocalIssuer) -> None:
    """Where RFC 8414 metadata is served, OpenID's is not asked for, so that the two can't disagree."""
    with LocalIssuer(audience=AUDIENCE, signing_key=issuer.signing_key, clock=lambda: NOW).serve() as served:
        with guard_for(trust(served, jwks=None)) as guard:
            assert guard.validate(served.mint())
        paths = [request.path for request in served.requests]
    assert paths == ["/.well-known/oauth-authorization-server", "/jwks"]


@pytest.mark.req("AT-10", "AT-11", "O21-01")
def test_an_expired_token_is_refused(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Expiry is an invalid token, like everything else that is wrong with one."""
    refused(guard, issuer.broken(Broken.EXPIRED), Reason.EXPIRED)


@pytest.mark.req("AT-11", "O21-01", "BT-16")
@pytest.mark.parametrize("kind", Broken)
def test_whatever_is_wrong_with_a_token_is_an_invalid_token(
    guard: TokenGuard, issuer: LocalIssuer, kind: Broken
) -> None:
    """Every kind of broken token gets 401 invalid_token."""
    with pytest.raises(InvalidToken) as caught:
        guard.validate(issuer.broken(kind))
    refused(guard, issuer.broken(kind), caught.value.reason)


# several issuers


@pytest.mark.req("A-042", "JK-01", "JB-09")
def test_a_kid_is_looked_up_at_its_own_issuer(issuer: LocalIssuer, other: LocalIssuer) -> None:
    """Two issuers that use one kid are never mixed, whichever signs in the name of the other."""
    guard = guard_for(issuer, other)
    assert issuer.signing_key.kid == other.signing_key.kid
    assert [guard.validate(each.mint()).issuer for each in (issuer, other)] == [issuer.issuer, other.issuer]
    refused(guard, other.mint(iss=issuer.issuer), Reason.BAD_SIGNATURE)
    refused(guard, issuer.mint(iss=other.issuer), Reason.BAD_SIGNATURE)


@pytest.mark.req("A-042", "JK-01")
def test_a_token_without_a_kid_is_tried_at_its_own_issuer_only(issuer: LocalIssuer, other: LocalIssuer) -> None:
    """Without a kid, too, the keys of another issuer are not tried."""
    guard = guard_for(issuer, other)
    assert guard.validate(other.mint(header={"kid": None}))
    refused(guard, other.mint(iss=issuer.issuer, header={"kid": None}), Reason.BAD_SIGNATURE)


@pytest.mark.req("A-102")
def test_a_route_may_admit_one_issuer_only(issuer: LocalIssuer, other: LocalIssuer) -> None:
    """A token of a second trusted issuer does not open a route that is for the first."""
    guard = guard_for(issuer, other)
    ours = Requirement(issuers=[issuer.issuer])
    guard.authorize(guard.validate(issuer.mint()), ours)
    with pytest.raises(InvalidToken) as caught:
        guard.authorize(guard.validate(other.mint()), ours)
    assert caught.value.reason is Reason.ISSUER_NOT_ALLOWED


@pytest.mark.req("JB-01", "AL-19", "JB-02")
def test_each_issuer_has_its_own_algorithms(issuer: LocalIssuer, other: LocalIssuer) -> None:
    """What one issuer may sign with does not widen what another may."""
    guard = guard_for(trust(issuer, algorithms=("ES256",)), trust(other, algorithms=("RS256", "ES256")))
    for key in (signing_key("RS256"), signing_key("RS256", "unpublished")):
        refused(guard, issuer.mint(key=key), Reason.UNSUPPORTED_ALGORITHM)
