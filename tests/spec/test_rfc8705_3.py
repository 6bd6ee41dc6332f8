"""RFC 8705 3: a token that is bound to a client certificate is let in with that certificate, and with no other."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from tests.spec.support import (
    NOW,
    URL,
    admitted,
    bearing,
    challenge_of,
    guard_for,
    refused,
    request_refused,
)

from tokenguard import MTLS, ClientSecret, DPoP, Introspection, Issuer, Request, TokenGuard
from tokenguard.errors import InvalidDPoPProof, InvalidToken, Reason
from tokenguard.testing import ClientCertificate, DPoPKey, LocalIssuer

CLIENT, OTHER = ClientCertificate.generate("client"), ClientCertificate.generate("other")


def showing(token: str, certificate: bytes | None, **settings: Any) -> Request:
    """A request with this token, on a connection on which the client showed this certificate."""
    headers = {"Authorization": f"Bearer {token}"}
    return Request("GET", URL, headers, client_certificate=certificate, **settings)


@pytest.fixture(scope="module")
def guard(issuer: LocalIssuer) -> TokenGuard:
    """A guard that confirms senders by the certificate of the connection."""
    return guard_for(issuer, mtls=MTLS())


@pytest.mark.req("MT-01", "MT-07")
def test_a_bound_token_is_let_in_with_its_certificate(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Under the scheme Bearer; the token says how its sender was confirmed."""
    token = admitted(guard, showing(issuer.mint(certificate=CLIENT.der), CLIENT.der))
    assert token.bound_by == {"mtls"}
    assert token.confirmation == {"x5t#S256": CLIENT.thumbprint}


@pytest.mark.req("MT-02", "A-132")
@pytest.mark.parametrize("shown", [OTHER, CLIENT.renewed()], ids=["other", "renewed"])
def test_another_certificate_is_refused(guard: TokenGuard, issuer: LocalIssuer, shown: ClientCertificate) -> None:
    """Also one for the same key: it is the certificate that counts."""
    token = issuer.mint(certificate=CLIENT.der)
    error = request_refused(guard, showing(token, shown.der), InvalidToken, Reason.BINDING_MISMATCH)
    assert challenge_of(guard, error)["error_description"] == "The token is bound to another sender."


@pytest.mark.req("MT-03", "A-132")
@pytest.mark.parametrize("shown", [None, b""])
def test_no_certificate_is_refused(guard: TokenGuard, issuer: LocalIssuer, shown: bytes | None) -> None:
    """The hint says where one could come from."""
    token = issuer.mint(certificate=CLIENT.der)
    error = request_refused(guard, showing(token, shown), InvalidToken, Reason.MISSING_CERTIFICATE)
    assert "MTLS.format" in error.hint


@pytest.mark.req("MT-01", "MT-02")
def test_a_remembered_token_is_confirmed_each_time(issuer: LocalIssuer) -> None:
    """The memory of verified tokens vouches for the token, and for nobody who sends it."""
    guard, token = guard_for(issuer, mtls=MTLS()), issuer.mint(certificate=CLIENT.der)
    for _ in range(2):
        assert guard.check(showing(token, CLIENT.der))
        request_refused(guard, showing(token, OTHER.der), InvalidToken, Reason.BINDING_MISMATCH)
        request_refused(guard, showing(token, None), InvalidToken, Reason.MISSING_CERTIFICATE)


@pytest.mark.req("MT-03")
def test_without_a_request_nobody_is_the_sender(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """`validate` has no connection to look at."""
    refused(guard, issuer.mint(certificate=CLIENT.der), Reason.NOT_BOUND)


@pytest.mark.req("MT-11", "CC-01")
def test_nothing_is_confirmed_that_is_not_configured(issuer: LocalIssuer) -> None:
    """Without MTLS a bound token is refused, whatever the connection showed."""
    token = issuer.mint(certificate=CLIENT.der)
    for settings in ({}, {"dpop": DPoP()}):
        error = request_refused_by(guard_for(issuer, **settings), showing(token, CLIENT.der))
        assert error.reason is Reason.NOT_BOUND


def request_refused_by(guard: TokenGuard, request: Request) -> InvalidToken:
    """The refusal, whichever schemes its answer offers."""
    with pytest.raises(InvalidToken) as caught:
        guard.check(request)
    return caught.value


@pytest.mark.req("MT-01")
def test_an_unbound_token_needs_no_certificate_unless_that_is_required(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """MTLS alone adds a way in; MTLS(required=True) leaves no other."""
    token = issuer.mint()
    assert admitted(guard, bearing(token)).bound_by == frozenset()
    assert admitted(guard, showing(token, CLIENT.der)).bound_by == frozenset()
    strict = guard_for(issuer, mtls=MTLS(required=True))
    request_refused(strict, showing(token, CLIENT.der), InvalidToken, Reason.BINDING_REQUIRED)
    refused(strict, token, Reason.BINDING_REQUIRED)
    assert admitted(strict, showing(issuer.mint(certificate=CLIENT.der), CLIENT.der))


def certificate_with(**dates: datetime) -> bytes:
    """A certificate issued by nobody known, valid between these."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    builder = x509.CertificateBuilder(name, name, CLIENT.private.public_key(), x509.random_serial_number(), **dates)
    return builder.sign(CLIENT.private, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.req("MT-06", "MT-08")
@pytest.mark.parametrize("days", [-400, 400])
def test_dates_and_chain_are_for_tls_to_judge(guard: TokenGuard, issuer: LocalIssuer, days: int) -> None:
    """One that expired, is not valid yet, or that nobody vouches for, is the certificate it is (RFC 8705 6.2)."""
    begins = datetime.fromtimestamp(NOW, UTC) + timedelta(days=days)
    der = certificate_with(not_valid_before=begins, not_valid_after=begins + timedelta(days=30))
    assert admitted(guard, showing(issuer.mint(certificate=der), der))


@pytest.mark.req("MT-05")
def test_the_octets_count_as_they_were_received(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Also such that no parser would write, or read, so."""
    odd = CLIENT.der + b"\x00"
    assert admitted(guard, showing(issuer.mint(certificate=odd), odd))
    request_refused(guard, showing(issuer.mint(certificate=odd), CLIENT.der), InvalidToken, Reason.BINDING_MISMATCH)


@pytest.mark.req("MT-10")
@pytest.mark.parametrize(
    "value",
    [
        "",
        CLIENT.thumbprint[:-1],
        CLIENT.thumbprint + "=",
        CLIENT.thumbprint + "A",
        CLIENT.thumbprint[:-1] + "\u00e9",
        hashlib.sha256(CLIENT.der).hexdigest(),
        b64encode(hashlib.sha256(CLIENT.der).digest()).decode(),
        urlsafe_b64encode(hashlib.sha384(CLIENT.der).digest()).decode(),
        [CLIENT.thumbprint],
        None,
        1,
    ],
)
def test_a_thumbprint_of_another_form_is_refused(guard: TokenGuard, issuer: LocalIssuer, value: Any) -> None:
    """43 characters of base64url, and nothing that looks like it (RFC 8705 3.1)."""
    token = issuer.mint(cnf={"x5t#S256": value})
    request_refused(guard, showing(token, CLIENT.der), InvalidToken, Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-136", "A-137")
@pytest.mark.parametrize(
    "cnf",
    [
        {"x5t": urlsafe_b64encode(hashlib.sha1(CLIENT.der, usedforsecurity=False).digest()).decode().rstrip("=")},
        {"x5t#s256": CLIENT.thumbprint},
        {"X5T#S256": CLIENT.thumbprint},
        {"x5c": [b64encode(CLIENT.der).decode()]},
        {},
    ],
)
def test_a_binding_by_something_else_is_refused(guard: TokenGuard, issuer: LocalIssuer, cnf: dict[str, Any]) -> None:
    """SHA-1, a certificate in full, or nothing at all: the issuer meant to bind the token."""
    request_refused(guard, showing(issuer.mint(cnf=cnf), CLIENT.der), InvalidToken, Reason.NOT_BOUND)


@pytest.mark.req("A-137")
@pytest.mark.parametrize("cnf", ["x", [], None, CLIENT.thumbprint])
def test_a_confirmation_that_is_no_object_is_refused(guard: TokenGuard, issuer: LocalIssuer, cnf: Any) -> None:
    """It is not read as none."""
    request_refused(guard, showing(issuer.mint(cnf=cnf), CLIENT.der), InvalidToken, Reason.MALFORMED_CLAIMS)


def sending(scheme: str, token: str, certificate: ClientCertificate | None, proof: str) -> Request:
    """A request with proof and certificate."""
    headers = {"Authorization": f"{scheme} {token}", "DPoP": proof}
    return Request("GET", URL, headers, client_certificate=certificate.der if certificate else None)


@pytest.mark.req("MT-09")
def test_of_two_bindings_both_must_hold(issuer: LocalIssuer) -> None:
    """Proof and certificate; neither stands for the other, and where only one can be confirmed, neither is."""
    key, stranger = (DPoPKey(clock=lambda: NOW) for _ in range(2))
    guard = guard_for(issuer, mtls=MTLS(), dpop=DPoP())
    token = issuer.mint(dpop_key=key, certificate=CLIENT.der)

    def proof(of: DPoPKey = key, **wrong: Any) -> str:
        return of.proof("GET", URL, token, **wrong)

    assert guard.check(sending("DPoP", token, CLIENT, proof())).bound_by == {"dpop", "mtls"}
    for request, reason in (
        (sending("DPoP", token, OTHER, proof()), Reason.BINDING_MISMATCH),
        (sending("DPoP", token, None, proof()), Reason.MISSING_CERTIFICATE),
        (sending("DPoP", token, CLIENT, proof(stranger)), Reason.BINDING_MISMATCH),
        (sending("Bearer", token, CLIENT, proof()), Reason.WRONG_SCHEME),
    ):
        assert request_refused_by(guard, request).reason is reason
    with pytest.raises(InvalidDPoPProof):
        guard.check(sending("DPoP", token, CLIENT, proof(htm="POST")))
    for settings in ({"mtls": MTLS()}, {"dpop": DPoP()}):
        alone = guard_for(issuer, **settings)
        scheme = "DPoP" if "dpop" in settings else "Bearer"
        assert request_refused_by(alone, sending(scheme, token, CLIENT, proof())).reason is Reason.NOT_BOUND


@pytest.mark.req("MT-04")
def test_what_introspection_says_binds_as_well() -> None:
    """The same cnf in an issuer's answer about an opaque token (RFC 8705 3.2)."""
    with LocalIssuer(audience="https://api.example.com").serve() as issuer:
        secret = ClientSecret(*issuer.resource_server)
        introspection = Introspection(secret, mode="opaque")
        config = Issuer(issuer.issuer, introspection=introspection)
        with TokenGuard(audience="https://api.example.com", issuers=[config], mtls=MTLS()) as guard:
            token = issuer.mint_opaque(certificate=CLIENT.der)
            assert guard.check(showing(token, CLIENT.der)).bound_by == {"mtls"}
            assert request_refused_by(guard, showing(token, OTHER.der)).reason is Reason.BINDING_MISMATCH
            assert request_refused_by(guard, showing(token, None)).reason is Reason.MISSING_CERTIFICATE


@pytest.mark.req("A-160")
def test_thumbprints_are_compared_in_constant_time(
    guard: TokenGuard, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the one function that is made for it, on octets."""
    compared: list[tuple[Any, Any]] = []

    def compare(ours: bytes, theirs: bytes) -> bool:
        compared.append((ours, theirs))
        return ours == theirs

    monkeypatch.setattr(hmac, "compare_digest", compare)
    token = issuer.mint(certificate=CLIENT.der)
    request_refused_by(guard, showing(token, OTHER.der))
    assert compared == [(hashlib.sha256(OTHER.der).digest(), hashlib.sha256(CLIENT.der).digest())]
