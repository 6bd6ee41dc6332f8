"""RFC 9440: the client's certificate in a header, believed from a trusted proxy alone; and Envoy's way of saying it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.support import URL, admitted, challenge_of, guard_for, request_refused

from tokenguard import MTLS, Request, TokenGuard, TrustedProxies
from tokenguard.errors import ConfigurationError, InvalidToken, Reason
from tokenguard.possession import CERTIFICATE_FORMATS
from tokenguard.testing import ClientCertificate, LocalIssuer

CLIENT, OTHER = ClientCertificate.generate("client"), ClientCertificate.generate("other")
PROXY, SECRET = "10.0.0.1", "correct horse battery"
NETWORK = TrustedProxies(networks="10.0.0.0/8")
FORMATS = {name: header or "x-client-cert" for name, header in CERTIFICATE_FORMATS.items()}


@pytest.fixture(scope="module")
def token(issuer: LocalIssuer) -> str:
    """A token that is bound to the client's certificate."""
    return issuer.mint(certificate=CLIENT.der)


@pytest.fixture(scope="module")
def guard(issuer: LocalIssuer) -> TokenGuard:
    """A guard that reads Client-Cert, if it comes from the proxy."""
    return guard_for(issuer, mtls=MTLS(format="rfc9440"), proxies=NETWORK)


def sent(token: str, *headers: tuple[str, str], peer: str | None = PROXY, tls: bytes | None = None) -> Request:
    """A request as the proxy passes it on."""
    return Request("GET", URL, [("Authorization", f"Bearer {token}"), *headers], client_certificate=tls, peer=peer)


def client_cert(certificate: ClientCertificate = CLIENT) -> tuple[str, str]:
    """The header line for a certificate."""
    return ("Client-Cert", certificate.as_header())


def missing(guard: TokenGuard, request: Request) -> None:
    """Assert that the request counts as one without a certificate."""
    request_refused(guard, request, InvalidToken, Reason.MISSING_CERTIFICATE)


@pytest.mark.req("CC-01", "CC-02", "MT-11")
@pytest.mark.parametrize("form", FORMATS)
def test_the_certificate_is_read_from_the_configured_header(issuer: LocalIssuer, token: str, form: Any) -> None:
    """In each format: the client's is let in, another one is not, and whoever is no proxy is not believed."""
    guard = guard_for(issuer, mtls=MTLS(format=form, header=FORMATS[form]), proxies=NETWORK)
    line = (FORMATS[form].title(), CLIENT.as_header(form))
    assert admitted(guard, sent(token, line)).bound_by == {"mtls"}
    other = sent(token, (line[0], OTHER.as_header(form)))
    request_refused(guard, other, InvalidToken, Reason.BINDING_MISMATCH)
    missing(guard, sent(token, line, peer="192.0.2.1"))
    missing(guard, sent(token, (line[0], f'"{line[1]}')))


@pytest.mark.req("CC-01", "A-133")
@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1", "::1", "", None, "10.0.0.1, 192.0.2.1"])
def test_nobody_else_is_believed(guard: TokenGuard, token: str, peer: str | None) -> None:
    """Nothing is trusted by default, loopback neither."""
    missing(guard, sent(token, client_cert(), peer=peer))


@pytest.mark.req("CC-01")
def test_a_header_that_anybody_may_send_is_no_setting(issuer: LocalIssuer) -> None:
    """MTLS.format without trusted proxies is told when the guard is built."""
    with pytest.raises(ConfigurationError, match="proxies"):
        guard_for(issuer, mtls=MTLS(format="rfc9440"))


@pytest.mark.req("CC-01")
def test_without_a_format_headers_do_not_count(issuer: LocalIssuer, token: str) -> None:
    """What the server itself received is then all there is, whoever the peer may be."""
    guard = guard_for(issuer, mtls=MTLS(), proxies=NETWORK)
    missing(guard, sent(token, client_cert(), ("X-Forwarded-Client-Cert", CLIENT.as_header("xfcc"))))
    assert admitted(guard, sent(token, client_cert(OTHER), tls=CLIENT.der))


@pytest.mark.req("CC-04", "A-160")
def test_a_secret_shows_that_the_proxy_wrote_the_header(issuer: LocalIssuer, token: str) -> None:
    """Whoever reaches the server past the proxy does not know it; both secrets count while they are changed."""
    proxies = TrustedProxies(secret_header="X-Proxy-Secret", secrets=(SECRET, "staple staple staple"))
    guard = guard_for(issuer, mtls=MTLS(format="rfc9440"), proxies=proxies)
    for secret in (SECRET, "staple staple staple"):
        assert admitted(guard, sent(token, client_cert(), ("X-Proxy-Secret", secret), peer=None))
    missing(guard, sent(token, client_cert(), ("X-Proxy-Secret", SECRET[:-1])))
    missing(guard, sent(token, client_cert(), ("X-Proxy-Secret", "")))
    missing(guard, sent(token, client_cert(), ("X-Proxy-Secret", SECRET), ("X-Proxy-Secret", SECRET)))
    missing(guard, sent(token, client_cert()))


@pytest.mark.req("CC-05")
def test_no_header_is_no_certificate(guard: TokenGuard, issuer: LocalIssuer, token: str) -> None:
    """Also if the proxy has a certificate of its own for its connection to us; unbound tokens do not care."""
    missing(guard, sent(token))
    missing(guard, sent(token, tls=CLIENT.der))
    assert admitted(guard, sent(issuer.mint()))


@pytest.mark.req("CC-02", "A-133")
@pytest.mark.parametrize(
    "lines",
    [
        [client_cert(), client_cert()],
        [client_cert(OTHER), client_cert()],
        [client_cert(), client_cert(OTHER)],
        [("Client-Cert", f"{CLIENT.as_header()}, {CLIENT.as_header()}")],
        [("Client-Cert", CLIENT.as_header("pem"))],
        [("Client-Cert", CLIENT.as_header("base64-der"))],
        [("Client-Cert", CLIENT.as_header("escaped-pem"))],
        [("Client-Cert", "")],
        [("Client-Cert", "?1")],
        [("Client-Cert", "::")],
        [("Client-Cert", "\x00")],
        [("Client-Cert", ":\u00e9:")],
        [("Client-Cert", f"{CLIENT.as_header()};a")],
    ],
)
def test_anything_but_one_byte_sequence_is_no_certificate(
    guard: TokenGuard, token: str, lines: list[tuple[str, str]]
) -> None:
    """A second line, a list, a parameter or another way of writing it (RFC 9440 2.2)."""
    missing(guard, sent(token, *lines))


@pytest.mark.req("CC-03")
def test_the_chain_is_not_looked_at(guard: TokenGuard, token: str) -> None:
    """Neither does it stand for the certificate, nor does it take anything away, well-formed or not."""
    chain = [("Client-Cert-Chain", OTHER.as_header()), ("Client-Cert-Chain", "x")]
    assert admitted(guard, sent(token, client_cert(), *chain))
    missing(guard, sent(token, ("Client-Cert-Chain", CLIENT.as_header())))


@pytest.mark.req("CC-06")
def test_a_refusal_by_certificate_is_not_stored(guard: TokenGuard, token: str) -> None:
    """Else it would answer the one with the certificate as well (RFC 9440 2.4)."""
    error = request_refused(guard, sent(token), InvalidToken, Reason.MISSING_CERTIFICATE)
    assert ("Cache-Control", "no-store") in guard.challenge(error).headers
    assert challenge_of(guard, error)["error"] == "invalid_token"


@pytest.mark.req("CC-13")
@pytest.mark.parametrize("form", FORMATS)
def test_of_several_headers_the_configured_one_counts(issuer: LocalIssuer, token: str, form: Any) -> None:
    """Every proxy passes the other proxies' headers through, as the client sent them."""
    guard = guard_for(issuer, mtls=MTLS(format=form, header=f"{form}-own"), proxies=NETWORK)
    forged = [(name, CLIENT.as_header(other)) for other, name in FORMATS.items()]
    missing(guard, sent(token, *forged))
    own = (f"{form}-own", OTHER.as_header(form))
    request_refused(guard, sent(token, *forged, own), InvalidToken, Reason.BINDING_MISMATCH)
    foreign = [(name, OTHER.as_header(other)) for other, name in FORMATS.items()]
    assert admitted(guard, sent(token, *foreign, (f"{form}-own", CLIENT.as_header(form))))


@pytest.mark.req("CC-11", "CC-12", "A-134")
def test_of_envoys_elements_the_trusted_proxys_counts(issuer: LocalIssuer, token: str) -> None:
    """One in all; or, if it is said how many proxies add one, the one so far from the end."""
    mine, forged = CLIENT.as_header("xfcc"), OTHER.as_header("xfcc")
    for hops, passes, fails in (
        (None, [mine], [f"{mine},{forged}", f"{forged},{mine}", f"{mine},{mine}"]),
        (1, [mine, f"{forged},{mine}"], [f"{mine},{forged}"]),
        (2, [f"{mine},{forged}", f"{forged},{mine},{forged}"], [mine, f"{forged},{mine}"]),
    ):
        proxies = TrustedProxies(networks="10.0.0.0/8", hops=hops)
        guard = guard_for(issuer, mtls=MTLS(format="xfcc"), proxies=proxies)
        for value in passes:
            assert admitted(guard, sent(token, ("X-Forwarded-Client-Cert", value)))
        for value in fails:
            with pytest.raises(InvalidToken):
                guard.check(sent(token, ("X-Forwarded-Client-Cert", value)))


@pytest.mark.req("CC-14")
def test_an_error_shows_nothing_of_the_header(guard: TokenGuard, token: str) -> None:
    """Neither to the client nor to the operator."""
    secret = "c2VjcmV0LXZhbHVl"
    error = request_refused(
        guard, sent(token, ("Client-Cert", f":{secret}:")), InvalidToken, Reason.MISSING_CERTIFICATE
    )
    assert secret not in error.hint + str(error) + repr(guard.challenge(error))
    assert "TrustedProxies.hops" in error.hint
