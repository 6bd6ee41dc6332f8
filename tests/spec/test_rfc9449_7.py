"""RFC 9449 7: which scheme a token comes with, and what a refused client is told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.possession import (
    ISSUER,
    SECRET,
    bound,
    challenges,
    client_key,
    denied,
    guard_with,
    proving,
    with_proof,
)
from tests.spec.support import ANSWERS, AUDIENCE, NOW, REALM, URL, Clock, asking, bearing, guard_for, request_refused

from tokenguard import ClientSecret, DPoP, Introspection, Issuer, Request, Requirement, TokenGuard
from tokenguard.errors import (
    ConfigurationError,
    Denied,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    MissingToken,
    Reason,
)
from tokenguard.testing import LocalIssuer

GUARD = guard_with(algorithms=("ES256", "PS256"))
REQUIRING = guard_with(required=True)
ALGS = "ES256 PS256"
TOKEN = bound()


def refusal(guard: TokenGuard, request: Request, scopes: Any = None) -> Denied:
    """Whatever the refusal is."""
    with pytest.raises(Denied) as caught:
        guard.check(request, scopes)
    return caught.value


@pytest.mark.req("DP-01", "AT-17")
@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP", "dPoP"])
def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    """Scheme names ignore it."""
    proof = client_key().proof("GET", URL, TOKEN)
    assert GUARD.check(with_proof(TOKEN, proof, scheme=scheme)).bound_by == {"dpop"}


@pytest.mark.req("DP-01")
@pytest.mark.parametrize("value", ["DPoP", "DPoP ", "DPoP a b", "DPoP\ta", "DPoP a,b", "DPoP =", "DPoP a\u00e9"])
def test_credentials_have_their_grammar(value: str) -> None:
    """Scheme, spaces, one token68; anything else is an invalid request, said on the scheme that was used."""
    error = refusal(GUARD, asking(("Authorization", value)))
    assert (type(error), error.reason) == (InvalidRequest, Reason.MALFORMED_CREDENTIALS)
    answer = GUARD.challenge(error)
    assert answer.status == 400
    assert [(scheme, parameters.get("error")) for scheme, parameters in challenges(GUARD, error).items()] == [
        ("DPoP", "invalid_request"),
        ("Bearer", None),
    ]


@pytest.mark.req("BT-11", "A-007", "DP-25")
@pytest.mark.parametrize(
    "lines",
    [
        [("Authorization", "Bearer a"), ("Authorization", "DPoP b")],
        [("Authorization", "Bearer a, DPoP b")],
    ],
)
def test_two_schemes_at_once_are_an_error_of_both(lines: list[tuple[str, str]]) -> None:
    """Each challenge carries it."""
    error = refusal(GUARD, asking(*lines))
    assert (type(error), error.reason) == (InvalidRequest, Reason.SEVERAL_CREDENTIALS)
    assert {parameters["error"] for parameters in challenges(GUARD, error).values()} == {"invalid_request"}


@pytest.mark.req("A-007")
def test_two_tokens_for_dpop_are_two() -> None:
    """In two lines and in one."""
    for lines in (["DPoP a", "DPoP b"], ["DPoP a, DPoP b"]):
        error = refusal(GUARD, asking(*(("Authorization", line) for line in lines)))
        assert (type(error), error.schemes) == (InvalidRequest, ("DPoP",))


@pytest.mark.req("DP-01")
def test_without_the_setting_the_scheme_is_a_foreign_one() -> None:
    """As Basic would be: there is no token, and no challenge for what is not offered."""
    guard = guard_for(ISSUER)
    error = request_refused(guard, proving(TOKEN), MissingToken, Reason.MISSING_TOKEN)
    assert list(challenges(guard, error)) == ["Bearer"]


@pytest.mark.req("AT-17")
@pytest.mark.parametrize(
    ("claims", "reason"), [({"exp": NOW - 60}, Reason.EXPIRED), ({"aud": "https://other.test"}, Reason.WRONG_AUDIENCE)]
)
def test_a_token_with_a_proof_gets_the_same_checks(claims: dict[str, Any], reason: Reason) -> None:
    """And is refused on the challenge of its scheme."""
    error = denied(GUARD, proving(bound(**claims)), reason, InvalidToken)
    assert challenges(GUARD, error)["DPoP"]["error"] == "invalid_token"
    assert "error" not in challenges(GUARD, error)["Bearer"]


@pytest.mark.req("DP-21", "A-129")
def test_an_unbound_token_is_not_taken_with_the_scheme_dpop() -> None:
    """Nobody can tell whose proof that is."""
    for claims in ({}, {"certificate": b"a certificate"}):
        token = ISSUER.mint(**claims)  # type: ignore[arg-type]
        reason = Reason.NOT_BOUND if claims else Reason.BINDING_REQUIRED
        error = denied(GUARD, proving(token), reason, InvalidToken)
        assert challenges(GUARD, error)["DPoP"]["error"] == "invalid_token"


@pytest.mark.req("DP-22", "A-105")
@pytest.mark.parametrize("has_proof", [True, False])
def test_a_bound_token_is_no_bearer_token(has_proof: bool) -> None:
    """With or without a proof; the client is told which scheme would do, and under which algorithms."""
    proofs = [client_key().proof("GET", URL, TOKEN)] if has_proof else []
    error = denied(GUARD, with_proof(TOKEN, *proofs, scheme="Bearer"), Reason.WRONG_SCHEME, InvalidToken)
    read = challenges(GUARD, error)
    assert list(read) == ["Bearer", "DPoP"]
    assert (read["Bearer"]["error"], read["DPoP"]) == ("invalid_token", {"realm": REALM, "algs": ALGS})


@pytest.mark.req("DP-22", "A-105")
def test_a_bound_token_in_the_body_is_no_bearer_token() -> None:
    """A proof beside it changes nothing."""
    guard = guard_for(ISSUER, form_body=True, dpop=DPoP())
    request = Request(
        "POST",
        URL,
        {"Content-Type": "application/x-www-form-urlencoded", "DPoP": client_key().proof("POST", URL, TOKEN)},
        form={"access_token": TOKEN},
    )
    denied(guard, request, Reason.WRONG_SCHEME, InvalidToken)


@pytest.mark.req("A-009", "A-007")
def test_a_token_in_the_header_and_one_in_the_body() -> None:
    """Both ways were used, so both challenges say so."""
    guard = guard_for(ISSUER, form_body=True, dpop=DPoP())
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"DPoP {TOKEN}"}
    error = refusal(guard, Request("POST", URL, headers, form={"access_token": TOKEN}))
    assert error.reason is Reason.SEVERAL_CREDENTIALS
    assert {parameters["error"] for parameters in challenges(guard, error).values()} == {"invalid_request"}


@pytest.mark.req("DP-22")
def test_a_bare_token_proves_nothing() -> None:
    """validate() sees no request, so a bound token is refused there whatever is set up."""
    for guard in (GUARD, REQUIRING):
        with pytest.raises(InvalidToken) as caught:
            guard.validate(TOKEN)
        assert caught.value.reason is Reason.NOT_BOUND
    with pytest.raises(InvalidToken) as caught:
        REQUIRING.validate(ISSUER.mint())
    assert caught.value.reason is Reason.BINDING_REQUIRED
    assert GUARD.validate(ISSUER.mint()).bound_by == frozenset()


@pytest.mark.req("DP-40")
def test_a_proof_beside_a_bearer_token_is_not_looked_at() -> None:
    """Good, bad or twice."""
    token = ISSUER.mint()
    for proofs in (["nonsense"], ["a", "b"], [client_key().proof("GET", URL, token)]):
        assert GUARD.check(with_proof(token, *proofs, scheme="Bearer")).bound_by == frozenset()


@pytest.mark.req("DP-38")
def test_a_guard_may_want_every_token_bound() -> None:
    """An unbound one is refused, however good, and told what would do."""
    error = denied(REQUIRING, bearing(ISSUER.mint()), Reason.BINDING_REQUIRED, InvalidToken)
    read = challenges(REQUIRING, error)
    assert list(read) == ["Bearer", "DPoP"]
    assert REQUIRING.check(proving(TOKEN))


@pytest.mark.req("DP-38")
def test_a_route_may_want_a_token_bound() -> None:
    """Where the guard accepts both; by the same words in check and in authorize."""
    wanted = Requirement("a", bound_by="dpop")
    assert GUARD.check(proving(bound(scope="a")), requirement=wanted)
    token = GUARD.check(bearing(ISSUER.mint(scope="a")))
    with pytest.raises(InvalidToken) as caught:
        GUARD.authorize(token, wanted)
    assert caught.value.reason is Reason.BINDING_REQUIRED
    with pytest.raises(InvalidToken):
        GUARD.check(proving(bound(scope="a")), requirement=Requirement(bound_by=["mtls"]))
    assert GUARD.check(proving(bound()), requirement=Requirement(bound_by=("mtls", "dpop")))
    for wrong in ("tls", [], 5, ("dpop", 5)):
        with pytest.raises(ConfigurationError, match=r"Requirement\.bound_by"):
            Requirement(bound_by=wrong)  # type: ignore[arg-type]


@pytest.mark.req("DP-23", "DP-25", "A-001")
def test_who_sent_no_token_is_offered_both_schemes() -> None:
    """Without an error on either, and with the algorithms of proofs; only what is accepted is offered."""
    error = request_refused_by(GUARD)
    assert challenges(GUARD, error) == {"Bearer": {"realm": REALM}, "DPoP": {"realm": REALM, "algs": ALGS}}
    assert list(challenges(REQUIRING, request_refused_by(REQUIRING))) == ["DPoP"]


def request_refused_by(guard: TokenGuard) -> Denied:
    """The refusal of a request without credentials."""
    error = refusal(guard, asking())
    assert isinstance(error, MissingToken)
    return error


@pytest.mark.req("DP-23")
def test_a_missing_token_is_told_the_scope_on_both() -> None:
    """It may come with either."""
    error = refusal(GUARD, asking(), "orders:read")
    assert {parameters["scope"] for parameters in challenges(GUARD, error).values()} == {"orders:read"}


@pytest.mark.req("DP-23", "DP-24", "DP-25", "DP-36")
def test_an_error_is_said_on_the_scheme_that_was_used() -> None:
    """Which comes first, since some clients read only the first line."""
    for request, first in ((proving(TOKEN, htm="POST"), "DPoP"), (bearing("x.y.z"), "Bearer")):
        error = refusal(GUARD, request)
        read = challenges(GUARD, error)
        assert next(iter(read)) == first
        assert {scheme for scheme, parameters in read.items() if "error" in parameters} == {first}
        assert {name for name, _ in GUARD.challenge(error).headers} == {"WWW-Authenticate", "Cache-Control"}


@pytest.mark.req("DP-24", "DP-25")
def test_what_ended_a_remembered_token_is_said_on_its_scheme() -> None:
    """That it is revoked or has expired, with a good proof or before any is looked at."""
    clock = Clock()
    guard, token = guard_with(clock=clock), bound(jti="one")
    assert guard.check(proving(token))
    guard.revoke(token)
    revoked = refusal(guard, proving(token))
    clock.now += 86_400
    expired = refusal(guard, proving(token))
    assert (revoked.reason, expired.reason) == (Reason.REVOKED, Reason.EXPIRED)
    for error in (revoked, expired):
        assert next(iter(challenges(guard, error).values()))["error"] == "invalid_token"
        assert [name for name, given in challenges(guard, error).items() if "error" in given] == ["DPoP"]


@pytest.mark.req("DP-24")
def test_a_scope_that_is_missing_is_said_on_the_scheme_that_was_used() -> None:
    """Also by authorize, which sees no request."""
    error = refusal(GUARD, proving(TOKEN), "orders:read")
    assert isinstance(error, InsufficientScope)
    assert list(challenges(GUARD, error)) == ["DPoP", "Bearer"]
    assert challenges(GUARD, error)["DPoP"]["scope"] == "orders:read"
    assert "scope" not in challenges(GUARD, error)["Bearer"]
    with pytest.raises(InsufficientScope) as caught:
        GUARD.authorize(GUARD.authenticate(proving(TOKEN)), Requirement("orders:read"))
    assert caught.value.schemes == ("DPoP",)


@pytest.mark.req("BT-29", "DP-36")
def test_proxies_credentials_are_not_ours() -> None:
    """Proxy-Authorization is neither read nor asked for."""
    assert isinstance(refusal(GUARD, asking(("Proxy-Authorization", f"DPoP {TOKEN}"))), MissingToken)


@pytest.mark.req("DP-39", "IN-14")
def test_an_introspected_token_is_bound_all_the_same() -> None:
    """By the cnf of the answer; the issuer sees the token and no proof."""
    with LocalIssuer(audience=AUDIENCE, clock=lambda: NOW).serve() as local:
        asked = Introspection(ClientSecret(*local.resource_server))
        with TokenGuard(
            audience=AUDIENCE, issuers=[Issuer(local.issuer, introspection=asked)], clock=lambda: NOW, dpop=DPoP()
        ) as guard:
            token = local.mint_opaque(dpop_key=client_key())
            assert guard.check(proving(token)).bound_by == {"dpop"}
            denied(guard, proving(token, key=client_key("ES256", "other")), Reason.BINDING_MISMATCH, InvalidToken)
            denied(guard, with_proof(token, scheme="Bearer"), Reason.WRONG_SCHEME, InvalidToken)
            live = Requirement(live=True)
            request = proving(token)
            guard.authenticate(request)
            # asking again about a request that was let in is no replay, and no way around its proof
            assert guard.confirm(request, live).bound_by == {"dpop"}
            with pytest.raises(Denied):
                guard.confirm(with_proof(token), live)
        assert not any("dpop" in {name.lower() for name in dict(request.headers)} for request in local.requests)


@pytest.mark.req("DP-24")
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_guard_without_dpop_answers_as_ever(kind: type[Denied]) -> None:
    """One challenge, for Bearer, whatever is refused."""
    guard = guard_for(ISSUER)
    assert list(challenges(guard, kind())) == ["Bearer"]


def test_a_setting_is_what_it_says() -> None:
    """The errors name it."""
    for settings, named in (
        ({"required": 1}, "required"),
        ({"window": 0}, "window"),
        ({"window": 3600}, "window"),
        ({"base_url": "api.example.com"}, "base_url"),
        ({"base_url": "https://api.example.com/?a"}, "base_url"),
        ({"replays": object()}, "replays"),
        ({"nonces": "sometimes"}, "nonces"),
        ({"nonces": "always"}, "nonce_secrets"),
        ({"nonce_secrets": ("short",)}, "nonce_secrets"),
        ({"nonce_secrets": 5}, "nonce_secrets"),
        ({"max_proof": 1}, "max_proof"),
    ):
        with pytest.raises(ConfigurationError, match=rf"DPoP\.{named}"):
            DPoP(**settings)  # type: ignore[arg-type]
    assert SECRET not in repr(DPoP(nonce_secrets=(SECRET,)))
