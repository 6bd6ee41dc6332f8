"""The certificate is checked, against the configured authority or the public ones, and there is no way round it."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from runtime.servers import issuer_over_tls
from runtime.support import JWKS, OAUTH, UNAVAILABLE, Protect, key_state, verdict
from tokenguard import HTTPSettings, TokenGuard
from tokenguard.errors import ConfigurationError
from tokenguard.testing import LocalIssuer

pytestmark = pytest.mark.req("AS-11", "JK-18")
DAY = datetime.timedelta(days=1)
Certify = Callable[[trustme.CA], trustme.LeafCert]


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """For a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_private_authority_is_configured(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, ca_file: str
) -> None:
    """Metadata and keys over TLS, by the CA file."""
    with issuer_over_tls(issuer, server_context(authority.issue_cert("localhost"))):
        guard = protect(issuer, http=HTTPSettings(ca_file=ca_file))
        assert verdict(guard, issuer.mint()) == "user-1"
        assert (issuer.count(OAUTH), issuer.count(JWKS)) == (1, 1)


def test_without_it_only_public_authorities_count(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    with issuer_over_tls(issuer, server_context(authority.issue_cert("localhost"))):
        assert verdict(protect(issuer, http=HTTPSettings()), issuer.mint()) == UNAVAILABLE
        assert issuer.requests == []


def other_host(authority: trustme.CA) -> trustme.LeafCert:
    """A certificate for another name."""
    return authority.issue_cert("elsewhere.test")


def other_address(authority: trustme.CA) -> trustme.LeafCert:
    """A certificate for the address, when the name was asked."""
    return authority.issue_cert("127.0.0.1")


def expired(authority: trustme.CA) -> trustme.LeafCert:
    """A certificate of the past."""
    now = datetime.datetime.now(datetime.UTC)
    return authority.issue_cert("localhost", not_before=now - 9 * DAY, not_after=now - 2 * DAY)


def not_yet_valid(authority: trustme.CA) -> trustme.LeafCert:
    """A certificate of the future."""
    now = datetime.datetime.now(datetime.UTC)
    return authority.issue_cert("localhost", not_before=now + 2 * DAY, not_after=now + 9 * DAY)


def by_someone_else(_authority: trustme.CA) -> trustme.LeafCert:
    """A certificate that nobody we know has signed, as a self-signed one is."""
    return trustme.CA().issue_cert("localhost")


@pytest.mark.parametrize("certificate", [other_host, other_address, expired, not_yet_valid, by_someone_else])
def test_a_certificate_that_does_not_hold_is_refused(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, certificate: Certify
) -> None:
    """Nothing is asked over such a connection: our fault or the issuer's, 503."""
    with issuer_over_tls(issuer, server_context(certificate(authority))):
        guard = protect(issuer)
        assert verdict(guard, issuer.mint()) == UNAVAILABLE
        assert "can't be reached: ConnectError, SSLCertVerificationError" in key_state(guard).last_error
        assert issuer.requests == []


def test_plain_http_on_the_port_is_no_answer(issuer: LocalIssuer, protect: Protect) -> None:
    """A server without TLS where TLS is expected."""
    origin = issuer.issuer.replace("http://127.0.0.1", "https://localhost")
    assert verdict(protect(origin), issuer.mint(iss=origin)) == UNAVAILABLE


@pytest.mark.parametrize(
    "content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_file_without_certificates_is_refused_at_construction(tmp_path: Path, content: str | None) -> None:
    """Nothing could be fetched with it."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"HTTPSettings\.ca_file"):
        TokenGuard(audience="a", issuers=["https://auth.test"], http=HTTPSettings(ca_file=str(path)))


def test_a_ca_file_that_vanished_is_an_outage(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, tmp_path: Path
) -> None:
    """It is read again at the first fetch, and what goes wrong then is no error of another kind."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    guard = protect(issuer, http=HTTPSettings(ca_file=str(path)))
    path.unlink()
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert "FileNotFoundError" in key_state(guard).last_error
