"""RFC 9701: introspection answers as signed JWTs, with no way back to plain ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tokenguard import ClientSecret, Introspection, Issuer, TokenGuard, errors
from tokenguard.errors import Reason
from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.documents import Response
from tokenguard.testing.server import LoopbackServer

MEDIA_TYPE = "application/token-introspection+jwt"
STRANGER = SigningKey.generate("ES256", "stranger")

#: what the issuer's answer is made of: (issuer, members) -> body
Answer = Callable[[LocalIssuer, dict[str, Any]], str]


class Responder:
    """An introspection endpoint that answers every question alike."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self.issuer = issuer
        self.media_type = MEDIA_TYPE
        self.answer: Answer = LocalIssuer.signed_introspection
        self.members: dict[str, Any] = {"active": True, "aud": issuer.audience, "sub": "alice"}

    def respond(self, _: Any) -> Response:
        """To whatever is asked."""
        body = self.answer(self.issuer, self.members)
        return Response(200, body.encode(), {"Content-Type": self.media_type})


@pytest.fixture
def responder() -> Responder:
    """An endpoint as it should be."""
    return Responder(LocalIssuer(algorithm="ES256"))


@pytest.fixture
def seen() -> list[Any]:
    """The questions."""
    return []


@pytest.fixture
def asking(responder: Responder, seen: list[Any]) -> Iterator[TokenGuard]:
    """A guard that demands signed answers of it, and knows the issuer's keys."""
    server = LoopbackServer(0, lambda *_: Response(404), seen, responder.respond)
    introspection = Introspection(
        ClientSecret(*responder.issuer.resource_server),
        endpoint=f"http://127.0.0.1:{server.port}/introspect",
        mode="opaque",
        signed=True,
    )
    issuer = responder.issuer
    config = Issuer(issuer.issuer, jwks=issuer.jwks, introspection=introspection)
    with TokenGuard(audience=issuer.audience, issuers=[config]) as guard:
        yield guard
    server.close()


def unbelievable(guard: TokenGuard) -> str:
    """Assert that the answer is not believed, which is never the caller's fault; why, as the log says it."""
    with pytest.raises(errors.Unavailable) as caught:
        guard.validate("token")
    assert caught.value.reason is Reason.INTROSPECTION_UNAVAILABLE
    return caught.value.hint


@pytest.mark.req("JI-01", "JI-02", "JI-03", "JI-04", "JI-05", "JI-07")
def test_a_signed_answer_is_demanded_and_read(asking: TokenGuard, seen: list[Any]) -> None:
    """The members are those inside token_introspection."""
    token = asking.validate("token")
    assert (token.subject, token.claims["active"]) == ("alice", True)
    assert seen[0].headers["accept"] == MEDIA_TYPE


@pytest.mark.req("JI-02", "A-148")
@pytest.mark.parametrize("media_type", ["application/json", "application/jwt", "text/plain", ""])
def test_there_is_no_downgrade(asking: TokenGuard, responder: Responder, media_type: str) -> None:
    """Neither a plain answer nor a signed one that calls itself something else."""
    responder.media_type = media_type
    assert MEDIA_TYPE in unbelievable(asking)
    responder.answer = lambda _issuer, _members: '{"active": true, "aud": "https://api.example.com"}'
    unbelievable(asking)


@pytest.mark.req("JI-02", "A-148")
def test_plain_json_under_the_signed_media_type_is_no_answer(asking: TokenGuard, responder: Responder) -> None:
    """What counts is the signature."""
    responder.answer = lambda _issuer, _members: '{"active": true, "aud": "https://api.example.com"}'
    unbelievable(asking)


@pytest.mark.parametrize("iat", [10**310, -(10**310)], ids=["huge", "negative"])
def test_an_iat_beyond_any_float_is_called_what_it_is(asking: TokenGuard, responder: Responder, iat: int) -> None:
    """An integer of JSON may be larger than a float can be."""
    responder.answer = lambda issuer, members: issuer.signing_key.jws(
        {"alg": "ES256", "kid": issuer.signing_key.kid, "typ": "token-introspection+jwt"},
        {"iss": issuer.issuer, "aud": "api", "iat": iat, "token_introspection": members},
    )
    assert "iat of the signed answer" in unbelievable(asking)


def test_an_encrypted_answer_is_called_that(asking: TokenGuard, responder: Responder) -> None:
    """It can't be read, and the operator is told which setting asks for it (RFC 9701 5)."""
    responder.answer = lambda _issuer, _members: "eyJhbGciOiJSU0EtT0FFUCJ9.a2V5.aXY.dGV4dA.dGFn"
    assert "encrypted (RFC 9701 5), which can't be read: see Introspection.signed" in unbelievable(asking)


@pytest.mark.req("JI-03", "A-148")
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "", "token-introspection", "logout+jwt"])
def test_typ_says_what_it_is(asking: TokenGuard, responder: Responder, typ: str) -> None:
    """No other JWT of the issuer is an answer."""
    responder.answer = lambda issuer, members: issuer.signed_introspection(members, typ=typ)
    assert "typ" in unbelievable(asking)


@pytest.mark.req("JI-03")
@pytest.mark.parametrize("typ", ["TOKEN-INTROSPECTION+JWT", MEDIA_TYPE])
def test_typ_is_a_media_type(asking: TokenGuard, responder: Responder, typ: str) -> None:
    """In any case, with or without its tree (RFC 7515 4.1.9)."""
    responder.answer = lambda issuer, members: issuer.signed_introspection(members, typ=typ)
    assert asking.validate("token")


@pytest.mark.req("JI-04", "JI-06", "A-148")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.test"},
        {"iss": None},
        {"aud": "other-api"},
        {"aud": []},
        {"aud": None},
        {"aud": {"api": 1}},
        {"iat": None},
        {"iat": "now"},
        {"iat": True},
        {"iat": 0},
        {"iat": 99_999_999_999},
        {"sub": "alice"},
        {"exp": 99_999_999_999},
        {"token_introspection": None},
        {"token_introspection": '{"active": true}'},
        {"token_introspection": [{"active": True}]},
        {"token_introspection": {}},
        {"token_introspection": {"active": "true"}},
    ],
    ids=repr,
)
def test_the_envelope_is_this_issuers_for_us_and_new(
    asking: TokenGuard, responder: Responder, claims: dict[str, Any]
) -> None:
    """And it holds an answer; the operator is told what is wrong."""
    responder.answer = lambda issuer, members: issuer.signed_introspection(members, **claims)
    assert re.search("the signed answer|active is not true or false", unbelievable(asking))


@pytest.mark.req("JI-04")
@pytest.mark.parametrize("audience", ["api", ["api"], ["other", "api"], "https://api.example.com"], ids=repr)
def test_aud_is_our_client_id_or_our_audience(asking: TokenGuard, responder: Responder, audience: Any) -> None:
    """Servers use either (RFC 9701 5)."""
    responder.answer = lambda issuer, members: issuer.signed_introspection(members, aud=audience)
    assert asking.validate("token")


@pytest.mark.req("JI-05")
def test_members_beside_the_answer_are_ignored(asking: TokenGuard, responder: Responder) -> None:
    """An answer that says inactive inside and active outside is inactive."""
    responder.members = {"active": False}
    responder.answer = lambda issuer, members: issuer.signed_introspection(members, active=True, scope="admin")
    with pytest.raises(errors.InvalidToken) as caught:
        asking.validate("token")
    assert caught.value.reason is Reason.INACTIVE


@pytest.mark.req("JI-07", "A-148")
@pytest.mark.parametrize("how", ["stranger", "none", "HS256", "changed", "encrypted", "cut", "empty"])
def test_only_the_issuers_key_signs(asking: TokenGuard, responder: Responder, how: str) -> None:
    """Under an algorithm that is allowed; what can't be read is no answer either."""

    def answer(issuer: LocalIssuer, members: dict[str, Any]) -> str:
        good = issuer.signed_introspection(members)
        header, payload, signature = good.split(".")
        envelope = {"iss": issuer.issuer, "aud": "api", "iat": int(issuer.clock()), "token_introspection": members}
        typ = {"typ": "token-introspection+jwt"}
        return {
            "stranger": lambda: issuer._sign(envelope, typ, key=STRANGER),
            "none": lambda: issuer._sign(envelope, typ, algorithm="none"),
            "HS256": lambda: issuer._sign(envelope, typ, key=issuer.signing_key.public_pem),
            "changed": lambda: f"{header}.{payload[:-4]}AAAA.{signature}",
            "encrypted": lambda: f"{header}.a.b.c.d",
            "cut": lambda: f"{header}.{payload}",
            "empty": lambda: "",
        }[how]()

    responder.answer = answer
    unbelievable(asking)


@pytest.mark.req("JI-07")
def test_a_new_key_of_the_issuer_is_fetched_for_an_answer() -> None:
    """Answers outlive a rotation as tokens do."""
    monotonic = [1000.0]
    with LocalIssuer(algorithm="ES256").serve() as issuer:
        introspection = Introspection(ClientSecret(*issuer.resource_server), mode="opaque", signed=True)
        config = Issuer(issuer.issuer, introspection=introspection)
        with TokenGuard(audience=issuer.audience, issuers=[config], monotonic=lambda: monotonic[0]) as guard:
            assert guard.validate(issuer.mint_opaque()).subject == "user-1"
            issuer.rotate(keep=0)
            monotonic[0] += 31
            assert guard.validate(issuer.mint_opaque()).subject == "user-1"
            # without keys nothing is believed
            issuer.rotate(keep=0)
            issuer.misbehave("error", path="/jwks")
            monotonic[0] += 31
            unbelievable(guard)


@pytest.mark.req("JI-08")
@pytest.mark.parametrize("mode", [None, "both", "live"])
def test_an_answer_is_no_access_token(mode: Any) -> None:
    """Whoever gets hold of one can't present it."""
    issuer = LocalIssuer(algorithm="ES256")
    answer = issuer.signed_introspection({"active": True}, aud=issuer.audience, client_id="a", scope="a", exp=9**11)
    for profile in ("rfc9068", "jwt"):
        introspection = mode and Introspection(ClientSecret("api", "secret"), mode=mode)
        config = Issuer(issuer.issuer, jwks=issuer.jwks, profile=profile, introspection=introspection)  # type: ignore[arg-type]
        guard = TokenGuard(audience=issuer.audience, issuers=[config])
        with pytest.raises(errors.InvalidToken) as caught:
            guard.validate(answer)
        assert caught.value.reason is Reason.WRONG_TYPE


@pytest.mark.req("JI-09")
def test_a_token_that_is_not_for_us_is_inactive(asking: TokenGuard, responder: Responder) -> None:
    """As the issuer says, or by its audience."""
    for members, reason in (
        ({"active": False}, Reason.INACTIVE),
        ({"active": True, "aud": "https://other.example.com"}, Reason.WRONG_AUDIENCE),
    ):
        responder.members = members
        with pytest.raises(errors.InvalidToken) as caught:
            asking.validate(f"token-{reason}")
        assert caught.value.reason is reason
