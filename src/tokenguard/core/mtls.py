"""Does the sender hold the TLS certificate that a token is bound to (RFC 8705 3)?

TLS has checked that it holds the certificate's key; here its hash is compared, and nothing else: neither its chain nor
its dates matter to the binding (RFC 8705 6.2).
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from tokenguard.core.certificate_headers import read_thumbprint
from tokenguard.core.forwarded import is_from_proxy
from tokenguard.core.model import Request
from tokenguard.errors import InvalidToken, Reason
from tokenguard.possession import MTLS
from tokenguard.proxies import TrustedProxies


def check_certificate(request: Request, bound_to: bytes, mtls: MTLS, proxies: TrustedProxies | None) -> None:
    """Refuse a request whose certificate is not the one that hashes to `bound_to`, 32 octets: `x5t#S256` decoded."""
    if mtls.format is None:
        der = request.client_certificate
        # over the DER as received (RFC 8705 3.1)
        thumbprint = sha256(der).digest() if der else None
        if thumbprint is None:
            raise InvalidToken(
                Reason.MISSING_CERTIFICATE, "the server gave no client certificate (MTLS.format, if a proxy has it)"
            )
    else:
        thumbprint = _forwarded_thumbprint(request, mtls, proxies)
    # in constant time
    if not hmac.compare_digest(thumbprint, bound_to):
        raise InvalidToken(Reason.BINDING_MISMATCH, "the client certificate is not the one the token is bound to")


def _forwarded_thumbprint(request: Request, mtls: MTLS, proxies: TrustedProxies | None) -> bytes:
    """Of the certificate in the one header that counts; the server's own TLS would be the proxy's, not the client's."""
    # believed only if the immediate peer is known to write it, or to remove it (RFC 9440 4)
    if proxies is None or not is_from_proxy(request, proxies):
        raise InvalidToken(Reason.MISSING_CERTIFICATE, f"{mtls.header} counts only from one of the trusted proxies")
    values = request.header_values(mtls.header or "")
    # absent is no certificate (RFC 9440 2.4), and a second line is somebody else's
    if len(values) != 1:
        raise InvalidToken(
            Reason.MISSING_CERTIFICATE, f"the proxy must send one line of {mtls.header}; there are {len(values)}"
        )
    try:
        return read_thumbprint(values[0], mtls.format or "", proxies.hops)
    except ValueError:
        hint = f"{mtls.header} can't be read as {mtls.format} (MTLS.format, TrustedProxies.hops)"
        raise InvalidToken(Reason.MISSING_CERTIFICATE, hint) from None
