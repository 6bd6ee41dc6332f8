"""Each fault does what it says, for as long as it is in force."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from tokenguard.testing import Fault, LocalIssuer, SigningKey

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
ENDLESS = 3600.0
Ask = Callable[[str], socket.socket]


def read_all(connection: socket.socket) -> bytes:
    """What is sent until the answer's Content-Length is reached, or the connection ends."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        head, separator, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) if separator else None
        if len(body) == length:
            break
    return received


def is_silent(connection: socket.socket) -> bool:
    """Whether nothing comes for a while."""
    patience = connection.gettimeout()
    connection.settimeout(0.05)
    try:
        return connection.recv(1) is None
    except TimeoutError:
        return True
    finally:
        connection.settimeout(patience)


def is_held_back(issuer: LocalIssuer, connection: socket.socket) -> bool:
    """Whether the only request has reached the server, and nothing comes of it."""
    while not issuer.requests:
        assert is_silent(connection)
    return is_silent(connection)


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.SLOW, Fault.HANG, Fault.DRIP, Fault.REDIRECT}))
def test_behave_ends_a_fault(served: LocalIssuer, http: httpx.Client, fault: Fault) -> None:
    """The documents are as they were, at the same address."""
    served.misbehave(fault)
    served.behave()
    assert http.get(served.jwks_uri).json() == served.jwks
    assert http.get(served.issuer + OAUTH).json() == served.metadata


def test_down_refuses_connections(served: LocalIssuer, http: httpx.Client) -> None:
    """And comes back on the same port."""
    served.misbehave("down")
    with pytest.raises(httpx.ConnectError):
        http.get(served.jwks_uri)
    served.behave()
    assert http.get(served.jwks_uri).json() == served.jwks


def test_down_cuts_open_connections(served: LocalIssuer, ask: Ask) -> None:
    """A pooled connection does not outlive the server."""
    connection = ask(served.jwks_uri)
    read_all(connection)
    served.misbehave("down")
    assert connection.recv(1) == b""


def test_down_keeps_the_port(served: LocalIssuer) -> None:
    """Nobody can take it meanwhile."""
    served.misbehave("down")
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", urlsplit(served.issuer).port))


def test_down_is_ended_by_another_fault(served: LocalIssuer, http: httpx.Client) -> None:
    """A server that comes back ill."""
    served.misbehave("down")
    served.misbehave("down")
    served.misbehave("error")
    assert http.get(served.jwks_uri).status_code == 500


def test_down_replaces_other_faults(served: LocalIssuer, http: httpx.Client) -> None:
    """What ailed it before is over when it comes back."""
    served.misbehave("error", path="/jwks")
    served.misbehave("down")
    served.misbehave("error", path=OPENID)
    assert http.get(served.jwks_uri).status_code == 200


@pytest.mark.timeout(10)
def test_down_does_not_wait_for_an_answer_held_back(served: LocalIssuer, ask: Ask) -> None:
    """The client that waits for it gets a cut connection, and no last answer."""
    served.misbehave("hang")
    connection = ask(served.jwks_uri)
    assert is_held_back(served, connection)
    served.misbehave("down")
    assert connection.recv(1) == b""


def test_down_is_for_every_path(served: LocalIssuer) -> None:
    """A port is one for all."""
    with pytest.raises(ValueError, match="every path"):
        served.misbehave("down", path="/jwks")


@pytest.mark.parametrize("fault", ["slow", "hang"])
@pytest.mark.timeout(10)
def test_an_answer_held_back_comes_when_the_fault_ends(served: LocalIssuer, ask: Ask, fault: str) -> None:
    """Nothing at all before, the right answer after."""
    served.misbehave(fault, seconds=ENDLESS)
    connection = ask(served.jwks_uri)
    assert is_held_back(served, connection)
    served.behave()
    assert json.loads(read_all(connection).partition(b"\r\n\r\n")[2]) == served.jwks


def test_slow_answers_by_itself(served: LocalIssuer, http: httpx.Client) -> None:
    """After the seconds given, not before."""
    served.misbehave("slow", seconds=0.2)
    with pytest.raises(httpx.ReadTimeout):
        http.get(served.jwks_uri, timeout=httpx.Timeout(10, read=0.05))
    assert http.get(served.jwks_uri).json() == served.jwks


@pytest.mark.timeout(10)
def test_drip_sends_the_body_byte_by_byte(served: LocalIssuer, ask: Ask) -> None:
    """The head at once, one byte, then silence for the seconds given; the rest when the fault ends."""
    served.misbehave("drip", seconds=ENDLESS)
    connection = ask(served.jwks_uri)
    received = b""
    while not received.endswith(b"\r\n\r\n{"):
        received += connection.recv(1)
    assert is_silent(connection)
    served.behave()
    with connection.makefile("rb") as rest:
        assert json.loads(b"{" + rest.read(len(json.dumps(served.jwks)) - 1)) == served.jwks


def test_drip_arrives_in_the_end(served: LocalIssuer, http: httpx.Client) -> None:
    """In as many pieces as there are bytes, each a moment after the last."""
    served.misbehave("drip", seconds=0.0005)
    assert http.get(served.jwks_uri).json() == served.jwks


def test_disconnect_ends_in_the_middle_of_the_body(served: LocalIssuer, ask: Ask) -> None:
    """The Content-Length promised twice as much."""
    served.misbehave("disconnect")
    head, _, body = read_all(ask(served.jwks_uri)).partition(b"\r\n\r\n")
    whole = json.dumps(served.jwks).encode()
    assert f"Content-Length: {len(whole)}".encode() in head
    assert body == whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("fault", "answered"),
    [
        ("error", (500, "application/json")),
        ("not_found", (404, "application/json")),
        ("garbage", (200, "application/json")),
        ("html", (200, "text/html")),
    ],
)
@pytest.mark.parametrize("path", ["/jwks", OAUTH, OPENID])
def test_a_wrong_answer_replaces_the_right_one(
    served: LocalIssuer, http: httpx.Client, path: str, fault: str, answered: tuple[int, str]
) -> None:
    """Its status and media type are those of the fault, and the document is gone."""
    served.misbehave(fault)
    answer = http.get(served.issuer + path)
    assert (answer.status_code, answer.headers["content-type"]) == answered
    assert b"kty" not in answer.content
    assert b"jwks_uri" not in answer.content


@pytest.mark.parametrize("fault", ["garbage", "html"])
def test_what_is_not_json_can_not_be_read_as_json(served: LocalIssuer, http: httpx.Client, fault: str) -> None:
    """Even where the media type says so."""
    served.misbehave(fault)
    with pytest.raises(json.JSONDecodeError):
        http.get(served.jwks_uri).json()


def test_an_empty_key_set_has_no_keys(served: LocalIssuer, http: httpx.Client) -> None:
    """The metadata stays right, so that the key set is found."""
    served.misbehave("empty")
    assert http.get(served.jwks_uri).json() == {"keys": []}
    assert http.get(served.issuer + OAUTH).json() == served.metadata


def test_huge_is_the_right_document_and_ten_megabytes_more(served: LocalIssuer, http: httpx.Client) -> None:
    """So that nothing but a limit on size refuses it."""
    served.misbehave("huge")
    answer = http.get(served.jwks_uri)
    assert len(answer.content) > 10_000_000
    assert answer.json() == served.jwks


def test_a_gzip_bomb_is_small_until_it_is_decoded(served: LocalIssuer, http: httpx.Client) -> None:
    """A limit on received bytes, or on Content-Length, does not see it."""
    served.misbehave("gzip_bomb")
    with http.stream("GET", served.jwks_uri) as answer:
        received = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(received) == int(answer.headers["content-length"]) < 20_000
    decoded = http.get(served.jwks_uri)
    assert len(decoded.content) > 10_000_000
    assert decoded.json() == served.jwks


@pytest.mark.parametrize("url", ["https://elsewhere.test/keys", "/moved"])
def test_a_redirect_goes_where_it_is_told(served: LocalIssuer, http: httpx.Client, url: str) -> None:
    """To another host or another path."""
    served.misbehave("redirect", path="/jwks", url=url)
    answer = http.get(served.jwks_uri)
    assert (answer.status_code, answer.headers["location"], answer.content) == (302, url, b"")


@pytest.mark.parametrize(
    ("fault", "member", "url"),
    [
        ("wrong_issuer", "issuer", "https://elsewhere.test/"),
        ("wrong_jwks_uri", "jwks_uri", "file:///etc/hostname"),
        ("wrong_jwks_uri", "jwks_uri", "/jwks"),
    ],
)
def test_metadata_is_wrong_in_one_member(
    served: LocalIssuer, http: httpx.Client, fault: str, member: str, url: str
) -> None:
    """All else is right, the key set too."""
    served.misbehave(fault, url=url)
    assert http.get(served.issuer + OAUTH).json() == served.metadata | {member: url}
    assert http.get(served.jwks_uri).json() == served.jwks


def test_a_fault_may_be_for_one_path(served: LocalIssuer, http: httpx.Client) -> None:
    """It prevails there over the fault of all the others; a later one replaces it."""
    served.misbehave("error")
    served.misbehave("html", path=OAUTH)
    statuses = [http.get(served.issuer + path).status_code for path in ("/jwks", OPENID, OAUTH)]
    assert statuses == [500, 500, 200]
    served.misbehave("not_found", path=OAUTH)
    assert http.get(served.issuer + OAUTH).status_code == 404


@pytest.mark.timeout(10)
def test_a_fault_that_is_replaced_lets_go(served: LocalIssuer, ask: Ask) -> None:
    """The answer it held back comes."""
    served.misbehave("hang")
    connection = ask(served.jwks_uri)
    assert is_held_back(served, connection)
    served.misbehave("error")
    assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_a_fault_does_not_hide_behind_a_304(served: LocalIssuer, http: httpx.Client) -> None:
    """A client that has the key set meets the fault all the same."""
    etag = http.get(served.jwks_uri).headers["etag"]
    served.misbehave("empty")
    assert http.get(served.jwks_uri, headers={"If-None-Match": etag}).json() == {"keys": []}


@pytest.mark.parametrize("fault", ["slow", "hang", "drip", "huge", "down"])
@pytest.mark.timeout(10)
def test_closing_does_not_wait_for_a_fault(ask: Ask, fault: str) -> None:
    """No thread is left, though a client is waiting for its answer, or is slow to read it."""
    before = set(threading.enumerate())
    with LocalIssuer(signing_key=SigningKey.generate("ES256")).serve() as issuer:
        if fault == "down":
            issuer.misbehave(fault)
        else:
            issuer.misbehave(fault, seconds=ENDLESS)
            connection = ask(issuer.jwks_uri)
            assert fault in {"drip", "huge"} or is_held_back(issuer, connection)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("call", [lambda issuer: issuer.misbehave("down"), lambda issuer: issuer.behave()])
def test_only_a_served_issuer_misbehaves(served: LocalIssuer, call: Callable[[LocalIssuer], None]) -> None:
    """Without a server there is nothing to misbehave with, nor after it has closed."""
    with pytest.raises(RuntimeError, match="serve"):
        call(LocalIssuer())
    with LocalIssuer(algorithm="ES256").serve() as past:
        pass
    with pytest.raises(RuntimeError, match="serve"):
        call(past)


def test_there_is_no_other_fault(served: LocalIssuer, http: httpx.Client) -> None:
    """A misspelt one is an error, and changes nothing."""
    with pytest.raises(ValueError, match="donw"):
        served.misbehave("donw")
    assert http.get(served.jwks_uri).status_code == 200
