"""What a fetch says of us, and what it takes from its surroundings: configuration, and nothing else."""

from __future__ import annotations

import json
import socket
import ssl
from importlib.metadata import version
from pathlib import Path

import pytest
import trustme

from runtime.servers import canned, forward_proxy, http_answer, issuer_over_tls, over_tls, read_head, serving
from runtime.support import JWKS, OAUTH, UNAVAILABLE, Clock, Protect, key_state, verdict
from tokenguard import HTTPSettings
from tokenguard.errors import ConfigurationError
from tokenguard.testing import LocalIssuer

USUAL_HEADERS = {"host", "connection", "user-agent", "accept", "accept-encoding"}


@pytest.mark.req("JK-18")
def test_a_fetch_says_who_asks_and_nothing_more(issuer: LocalIssuer, protect: Protect) -> None:
    """A GET with a name and what it accepts: no credentials, no cookies, no query."""
    protect(issuer).warm()
    for request in issuer.requests:
        assert request.method == "GET"
        assert request.headers.keys() == USUAL_HEADERS
        assert request.headers["user-agent"] == f"tokenguard/{version('tokenguard')}"
        assert "application/json" in request.headers["accept"]
    assert [request.path for request in issuer.requests] == [OAUTH, JWKS]


def test_the_name_can_be_chosen(issuer: LocalIssuer, protect: Protect) -> None:
    """For operators who look for it in their logs."""
    protect(issuer, http=HTTPSettings(user_agent="orders-api/1 (team@example.com)")).warm()
    assert {request.headers["user-agent"] for request in issuer.requests} == {"orders-api/1 (team@example.com)"}


@pytest.mark.req("JK-18")
def test_cookies_are_not_kept(protect: Protect, clock: Clock) -> None:
    """What one answer sets, the next request does not send."""
    issuer = LocalIssuer(algorithm="ES256")
    with canned(http_answer(json.dumps(issuer.jwks).encode(), "Set-Cookie: tracked=yes; Path=/")) as server:
        guard = protect(issuer, jwks_uri=server.url)
        guard.warm()
        clock.advance(600)
        guard.warm()
        assert len(server.requests) == 2
        assert not any(b"cookie" in request.lower() for request in server.requests)


@pytest.mark.req("JK-18")
def test_the_environment_is_not_asked(
    issuer: LocalIssuer, protect: Protect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither for proxies, nor for credentials in a netrc file, nor for certificates."""
    nowhere = "http://127.0.0.1:1"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, nowhere)
        monkeypatch.setenv(name.lower(), nowhere)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("SSL_CERT_FILE", str(netrc))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    guard = protect(issuer, http=HTTPSettings())
    assert verdict(guard, issuer.mint()) == "user-1"
    assert "authorization" not in issuer.requests[0].headers


def test_a_configured_proxy_is_used(issuer: LocalIssuer, protect: Protect) -> None:
    """For metadata and keys; its credentials are for it alone."""
    with forward_proxy() as (port, heads):
        guard = protect(issuer, http=HTTPSettings(proxy=f"http://someone:secret@127.0.0.1:{port}"))
        assert verdict(guard, issuer.mint()) == "user-1"
        [head] = heads
        assert head.startswith(f"GET {issuer.issuer}{OAUTH} HTTP/1.1\r\n".encode())
        assert b"\r\nproxy-authorization: basic " in head.lower()
        assert issuer.count(JWKS) == 1


def test_https_goes_through_the_proxys_tunnel(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, ca_file: str
) -> None:
    """The proxy sees a host name and nothing else; the certificate is the issuer's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with issuer_over_tls(issuer, context) as origin, forward_proxy() as (port, heads):
        guard = protect(issuer, http=HTTPSettings(ca_file=ca_file, proxy=f"http://127.0.0.1:{port}"))
        assert verdict(guard, issuer.mint()) == "user-1"
        [head] = heads
        assert head.startswith(f"CONNECT {origin.removeprefix('https://')} HTTP/1.1\r\n".encode())


def test_the_ca_file_is_for_the_proxy_too(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, ca_file: str
) -> None:
    """An https proxy has to show a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with forward_proxy() as (plain_port, heads), over_tls(plain_port, context) as port:
        guard = protect(issuer, http=HTTPSettings(ca_file=ca_file, proxy=f"https://localhost:{port}"))
        assert verdict(guard, issuer.mint()) == "user-1"
        assert len(heads) == 1
        guard = protect(issuer, http=HTTPSettings(proxy=f"https://localhost:{port}"))
        assert verdict(guard, issuer.mint()) == UNAVAILABLE


def test_a_proxy_that_is_gone_is_not_gone_around(issuer: LocalIssuer, protect: Protect) -> None:
    """Nothing is fetched directly then, and the proxy's password is nowhere to be read."""
    http = HTTPSettings(proxy="http://someone:secret@127.0.0.1:1")
    guard = protect(issuer, http=http)
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert issuer.requests == []
    assert "secret" not in repr(http) + str(guard.health())


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy.test:3128", "socks5://proxy.test", "ftp://proxy.test", "http://", "http://[::1", "http://p:99999",
        "http://\xe9/", "http://a\nb", "http://a b/",
    ],
)  # fmt: skip
def test_a_proxy_that_can_not_be_used_is_refused_at_construction(proxy: str) -> None:
    """Not at the first request; and the text does not repeat it, since it may hold a password."""
    with pytest.raises(ConfigurationError, match=r"HTTPSettings\.proxy") as refusal:
        HTTPSettings(proxy=proxy)
    assert proxy not in str(refusal.value)


@pytest.mark.parametrize("name", ["a\r\nCookie: b", "\xe9", "a\x00", ""])
def test_a_name_that_is_no_header_value_is_refused_at_construction(name: str) -> None:
    """Every fetch would fail of it."""
    with pytest.raises(ConfigurationError, match=r"HTTPSettings\.user_agent"):
        HTTPSettings(user_agent=name)


def test_a_connection_serves_metadata_and_keys(issuer: LocalIssuer, protect: Protect) -> None:
    """Kept open between the two requests of a cold start."""
    with forward_proxy() as (port, heads):
        protect(issuer, http=HTTPSettings(proxy=f"http://127.0.0.1:{port}")).warm()
        assert (len(heads), len(issuer.requests)) == (1, 2)


def test_a_connection_that_was_kept_too_long_is_replaced_once(protect: Protect) -> None:
    """The issuer closes it without an answer to the second request: a new one is asked, and one only."""
    issuer = LocalIssuer(algorithm="ES256")
    heads: list[bytes] = []
    answering = [True, False, True]

    def serve(connection: socket.socket) -> None:
        while True:
            heads.append(read_head(connection))
            if not (answering.pop(0) if answering else False):
                return
            documents = {OAUTH: issuer.metadata, JWKS: issuer.jwks}
            path = heads[-1].split(b" ")[1].decode()
            connection.sendall(http_answer(json.dumps(documents[path]).encode()))

    with serving(serve) as port:
        issuer.issuer = issuer.base_url = f"http://127.0.0.1:{port}"
        guard = protect(issuer)
        assert verdict(guard, issuer.mint()) == "user-1"
        assert len(heads) == 3
        again = protect(issuer)
        assert verdict(again, issuer.mint()) == UNAVAILABLE
        assert len(heads) == 5


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/jwks", "http://localhost:1/jwks", "http://[::1]:1/jwks"])
def test_an_issuer_that_is_not_there_is_named_in_the_failure(protect: Protect, address: str) -> None:
    """By host, with the kind of fault."""
    guard = protect("https://auth.test", jwks_uri=address)
    assert verdict(guard, LocalIssuer("https://auth.test", algorithm="ES256").mint()) == UNAVAILABLE
    host = address.split("/")[2]
    assert key_state(guard).last_error.startswith(f"{host} can't be reached: ConnectError, ")
