"""A client's TLS certificate, as a token may be bound to it (RFC 8705), and as proxies pass it on."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tokenguard.testing.jws import b64url

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class ClientCertificate:
    """A certificate that a client signed itself, and its private key, which is not in the repr.

    Bind tokens to it by `LocalIssuer.mint(certificate=client.der)`.
    """

    der: bytes = field(repr=False)
    private: ec.EllipticCurvePrivateKey = field(repr=False)
    name: str

    @classmethod
    def generate(cls, name: str = "client") -> ClientCertificate:
        """Make a key, and a certificate for it that is valid from yesterday until tomorrow."""
        return cls._certify(name, ec.generate_private_key(ec.SECP256R1()))

    def renewed(self) -> ClientCertificate:
        """Another certificate of the same name and key, with which tokens bound to this one are of no use."""
        return self._certify(self.name, self.private)

    @property
    def thumbprint(self) -> str:
        """What a bound token has in `cnf` as `x5t#S256` (RFC 8705 3.1)."""
        return b64url(hashlib.sha256(self.der).digest())

    @property
    def pem(self) -> str:
        """In lines, as files have it."""
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM).decode("ascii")

    @property
    def private_pem(self) -> str:
        """The private key, for `ssl.SSLContext.load_cert_chain`, which reads files."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    def as_header(self, format: str = "rfc9440") -> str:  # noqa: A002 - as the setting is called
        """The header value by which a proxy passes it on: `format` is one of `MTLS.format`. KeyError for another."""
        base64_der = base64.b64encode(self.der).decode("ascii")
        escaped = quote(self.pem, safe="")
        return {
            "rfc9440": f":{base64_der}:",
            "escaped-pem": escaped,
            "pem": self.pem.strip().replace("\n", " "),
            "base64-der": base64_der,
            "xfcc": f'Hash={hashlib.sha256(self.der).hexdigest()};Cert="{escaped}";Subject="CN={self.name}";URI=',
        }[format]

    @classmethod
    def _certify(cls, name: str, private: ec.EllipticCurvePrivateKey) -> ClientCertificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .sign(private, hashes.SHA256())
        )
        return cls(certificate.public_bytes(Encoding.DER), private, name)
