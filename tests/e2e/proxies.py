"""Real proxies that end TLS, ask the client for a certificate, and tell the API behind them which one it was."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import trustme

from tokenguard.testing import ClientCertificate

from .apis import WITHIN

SECRET = "what-only-the-proxy-knows"

_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
        ssl_client_certificate {folder}/clients.pem; ssl_verify_client optional;
        location / {{
            proxy_pass {api};
            proxy_set_header Host localhost;
            proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
            proxy_set_header X-Proxy-Secret "{secret}";
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
        }}
    }}
}}
"""
_HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend tls
    bind fd@{descriptor} ssl crt {folder}/server.pem ca-file {folder}/clients.pem verify optional
    http-request del-header {header}
    http-request set-header {header} {value} if {{ ssl_c_used }}
    default_backend api
backend api
    server api {address}
"""


class Front(NamedTuple):
    """A way to pass certificates on. `program`: what runs; `settings`: of the API behind it, that believes it."""

    program: str
    settings: Mapping[str, str]
    header: str
    value: str = ""


FRONTS = {
    "nginx": Front(
        "nginx",
        {
            "TOKENGUARD_MTLS": "accepted",
            "TOKENGUARD_MTLS_FORMAT": "escaped-pem",
            "TOKENGUARD_MTLS_HEADER": "X-Client-Cert",
            "TOKENGUARD_PROXIES_SECRET_HEADER": "X-Proxy-Secret",
            "TOKENGUARD_PROXIES_SECRETS": SECRET,
        },
        "X-Client-Cert",
    ),
    "haproxy": Front(
        "haproxy",
        {
            "TOKENGUARD_MTLS": "required",
            "TOKENGUARD_MTLS_FORMAT": "rfc9440",
            "TOKENGUARD_PROXIES_NETWORKS": "127.0.0.1",
        },
        "Client-Cert",
        ":%[ssl_c_der,base64]:",
    ),
    "haproxy-base64": Front(
        "haproxy",
        {
            "TOKENGUARD_MTLS": "accepted",
            "TOKENGUARD_MTLS_FORMAT": "base64-der",
            "TOKENGUARD_MTLS_HEADER": "X-SSL-Client-DER",
            "TOKENGUARD_PROXIES_NETWORKS": "127.0.0.1",
        },
        "X-SSL-Client-DER",
        "%[ssl_c_der,base64]",
    ),
}


@dataclass(frozen=True)
class Clients:
    """Those whose certificates the proxies know, and the folder in which all their files are."""

    folder: Path
    client: ClientCertificate
    other: ClientCertificate

    @classmethod
    def set_up(cls, folder: Path) -> Clients:
        """Make them, and the server's certificate, which an authority of the tests issued."""
        clients = cls(folder, ClientCertificate.generate("client"), ClientCertificate.generate("other"))
        (folder / "clients.pem").write_text(clients.client.pem + clients.other.pem)
        for certificate in (clients.client, clients.other):
            (folder / f"{certificate.name}.pem").write_text(certificate.pem + certificate.private_pem)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        return clients

    def get(
        self,
        url: str,
        token: str,
        certificate: ClientCertificate | None = None,
        headers: list[tuple[str, str]] | None = None,
        scheme: str = "Bearer",
    ) -> httpx.Response:
        """The answer to a request on a new connection, on which the client showed this certificate."""
        tls = ssl.create_default_context(cafile=self.folder / "authority.pem")
        if certificate is not None:
            tls.load_cert_chain(self.folder / f"{certificate.name}.pem")
        with httpx.Client(verify=tls, timeout=WITHIN, trust_env=False) as http:
            return http.get(url, headers=[("Authorization", f"{scheme} {token}"), *(headers or [])])


@contextmanager
def proxy(front: Front, api: str, folder: Path) -> Iterator[str]:
    """Run it in front of the API at this base URL, and give its own; `folder` is the clients'.

    The socket listens before the program starts, so that requests wait for it in the queue.
    """
    program = shutil.which(front.program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        raise RuntimeError(f"these tests need {front.program}: run make test, which says how to get it")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        known = {"folder": folder, "api": api, "port": port, "descriptor": descriptor, "address": urlsplit(api).netloc}
        known |= {"header": front.header, "value": front.value, "secret": SECRET}
        file = folder / f"{port}.conf"
        file.write_text((_NGINX if front.program == "nginx" else _HAPROXY).format(**known))
        options = ["-p", folder, "-c", file] if front.program == "nginx" else ["-db", "-q", "-f", file]
        # nginx takes over listening sockets so, as when it replaces itself
        environment = {**os.environ, "NGINX": f"{descriptor};"}
        process = subprocess.Popen([program, *options], env=environment, pass_fds=[descriptor])
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)
