"""A client's certificate for tests, judged by OpenSSL and cryptography."""

from __future__ import annotations

import hashlib
import ssl
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography import x509

from testing.judge import claims_of
from tokenguard.testing import ClientCertificate, LocalIssuer


def test_it_can_be_used_for_tls(tmp_path: Path) -> None:
    """OpenSSL takes certificate and key, and finds that they belong together."""
    client = ClientCertificate.generate()
    files = tmp_path / "client.pem", tmp_path / "client.key"
    files[0].write_text(client.pem)
    files[1].write_text(client.private_pem)
    ssl.create_default_context().load_cert_chain(*files)


def test_its_thumbprint_is_that_of_the_der() -> None:
    """SHA-256 as base64url without padding (RFC 8705 3.1)."""
    client = ClientCertificate.generate()
    assert client.thumbprint == urlsafe_b64encode(hashlib.sha256(client.der).digest()).rstrip(b"=").decode()
    assert ssl.PEM_cert_to_DER_cert(client.pem) == client.der


def test_a_token_is_bound_to_it() -> None:
    """`mint` puts the thumbprint into cnf."""
    client = ClientCertificate.generate()
    token = LocalIssuer().mint(certificate=client.der)
    assert claims_of(token)["cnf"] == {"x5t#S256": client.thumbprint}


def test_a_renewed_one_has_the_same_key_and_another_thumbprint() -> None:
    """What changes is the certificate alone (RFC 8705 6.3)."""
    client = ClientCertificate.generate("caller")
    renewed = client.renewed()
    assert renewed.thumbprint != client.thumbprint
    assert renewed.private_pem == client.private_pem
    assert x509.load_der_x509_certificate(renewed.der).subject.rfc4514_string() == "CN=caller"


def test_its_repr_shows_no_key() -> None:
    """Neither the private key nor the certificate is in the repr."""
    assert repr(ClientCertificate.generate("caller")) == "ClientCertificate(name='caller')"


def test_a_header_format_that_is_none_is_told() -> None:
    """`as_header` knows the formats of MTLS.format and no others."""
    with pytest.raises(KeyError):
        ClientCertificate.generate().as_header("der")
