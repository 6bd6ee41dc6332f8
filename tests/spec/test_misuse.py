"""What no clause speaks of: other exceptions, what an object shows of itself, sharing, and dangerous settings."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.spec.support import AUDIENCE, NOW, asking, bearing, claims_for, guard_for, local_issuer, refused, trust

from tokenguard import Issuer, Request, TokenGuard
from tokenguard.config import KeyPolicy
from tokenguard.errors import (
    ConfigurationError,
    Denied,
    InvalidRequest,
    InvalidToken,
    MissingToken,
    Reason,
    Unavailable,
)
from tokenguard.testing import Broken, LocalIssuer

# A-161: only the library's own errors


@pytest.mark.req("A-161")
@pytest.mark.parametrize("raw", [None, 1, b"a.b.c", [], {}, object(), True], ids=repr)
def test_what_is_no_text_is_no_token(guard: TokenGuard, raw: Any) -> None:
    """Another type in place of the token is a malformed token."""
    refused(guard, raw, Reason.MALFORMED_TOKEN)


@pytest.mark.req("A-161")
@pytest.mark.parametrize(
    "value", [None, True, False, 0, -1, 1.5, "", "x", [], [None], {}, {"a": None}, "\u0000", "9" * 400]
)
def test_no_value_of_any_claim_or_header_member_raises_anything_else(
    guard: TokenGuard, issuer: LocalIssuer, value: Any
) -> None:
    """Every claim and header member in turn with an odd value: let in, or refused by the library."""
    names = [*claims_for(issuer), "scope", "nbf", "auth_time", "acr", "cnf", "act", "may_act", "authorization_details"]
    lax = guard_for(trust(issuer, profile="jwt"))
    several = guard_for(issuer, local_issuer(issuer="https://second.test"))
    for which in (guard, lax, several):
        for name in (*names, "scp", "azp", "cid", "appid", "nonce", "groups"):
            ends_well(which, issuer.mint(**{name: value}))
        for name in ("alg", "kid", "typ", "cty", "crit", "b64", "zip", "jwk", "jku", "x5c", "x5u", "x5t", "enc", "iss"):
            ends_well(which, issuer.mint(header={name: value}))


def ends_well(guard: TokenGuard, token: str) -> None:
    """A token is let in, and can be asked about everything, or is refused with 401."""
    try:
        verified = guard.validate(token)
    except InvalidToken:
        return
    parts = (verified.subject, verified.client_id, verified.id, verified.acr, verified.auth_time, verified.confirmation)
    assert json.dumps([*parts, verified.claims, *verified.scopes]), repr(verified)


@pytest.mark.req("A-161")
def test_a_check_that_stumbles_is_our_fault(issuer: LocalIssuer) -> None:
    """An exception in a deployment's own check is 503, and shows nothing of the token."""

    def stumble(claims: Any) -> bool:
        raise KeyError(claims["sub"])

    guard, token = guard_for(trust(issuer, checks=(stumble,))), issuer.mint(sub="secret-subject")
    with pytest.raises(Unavailable) as caught:
        guard.validate(token)
    assert caught.value.reason is Reason.CHECK_FAILED
    assert "secret-subject" not in str(caught.getrepr(style="native"))


@pytest.mark.parametrize("raised", [InvalidToken(Reason.EXPIRED), MissingToken(), InvalidToken("tenant of alice")])  # type: ignore[arg-type]
def test_a_check_can_not_speak_for_the_guard(issuer: LocalIssuer, raised: Denied) -> None:
    """What it raises is a stumble like any other: it can't pass for a missing token, nor put text into a reason."""

    def check(_claims: Any) -> bool:
        raise raised

    with pytest.raises(Unavailable) as caught:
        guard_for(trust(issuer, checks=(check,))).validate(issuer.mint())
    assert caught.value.reason is Reason.CHECK_FAILED


@pytest.mark.req("A-161")
@pytest.mark.parametrize("answer", [False, None, 1, "yes", [True]])
def test_a_check_says_true_or_refuses(issuer: LocalIssuer, answer: Any) -> None:
    """Only True is yes: a check that forgets to answer lets nobody in."""
    refused(guard_for(trust(issuer, checks=(lambda _: answer,))), issuer.mint(), Reason.CLAIM_REFUSED)


@pytest.mark.req("A-161", "AT-17")
@pytest.mark.parametrize("cnf", [{"jkt": "0" * 43}, {"x5t#S256": "0" * 43}, {"jwk": {}}, {"unheard-of": 1}, {}])
def test_a_bound_token_is_not_a_bearer_token(guard: TokenGuard, issuer: LocalIssuer, cnf: dict[str, Any]) -> None:
    """A token that is bound to a sender is refused where nobody can prove to be that sender."""
    refused(guard, issuer.mint(cnf=cnf), Reason.NOT_BOUND)


@pytest.mark.req("A-161")
@pytest.mark.parametrize("cnf", [None, "x", [], 1, True])
def test_a_confirmation_is_an_object(guard: TokenGuard, issuer: LocalIssuer, cnf: Any) -> None:
    """A cnf of another form is not read as none."""
    refused(guard, issuer.mint(cnf=cnf), Reason.MALFORMED_CLAIMS)


# A-162: what can be seen


@pytest.mark.req("A-162", "BT-25")
def test_a_verified_token_shows_neither_itself_nor_its_claims(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """str and repr show issuer, subject and id; pickle and copy hold the claims, and nothing to present elsewhere."""
    raw = issuer.mint(sub="alice", jti="id-1", email="secret-address", scope="secret-scope")
    token = guard.validate(raw)
    assert str(token) == repr(token) == "AccessToken(issuer='https://issuer.test', subject='alice', id='id-1')"
    for whole in (copy.copy(token), copy.deepcopy(token), pickle.loads(pickle.dumps(token))):  # noqa: S301
        assert whole.claims == token.claims
        assert repr(whole) == repr(token)
    for segment in raw.split("."):
        assert segment.encode() not in pickle.dumps(token)


@pytest.mark.req("A-162", "BT-25")
def test_a_request_and_a_configuration_show_no_secrets(issuer: LocalIssuer) -> None:
    """What stands in a traceback beside a call is harmless too."""
    raw = issuer.mint()
    assert raw not in repr(bearing(raw))
    assert repr(asking(url=f"https://api.example.com/?access_token={raw}")) == "Request('GET')"
    assert str(issuer.signing_key.jwk["x"]) not in repr(trust(issuer))


@pytest.mark.req("A-162", "BT-25")
def test_a_log_record_names_the_request_and_not_the_token(
    guard: TokenGuard, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal is found again by a hash and the request's id, whatever a caller put into that."""
    caplog.set_level(logging.INFO, "tokenguard")
    raw = issuer.broken(Broken.EXPIRED, email="secret-address")
    with pytest.raises(Denied):
        guard.check(bearing(raw, **{"X-Request-Id": "id\r\nforged: line" + "x" * 1000}))
    (record,) = caplog.records
    fields: dict[str, Any] = vars(record)["tokenguard"]
    assert fields["reason"] == "expired"
    assert fields["token"].startswith("sha256:")
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 1000
    assert not [segment for segment in (*raw.split("."), "secret") if segment in str(vars(record))]


# A-163: one guard for all


@pytest.mark.req("A-163")
@pytest.mark.parametrize("cache", [0, 10, 10_000])
def test_threads_that_share_a_guard_get_their_own_tokens(issuer: LocalIssuer, cache: int) -> None:
    """64 threads over good and bad tokens: each gets what is its own, from a warm memory and a cold one."""
    guard = guard_for(issuer, token_cache=cache)
    good = {f"user-{number}": issuer.mint(sub=f"user-{number}") for number in range(40)}
    bad = [(kind, issuer.broken(kind)) for kind in Broken]
    expected = {kind: reason_of(guard, token) for kind, token in bad}

    def visit(seed: int) -> None:
        for step in range(60):
            subject, token = list(good.items())[(seed * 7 + step) % len(good)]
            claims = guard.validate(token).claims
            assert claims["sub"] == subject
            claims["sub"] = "changed"
            kind, broken = bad[(seed + step) % len(bad)]
            assert reason_of(guard, broken) is expected[kind]

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(visit, range(64)))


@pytest.mark.req("A-163")
async def test_tasks_that_share_a_guard_get_their_own_tokens(issuer: LocalIssuer) -> None:
    """A thousand tasks on one event loop are as separate as threads."""
    guard = guard_for(issuer)
    tokens = {f"user-{number}": issuer.mint(sub=f"user-{number}") for number in range(100)}

    async def visit(number: int) -> None:
        subject = f"user-{number % 100}"
        token = await guard.acheck(bearing(tokens[subject]))
        await asyncio.sleep(0)
        assert (token.subject, token.claims["sub"]) == (subject, subject)

    async with asyncio.TaskGroup() as group:
        for number in range(1000):
            group.create_task(visit(number))


@pytest.mark.req("A-163")
def test_what_one_caller_does_to_the_claims_is_nobody_elses(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Claims that a view changed are whole again for the next request with the same token."""
    raw = issuer.mint(roles=["reader"])
    guard.validate(raw).claims["roles"].append("admin")
    assert guard.validate(raw).claims["roles"] == ["reader"]
    with pytest.raises(AttributeError):
        guard.validate(raw).scopes.add("admin")  # type: ignore[attr-defined]


def reason_of(guard: TokenGuard, token: str) -> Reason:
    """Why a token is refused."""
    with pytest.raises(Denied) as caught:
        guard.validate(token)
    return caught.value.reason


# A-164: dangerous settings


@pytest.mark.req("A-164")
@pytest.mark.parametrize(
    "settings",
    [
        {"audience": None}, {"audience": ""}, {"audience": ()}, {"audience": ("",)}, {"audience": (AUDIENCE, None)},
        {"audience": 5}, {"audience": {"a": 1}}, {"issuers": None}, {"issuers": []}, {"issuers": "https://issuer.test"},
        {"issuers": [None]}, {"issuers": ["*"]}, {"issuers": ["issuer.test"]}, {"issuers": ["http://issuer.test"]},
        {"issuers": ["https://issuer.test", "https://issuer.test"]}, {"leeway": 315_360_000}, {"clock": None},
        {"clock": NOW}, {"monotonic": 0}, {"token_cache": -1}, {"token_cache": None}, {"form_body": "yes"},
        {"limits": None}, {"limits": {"token": 1}}, {"http": None}, {"realm": "a\nb"},
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_that_would_open_the_door_is_refused(settings: dict[str, Any]) -> None:
    """No audience, no issuer, any issuer, plain http, endless leeway: each is an error when the guard is made."""
    with pytest.raises(ConfigurationError):
        TokenGuard(**{"audience": AUDIENCE, "issuers": ["https://issuer.test"], **settings})


@pytest.mark.req("A-164")
@pytest.mark.parametrize(
    "name", ["verify_signature", "verify", "options", "verify_exp", "verify_aud", "algorithms", "key"]
)
def test_there_is_no_switch_for_what_is_always_checked(name: str) -> None:
    """Signature, issuer, audience and expiry have no off-switch, on the guard or on an issuer."""
    with pytest.raises(TypeError, match=name):
        TokenGuard(audience=AUDIENCE, issuers=["https://issuer.test"], **{name: False})
    if name != "algorithms":
        with pytest.raises(TypeError, match=name):
            Issuer("https://issuer.test", **{name: False})  # type: ignore[arg-type]


@pytest.mark.req("A-164")
@pytest.mark.parametrize(
    "settings",
    [
        {"jwks": {"keys": []}, "jwks_uri": "https://issuer.test/jwks"}, {"jwks_uri": "http://issuer.test/jwks"},
        {"jwks_uri": "file:///jwks"}, {"jwks_uri": "/jwks"}, {"audience": ""}, {"audience": ()}, {"audience": [None]},
        {"max_lifetime": 0}, {"max_lifetime": -1}, {"max_lifetime": float("nan")}, {"max_lifetime": "1h"},
        {"checks": (None,)}, {"checks": ("claims",)}, {"keys": None}, {"keys": 5}, {"insecure_http": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_dangerous_issuer_is_refused(settings: dict[str, Any]) -> None:
    """Contradictory, empty and unsafe settings of an issuer are errors when it is made."""
    with pytest.raises(ConfigurationError):
        Issuer("https://issuer.test", **settings)


@pytest.mark.req("A-164")
@pytest.mark.parametrize(
    "settings", [{"timeout": 0}, {"cooldown": 0}, {"cooldown": -1}, {"max_age": float("inf")}, {"stale_limit": None},
                 {"max_bytes": 0}, {"max_keys": 0}, {"cooldown": 700}, {"max_age": 90_000}], ids=str
)  # fmt: skip
def test_a_key_policy_has_bounds(settings: dict[str, Any]) -> None:
    """No cool-down, no end and the wrong order are errors."""
    with pytest.raises(ConfigurationError, match="KeyPolicy"):
        KeyPolicy(**settings)


@pytest.mark.req("A-164")
@pytest.mark.parametrize("audience", [AUDIENCE, (AUDIENCE,), [AUDIENCE], {AUDIENCE}])
def test_an_audience_is_one_or_several(issuer: LocalIssuer, audience: Any) -> None:
    """Any collection of names will do."""
    assert guard_for(issuer, audience=audience).check(
        Request("GET", AUDIENCE, [("Authorization", f"Bearer {issuer.mint()}")])
    )


@pytest.mark.parametrize("name", [None, "", "x-\u2116", "x y", 5])
def test_the_request_ids_header_is_a_field_name(issuer: LocalIssuer, name: Any) -> None:
    """Found out when built, not when the first refusal is logged."""
    with pytest.raises(ConfigurationError, match="request_id_header"):
        guard_for(trust(issuer), request_id_header=name)


@pytest.mark.parametrize("checks", [None, lambda _claims: True, ["no callable"]])
def test_checks_are_a_tuple_of_callables(checks: Any) -> None:
    """A callable on its own is not one."""
    with pytest.raises(ConfigurationError, match=r"Issuer\.checks"):
        Issuer("https://issuer.test", checks=checks)


@pytest.mark.parametrize("url", ["https://user:opensesame@issuer.test", "https://user:opensesame@[issuer.test"])
def test_a_password_in_a_url_is_not_shown(url: str) -> None:
    """The error names the setting, not the value."""
    with pytest.raises(ConfigurationError, match=r"Issuer\.issuer") as refused:
        Issuer(url)
    assert "opensesame" not in str(refused.value)


@pytest.mark.req("BT-07")
@pytest.mark.parametrize("form", [{"access_token": ["a"]}, [("access_token", None)], b"access_token=" + b"a" * 65_536])
def test_a_form_that_can_not_be_searched_is_refused(issuer: LocalIssuer, form: Any) -> None:
    """Values that are no text, and a body longer than is looked at: not taken for a form without a token."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with pytest.raises(InvalidRequest):
        guard_for(trust(issuer), form_body=True).check(Request("POST", "https://api.test/", headers, form=form))
