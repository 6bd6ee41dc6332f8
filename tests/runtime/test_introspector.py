"""How an issuer is asked, about which tokens, and which of several; and the routes that ask each time."""

from __future__ import annotations

import asyncio

import pytest

from runtime.asking import INTROSPECT, ISSUER_FAILS, asked_at, bearing, form_of, questions
from runtime.support import Protect, averdict, until, verdict
from tokenguard import Issuer, Requirement, TokenGuard, errors
from tokenguard.errors import ConfigurationError, Reason
from tokenguard.testing import LocalIssuer

# The question


@pytest.mark.req("IN-01", "IN-13")
def test_the_question_is_a_form_in_a_post(issuer: LocalIssuer, protect: Protect) -> None:
    """The token is in the body and nowhere else (RFC 7662 2.1)."""
    token = issuer.mint_opaque(sub="alice")
    assert verdict(protect(issuer, introspection=asked_at(issuer)), token) == "alice"
    (question,) = questions(issuer)
    assert (question.method, question.path) == ("POST", INTROSPECT)
    assert question.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form_of(question) == {"token": token, "token_type_hint": "access_token"}
    assert not any(token in value for value in question.headers.values())


@pytest.mark.req("IN-01")
def test_a_token_is_encoded_as_a_form_wants_it(issuer: LocalIssuer, protect: Protect) -> None:
    """Plus, slash and equals signs arrive as they are in the token."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque(prefix="a+b/c~d.e==", sub="alice").replace("==", "") + "=="
    assert verdict(guard, token) == "inactive"
    assert form_of(questions(issuer)[0])["token"] == token


def test_a_given_endpoint_needs_no_discovery(issuer: LocalIssuer, protect: Protect) -> None:
    """One request in all."""
    guard = protect(issuer, introspection=asked_at(issuer, endpoint=issuer.introspection_endpoint, mode="opaque"))
    assert verdict(guard, issuer.mint_opaque()) == "user-1"
    assert [request.path for request in issuer.requests] == [INTROSPECT]
    assert guard.health().ready


@pytest.mark.req("IN-13")
def test_what_can_be_no_token_is_not_asked_about(issuer: LocalIssuer, protect: Protect) -> None:
    """Nor a JWT that is none of the issuer's: nobody can have us ask for the sake of asking."""
    guard = protect(issuer, introspection=asked_at(issuer))
    for token in ("", " ", "a b", "a,b", "a\x00b", "a=b", "=", "a\n", "t\u00f6ken", "x" * 16_385, "a%20b"):
        assert verdict(guard, token) in {"malformed_token", "token_too_large"}
    assert verdict(guard, LocalIssuer("https://other.test", algorithm="ES256").mint()) == "unknown_issuer"
    assert questions(issuer) == []


@pytest.mark.req("IN-03")
def test_tokens_are_not_sent_over_plain_http(issuer: LocalIssuer) -> None:
    """Said when configured, for an endpoint that is given."""
    for endpoint in ("http://auth.example.com/introspect", "ftp://auth.example.com/", "/introspect", "https://u:p@h/"):
        with pytest.raises(ConfigurationError, match=r"Introspection\.endpoint"):
            Issuer("https://auth.example.com", introspection=asked_at(issuer, endpoint=endpoint))


# Which tokens


@pytest.mark.parametrize(
    ("mode", "opaque", "jwt", "asked"),
    [
        ("both", "user-1", "user-1", 1),
        ("opaque", "user-1", "wrong_type", 1),
        ("every", "user-1", "user-1", 2),
        ("live", "malformed_token", "user-1", 0),
    ],
)
def test_the_mode_says_which_tokens_are_asked_about(
    issuer: LocalIssuer, protect: Protect, *, mode: str, opaque: str, jwt: str, asked: int
) -> None:
    """By the shape of the token alone."""
    guard = protect(issuer, introspection=asked_at(issuer, mode=mode))
    assert verdict(guard, issuer.mint_opaque()) == opaque
    assert verdict(guard, issuer.mint()) == jwt
    assert verdict(guard, issuer.mint(iss="https://other.test")) in {"unknown_issuer", "wrong_type"}
    assert len(questions(issuer)) == asked


def test_without_introspection_an_opaque_token_is_refused(issuer: LocalIssuer, protect: Protect) -> None:
    """And nothing is fetched for it."""
    assert verdict(protect(issuer), issuer.mint_opaque()) == "malformed_token"
    assert issuer.requests == []


@pytest.mark.parametrize("token", ["v4.public.abc", "ya29.a0Af", "a.b.c", "e.e.e", "1.2.3", "eyJhbGciOiJub25lIn0.x"])
def test_an_opaque_token_may_have_dots(issuer: LocalIssuer, protect: Protect, token: str) -> None:
    """A JWT is told by a first segment that is JSON."""
    assert verdict(protect(issuer, introspection=asked_at(issuer)), token) == "inactive"
    assert len(questions(issuer)) == 1


@pytest.mark.req("IN-17")
def test_with_several_issuers_the_prefix_chooses() -> None:
    """No token is ever sent to another issuer than its own."""
    with LocalIssuer(algorithm="ES256").serve() as first, LocalIssuer(algorithm="ES256").serve() as second:
        guard = TokenGuard(
            audience=first.audience,
            issuers=[
                Issuer(first.issuer, introspection=asked_at(first, prefix="one_")),
                Issuer(second.issuer, introspection=asked_at(second, prefix="one_two_")),
            ],
        )
        with guard:
            assert guard.validate(first.mint_opaque(prefix="one_")).issuer == first.issuer
            assert guard.validate(second.mint_opaque(prefix="one_two_")).issuer == second.issuer
            assert verdict(guard, first.mint_opaque(prefix="three_")) == "unknown_issuer"
            assert verdict(guard, second.mint_opaque(prefix="one_")) == "inactive"
            assert [len(questions(issuer)) for issuer in (first, second)] == [2, 1]
            # JWTs go their own way, by iss
            assert guard.validate(second.mint()).issuer == second.issuer


@pytest.mark.req("IN-17")
def test_issuers_must_be_told_apart(issuer: LocalIssuer) -> None:
    """Two that would be asked about the same tokens are a mistake, said when the guard is built."""
    issuers = [Issuer(f"https://{name}.test", introspection=asked_at(issuer)) for name in "ab"]
    with pytest.raises(ConfigurationError, match=r"Introspection\.prefix of https://b\.test and https://a\.test"):
        TokenGuard(audience="a", issuers=issuers)


def test_of_several_issuers_iss_chooses_whom_to_ask_about_a_jwt(issuer: LocalIssuer, protect: Protect) -> None:
    """In mode "every" nothing is verified locally, and a JWT of an issuer unknown is not asked about."""
    with LocalIssuer(algorithm="ES256").serve() as other:
        configs = [Issuer(issuer.issuer, introspection=asked_at(issuer, mode="every")), Issuer(other.issuer)]
        with TokenGuard(audience=issuer.audience, issuers=configs) as guard:
            assert guard.validate(issuer.mint()).issuer == issuer.issuer
            assert guard.validate(other.mint()).issuer == other.issuer
            assert verdict(guard, LocalIssuer("https://no.test", algorithm="ES256").mint()) == "unknown_issuer"
            assert len(questions(issuer)) == 1


# Live


def live(guard: TokenGuard, token: str) -> str:
    """The verdict of a route that wants the issuer asked."""
    try:
        return str(guard.check(bearing(token), requirement=Requirement("orders:read", live=True)).subject)
    except (errors.Denied, errors.Unavailable) as refusal:
        return str(refusal.reason)


@pytest.mark.parametrize("mode", ["both", "live"])
def test_a_live_route_asks_each_time_about_a_jwt_that_holds(issuer: LocalIssuer, protect: Protect, mode: str) -> None:
    """The local check comes first; a revoked token is let in elsewhere, and not here."""
    guard = protect(issuer, introspection=asked_at(issuer, mode=mode))
    token = issuer.mint(scope="orders:read")
    assert [live(guard, token), live(guard, token)] == ["user-1", "user-1"]
    assert len(questions(issuer)) == 2
    issuer.revoke(token)
    assert live(guard, token) == "inactive"
    assert verdict(guard, token) == "user-1"
    assert live(guard, issuer.broken("expired")) == "expired"
    assert live(guard, issuer.mint(aud="https://other.example.com")) == "wrong_audience"
    assert len(questions(issuer)) == 3


def test_a_live_route_does_not_trust_a_remembered_answer(issuer: LocalIssuer, protect: Protect) -> None:
    """What it learns holds for the other routes too."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque(scope="orders:read")
    assert verdict(guard, token) == "user-1"
    issuer.revoke(token)
    assert verdict(guard, token) == "user-1"
    assert live(guard, token) == "inactive"
    assert verdict(guard, token) == "inactive"
    assert len(questions(issuer)) == 2


async def test_a_live_route_takes_no_answer_to_a_question_sent_before(issuer: LocalIssuer, protect: Protect) -> None:
    """The issuer may have looked before the token was revoked; all who come meanwhile share the question after it."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque(scope="orders:read")
    issuer.misbehave("hang", path=INTROSPECT)
    first = asyncio.create_task(averdict(guard, token))
    await asyncio.to_thread(until, lambda: questions(issuer))
    demanded = Requirement("orders:read", live=True)
    live_ones = [asyncio.create_task(guard.acheck(bearing(token), requirement=demanded)) for _ in range(10)]
    joined = asyncio.create_task(averdict(guard, token))
    await asyncio.to_thread(until, lambda: guard.health().introspection[0].running == 2)
    issuer.behave()
    assert [(await one).subject for one in live_ones] == ["user-1"] * 10
    assert [await first, await joined] == ["user-1"] * 2
    assert len(questions(issuer)) == 2
    await asyncio.to_thread(until, lambda: guard.health().introspection[0].running == 0)


def test_a_live_route_needs_an_issuer_that_can_be_asked(issuer: LocalIssuer, protect: Protect) -> None:
    """And one that answers: 503, never 401, and never let in unasked."""
    token = issuer.mint(scope="orders:read")
    assert live(protect(issuer), token) == "live_check_unavailable"
    guard = protect(issuer, introspection=asked_at(issuer))
    issuer.misbehave("error", path=INTROSPECT)
    assert live(guard, token) == ISSUER_FAILS
    with pytest.raises(errors.Unavailable):
        guard.authorize(guard.validate(token), Requirement(live=True))


def test_a_live_route_checks_scopes_as_any_other(issuer: LocalIssuer, protect: Protect) -> None:
    """403 for a token that is active and not enough."""
    guard = protect(issuer, introspection=asked_at(issuer))
    for token in (issuer.mint(scope="orders:list"), issuer.mint_opaque()):
        assert live(guard, token) == "insufficient_scope"


def test_nobody_is_asked_about_a_token_that_its_sender_may_not_use(issuer: LocalIssuer, protect: Protect) -> None:
    """Whoever stole a bound token without its key has no questions sent, again and again, in its owner's name."""
    guard = protect(issuer, introspection=asked_at(issuer))
    for cnf in ({"jkt": "A" * 43}, {"x5t#S256": "A" * 43}, {}):
        assert live(guard, issuer.mint(scope="orders:read", cnf=cnf)) == "not_bound"
    assert questions(issuer) == []


def test_a_live_refusal_says_whose_token_it_was(issuer: LocalIssuer, protect: Protect) -> None:
    """For the log: by then the token has been verified here."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint(client_id="client-7", jti="token-7")
    issuer.revoke(token)
    with pytest.raises(errors.InvalidToken) as refusal:
        guard.check(bearing(token), requirement=Requirement(live=True))
    told = refusal.value
    assert (told.reason, told.issuer, told.client_id, told.token_id) == (
        Reason.INACTIVE, issuer.issuer, "client-7", "token-7",
    )  # fmt: skip


async def test_async_routes_ask_the_same_way(issuer: LocalIssuer, protect: Protect) -> None:
    """Awaiting what sync code waits for."""
    guard = protect(issuer, introspection=asked_at(issuer))
    token = issuer.mint_opaque(sub="alice")
    assert await averdict(guard, token) == "alice"
    issuer.revoke(token)
    with pytest.raises(errors.InvalidToken) as refusal:
        await guard.acheck(bearing(token), requirement=Requirement(live=True))
    assert refusal.value.reason is Reason.INACTIVE
    with pytest.raises(errors.InvalidToken):
        await guard.aconfirm(bearing(token), Requirement(live=True))
