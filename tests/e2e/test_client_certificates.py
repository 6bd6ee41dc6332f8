"""Tokens bound to a client certificate, behind real proxies that end TLS; each framework under a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tokenguard.errors import Reason
from tokenguard.testing import ClientCertificate, DPoPKey, LocalIssuer

from .apis import SERVERS, orders_api, refused
from .proxies import FRONTS, SECRET, Clients, Front, proxy
from .support import API, Provider

PAIRS = [
    *((front, server) for front in ("nginx", "haproxy") for server in SERVERS),
    ("haproxy-base64", "flask-gunicorn"),
]


@dataclass(frozen=True)
class Site:
    """An API and the proxy in front of it."""

    front: Front
    url: str
    direct_url: str
    clients: Clients

    def get(
        self,
        token: str,
        certificate: ClientCertificate | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> httpx.Response:
        """Ask for the orders, through the proxy."""
        return self.clients.get(f"{self.url}/orders", token, certificate, headers)

    def direct(self, token: str, headers: list[tuple[str, str]]) -> httpx.Response:
        """Ask for them past it."""
        return self.clients.get(f"{self.direct_url}/orders", token, None, headers)

    def spoofed(self) -> str:
        """What the proxy would send for the client's certificate."""
        format_ = self.front.settings["TOKENGUARD_MTLS_FORMAT"]
        return self.clients.client.as_header(format_)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """Two clients whose certificates the proxies know."""
    return Clients.set_up(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def site(request: pytest.FixtureRequest, provider: Provider, clients: Clients) -> Iterator[Site]:
    """Each framework's API behind each proxy."""
    front, server = FRONTS[request.param[0]], request.param[1]
    with (
        orders_api(server, {"issuer": provider.issuer}, environment=front.settings) as api,
        proxy(front, api.base_url, clients.folder) as url,
    ):
        yield Site(front, url, api.base_url, clients)


@pytest.fixture(scope="module")
def token(provider: Provider, clients: Clients) -> str:
    """A token that the authorization server bound to the client's certificate."""
    return provider.certificate_bound_token(clients.client.pem)


@pytest.mark.req("MT-01", "CC-01", "CC-02")
def test_the_client_is_admitted_with_its_certificate(site: Site, token: str, clients: Clients) -> None:
    """The hash that the authorization server wrote is that of what the proxy passes on."""
    response = site.get(token, clients.client)
    assert response.status_code == 200, response.text
    assert response.json()[0]["item"] == "coffee"


@pytest.mark.req("MT-03", "CC-05")
def test_without_a_certificate_the_token_is_of_no_use(site: Site, token: str) -> None:
    """The proxy lets the connection in, and sends no certificate."""
    assert refused(site.get(token), 401, "invalid_token", Reason.MISSING_CERTIFICATE)


@pytest.mark.req("MT-02", "A-132")
def test_with_another_certificate_the_token_is_of_no_use(site: Site, token: str, clients: Clients) -> None:
    """Also if the proxy knows whose it is."""
    assert refused(site.get(token, clients.other), 401, "invalid_token", Reason.BINDING_MISMATCH)


@pytest.mark.req("CC-04", "CC-13", "A-133")
def test_a_header_that_the_client_sends_does_not_count(site: Site, token: str, clients: Clients) -> None:
    """In any case, twice, with underscores, or of another proxy: the proxy's own word counts, or its silence."""
    header, value = site.front.header, site.spoofed()
    for headers in (
        [(header, value)],
        [(header.upper(), value), (header, value)],
        [(header.replace("-", "_"), value)],
        [(f" {header}".strip().lower(), value), ("X-Forwarded-For", "127.0.0.1"), ("X-Proxy-Secret", SECRET)],
        [("Client-Cert", clients.client.as_header()), ("X-Forwarded-Client-Cert", clients.client.as_header("xfcc"))],
    ):
        assert refused(site.get(token, headers=headers), 401, "invalid_token", Reason.MISSING_CERTIFICATE)
        assert refused(site.get(token, clients.other, headers), 401, "invalid_token", Reason.BINDING_MISMATCH)


@pytest.mark.req("CC-04")
def test_past_the_proxy_the_header_counts_only_with_its_secret(site: Site, token: str) -> None:
    """Where a network is trusted, whoever is in it may say anything: that is what a secret is better at."""
    own = (site.front.header, site.spoofed())
    secret = ("X-Proxy-Secret", SECRET)
    if "TOKENGUARD_PROXIES_NETWORKS" in site.front.settings:
        assert site.direct(token, [own]).status_code == 200
    else:
        assert refused(site.direct(token, [own]), 401, "invalid_token", Reason.MISSING_CERTIFICATE)
        assert site.direct(token, [own, secret]).status_code == 200


@pytest.mark.req("MT-01")
def test_an_unbound_token_is_admitted_unless_a_binding_is_required(site: Site, provider: Provider) -> None:
    """As the settings say: MTLS adds a way in, required leaves no other."""
    response = site.get(provider.client_credentials_token())
    if site.front.settings["TOKENGUARD_MTLS"] == "required":
        assert refused(response, 401, "invalid_token", Reason.BINDING_REQUIRED)
    else:
        assert response.status_code == 200


@pytest.mark.req("DP-14", "A-122")
@pytest.mark.parametrize("server", SERVERS)
def test_a_proof_names_the_url_that_the_client_addressed(server: str, clients: Clients) -> None:
    """Scheme, host and port as the proxy tells them; told by anybody else, they do not count."""
    forwarding = {
        "TOKENGUARD_DPOP": "accepted",
        "TOKENGUARD_PROXIES_SECRET_HEADER": "X-Proxy-Secret",
        "TOKENGUARD_PROXIES_SECRETS": SECRET,
        "TOKENGUARD_PROXIES_FORWARDED": "x-forwarded-proto x-forwarded-host",
    }
    key = DPoPKey()
    with (
        LocalIssuer(audience=API).serve() as issuer,
        orders_api(server, {"issuer": issuer.issuer}, environment=forwarding) as api,
        proxy(FRONTS["nginx"], api.base_url, clients.folder) as url,
    ):
        token = issuer.mint(scope="orders:read", dpop_key=key)

        def asked(base: str, named: str, *headers: tuple[str, str]) -> int:
            proof = ("DPoP", key.proof("GET", f"{named}/orders", token))
            return clients.get(f"{base}/orders", token, headers=[proof, *headers], scheme="DPoP").status_code

        assert asked(url, url) == 200
        assert asked(url, url.replace("https:", "http:")) == 401
        assert asked(url, api.base_url) == 401
        told = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", url.removeprefix("https://"))]
        assert asked(api.base_url, url, *told) == 401
        assert asked(api.base_url, url, *told, ("X-Proxy-Secret", SECRET)) == 200
