"""Tokens bound to a client certificate where the application's own server ends TLS, as far as servers go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tokenguard.errors import Reason

from .apis import orders_api, refused
from .proxies import Clients
from .support import Provider

ACCEPTED = {"TOKENGUARD_MTLS": "accepted"}
GUNICORN = "--certfile {0}/server.pem --keyfile {0}/server.pem --ca-certs {0}/clients.pem --cert-reqs 1"
UVICORN = "--ssl-certfile {0}/server.pem --ssl-keyfile {0}/server.pem --ssl-ca-certs {0}/clients.pem --ssl-cert-reqs 1"
#: servers that say which certificate the client has, some with a little help
TELLING = {
    "flask-gunicorn": GUNICORN,
    "flask-gunicorn-threads": f"{GUNICORN} --threads 2",
    "django-gunicorn": GUNICORN,
    "fastapi-uvicorn": f"{UVICORN} --http examples.uvicorn_certificates:CertificateProtocol",
    "django-uvicorn": f"{UVICORN} --http examples.uvicorn_certificates:CertificateProtocol",
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """Two clients whose certificates the servers know."""
    return Clients.set_up(tmp_path_factory.mktemp("clients"))


@contextmanager
def https(server: str, provider: Provider, options: str) -> Iterator[str]:
    """The API under this server, which ends TLS itself; its base URL."""
    with orders_api(server, {"issuer": provider.issuer}, options=options, environment=ACCEPTED) as api:
        yield api.base_url.replace("http:", "https:")


@pytest.mark.req("MT-01", "MT-02", "MT-03")
@pytest.mark.parametrize("server", TELLING)
def test_the_servers_own_certificate_counts(server: str, provider: Provider, clients: Clients) -> None:
    """Let in with the one that the token is bound to; refused with another, with none, and with a header."""
    token = provider.certificate_bound_token(clients.client.pem)
    framework = server.removesuffix("-threads")
    with https(framework, provider, TELLING[server].format(clients.folder)) as base:
        url = f"{base}/orders"
        assert clients.get(url, token, clients.client).status_code == 200
        other = clients.get(url, token, clients.other)
        assert refused(other, 401, "invalid_token", Reason.BINDING_MISMATCH)
        header = [("Client-Cert", clients.client.as_header()), ("SSL-Client-Cert", clients.client.as_header("pem"))]
        for headers in ([], header):
            none = clients.get(url, token, None, headers)
            assert refused(none, 401, "invalid_token", Reason.MISSING_CERTIFICATE)
        assert clients.get(url, provider.client_credentials_token()).status_code == 200


@pytest.mark.req("MT-03")
def test_uvicorn_itself_tells_no_certificate(provider: Provider, clients: Clients) -> None:
    """It demands one and keeps it to itself: so nobody can be taken for the sender, and the token is refused."""
    token = provider.certificate_bound_token(clients.client.pem)
    with https("fastapi-uvicorn", provider, UVICORN.format(clients.folder)) as base:
        response = clients.get(f"{base}/orders", token, clients.client)
        assert refused(response, 401, "invalid_token", Reason.MISSING_CERTIFICATE)
