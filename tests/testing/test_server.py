"""The issuer over real HTTP."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest

from testing.judge import signature_holds
from tokenguard.testing import LocalIssuer, SigningKey

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
KEY = SigningKey.generate("ES256", "current")


def test_a_client_finds_the_key_of_a_token_by_discovery(served: LocalIssuer, http: httpx.Client) -> None:
    """Issuer, metadata, key set, signature: the way of a resource server."""
    metadata = http.get(served.issuer + OAUTH).raise_for_status()
    assert metadata.headers["content-type"] == "application/json"
    assert metadata.json()["issuer"] == served.issuer
    jwks = http.get(metadata.json()["jwks_uri"]).raise_for_status()
    assert jwks.headers["content-type"] == "application/json"
    [key] = jwks.json()["keys"]
    assert signature_holds(served.mint(), key)


def test_both_metadata_forms_are_the_same_document(served: LocalIssuer, http: httpx.Client) -> None:
    """RFC 8414's and OpenID's."""
    documents = [http.get(served.issuer + path).json() for path in (OAUTH, OPENID)]
    assert documents == [served.metadata, served.metadata]


@pytest.mark.parametrize(("form", "there", "missing"), [("oauth", OAUTH, OPENID), ("openid", OPENID, OAUTH)])
def test_one_form_alone_can_be_served(
    served: LocalIssuer, http: httpx.Client, form: str, there: str, missing: str
) -> None:
    """The other is then a 404."""
    served.discovery = (form,)  # type: ignore[assignment]
    assert http.get(served.issuer + there).status_code == 200
    assert http.get(served.issuer + missing).status_code == 404


def test_an_issuer_without_a_name_takes_that_of_its_port() -> None:
    """And keeps it, so that a token can still be minted for a server that is gone."""
    issuer = LocalIssuer(signing_key=KEY)
    assert issuer.issuer == "https://issuer.test"
    with issuer.serve() as served:
        assert served is issuer
        assert urlsplit(issuer.issuer).hostname == "127.0.0.1"
        name = issuer.issuer
        assert issuer.jwks_uri == name + "/jwks"
    assert issuer.issuer == name


@pytest.mark.parametrize("path", ["/tenant1", "/tenant1/"])
def test_an_issuer_may_have_a_path(http: httpx.Client, path: str) -> None:
    """Its documents are at the paths of the standards, and nowhere else."""
    with LocalIssuer(signing_key=KEY).serve(path=path) as issuer:
        assert issuer.issuer == issuer.base_url + path
        assert http.get(f"{issuer.base_url}{OAUTH}/tenant1").json()["issuer"] == issuer.issuer
        assert http.get(f"{issuer.base_url}/tenant1{OPENID}").json()["issuer"] == issuer.issuer
        assert http.get(issuer.base_url + OAUTH).status_code == 404


def test_a_given_identifier_stays(http: httpx.Client) -> None:
    """The key set is at the server's address all the same."""
    with LocalIssuer("https://auth.example.com/t1", signing_key=KEY).serve() as issuer:
        assert issuer.issuer == "https://auth.example.com/t1"
        assert http.get(f"{issuer.base_url}{OAUTH}/t1").json()["issuer"] == "https://auth.example.com/t1"
        assert http.get(issuer.jwks_uri).json() == issuer.jwks


def test_a_given_identifier_has_its_own_path() -> None:
    """A second one is a contradiction."""
    with pytest.raises(ValueError, match="path"), LocalIssuer("https://auth.example.com").serve(path="/t1"):
        pass


def test_the_port_can_be_chosen_and_taken_again() -> None:
    """An issuer that comes back under its old name."""
    with LocalIssuer(signing_key=KEY).serve() as issuer:
        pass
    port = urlsplit(issuer.issuer).port
    assert port
    with LocalIssuer(signing_key=KEY).serve(port) as successor:
        assert successor.issuer == issuer.issuer


def test_a_key_set_that_did_not_change_is_a_304(served: LocalIssuer, http: httpx.Client) -> None:
    """By its entity tag, among others too; after a rotation it is a 200 under a new tag."""
    etag = http.get(served.jwks_uri).headers["etag"]
    for header in (etag, f'"another", {etag}'):
        unchanged = http.get(served.jwks_uri, headers={"If-None-Match": header})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
        assert "content-length" not in unchanged.headers
    served.rotate()
    changed = http.get(served.jwks_uri, headers={"If-None-Match": etag})
    assert changed.json() == served.jwks
    assert changed.headers["etag"] != etag


def test_cache_control_is_sent_when_it_is_set(served: LocalIssuer, http: httpx.Client) -> None:
    """With the documents and with a 304."""
    first = http.get(served.jwks_uri)
    assert "cache-control" not in first.headers
    served.cache_control = "max-age=300"
    conditional = {"If-None-Match": first.headers["etag"]}
    answers = [
        http.get(served.jwks_uri),
        http.get(served.issuer + OAUTH),
        http.get(served.jwks_uri, headers=conditional),
    ]
    assert [answer.headers["cache-control"] for answer in answers] == ["max-age=300"] * 3


def test_one_connection_serves_many_requests(served: LocalIssuer) -> None:
    """HTTP/1.1 keep-alive: also after a 304 and a 404."""
    connection = HTTPConnection(urlsplit(served.issuer).netloc, timeout=10)
    connection.connect()
    first = connection.sock
    etag = ""
    for path, status in [("/jwks", 200), ("/jwks", 304), ("/nothing", 404), (OAUTH, 200)]:
        connection.request("GET", path, headers={"If-None-Match": etag})
        response = connection.getresponse()
        response.read()
        etag = response.headers["ETag"] or etag
        assert (response.status, response.version) == (status, 11)
        assert connection.sock is first
    connection.close()


def test_requests_are_recorded(served: LocalIssuer, http: httpx.Client) -> None:
    """As they were sent; counted by path, whatever the query."""
    http.get(served.jwks_uri, headers={"User-Agent": "tests/1"})
    http.get(served.jwks_uri + "?again=1")
    http.post(served.issuer + "/nothing", content=b"body")
    assert [(request.method, request.path) for request in served.requests] == [
        ("GET", "/jwks"),
        ("GET", "/jwks?again=1"),
        ("POST", "/nothing"),
    ]
    assert served.requests[0].headers["user-agent"] == "tests/1"
    assert [served.count(path) for path in ("/jwks", "/nothing", OAUTH)] == [2, 1, 0]


@pytest.mark.timeout(10)
def test_closing_leaves_nothing_behind(ask: Callable[[str], socket.socket]) -> None:
    """No thread, no open port, no unclosed socket, though a client keeps its connection open."""
    before = set(threading.enumerate())
    with LocalIssuer(signing_key=KEY).serve() as issuer:
        connection = ask(issuer.jwks_uri)
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        ask(issuer.jwks_uri)
    gc.collect()  # an unclosed socket would warn now, and a warning is an error


def test_a_client_that_hangs_up_is_no_error(
    served: LocalIssuer, ask: Callable[[str], socket.socket], capfd: pytest.CaptureFixture[str]
) -> None:
    """The server prints nothing, and serves the next one."""
    served.extra_keys.append({"padding": "x" * 5_000_000})
    ask(served.jwks_uri).close()
    assert ask(served.jwks_uri).recv(12) == b"HTTP/1.1 200"
    assert served._server
    served._server.close()
    assert capfd.readouterr().err == ""
