"""Answers that are no usable key set: slow, broken, huge, redirected, forged. Good keys outlive them all."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from runtime.servers import canned, http_answer, read_head, serving
from runtime.support import JWKS, OAUTH, UNAVAILABLE, Clock, Protect, attempted, key_state, verdict
from tokenguard import errors
from tokenguard.testing import Fault, LocalIssuer, SigningKey

_METADATA_FAULTS = {Fault.WRONG_ISSUER, Fault.WRONG_JWKS_URI}
_ENDLESS_FAULTS = {Fault.HANG, Fault.DRIP, Fault.SLOW}
BROKEN = sorted(set(Fault) - _METADATA_FAULTS - _ENDLESS_FAULTS)
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.req("A-140", "A-141", "JK-16", "JK-18", "JK-19")
@pytest.mark.parametrize("fault", BROKEN)
def test_good_keys_are_never_replaced_by_a_bad_answer(
    issuer: LocalIssuer, protect: Protect, clock: Clock, fault: Fault
) -> None:
    """They serve on, health says what is wrong, and a good answer ends it."""
    guard = protect(issuer)
    seen = issuer.mint()
    guard.validate(seen)
    issuer.misbehave(fault, path=None if fault is Fault.DOWN else JWKS)
    clock.advance(600)
    assert verdict(guard, seen) == "user-1"
    attempted(guard)
    assert verdict(guard, seen) == verdict(guard, issuer.mint()) == "user-1"
    state = key_state(guard)
    assert (state.state, state.age, state.key_count) == ("stale", 600, 1)
    issuer.behave()
    clock.advance(30)
    guard.warm()
    state = key_state(guard)
    assert (state.state, state.age, state.last_error) == ("fresh", 0, "")


@pytest.mark.req("A-140", "A-141", "JK-18")
@pytest.mark.parametrize("fault", BROKEN)
async def test_at_a_cold_start_a_bad_answer_is_nobodys_fault_but_ours(
    issuer: LocalIssuer, protect: Protect, fault: Fault
) -> None:
    """503, sync and async."""
    issuer.misbehave(fault, path=None if fault is Fault.DOWN else JWKS)
    with pytest.raises(errors.Unavailable):
        protect(issuer).validate(issuer.mint())
    with pytest.raises(errors.Unavailable):
        await protect(issuer).avalidate(issuer.mint())


@pytest.mark.req("A-139", "JK-18")
@pytest.mark.parametrize("fault", sorted(_ENDLESS_FAULTS))
@pytest.mark.parametrize("path", [JWKS, OAUTH])
def test_the_deadline_is_for_the_whole_refresh(issuer: LocalIssuer, protect: Protect, fault: Fault, path: str) -> None:
    """A byte every now and then does not prolong it."""
    issuer.misbehave(fault, path=path, seconds=0.1 if fault is Fault.DRIP else 3600)
    guard = protect(issuer, timeout=0.3)
    began = time.perf_counter()
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert 0.25 < time.perf_counter() - began < 5
    assert "within 0.3 s" in key_state(guard).last_error


@pytest.mark.req("A-139")
def test_the_deadline_covers_headers_that_drip(protect: Protect) -> None:
    """Not only bodies."""

    pause = threading.Event()

    def drip(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK)
        while True:
            connection.sendall(b"X: y\r\n")
            pause.wait(0.02)

    with serving(drip) as port:
        guard = protect("https://auth.test", jwks_uri=f"http://127.0.0.1:{port}/", timeout=0.3)
        with pytest.raises(errors.Unavailable):
            guard.warm()
        assert "within 0.3 s" in key_state(guard).last_error


HOSTILE = {
    "nothing": b"",
    "no http": b"\0\xff\r\n\r\n",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "endless header": OK + b"X: " + b"x" * 300_000 + b"\r\n\r\n",
    "header without colon": OK + b"nonsense\r\n\r\n{}",
    "hints without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5_000,
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "part": http_answer(b'{"keys": []}', "Content-Range: bytes 0-11/99", status="206 Partial Content"),
    "unknown status": b"HTTP/1.1 999 What\r\n\r\n",
    "negative length": OK + b"Content-Length: -1\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length of 6000 digits": OK + b"Content-Length: " + b"9" * 6_000 + b"\r\n\r\n{}",
    "cut short": OK + b"Content-Length: 99\r\n\r\n{}",
    "chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}",
    "chunk too large to be": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"F" * 30 + b"\r\n{}",
    "gzip transfer": OK + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "latin-1 headers": http_answer(b"{}", "Content-Encoding: \xe9", "Cache-Control: \xff", "Set-Cookie: \xe9=\xff"),
    "location without punycode": http_answer(b"", "Location: http://xn--/", status="302 Found"),
    "location of no port": http_answer(b"", "Location: https://h:99999/", status="302 Found"),
    "location in half a bracket": http_answer(b"", "Location: http://[::1", status="308 Permanent Redirect"),
    "location of 70 kB": http_answer(b"", "Location: /" + "x" * 70_000, status="301 Moved Permanently"),
    "utf-16": http_answer('{"keys": []}'.encode("utf-16")),
    "lone surrogate": http_answer(b'{"keys": [], "x": "\\ud800"}'),
    "deep": http_answer(b"[" * 200_000),
    "5000 digits": http_answer(b'{"keys": [], "x": ' + b"9" * 5_000 + b"}"),
    "infinity": http_answer(b'{"keys": [], "x": 1e999}'),
    "two sets": http_answer(b'{"keys": []}{"keys": []}'),
    "a key": http_answer(b'{"kty": "RSA", "n": "AQAB", "e": "AQAB"}'),
    "keys of no use": http_answer(json.dumps({"keys": [None, [], "x", {"kty": 1}, {"kty": "EC"}]}).encode()),
    "null": http_answer(b"null"),
}  # fmt: skip


@pytest.mark.req("A-140", "A-161", "AS-05")
@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_whatever_comes_only_the_librarys_own_error_leaves(protect: Protect, clock: Clock, answer: bytes) -> None:
    """And the next answer is read as if nothing had been."""
    issuer = LocalIssuer(algorithm="ES256")
    with canned(answer) as server:
        guard = protect(issuer, jwks_uri=server.url)
        with pytest.raises(errors.Unavailable):
            guard.validate(issuer.mint())
        assert "unforeseen" not in key_state(guard).last_error
        server.answer = http_answer(json.dumps(issuer.jwks).encode())
        clock.advance(30)
        assert verdict(guard, issuer.mint()) == "user-1"


@pytest.mark.req("A-141", "JK-19")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300])
def test_redirects_are_not_followed(issuer: LocalIssuer, protect: Protect, status: int) -> None:
    """Not even to where good keys are."""
    with canned(http_answer(b"", f"Location: {issuer.jwks_uri}", status=f"{status} Elsewhere")) as server:
        guard = protect(issuer, jwks_uri=server.url)
        assert verdict(guard, issuer.mint()) == UNAVAILABLE
        assert f"answered {status}" in key_state(guard).last_error
        assert issuer.requests == []


@pytest.mark.req("A-141", "JK-19")
@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "https://other.test/",
        "//other.test/", OAUTH, JWKS,
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [JWKS, OAUTH])
def test_redirects_anywhere_are_refused(issuer: LocalIssuer, protect: Protect, target: str, path: str) -> None:
    """To inner addresses, files, other hosts, or itself; of metadata and of keys."""
    issuer.misbehave("redirect", path=path, url=target)
    guard = protect(issuer)
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert "answered 302" in key_state(guard).last_error
    assert issuer.count(path) == 1


@pytest.mark.req("A-140", "JK-18")
def test_the_cap_on_bytes_is_exact(issuer: LocalIssuer, protect: Protect) -> None:
    """As many are taken, one more is not."""
    size = len(json.dumps(issuer.jwks))
    assert verdict(protect(issuer, jwks_uri=issuer.jwks_uri, max_bytes=size), issuer.mint()) == "user-1"
    guard = protect(issuer, jwks_uri=issuer.jwks_uri, max_bytes=size - 1)
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    assert f"more than {size - 1} bytes" in key_state(guard).last_error


@pytest.mark.req("A-140", "JK-18")
def test_the_cap_on_bytes_holds_while_they_arrive(protect: Protect) -> None:
    """A body without end is cut off, not waited for."""
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        read_head(connection)
        connection.sendall(OK + b"Content-Type: application/json\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)
            sent += 65536

    with serving(flood) as port:
        guard = protect("https://auth.test", jwks_uri=f"http://127.0.0.1:{port}/")
        with pytest.raises(errors.Unavailable):
            guard.warm()
        assert "more than 524288 bytes" in key_state(guard).last_error
    assert sent < 20_000_000


@pytest.mark.req("A-140", "JK-18")
def test_the_cap_on_keys_is_exact(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Unusable ones count too: it is there to bound the work."""
    guard = protect(issuer, max_keys=10)
    issuer.extra_keys = [{"kty": "unheard-of"}] * 9
    assert verdict(guard, issuer.mint()) == "user-1"
    issuer.extra_keys *= 2
    clock.advance(600)
    guard.warm()
    assert "19 keys, more than KeyPolicy.max_keys, 10" in key_state(guard).last_error
    assert verdict(guard, issuer.mint()) == "user-1"


@pytest.mark.req("A-140", "JK-18")
def test_a_hundred_thousand_keys_are_dropped(protect: Protect) -> None:
    """By bytes or by number, in no time."""
    issuer = LocalIssuer(algorithm="ES256")
    with canned(http_answer(b'{"keys": [' + b"{}," * 100_000 + b"{}]}")) as server:
        guard = protect(issuer, jwks_uri=server.url)
        assert verdict(guard, issuer.mint()) == UNAVAILABLE
        assert "100001 keys" in key_state(guard).last_error


@pytest.mark.req("A-140", "JK-18")
def test_compression_is_neither_asked_for_nor_taken(issuer: LocalIssuer, protect: Protect) -> None:
    """Small as it may be: the cap counts what arrives."""
    guard = protect(issuer)
    guard.warm()
    assert {request.headers["accept-encoding"] for request in issuer.requests} == {"identity"}
    with canned(http_answer(json.dumps(issuer.jwks).encode(), "Content-Encoding: br")) as server:
        guard = protect(issuer, jwks_uri=server.url)
        assert verdict(guard, issuer.mint()) == UNAVAILABLE
        assert "compressed" in key_state(guard).last_error


def test_a_key_that_can_not_be_read_costs_no_other(issuer: LocalIssuer, protect: Protect) -> None:
    """It is skipped, health names it by its place and says why, and the rest serve."""
    repeated = SigningKey.generate("ES256", "repeated")
    published = json.dumps(
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, repeated.jwk, issuer.jwks["keys"][0]]}
    )
    twice = published.replace('"kid": "repeated"', '"kid": "other", "kid": "repeated"')
    assert twice != published
    with canned(http_answer(twice.encode())) as server:
        guard = protect(issuer, jwks_uri=server.url)
        assert verdict(guard, issuer.mint()) == "user-1"
        assert verdict(guard, issuer.mint(key=repeated)) == "unknown_key"
        assert [reason.partition(":")[0] for reason in key_state(guard).skipped_keys] == ["key 0", "key 1"]
