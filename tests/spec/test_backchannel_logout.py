"""OpenID Connect Back-Channel Logout 1.0: what a logout token must be, and what it ends."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.spec.support import AUDIENCE, NOW, Clock, local_issuer, refused, signing_key, trust, without_alg

from tokenguard import BackchannelLogout, ClientSecret, Introspection, Issuer, TokenGuard
from tokenguard.config import MAX_LEEWAY
from tokenguard.core.revocation import Level
from tokenguard.errors import InvalidLogoutToken, InvalidToken, Reason, Unavailable
from tokenguard.testing import LocalIssuer, SigningKey

EVENT = "http://schemas.openid.net/event/backchannel-logout"
BEFORE, AFTER = NOW - 10, NOW + 10


@pytest.fixture
def issuer() -> LocalIssuer:
    """Signs with RS256, as a client's logout tokens are unless it registers otherwise."""
    return local_issuer("RS256")


@pytest.fixture
def clock() -> Clock:
    """Stands at `NOW`."""
    return Clock()


@pytest.fixture
def make_guard(issuer: LocalIssuer, clock: Clock) -> Callable[..., TokenGuard]:
    """A guard that believes the issuer's logout tokens, with settings of one's own for these."""

    def make(*others: Issuer, **settings: Any) -> TokenGuard:
        logout = BackchannelLogout(**{"client_ids": "client-1", **settings})
        trusted = trust(issuer, max_lifetime=3600, logout=logout)
        return TokenGuard(audience=AUDIENCE, issuers=[trusted, *others], clock=clock)

    return make


@pytest.fixture
def guard(make_guard: Callable[..., TokenGuard]) -> TokenGuard:
    """The defaults."""
    return make_guard()


def not_believed(guard: TokenGuard, token: str, reason: Reason) -> InvalidLogoutToken:
    """The refusal of a logout token, asked both ways."""
    with pytest.raises(InvalidLogoutToken) as caught:
        guard.logout(token)
    with pytest.raises(InvalidLogoutToken) as awaited:
        asyncio.run(guard.alogout(token))
    assert caught.value.reason == awaited.value.reason == reason, caught.value.hint
    assert (caught.value.status, caught.value.error) == (400, "invalid_request")
    return caught.value


def is_let_in(guard: TokenGuard, token: str) -> bool:
    """Has an access token not been revoked?"""
    try:
        guard.validate(token)
    except InvalidToken as error:
        return error.reason is not Reason.REVOKED
    return True


@pytest.mark.req("BL-10", "BL-15")
def test_a_logout_with_a_session_ends_that_session(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Its tokens, whenever they were issued; the user's other sessions go on."""
    ended = [issuer.mint(sid="s1", iat=int(BEFORE)), issuer.mint(sid="s1")]
    going_on = [issuer.mint(sid="s2", iat=int(BEFORE)), issuer.mint(iat=int(BEFORE))]
    assert all(is_let_in(guard, token) for token in ended + going_on)
    guard.logout(issuer.logout_token(sid="s1"))
    assert not any(is_let_in(guard, token) for token in ended)
    assert all(is_let_in(guard, token) for token in going_on)


@pytest.mark.req("BL-10", "BL-15")
async def test_a_logout_without_a_session_ends_what_the_subject_holds(
    guard: TokenGuard, issuer: LocalIssuer, clock: Clock
) -> None:
    """What was issued by then; a token of the next login is good, and so are other subjects' tokens."""
    ended = [issuer.mint(iat=int(BEFORE)), issuer.mint(sid="s1"), issuer.mint(iat=int(NOW))]
    await guard.alogout(issuer.logout_token())
    assert not any(is_let_in(guard, token) for token in ended)
    clock.now = AFTER
    assert is_let_in(guard, issuer.mint(iat=int(AFTER)))
    assert is_let_in(guard, issuer.mint(sub="user-2", iat=int(BEFORE)))


@pytest.mark.req("BL-15")
def test_a_logout_can_end_what_the_subject_holds_where_tokens_name_no_session(
    make_guard: Callable[..., TokenGuard], issuer: LocalIssuer
) -> None:
    """To revoke a session that no access token names would end nothing."""
    guard = make_guard(ends="subject")
    token = issuer.mint(iat=int(BEFORE))
    guard.logout(issuer.logout_token(sid="s1"))
    assert not is_let_in(guard, token)
    not_believed(guard, issuer.logout_token(sid="s1", without="sub"), Reason.MISSING_CLAIM)


@pytest.mark.req("BL-15")
def test_nothing_of_another_issuer_ends(make_guard: Callable[..., TokenGuard], issuer: LocalIssuer) -> None:
    """Whatever session and subject the tokens of both may name."""
    other = local_issuer("ES256", "https://other.test")
    guard = make_guard(trust(other))
    theirs = [other.mint(sid="s1", iat=int(BEFORE)), other.mint(iat=int(BEFORE))]
    guard.logout(issuer.logout_token(sid="s1"))
    guard.logout(issuer.logout_token())
    assert all(is_let_in(guard, token) for token in theirs)


def test_an_issuer_is_believed_for_itself_alone(make_guard: Callable[..., TokenGuard], issuer: LocalIssuer) -> None:
    """A second issuer, trusted for its own tokens, can't end the first one's; nor where its logouts are not wanted."""
    other = local_issuer("RS256", "https://other.test", kid="theirs")
    guard = make_guard(trust(other, max_lifetime=60, logout=BackchannelLogout("client-1")))
    for one in (issuer, other):  # each has its own identifiers, for its logout tokens as for all else
        guard.logout(one.logout_token(jti="same"))
    not_believed(guard, other.logout_token(iss=issuer.issuer), Reason.UNKNOWN_KEY)
    not_believed(guard, other.logout_token(iss=issuer.issuer, header={"kid": "key-1"}), Reason.BAD_SIGNATURE)
    deaf = make_guard(trust(other))
    not_believed(deaf, other.logout_token(), Reason.UNKNOWN_ISSUER)
    not_believed(deaf, issuer.logout_token(iss="https://stranger.test"), Reason.UNKNOWN_ISSUER)
    not_believed(deaf, issuer.logout_token(without="iss"), Reason.UNKNOWN_ISSUER)


@pytest.mark.req("BL-12")
def test_a_session_that_has_ended_may_end_again(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A second logout token for it is a success, too."""
    for _ in range(2):
        guard.logout(issuer.logout_token(sid="s1"))


@pytest.mark.req("BL-09")
def test_a_logout_token_counts_once(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """The same jti again is a replay; what it ended stays ended."""
    token = issuer.logout_token(sid="s1", jti="once")
    guard.logout(token)
    not_believed(guard, token, Reason.LOGOUT_REPLAYED)
    not_believed(guard, issuer.logout_token(sid="s2", jti="once"), Reason.LOGOUT_REPLAYED)
    assert not is_let_in(guard, issuer.mint(sid="s1"))


@pytest.mark.req("BL-15")
def test_a_logout_is_remembered_for_as_long_as_a_token_can_live(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """From now on, for a session may have got tokens until now; and from the logout on, where that is said to come."""
    guard.logout(issuer.logout_token(sid="s1", iat=int(NOW) - 100, exp=int(NOW) + 10))
    guard.logout(issuer.logout_token(iat=int(NOW) + 20))
    session, subject = guard.revocations.held()
    assert (session.level, session.value, session.before) == (Level.SESSION, "s1", math.inf)
    assert (subject.level, subject.value, subject.before) == (Level.SUBJECT, "user-1", NOW + 20)
    longest = 3600 + 2 * MAX_LEEWAY
    assert NOW + longest <= session.until <= NOW + longest + 60
    assert NOW + 20 + longest <= subject.until <= NOW + 20 + longest + 60


@pytest.mark.req("BL-02")
def test_an_encrypted_logout_token_is_refused(guard: TokenGuard) -> None:
    """None is decrypted here, so none can have been agreed upon; the hint says what it is."""
    assert "encrypted" in not_believed(guard, "a.b.c.d.e", Reason.MALFORMED_TOKEN).hint


@pytest.mark.req("BL-03")
def test_the_algorithm_is_the_registered_one(make_guard: Callable[..., TokenGuard], issuer: LocalIssuer) -> None:
    """RS256 unless configured otherwise, whatever access tokens may be signed with; never none, never a MAC."""
    guard = make_guard()
    for algorithm in ("PS256", "none"):
        not_believed(guard, issuer.logout_token(algorithm=algorithm), Reason.UNSUPPORTED_ALGORITHM)
    mac = issuer.logout_token(algorithm="HS256", key=json.dumps(issuer.jwks).encode())
    error = not_believed(guard, mac, Reason.UNSUPPORTED_ALGORITHM)
    assert error.hint == "BackchannelLogout.algorithms of this issuer: RS256"
    logout = BackchannelLogout("client-1", algorithms=("PS256",))
    trusted = trust(issuer, jwks={"keys": [without_alg(issuer.signing_key)]}, max_lifetime=3600, logout=logout)
    registered = TokenGuard(audience=AUDIENCE, issuers=[trusted], clock=lambda: NOW)
    registered.logout(issuer.logout_token(algorithm="PS256"))
    not_believed(registered, issuer.logout_token(), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("BL-03")
def test_an_algorithm_for_logout_tokens_is_none_for_access_tokens() -> None:
    """What is allowed for the one is not allowed for the other."""
    issuer = local_issuer("RS256")
    issuer.extra_keys.append(signing_key("ES256", "ec").jwk)
    logout = BackchannelLogout("client-1", algorithms=("RS256",))
    trusted = trust(issuer, algorithms=("ES256",), max_lifetime=3600, logout=logout)
    guard = TokenGuard(audience=AUDIENCE, issuers=[trusted], clock=lambda: NOW)
    assert guard.validate(issuer.mint(key=signing_key("ES256", "ec")))
    guard.logout(issuer.logout_token())
    refused(guard, issuer.mint(), Reason.UNSUPPORTED_ALGORITHM)
    not_believed(guard, issuer.logout_token(key=signing_key("ES256", "ec")), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("BL-03")
def test_the_signature_is_checked(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """By the issuer's keys and no others."""
    stranger = SigningKey.generate("RS256", issuer.signing_key.kid)
    not_believed(guard, issuer.logout_token(key=stranger), Reason.BAD_SIGNATURE)
    header, payload, signature = issuer.logout_token().split(".")
    not_believed(guard, f"{header}.{payload}.{signature[:-8]}AAAAAAAA", Reason.BAD_SIGNATURE)


@pytest.mark.req("BL-03")
@pytest.mark.parametrize(
    "settings", [{}, {"introspection": Introspection(ClientSecret("api", "secret"), mode="opaque")}]
)
def test_keys_are_fetched_where_they_are_not_at_hand(settings: dict[str, Any]) -> None:
    """Even of an issuer whose access tokens need none, since it is asked about them."""
    with local_issuer("RS256").serve() as issuer:
        logout = BackchannelLogout("client-1")
        trusted = trust(issuer, jwks=None, jwks_uri=issuer.jwks_uri, max_lifetime=3600, logout=logout, **settings)
        with TokenGuard(audience=AUDIENCE, issuers=[trusted], clock=lambda: NOW) as guard:
            guard.logout(issuer.logout_token())
            asyncio.run(guard.alogout(issuer.logout_token()))


@pytest.mark.req("BL-03")
@pytest.mark.parametrize(("kid", "reason"), [("unknown", Reason.UNKNOWN_KEY), (None, Reason.BAD_SIGNATURE)])
def test_newer_keys_must_have_made_the_signature_too(kid: str | None, reason: Reason) -> None:
    """Where the keys at hand did not, and newer ones were fetched for the token's sake: also for a forger's."""
    clock = Clock(0)
    with local_issuer("RS256").serve() as issuer:
        trusted = trust(
            issuer, jwks=None, jwks_uri=issuer.jwks_uri, max_lifetime=3600, logout=BackchannelLogout("client-1")
        )
        with TokenGuard(audience=AUDIENCE, issuers=[trusted], clock=lambda: NOW, monotonic=clock) as guard:
            guard.logout(issuer.logout_token())
            clock.now = 60
            forged = issuer.logout_token(key=SigningKey.generate("RS256"), header={"kid": kid})
            not_believed(guard, forged, reason)
            issuer.rotate()
            clock.now = 120
            guard.logout(issuer.logout_token())


def test_an_issuer_whose_keys_can_not_be_had_may_try_again() -> None:
    """That is not the logout token's fault."""
    clock = Clock(0)
    with local_issuer("RS256").serve() as issuer:
        logout = BackchannelLogout("client-1")
        trusted = trust(issuer, jwks=None, jwks_uri=issuer.jwks_uri, max_lifetime=3600, logout=logout)
        with TokenGuard(audience=AUDIENCE, issuers=[trusted], clock=lambda: NOW, monotonic=clock) as guard:
            token = issuer.logout_token()
            issuer.misbehave("error", path="/jwks")
            with pytest.raises(Unavailable) as caught:
                guard.logout(token)
            assert caught.value.reason is Reason.KEYS_UNAVAILABLE
            issuer.behave()
            clock.now = 60
            guard.logout(token)


TIMES: dict[str, tuple[dict[str, Any], Reason]] = {
    "expired": ({"iat": NOW - 151, "exp": NOW - 31}, Reason.EXPIRED),
    "expired at this very moment": ({"iat": NOW - 40, "exp": NOW - 30}, Reason.EXPIRED),
    "from the future": ({"iat": NOW + 31, "exp": NOW + 60}, Reason.ISSUED_IN_FUTURE),
    "not valid yet": ({"nbf": NOW + 31}, Reason.NOT_YET_VALID),
    "expired before it was issued": ({"iat": NOW + 20, "exp": NOW + 10}, Reason.LIFETIME_TOO_LONG),
    "exp as text": ({"exp": str(NOW)}, Reason.MALFORMED_CLAIMS),
    "exp as a boolean": ({"exp": True}, Reason.MALFORMED_CLAIMS),
    "exp as null": ({"exp": None}, Reason.MALFORMED_CLAIMS),
    "iat larger than any float": ({"iat": 10**310}, Reason.MALFORMED_CLAIMS),
}


@pytest.mark.req("BL-04")
@pytest.mark.parametrize("case", TIMES)
def test_the_times_are_checked(guard: TokenGuard, issuer: LocalIssuer, case: str) -> None:
    """As for an ID token."""
    claims, reason = TIMES[case]
    not_believed(guard, issuer.logout_token(**claims), reason)


@pytest.mark.req("BL-04", "A-103")
@pytest.mark.parametrize("name", ["exp", "iat", "jti"])
def test_a_required_claim_is_missing(guard: TokenGuard, issuer: LocalIssuer, name: str) -> None:
    """Without it there is no telling whether the token is of today."""
    not_believed(guard, issuer.logout_token(without=name), Reason.MISSING_CLAIM)


@pytest.mark.req("BL-04", "BL-16")
@pytest.mark.parametrize(
    "audience", [AUDIENCE, "client-2", ["client-1", "client-2"], [], ["client-1", 1], {"client-1": 1}, None, ""]
)
def test_the_audience_is_our_client(guard: TokenGuard, issuer: LocalIssuer, audience: Any) -> None:
    """Not the API, and nobody whom we do not know beside the client (OpenID Connect Core 3.1.3.7)."""
    not_believed(guard, issuer.logout_token(aud=audience), Reason.WRONG_AUDIENCE)


@pytest.mark.req("BL-16")
def test_there_may_be_several_clients(make_guard: Callable[..., TokenGuard], issuer: LocalIssuer) -> None:
    """Each of the applications that use the API may be the one that the issuer tells."""
    guard = make_guard(client_ids=("client-1", "client-2"))
    for audience in ("client-1", "client-2", ["client-1", "client-2"]):
        guard.logout(issuer.logout_token(aud=audience))


@pytest.mark.req("BL-05", "A-103")
def test_a_logout_names_whom_it_is_about(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """By subject, by session, or by both."""
    guard.logout(issuer.logout_token(sid="s1", without="sub"))
    assert not_believed(guard, issuer.logout_token(without="sub"), Reason.MISSING_CLAIM).hint.startswith("neither")


@pytest.mark.req("BL-05")
@pytest.mark.parametrize(
    "claims", [{"sub": ""}, {"sid": ""}, {"sid": 1}, {"sub": ["user-1"]}, {"sid": None}, {"jti": 7}]
)
def test_names_are_text(guard: TokenGuard, issuer: LocalIssuer, claims: dict[str, Any]) -> None:
    """Of at least one character."""
    not_believed(guard, issuer.logout_token(**claims), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("BL-06", "A-103")
@pytest.mark.parametrize(
    "events",
    [
        None,
        EVENT,
        [EVENT],
        {},
        {"http://schemas.openid.net/event/other": {}},
        {EVENT: None},
        {EVENT: []},
        {EVENT: True},
    ],
)
def test_the_event_says_logout(guard: TokenGuard, issuer: LocalIssuer, events: Any) -> None:
    """An object, in which the member for logout is an object."""
    not_believed(guard, issuer.logout_token(events=events), Reason.WRONG_TYPE)


@pytest.mark.req("BL-06")
def test_the_event_need_not_be_empty_or_alone(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Normally it is both."""
    guard.logout(issuer.logout_token(events={EVENT: {"why": "bored"}, "https://example.com/event": {}}))


@pytest.mark.req("BL-07", "A-103")
@pytest.mark.parametrize("nonce", ["n", "", None, 0])
def test_there_is_no_nonce(guard: TokenGuard, issuer: LocalIssuer, nonce: Any) -> None:
    """Whatever its value: an ID token has one."""
    not_believed(guard, issuer.logout_token(nonce=nonce), Reason.WRONG_TYPE)


@pytest.mark.req("BL-08")
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "secevent+jwt", "dpop+jwt", ""])
def test_another_type_is_refused(guard: TokenGuard, issuer: LocalIssuer, typ: str) -> None:
    """By an allow-list."""
    not_believed(guard, issuer.logout_token(header={"typ": typ}), Reason.WRONG_TYPE)


@pytest.mark.req("BL-08")
def test_the_type_may_be_absent_unless_it_is_demanded(
    make_guard: Callable[..., TokenGuard], issuer: LocalIssuer
) -> None:
    """Absent is common, and JWT with some; each can be allowed or not."""
    untyped, plain = ({"typ": None}, {"typ": "JWT"})
    make_guard().logout(issuer.logout_token(header=untyped))
    make_guard().logout(issuer.logout_token(header={"typ": "application/Logout+JWT"}))
    strict = make_guard(types=("logout+jwt",))
    strict.logout(issuer.logout_token())
    not_believed(strict, issuer.logout_token(header=untyped), Reason.WRONG_TYPE)
    make_guard(types=("logout+jwt", "jwt")).logout(issuer.logout_token(header=plain))


@pytest.mark.req("BL-13")
def test_a_logout_token_is_short_lived(make_guard: Callable[..., TokenGuard], issuer: LocalIssuer) -> None:
    """Two minutes, or what is configured."""
    long = {"iat": int(NOW), "exp": int(NOW) + 600}
    not_believed(make_guard(), issuer.logout_token(**long), Reason.LIFETIME_TOO_LONG)
    make_guard(max_lifetime=600).logout(issuer.logout_token(**long))


@pytest.mark.req("A-100")
@pytest.mark.parametrize("header", [{}, {"typ": None}, {"typ": "logout+jwt"}])
def test_an_access_token_ends_nothing(guard: TokenGuard, issuer: LocalIssuer, header: dict[str, Any]) -> None:
    """Not even one that is mistaken for a client's, or that its issuer calls a logout token."""
    token = issuer.mint(aud="client-1", exp=int(NOW) + 60, header=header)
    not_believed(guard, token, Reason.WRONG_TYPE)
    not_believed(guard, issuer.id_token(exp=int(NOW) + 60), Reason.WRONG_TYPE)


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "..", "é.é.é", "x" * 20_000, "e30.e30.", "W10.W10.AA"])
def test_garbage_is_the_senders_fault(guard: TokenGuard, token: str) -> None:
    """No text ends in another error, or is shown."""
    with pytest.raises(InvalidLogoutToken) as caught:
        guard.logout(token)
    assert not token or len(token) < 4 or token not in str(caught.value) + caught.value.hint + repr(caught.value)
