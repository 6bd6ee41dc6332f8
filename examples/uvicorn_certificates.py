"""uvicorn, made to show applications the client's certificate: the TLS extension of ASGI, which it lacks.

    uvicorn examples.fastapi_orders:app --http examples.uvicorn_certificates:CertificateProtocol \
        --ssl-certfile server.pem --ssl-ca-certs clients.pem --ssl-cert-reqs 2

It leans on what uvicorn 0.30 to 0.54 does and does not promise: that a protocol calls its own `app`. Should that change
no certificate is seen, and tokens bound to one are refused. WebSockets have another protocol, and see none.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class CertificateProtocol(H11Protocol):
    """HTTP/1.1 whose scopes have the certificate that the connection's client showed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The handshake is over, and OpenSSL has checked that the client holds the certificate's key."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der is None:
            return
        extension = {"client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)], "client_cert_error": None}
        app = self.app

        async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), "tls": extension}
            await app(scope, receive, send)

        self.app = with_certificate
