"""What the log tells an operator, and what it must never tell."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import pytest

from runtime.support import JWKS, Clock, Protect, attempted, unpublished, verdict
from tokenguard import Request, TokenGuard, errors
from tokenguard.testing import LocalIssuer, SigningKey

SECRET = "very-secret-value"


def refusal(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """The one record of a refusal."""
    [record] = [record for record in caplog.records if record.name == "tokenguard"]
    return record


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the record carries for machines."""
    carried: dict[str, Any] = vars(record)["tokenguard"]
    return carried


def request(token: str, **headers: str) -> Request:
    """A request that bears a token."""
    lines = {"Authorization": f"Bearer {token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "https://api.example.com/orders", lines)


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log, down to DEBUG."""
    caplog.set_level(logging.DEBUG, logger="tokenguard")
    return caplog


def test_a_refusal_names_the_reason_and_the_setting(
    issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture
) -> None:
    """INFO, since it is the caller's fault, with a hint at what would change the outcome."""
    guard = protect(issuer)
    token = issuer.mint(header={"typ": "JWT"})
    assert verdict(guard, token) == "wrong_type"
    record = refusal(everything)
    assert record.levelno == logging.INFO
    assert 'profile="jwt"' in record.getMessage()
    assert fields(record) == {
        "reason": "wrong_type",
        "issuer": issuer.issuer,
        "client_id": None,
        "jti": None,
        "token": "sha256:" + hashlib.sha256(token.encode()).hexdigest()[:16],
        "request_id": None,
        "hint": fields(record)["hint"],
    }


def test_an_outage_is_a_warning(issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture) -> None:
    """It is our fault or the issuer's, and somebody should look at it."""
    issuer.misbehave("down")
    verdict(protect(issuer), issuer.mint())
    record = refusal(everything)
    assert record.levelno == logging.WARNING
    assert fields(record)["reason"] == "keys_unavailable"
    assert "can't be reached" in fields(record)["hint"]


def test_after_the_signature_client_and_token_id_are_told(
    issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture
) -> None:
    """For a token of the issuer's own, of which no other claim is shown."""
    guard = protect(issuer)
    assert verdict(guard, issuer.mint(exp=1, iat=0, client_id="web", jti="t-1", sub=SECRET)) == "expired"
    record = refusal(everything)
    assert (fields(record)["client_id"], fields(record)["jti"]) == ("web", "t-1")
    assert "client_id=web jti=t-1" in record.getMessage()
    assert SECRET not in record.getMessage() + str(fields(record))


@pytest.mark.req("A-162", "BT-25")
@pytest.mark.parametrize(
    "make",
    [
        lambda issuer: unpublished(issuer, kid=SECRET, client_id=SECRET, jti=SECRET, sub=SECRET),
        lambda issuer: issuer.broken("bad_signature", client_id=SECRET, jti=SECRET),
        lambda issuer: issuer.broken("tampered", client_id=SECRET, jti=SECRET),
        lambda issuer: issuer.mint(iss="https://" + SECRET),
        lambda issuer: issuer.mint(header={"typ": SECRET}),
        lambda issuer: issuer.mint(header={"alg": SECRET}),
        lambda issuer: issuer.mint(header={"crit": [SECRET], SECRET: 1}),
        lambda issuer: issuer.mint(aud=SECRET),
        lambda issuer: issuer.mint(exp=SECRET),
        lambda issuer: issuer.mint(scope=[SECRET]),
        lambda issuer: issuer.mint(cnf={"jkt": SECRET}),
        lambda _: SECRET,
        lambda _: SECRET + ".." + SECRET,
    ],
)  # fmt: skip
def test_no_token_and_no_unverified_value_is_told(
    issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture, make: Any
) -> None:
    """Neither in the text, nor in the fields, nor in the error."""
    guard = protect(issuer)
    token = make(issuer)
    with pytest.raises(errors.Denied) as denied:
        guard.check(request(token))
    record = refusal(everything)
    told = everything.text + str(vars(record)) + str(denied.value) + repr(denied.value) + denied.value.hint
    told += str(guard.challenge(denied.value))
    assert SECRET not in told
    assert all(segment not in told for segment in token.split(".") if len(segment) > 8)


def test_the_requests_id_is_told_escaped(
    issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture
) -> None:
    """It is the caller's text: it starts no line and no field, switches no terminal, and has an end."""
    guard = protect(issuer)
    hostile = "a\r\nERROR forged \x1b[31m token=sha256:0 \u2028\ud800" + "x" * 1000
    with pytest.raises(errors.Denied):
        guard.check(request("nonsense", X_Request_ID=hostile))
    record = refusal(everything)
    message = record.getMessage()
    shown = fields(record)["request_id"]
    assert shown.startswith(r"a\r\nERROR\x20forged\x20\x1b[31m\x20token=sha256:0\x20\u2028\ud800x")
    assert shown in message
    assert message.isascii()
    assert message.isprintable()
    assert message.split().count("token=sha256:0") == 0
    assert len(shown) < 200


def test_an_issuers_values_are_escaped_too(
    issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture
) -> None:
    """client_id is often chosen by whoever registered the client."""
    verdict(protect(issuer), issuer.mint(exp=1, iat=0, client_id="x\nERROR jti=y", jti="\N{SNOWMAN}" * 500))
    record = refusal(everything)
    assert fields(record)["client_id"] == r"x\nERROR\x20jti=y"
    assert fields(record)["jti"] == r"\u2603" * 128
    assert record.getMessage().isprintable()


def test_the_header_of_the_requests_id_can_be_chosen(
    issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture
) -> None:
    """By configuration, in any case; without the header there is none."""
    guard = protect(issuer, request_id_header="X-Correlation-ID")
    with pytest.raises(errors.MissingToken):
        guard.check(Request("GET", "https://api.example.com/", {"x-correlation-id": "c-1", "x-request-id": "r-1"}))
    assert fields(refusal(everything))["request_id"] == "c-1"


def test_a_refused_requirement_is_told_too(
    issuer: LocalIssuer, protect: Protect, everything: pytest.LogCaptureFixture
) -> None:
    """With the token's client, since it was verified."""
    with pytest.raises(errors.InsufficientScope):
        protect(issuer).check(request(issuer.mint(client_id="web")), scopes="admin")
    assert fields(refusal(everything))["reason"] == "insufficient_scope"


def test_a_silent_logger_costs_nothing(
    issuer: LocalIssuer, protect: Protect, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where INFO is not wanted, which is the default, no hash is made for a refusal."""
    guard = protect(issuer)
    guard.warm()
    caplog.set_level(logging.WARNING, logger="tokenguard")
    monkeypatch.setattr("tokenguard.runtime.observe.fingerprint", pytest.fail)
    assert verdict(guard, issuer.broken("bad_signature")) == "bad_signature"
    assert caplog.records == []


def test_new_keys_are_told_once(
    issuer: LocalIssuer, protect: Protect, clock: Clock, everything: pytest.LogCaptureFixture
) -> None:
    """With their number; and which ones are not used, and why, without the key."""
    weak = {"kty": "oct", "k": SECRET, "kid": SECRET}
    issuer.extra_keys = [SigningKey.generate("ES256", "next").jwk, weak]
    guard = protect(issuer)
    for _ in range(3):
        guard.warm()
        clock.advance(600)
    told = [
        (record.levelname, record.getMessage()) for record in everything.records if record.name == "tokenguard.keys"
    ]
    assert told[0] == ("INFO", f"{issuer.issuer}: 2 usable keys")
    assert [level for level, _ in told] == ["INFO", "WARNING"]
    assert "key 2: " in told[1][1]
    assert SECRET not in everything.text


def test_failed_fetches_are_told(
    issuer: LocalIssuer, protect: Protect, clock: Clock, everything: pytest.LogCaptureFixture
) -> None:
    """What went wrong and what it means: serving on, or not."""
    cold = protect(issuer)
    guard: TokenGuard = protect(issuer)
    guard.warm()
    everything.clear()
    issuer.misbehave("error", path=JWKS)
    clock.advance(600)
    verdict(guard, issuer.mint())
    attempted(guard)
    [record] = everything.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("answered 500; the last good keys serve")
    everything.clear()
    verdict(cold, issuer.mint())
    assert everything.records[0].getMessage().endswith("answered 500; its tokens get 503")
