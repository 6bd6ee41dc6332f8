"""`explain` tells what a real guard decided, at which stage, and what each stage saw; never more than is known."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.support import AUDIENCE, rows, run
from testing.judge import signature_holds
from tokenguard import Issuer, TokenGuard
from tokenguard.commands.explain import STAGES, Explanation, Outcome, Stage, explain
from tokenguard.errors import Denied, Reason
from tokenguard.testing import Broken, LocalIssuer, SigningKey

NOW = 1_700_000_000.0  # 22:13:20 UTC


def explained(token: str, issuer: LocalIssuer, *, scopes: tuple[str, ...] = (), **settings: Any) -> Explanation:
    """What there is to say of a token by an issuer whose keys are configured."""
    config = Issuer(issuer.issuer, jwks=issuer.jwks, **settings)
    return explain(token, config, audience=(AUDIENCE,), scopes=scopes, clock=issuer.clock)


def stage(explanation: Explanation, name: str) -> Stage:
    """The stage of that name."""
    return next(stage for stage in explanation.stages if stage.name == name)


def failed(explanation: Explanation) -> list[str]:
    """The names of the stages that failed."""
    return [stage.name for stage in explanation.stages if stage.outcome is Outcome.FAILED]


def everything(explanation: Explanation) -> str:
    """All that could be printed."""
    return repr(explanation)


@pytest.fixture
def at_ten(signing_key: SigningKey) -> LocalIssuer:
    """An issuer whose clock stands still."""
    return LocalIssuer(signing_key=signing_key, clock=lambda: NOW)


def test_every_reason_belongs_to_one_stage() -> None:
    """A reason that is added later must be given its stage, unless it is of something else than an access token."""
    of_others = {Reason.REVOCATION_FAILED, Reason.LOGOUT_REPLAYED}
    assert Counter(reason for reasons in STAGES.values() for reason in reasons) == Counter(set(Reason) - of_others)


def test_an_accepted_token_passes_every_stage(issuer: LocalIssuer) -> None:
    """Nothing is unverified, and there is no answer to a refusal; whether it is revoked can't be known here."""
    explanation = explained(issuer.mint(scope="orders:read"), issuer, scopes=("orders:read",))
    assert explanation.verdict == "accepted"
    assert not any(stage.unverified for stage in explanation.stages)
    others = {stage.outcome for stage in explanation.stages if stage.name != "revocation"}
    assert (others, stage(explanation, "revocation").outcome) == ({Outcome.PASSED}, Outcome.NOT_CHECKED)
    assert (explanation.reason, explanation.answer) == (None, None)


@pytest.mark.parametrize("kind", Broken)
def test_the_verdict_is_the_guards_and_what_is_told_is_true(issuer: LocalIssuer, kind: Broken) -> None:
    """Of every broken token: the guard's reason, one failed stage, and a signature is called good only if it is."""
    token = issuer.broken(kind)
    config = Issuer(issuer.issuer, jwks=issuer.jwks)
    with pytest.raises(Denied) as refusal:
        TokenGuard(audience=AUDIENCE, issuers=[config]).validate(token)
    explanation = explained(token, issuer)
    assert (explanation.verdict, explanation.reason) == ("refused", refusal.value.reason)
    (failure,) = (stage for stage in explanation.stages if stage.outcome is Outcome.FAILED)
    assert failure.why == refusal.value.hint
    jwk = issuer.jwks["keys"][0]
    is_signed = token.count(".") == 2 and kind is not Broken.NO_SIGNATURE and signature_holds(token, jwk)
    told_so = stage(explanation, "signature").outcome is Outcome.PASSED
    assert not told_so or is_signed
    assert told_so or stage(explanation, "claims").unverified or kind is Broken.MALFORMED


@pytest.mark.parametrize("kind", Broken)
def test_neither_the_token_nor_its_signature_is_shown(issuer: LocalIssuer, kind: Broken) -> None:
    """Not in any piece long enough to be of use."""
    token = issuer.broken(kind)
    told = everything(explained(token, issuer))
    for segment in token.split("."):
        assert not segment or segment[:20] not in told


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Broken.MALFORMED, "form"),
        (Broken.ALG_NONE, "header"),
        (Broken.OTHER_TYPE, "header"),
        (Broken.CRITICAL_HEADER, "header"),
        (Broken.UNKNOWN_KEY, "key"),
        (Broken.TAMPERED, "signature"),
        (Broken.OTHER_AUDIENCE, "claims"),
        (Broken.NO_JTI, "claims"),
        (Broken.EXPIRED, "times"),
        (Broken.NOT_YET_VALID, "times"),
    ],
)
def test_the_stage_that_failed_stands_between_those_that_passed_and_those_not_reached(
    issuer: LocalIssuer, kind: Broken, expected: str
) -> None:
    """One failure, at the stage its reason belongs to."""
    explanation = explained(issuer.broken(kind), issuer)
    outcomes = [stage.outcome for stage in explanation.stages]
    position = list(STAGES).index(expected)
    assert outcomes[:position] == [Outcome.PASSED] * position
    assert outcomes[position] is Outcome.FAILED
    assert set(outcomes[position + 1 :]) == {Outcome.NOT_REACHED}


def test_an_id_token_of_a_lax_issuer_fails_at_its_claims(issuer: LocalIssuer) -> None:
    """Its typ is right for the profile; what tells it apart was signed, and is said to be."""
    explanation = explained(issuer.id_token(aud=AUDIENCE), issuer, profile="jwt")
    assert (explanation.reason, failed(explanation)) == (Reason.WRONG_TYPE, ["claims"])
    assert stage(explanation, "signature").outcome is Outcome.PASSED


def test_a_signed_token_of_another_name_fails_at_the_issuer_with_its_signature_good(issuer: LocalIssuer) -> None:
    """The issuer's key made it, so that is no question any more, but it says it is from elsewhere."""
    explanation = explained(issuer.mint(iss=f"{issuer.issuer}/"), issuer)
    assert (explanation.reason, failed(explanation)) == (Reason.UNKNOWN_ISSUER, ["issuer"])
    assert stage(explanation, "signature").outcome is Outcome.PASSED
    assert stage(explanation, "times").outcome is Outcome.NOT_REACHED
    assert f"expected {issuer.issuer} (only the slash at the end differs)" in stage(explanation, "issuer").seen


@pytest.mark.parametrize(("kid", "expected"), [("current", "signature"), ("nobody", "issuer")])
def test_a_strangers_token_proves_neither_issuer_nor_key(issuer: LocalIssuer, kid: str, expected: str) -> None:
    """With a kid that we know its signature fails first, with another its issuer; iss never passes unproved."""
    stranger = LocalIssuer("https://stranger.test", signing_key=SigningKey.generate("ES256", kid))
    explanation = explained(stranger.mint(), issuer)
    assert failed(explanation) == [expected]
    assert stage(explanation, "signature").outcome is not Outcome.PASSED
    assert stage(explanation, "issuer").outcome is not Outcome.PASSED
    assert stage(explanation, "issuer").unverified
    assert stage(explanation, "header").outcome is Outcome.PASSED
    assert (stage(explanation, "key").outcome is Outcome.PASSED) == (kid == "current")


def test_claims_that_are_read_before_the_signature_do_not_make_it_good(issuer: LocalIssuer) -> None:
    """An unreadable payload under an unknown key is a matter of form: nothing was verified."""
    token = SigningKey.generate("ES256").jws(
        {"alg": "ES256", "typ": "at+jwt", "kid": "nobody"}, b'{"iss": "a", "iss": 1}'
    )
    explanation = explained(token, issuer)
    assert (explanation.reason, failed(explanation)) == (Reason.MALFORMED_CLAIMS, ["form"])
    assert stage(explanation, "signature").outcome is Outcome.NOT_REACHED
    assert stage(explanation, "issuer").unverified


def test_an_algorithm_that_the_named_key_does_not_serve_is_the_keys_matter() -> None:
    """The algorithm is accepted from this issuer, but the key that kid names is published for another."""
    issuer = LocalIssuer(algorithm="RS256")
    explanation = explained(issuer.mint(algorithm="PS256"), issuer)
    assert (explanation.reason, failed(explanation)) == (Reason.UNSUPPORTED_ALGORITHM, ["key"])


def test_a_demanded_scope_is_checked(issuer: LocalIssuer) -> None:
    """By the guard, and the answer names the scope."""
    explanation = explained(issuer.mint(scope="orders:read"), issuer, scopes=("orders:read", "orders:write"))
    assert (explanation.reason, failed(explanation)) == (Reason.INSUFFICIENT_SCOPE, ["scopes"])
    assert stage(explanation, "scopes").seen == ("scope orders:read", "demanded: orders:read orders:write")
    assert explanation.answer is not None
    assert explanation.answer.status == 403


def test_a_bound_token_says_to_what(issuer: LocalIssuer) -> None:
    """By the name of the member, which says how it would have to be proved."""
    explanation = explained(issuer.mint(cnf={"jkt": "0" * 43}), issuer)
    assert failed(explanation) == ["binding"]
    assert stage(explanation, "binding").seen[0].startswith("cnf (jkt)")
    assert stage(explanation, "revocation").outcome is Outcome.NOT_REACHED


def test_a_token_without_a_session_says_what_that_means(issuer: LocalIssuer) -> None:
    """A logout at the issuer ends sessions, which tokens must name to be hit."""
    with_sid, without = (
        stage(explained(token, issuer), "revocation").seen for token in (issuer.mint(sid="s"), issuer.mint())
    )
    assert (len(with_sid), len(without)) == (1, 2)
    assert without[1].startswith("no sid")


def test_times_are_told_from_now_and_in_utc(at_ten: LocalIssuer) -> None:
    """How long ago or ahead, and when by the clock; with the date if it is another day."""
    assert explained(at_ten.mint(), at_ten).verdict == "accepted"
    times = {"iat": int(NOW) - 492, "exp": int(NOW) - 192, "nbf": int(NOW) + 61, "auth_time": int(NOW) - 90_000}
    assert stage(explained(at_ten.mint(**times), at_ten), "times").seen == (
        "exp: expired 3 min 12 s ago (22:10:08 UTC)",
        "nbf: not valid until in 1 min 1 s (22:14:21 UTC)",
        "iat: issued 8 min 12 s ago (22:05:08 UTC)",
        "auth_time: user logged in 1 d 1 h ago (2023-11-13 21:13:20 UTC)",
        "our clock says 22:13:20 UTC; 30 s of difference are forgiven (leeway)",
    )


@pytest.mark.parametrize(
    ("exp", "told"),
    [
        (1_700_000_300_000, "in milliseconds, where seconds are due?"),
        (-62_200_000_000_000, "in milliseconds, where seconds are due?"),
        (1e308, "exp: 1e+308 is no time in seconds"),
        (10**400, "exp: 1000000000"),
        (float("nan"), "exp: NaN is no time in seconds"),
        ("soon", "exp: soon is no time in seconds"),
        (True, "exp: true is no time in seconds"),
        (None, "exp: null is no time in seconds"),
    ],
)
def test_times_that_make_no_sense_are_told_all_the_same(at_ten: LocalIssuer, exp: object, told: str) -> None:
    """Whatever exp is, the explanation does not stumble over it."""
    assert told in stage(explained(at_ten.mint(exp=exp), at_ten), "times").seen[0]


def test_an_audience_that_differs_in_little_is_told_where(issuer: LocalIssuer) -> None:
    """The slash at the end is what eyes overlook at night."""
    explanation = explained(issuer.mint(aud=f"{AUDIENCE}/"), issuer)
    assert f"expected {AUDIENCE} (only the slash at the end differs)" in stage(explanation, "claims").seen


def test_what_a_claim_says_can_not_rule_the_terminal(issuer: LocalIssuer) -> None:
    """Escape sequences, new lines and directions of writing are escaped, markup is text, and long values are cut."""
    told = explained(issuer.mint(sub="\x1b[2J\r\n\u202e[bold]", jti="j" * 500), issuer)
    seen = stage(told, "claims").seen
    assert "sub \\x1b[2J\\r\\n\\u202e[bold]" in seen
    assert f"jti {'j' * 120}... (500 characters)" in seen


def test_claims_that_nobody_asked_for_are_named_and_not_shown(issuer: LocalIssuer) -> None:
    """An address or a name decides nothing here, so it need not be on the screen."""
    told = explained(issuer.mint(email="alice@example.com"), issuer)
    assert "also there: email" in stage(told, "claims").seen
    assert "alice@example.com" not in everything(told)


@given(st.text() | st.text("eyJ.-_0", max_size=60) | st.binary().map(lambda raw: f"eyJ9.{raw.hex()}."))
@example("....")
@example("e30.e30.e30")
@example("bnVsbA.W10.")
@example(".".join(["W1tbW1tbW1tbW1tb" * 900] * 3))
@example("\ud800.\x00.é")
def test_whatever_is_called_a_token_is_explained(token: str) -> None:
    """No input is accepted, and none leads to anything but a verdict."""
    explanation = explained(token, _ISSUER)
    assert explanation.verdict == "refused"
    assert len(failed(explanation)) == 1
    assert stage(explanation, "signature").outcome is not Outcome.PASSED


_ISSUER = LocalIssuer(algorithm="ES256")


def arguments(issuer: LocalIssuer, *more: str) -> list[str]:
    """The command line for this issuer; the token comes by standard input."""
    return ["explain", "--issuer", issuer.issuer, "--audience", AUDIENCE, *more]


def test_exit_codes(served: LocalIssuer, ca_file: str) -> None:
    """0 accepted, 1 refused, 3 unavailable."""
    run_it = [*arguments(served), "--ca-file", ca_file]
    assert run(*run_it, stdin=served.mint()).exit_code == 0
    assert run(*run_it, stdin=served.broken("expired")).exit_code == 1
    served.misbehave("down")
    assert run(*run_it, stdin=served.mint()).exit_code == 3


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--profile", "oidc"], 'Issuer.profile must be "rfc9068" or "jwt"'),
        (["--algorithm", "none"], "none is never accepted"),
        (["--algorithm", "HS256"], "HS256 is never accepted"),
        (["--leeway", "3600"], "leeway must be a number"),
        (["--scope", 'a"b'], "is not one scope"),
        (["--jwks", "no-such-file"], "--jwks no-such-file can't be read: No such file or directory"),
        (["--jwks", __file__], "holds no JSON"),
        (["--ca-file", __file__], "holds no readable certificates"),
        (["--jwks-uri", "ftp://issuer.test/"], "must be an https URL"),
        (["--issuer", "http://issuer.test"], "must be https"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(issuer: LocalIssuer, more: list[str], complaint: str) -> None:
    """It names what is wrong; nothing is printed where a program would read the verdict."""
    result = run(*arguments(issuer, *more), stdin=issuer.mint())
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_published_keys_are_shown_with_why_some_are_not_used(served: LocalIssuer, ca_file: str) -> None:
    """The ones that stand in nobody's way too."""
    served.extra_keys = [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        SigningKey.generate("ES256", "encrypts").jwk | {"use": "enc"},
        SigningKey.generate("RS512", "other").jwk,
    ]
    told = run(*arguments(served, "--ca-file", ca_file), stdin=served.mint()).stdout
    assert rows(told, ["kid", "type", "alg", "use", "usable"]) == [
        ["current", "EC P-256", "ES256", "sig", "yes"],
        ["shared", "oct", "-", "-", "no: a symmetric key has no place in a published key set"],
        ["encrypts", "EC", "ES256", "enc", "no: its use is not sig"],
        ["other", "RSA 2048", "RS512", "sig", "no: it serves none of the algorithms in Issuer.algorithms"],
    ]
    assert "c2VjcmV0" not in told


def test_keys_from_a_file_need_no_network(served: LocalIssuer, tmp_path: Path) -> None:
    """A guard with these keys decides, and nobody is asked."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(served.jwks))
    assert run(*arguments(served, "--jwks", str(file)), stdin=served.mint()).exit_code == 0
    assert served.requests == []


def test_a_token_that_fails_before_its_key_asks_nobody(served: LocalIssuer) -> None:
    """What decides is on the token."""
    assert run(*arguments(served), stdin=served.broken("alg_none")).exit_code == 1
    assert served.requests == []


def test_the_printed_page_says_verdict_why_and_what_an_api_answers(issuer: LocalIssuer, tmp_path: Path) -> None:
    """In plain text within 100 columns, apart from header lines, which stay whole."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(issuer.jwks))
    told = run(*arguments(issuer, "--jwks", str(file)), stdin=issuer.broken("other_type")).stdout
    assert "REFUSED: wrong_type. The token is not an access token.\nWhy: typ is JWT; this issuer's profile" in told
    assert 'An API answers 401:\n  WWW-Authenticate: Bearer realm="api.example.com", error="invalid_token"' in told
    assert "unverified: no signature was confirmed" in told
    assert "\x1b" not in told
    assert all(len(line) <= 100 for line in told.splitlines() if "WWW-Authenticate" not in line)


def test_json_says_the_same(issuer: LocalIssuer, tmp_path: Path) -> None:
    """Verdict, reason, hint, stages, keys and the answer, for programs."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(issuer.jwks))
    result = run(*arguments(issuer, "--jwks", str(file), "--json"), stdin=issuer.broken("other_audience"))
    told = json.loads(result.stdout)
    assert (result.exit_code, told["verdict"], told["reason"]) == (1, "refused", "wrong_audience")
    assert told["answer"]["status"] == 401
    outcomes = {stage["name"]: stage["outcome"] for stage in told["stages"]}
    assert (outcomes["signature"], outcomes["claims"], outcomes["times"]) == ("passed", "FAILED", "not reached")
    assert [key["kid"] for key in told["keys"]] == ["current"]
