"""RFC 6750 3: what a refused client is told (with RFC 9110 11.2, 11.6.1 and OAuth 2.1 5.3)."""

from __future__ import annotations

import re

import pytest
from tests.spec.rfc9110 import parse_challenge
from tests.spec.support import (
    ANSWERS,
    REALM,
    admitted,
    asking,
    bearing,
    challenge_of,
    guard_for,
    refused,
    request_refused,
)

from tokenguard import Request, Requirement, TokenGuard, all_of, any_of
from tokenguard.errors import (
    DESCRIPTIONS,
    ConfigurationError,
    Denied,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    MissingToken,
    Reason,
    Unavailable,
)
from tokenguard.testing import Broken, LocalIssuer

NO_CREDENTIALS = asking()
TWO_WORDS = asking(("Authorization", "Bearer a b"))


def refusal_of(kind: type[Denied], guard: TokenGuard, issuer: LocalIssuer) -> Denied:
    """A refusal of this kind, as a request gets it."""
    request, reason = {
        MissingToken: (NO_CREDENTIALS, Reason.MISSING_TOKEN),
        InvalidRequest: (TWO_WORDS, Reason.MALFORMED_CREDENTIALS),
        InvalidToken: (bearing(issuer.broken(Broken.EXPIRED)), Reason.EXPIRED),
        InsufficientScope: (bearing(issuer.mint(scope="profile")), Reason.INSUFFICIENT_SCOPE),
    }[kind]
    return request_refused(guard, request, kind, reason, scopes="orders:read")


@pytest.mark.req("BT-12", "BT-13", "BT-14", "BT-16", "BT-17", "BT-19", "BT-24", "O21-06", "AT-11")
@pytest.mark.parametrize("kind", ANSWERS)
def test_every_refusal_has_its_status_and_one_well_formed_challenge(
    guard: TokenGuard, issuer: LocalIssuer, kind: type[Denied]
) -> None:
    """400, 401 and 403 all carry a challenge on a line of its own, with a realm and the error's code once."""
    answer = guard.challenge(refusal_of(kind, guard, issuer))
    status, error = ANSWERS[kind]
    assert answer.status == status
    (line,) = (value for name, value in answer.headers if name == "WWW-Authenticate")
    scheme, parameters = parse_challenge(line)
    assert (scheme, parameters["realm"], parameters.get("error")) == ("Bearer", REALM, error)


@pytest.mark.req("BT-15", "O21-07")
@pytest.mark.parametrize("request_", [NO_CREDENTIALS, asking(("Authorization", "Basic dXNlcjpwYXNz"))])
def test_who_sent_no_token_is_told_no_error(guard: TokenGuard, request_: Request) -> None:
    """Without credentials, or with an unsupported method, there is no error, error_description or error_uri."""
    error = request_refused(guard, request_, MissingToken, Reason.MISSING_TOKEN)
    assert challenge_of(guard, error).keys().isdisjoint({"error", "error_description", "error_uri"})
    assert "error" not in guard.challenge(error).body


@pytest.mark.req("BT-18")
@pytest.mark.parametrize(
    ("scopes", "named"),
    [
        ("orders:read", "orders:read"),
        (["orders:read", "orders:write"], "orders:read orders:write"),
        (all_of("a", any_of("b", "c"), all_of("d", "a")), "a b d"),
        (any_of(all_of("a", "b"), "c"), "a b"),
    ],
)
def test_insufficient_scope_names_scopes_that_would_do(
    guard: TokenGuard, issuer: LocalIssuer, scopes: object, named: str
) -> None:
    """The challenge of a 403 names each needed scope once, and a token with these is let in."""
    error = request_refused(guard, bearing(issuer.mint()), InsufficientScope, Reason.INSUFFICIENT_SCOPE, scopes)
    assert challenge_of(guard, error)["scope"] == named
    assert admitted(guard, bearing(issuer.mint(scope=named)), scopes)


@pytest.mark.req("BT-20")
@pytest.mark.parametrize("scope", ['a"b', "a\\b", "a b", "a\tb", "a\r\nb", "é", "", "a\x00", "\x7f", " "])
@pytest.mark.parametrize("wrap", [str, all_of, any_of, lambda scope: [scope], lambda scope: Requirement(scope).scopes])
def test_a_scope_that_no_challenge_could_name_is_a_wrong_setting(
    guard: TokenGuard, issuer: LocalIssuer, scope: str, wrap: object
) -> None:
    """Scopes with spaces, quotes, backslashes, controls or foreign letters are refused before any request is."""
    with pytest.raises(ConfigurationError, match="is not one scope"):
        guard.check(bearing(issuer.mint()), wrap(scope))


@pytest.mark.req("BT-20")
def test_every_character_that_a_scope_may_have_is_named_as_it_is(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """The whole alphabet of RFC 6749 3.3 goes through the challenge unchanged."""
    scope = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\')
    error = request_refused(guard, bearing(issuer.mint()), InsufficientScope, Reason.INSUFFICIENT_SCOPE, scope)
    assert challenge_of(guard, error)["scope"] == scope


@pytest.mark.req("BT-21", "BT-25")
@pytest.mark.parametrize("reason", Reason)
def test_descriptions_are_fixed_sentences_in_the_allowed_characters(guard: TokenGuard, reason: Reason) -> None:
    """Each reason's sentence keeps to the characters of error_description, so that nothing has to be replaced."""
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", DESCRIPTIONS[reason])
    parameters = challenge_of(guard, InvalidToken(reason))
    assert parameters["error_description"] == DESCRIPTIONS[reason]


@pytest.mark.req("BT-22")
@pytest.mark.parametrize("kind", ANSWERS)
def test_no_challenge_names_an_error_uri(guard: TokenGuard, issuer: LocalIssuer, kind: type[Denied]) -> None:
    """There is no page about errors, so no URI that could be malformed."""
    assert "error_uri" not in challenge_of(guard, refusal_of(kind, guard, issuer))


@pytest.mark.req("BT-23", "A-018")
@pytest.mark.parametrize(
    "realm", ['the "api"', "back\\slash", '\\"', "a, error=x", "=", " ", "~!#$%&'()*+,-./:;<=>?@[]^_`{|}"]
)
def test_a_realm_is_quoted_and_escaped(issuer: LocalIssuer, realm: str) -> None:
    """Quotes and backslashes in a realm are escaped, and come out as they went in."""
    guard = guard_for(issuer, realm=realm)
    error = request_refused(guard, TWO_WORDS, InvalidRequest, Reason.MALFORMED_CREDENTIALS)
    assert challenge_of(guard, error)["realm"] == realm


@pytest.mark.req("BT-23", "A-018")
@pytest.mark.parametrize("realm", ["a\r\nX-Injected: 1", "a\nb", "a\x00b", "é", "\x7f", 5])
def test_a_realm_that_could_split_a_header_is_a_wrong_setting(issuer: LocalIssuer, realm: object) -> None:
    """Line breaks, NUL and foreign letters have no place in a realm."""
    with pytest.raises(ConfigurationError, match="realm"):
        guard_for(issuer, realm=realm)


@pytest.mark.req("BT-23", "A-018")
@pytest.mark.parametrize(
    "audience", ["api\r\nX-Injected: 1", "https://a\r\nb.example/", 'a"b\\', "a\x00", "é", "https://[x"]
)
def test_an_odd_audience_splits_no_header(issuer: LocalIssuer, audience: str) -> None:
    """The realm that is made of an audience loses what could not be quoted."""
    guard = guard_for(issuer, audience=audience)
    error = request_refused(guard, NO_CREDENTIALS, MissingToken, Reason.MISSING_TOKEN)
    assert challenge_of(guard, error).keys() == {"realm"}


@pytest.mark.req("BT-23", "BT-25", "A-018")
def test_a_hostile_claim_reaches_no_header(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Quotes and line breaks in the claims of an expired token show up nowhere in the answer."""
    hostile = 'x"\r\nSet-Cookie: admin=1\x00'
    token = issuer.broken(Broken.EXPIRED, sub=hostile, scope=hostile, client_id=hostile, jti=hostile)
    answer = guard.challenge(refused(guard, token, Reason.EXPIRED))
    for part in ("Set-Cookie", "\r", "\n", "\0"):
        assert part not in str(answer)


@pytest.mark.req("BT-25")
@pytest.mark.parametrize("kind", Broken)
def test_neither_token_nor_claims_are_shown(
    guard: TokenGuard, issuer: LocalIssuer, kind: Broken, caplog: pytest.LogCaptureFixture
) -> None:
    """No segment of a refused token and no claim value is in the error, the answer, the log or the traceback's text."""
    caplog.set_level("DEBUG")
    token = issuer.broken(kind, email="secret-address@example.com", scope="secret-scope")
    with pytest.raises(Denied) as caught:
        guard.check(bearing(token))
    shown = [str(caught.value), repr(caught.value), str(vars(caught.value)), str(guard.challenge(caught.value))]
    shown += [str(caught.getrepr(style="native")), caplog.text, *(str(vars(record)) for record in caplog.records)]
    assert caplog.records
    for secret in ("secret", *filter(None, token.split("."))):
        assert secret not in "\n".join(shown)


@pytest.mark.req("BT-27")
@pytest.mark.parametrize("error", [*(kind() for kind in ANSWERS if kind is not InvalidToken), Unavailable()], ids=repr)
def test_refusals_are_not_stored(guard: TokenGuard, error: Denied | Unavailable) -> None:
    """No cache keeps the answer to a refused request."""
    assert ("Cache-Control", "no-store") in guard.challenge(error).headers


@pytest.mark.req("BT-17")
def test_our_own_fault_is_not_blamed_on_the_token(guard: TokenGuard) -> None:
    """When the keys can't be had the answer is 503 with Retry-After, and no challenge."""
    answer = guard.challenge(Unavailable().after(11.6))
    assert answer.status == 503
    assert ("Retry-After", "12") in answer.headers
    assert "WWW-Authenticate" not in dict(answer.headers)


@pytest.mark.req("BT-14", "BT-20")
def test_what_another_login_must_be_is_said_in_the_challenge(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A demanded login is named by acr_values and max_age, in one well-formed challenge."""
    wanted = Requirement("orders:read", acr_values=["gold", "silver"], max_age=60)
    with pytest.raises(InsufficientAuthentication) as caught:
        guard.check(bearing(issuer.mint()), requirement=wanted)
    assert challenge_of(guard, caught.value) == {
        "realm": REALM,
        "error": "insufficient_user_authentication",
        "error_description": DESCRIPTIONS[Reason.INSUFFICIENT_AUTHENTICATION],
        "scope": "orders:read",
        "acr_values": "gold silver",
        "max_age": "60",
    }


def test_what_is_wrong_first_is_answered_first(issuer: LocalIssuer) -> None:
    """Of several faults the request's form comes first, then the token, then the login, then the scope."""
    guard = guard_for(issuer, form_body=True)
    wanted = Requirement("orders:read", acr_values=["gold"])
    bad, weak = issuer.broken(Broken.EXPIRED), issuer.mint(scope="profile")
    form = ("Content-Type", "application/x-www-form-urlencoded")
    two_methods = asking(form, ("Authorization", f"Bearer {bad}"), method="POST", form=f"access_token={bad}".encode())
    for request, kind in [(two_methods, InvalidRequest), (bearing(bad), InvalidToken)]:
        with pytest.raises(kind):
            guard.check(request, requirement=wanted)
    with pytest.raises(InsufficientAuthentication):
        guard.check(bearing(weak), requirement=wanted)
    with pytest.raises(InsufficientScope):
        guard.check(bearing(issuer.mint(scope="profile", acr="gold")), requirement=wanted)
    assert guard.check(bearing(issuer.mint(scope="orders:read", acr="gold")), requirement=wanted)


@pytest.mark.parametrize(
    "line",
    ["Bearer", "Bearer ", "Bearer realm", 'Bearer realm="a', 'Bearer realm="a"b"', 'Bearer realm="a",', 'realm="a"',
     'Bearer realm="a" error="b"', 'Bearer realm="a\r\nb"', 'Bearer realm="a", realm="b"', 'Bearer realm="a", Realm=b',
     'Bearer realm="\x7f"', 'Bearer realm="a", DPoP algs="x"', 'Bearer realm=""b'],
)  # fmt: skip
def test_the_judge_of_challenges_is_strict(line: str) -> None:
    """The reader that these tests judge challenges by refuses what the grammar does not have."""
    with pytest.raises(ValueError, match=r"scheme|parameter|comma|twice"):
        parse_challenge(line)
