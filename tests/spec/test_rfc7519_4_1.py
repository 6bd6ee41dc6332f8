"""RFC 7519 4.1: exp, nbf and iat, to the second, with leeway; and how long a token may live."""

from __future__ import annotations

import json
import math

import pytest
from tests.spec.support import NOW, Clock, claims_for, guard_for, refused, trust, with_payload

from tokenguard import TokenGuard
from tokenguard.config import MAX_LEEWAY
from tokenguard.errors import ConfigurationError, Reason
from tokenguard.testing import LocalIssuer

LEEWAY = 30  # the default


def with_literal(issuer: LocalIssuer, name: str, literal: str) -> str:
    """A token in which a claim is written exactly so, valid JSON or not."""
    text = json.dumps(claims_for(issuer, **{name: "@"})).replace('"@"', literal)
    return with_payload(issuer, text.encode())


# exp


@pytest.mark.req("JW-21", "AT-10", "A-084", "O21-01")
@pytest.mark.parametrize("leeway", [0, 1, LEEWAY, 2.5, MAX_LEEWAY])
def test_exp_is_honoured_to_the_moment(issuer: LocalIssuer, leeway: float) -> None:
    """From exp plus leeway on a token is expired; a millisecond before, it is not."""
    clock = Clock()
    guard = guard_for(issuer, leeway=leeway, clock=clock)
    token = issuer.mint(iat=NOW - 1000, exp=NOW)
    for clock.now in (NOW - 1, NOW + leeway - 0.001):
        assert guard.validate(token)
    for clock.now in (NOW + leeway, NOW + leeway + 0.001, NOW + leeway + 1e9):
        refused(guard, token, Reason.EXPIRED)


@pytest.mark.req("A-084")
@pytest.mark.parametrize(
    ("exp", "passes"), [(NOW, True), (NOW - LEEWAY, False), (NOW - LEEWAY + 1, True), (NOW + 1, True)]
)
def test_exp_at_the_edge_of_the_default_leeway(
    guard: TokenGuard, issuer: LocalIssuer, exp: float, passes: bool
) -> None:
    """With the default leeway, exp may be less than 30 seconds ago."""
    token = issuer.mint(iat=NOW - 1000, exp=exp)
    if passes:
        assert guard.validate(token)
    else:
        refused(guard, token, Reason.EXPIRED)


@pytest.mark.req("A-080", "JW-20")
@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1E+309"])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "anything"])
def test_a_number_that_is_not_finite_is_no_json(
    guard: TokenGuard, issuer: LocalIssuer, name: str, literal: str
) -> None:
    """Python's parser would take these literals; here they are refused wherever they stand."""
    refused(guard, with_literal(issuer, name, literal), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-080", "JW-19")
@pytest.mark.parametrize("literal", ['"1999999999"', "true", "null", "[]", "{}", "[1999999999]", '"never"'])
def test_exp_is_a_number(guard: TokenGuard, issuer: LocalIssuer, literal: str) -> None:
    """An exp of another type is refused, however well it reads."""
    refused(guard, with_literal(issuer, "exp", literal), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-080")
def test_exp_must_be_there(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token without an end is refused."""
    refused(guard, issuer.mint(without="exp"), Reason.MISSING_CLAIM)


@pytest.mark.req("A-081", "JW-19")
def test_exp_may_have_a_fraction(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A NumericDate may be between two seconds."""
    assert guard.validate(with_literal(issuer, "exp", "1999999999.5")).expires_at == 1999999999.5
    assert guard.validate(with_literal(issuer, "exp", "1.9999999995e9")).expires_at == 1999999999.5


@pytest.mark.req("A-082")
@pytest.mark.parametrize("exp", [0, -1, -1.5, -(10**30)])
def test_exp_long_ago_has_passed(guard: TokenGuard, issuer: LocalIssuer, exp: float) -> None:
    """Zero and negative times are in the past like any other."""
    refused(guard, issuer.mint(exp=exp, iat=exp), Reason.EXPIRED)


@pytest.mark.req("A-083")
@pytest.mark.parametrize("literal", ["1e30", "1" + "0" * 30, "9" * 300, "253402300800"])
def test_exp_beyond_any_calendar_is_a_number_like_any_other(
    guard: TokenGuard, issuer: LocalIssuer, literal: str
) -> None:
    """An end that no calendar has is an end; a demanded lifetime refuses it."""
    token = with_literal(issuer, "exp", literal)
    assert guard.validate(token).expires_at == float(literal)
    refused(guard_for(trust(issuer, max_lifetime=3600)), token, Reason.LIFETIME_TOO_LONG)


@pytest.mark.req("A-083", "A-072")
@pytest.mark.parametrize("digits", [310, 4300, 4301, 5000])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_too_large_for_a_number_is_malformed(
    guard: TokenGuard, issuer: LocalIssuer, name: str, digits: int
) -> None:
    """Integers that no float holds, or that Python declines to read, are refused without another exception."""
    refused(guard, with_literal(issuer, name, "9" * digits), Reason.MALFORMED_CLAIMS)


# nbf and iat


@pytest.mark.req("JW-22", "A-085")
@pytest.mark.parametrize("leeway", [0, LEEWAY])
def test_nbf_is_honoured_to_the_moment(issuer: LocalIssuer, leeway: float) -> None:
    """Before nbf minus leeway a token does not count yet."""
    clock = Clock()
    guard = guard_for(issuer, leeway=leeway, clock=clock)
    token = issuer.mint(nbf=NOW, iat=NOW - 1000)
    for clock.now in (NOW - leeway, NOW):
        assert guard.validate(token)
    for clock.now in (NOW - leeway - 0.001, NOW - leeway - 100):
        refused(guard, token, Reason.NOT_YET_VALID)


@pytest.mark.req("JW-23", "A-085")
def test_iat_in_the_future_is_a_wrong_clock(issuer: LocalIssuer) -> None:
    """Ten seconds ahead are forgiven, sixty are not; the leeway lies between."""
    guard = guard_for(issuer)
    for ahead in (1, 10, LEEWAY):
        assert guard.validate(issuer.mint(iat=NOW + ahead))
    for ahead in (LEEWAY + 0.001, 61, 3600):
        refused(guard, issuer.mint(iat=NOW + ahead, exp=NOW + 7200), Reason.ISSUED_IN_FUTURE)


@pytest.mark.req("A-085")
def test_iat_after_exp_makes_no_sense(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token that ended before it began is refused, even where leeway would forgive both."""
    refused(guard, issuer.mint(iat=NOW + 2, exp=NOW + 1), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JW-24")
@pytest.mark.parametrize("profile", ["rfc9068", "jwt"])
def test_a_lifetime_can_be_demanded(issuer: LocalIssuer, profile: str) -> None:
    """exp minus iat is at most what is configured, and a token that does not say is refused."""
    guard = guard_for(trust(issuer, max_lifetime=600, profile=profile))
    assert guard.validate(issuer.mint(iat=NOW, exp=NOW + 600))
    refused(guard, issuer.mint(iat=NOW, exp=NOW + 600.5), Reason.LIFETIME_TOO_LONG)
    refused(guard, issuer.mint(without="iat", exp=NOW + 60), Reason.MISSING_CLAIM)


@pytest.mark.req("JW-21", "JW-22")
def test_times_are_checked_again_for_a_token_seen_before(issuer: LocalIssuer) -> None:
    """A remembered token expires like a new one."""
    clock = Clock()
    guard = guard_for(issuer, clock=clock)
    token = issuer.mint(nbf=NOW)
    assert guard.validate(token)
    clock.now = NOW + 300 + LEEWAY
    refused(guard, token, Reason.EXPIRED)
    clock.now = NOW - LEEWAY - 1
    refused(guard, token, Reason.NOT_YET_VALID)


@pytest.mark.req("AT-10", "A-164")
@pytest.mark.parametrize("leeway", [-1, MAX_LEEWAY + 1, 10 * 365 * 86400, math.inf, math.nan, "30", None, True])
def test_leeway_is_a_few_minutes_at_most(issuer: LocalIssuer, leeway: object) -> None:
    """A leeway that would undo expiry is a wrong setting; the default is within a minute."""
    with pytest.raises(ConfigurationError, match="leeway"):
        guard_for(issuer, leeway=leeway)
