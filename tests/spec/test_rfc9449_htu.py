"""RFC 9449 4.3 (9): is the URL of the proof the one that was addressed, by RFC 3986 6.2.2 and 6.2.3?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.possession import ISSUER, bound, denied, guard_with, proving
from tests.spec.support import guard_for

from tokenguard import DPoP, Request, TrustedProxies
from tokenguard.errors import Reason

HOST = "https://api.example.com"
GUARD = guard_with()
TOKEN = bound()


def asking(url: str, htu: Any, *, peer: str | None = None, **headers: str) -> Request:
    """A request for `url` with a proof that names `htu`."""
    request = proving(TOKEN, url=url, htu=htu)
    lines = [("Authorization", f"DPoP {TOKEN}"), ("DPoP", request.header_values("dpop")[0])]
    return Request(
        "GET", url, [*lines, *((name.replace("_", "-"), value) for name, value in headers.items())], peer=peer
    )


@pytest.mark.req("DP-12", "DP-13", "A-116", "A-117", "A-119")
@pytest.mark.parametrize(
    ("url", "htu"),
    [
        ("https://api.example.com/a?x=1&y=2", "https://api.example.com/a"),
        ("https://api.example.com/a", "https://api.example.com/a?x=1#y"),
        ("https://api.example.com/a#/b?c", "https://api.example.com/a"),
        ("https://api.example.com/a", "HTTPS://API.EXAMPLE.COM:443/a"),
        ("https://API.example.com:443/a", "https://api.example.com/a"),
        ("http://api.example.com:80/a", "http://api.example.com/a"),
        ("https://api.example.com:/a", "https://api.example.com/a"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com?x", "https://api.example.com/"),
        ("https://api.example.com/b", "https://api.example.com/a/../b"),
        ("https://api.example.com/a/./b/%2e%2E/c", "https://api.example.com/a/c"),
        ("https://api.example.com/../../a", "https://api.example.com/a"),
        ("https://api.example.com/a/", "https://api.example.com/a/b/.."),
        ("https://api.example.com/a", "https://api.example.com/%61"),
        ("https://api.example.com/%7Eal%2D", "https://api.example.com/~al-"),
        ("https://api.example.com/%2f", "https://api.example.com/%2F"),
        ("https://api.example.com/caf%c3%a9", "https://api.example.com/caf%C3%A9"),
        ("https://api.example.com/a|b", "https://api.example.com/a%7Cb"),
        ("https://api.example.com/[x]", "https://api.example.com/%5Bx%5d"),
        ("https://[2001:DB8:0:0::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://xn--bcher-kva.example/a", "https://XN--bcher-kva.example/a"),
        ("wss://api.example.com/a", "https://api.example.com/a"),
        ("ws://api.example.com/a", "ws://api.example.com:80/a"),
        ("https://api.example.com/.well-known/x..y/...", "https://api.example.com/.well-known/x..y/..."),
        ("https://api.example.com//a//", "https://api.example.com//a//"),
    ],
)
def test_one_target_may_be_written_in_several_ways(url: str, htu: str) -> None:
    """Query and fragment, case, default port, escapes and dot segments make no other target, on either side."""
    assert GUARD.check(asking(url, htu))
    if "?" not in url + htu:
        assert GUARD.check(asking(htu, url))


@pytest.mark.req("DP-12", "A-118", "A-119", "A-120", "A-121")
@pytest.mark.parametrize(
    ("url", "htu"),
    [
        ("https://api.example.com/a", "http://api.example.com/a"),
        ("https://api.example.com/a", "https://api.example.com:8443/a"),
        ("https://api.example.com:8443/a", "https://api.example.com/a"),
        ("https://api.example.com/a", "https://api.example.com:80/a"),
        ("https://api.example.com/a", "https://other.example.com/a"),
        ("https://api.example.com/a", "https://api.example.com.evil.test/a"),
        ("https://api.example.com/a", "https://api.example.com/A"),
        ("https://api.example.com/a", "https://api.example.com/a/"),
        ("https://api.example.com/a/b", "https://api.example.com/a"),
        ("https://api.example.com/a", "https://api.example.com/a/b"),
        ("https://api.example.com/a", "https://api.example.com//a"),
        ("https://api.example.com/a/b", "https://api.example.com/a%2Fb"),
        ("https://api.example.com/a%2Fb", "https://api.example.com/a/b"),
        ("https://api.example.com/a", "https://api.example.com/b%2F..%2Fa"),
        ("https://api.example.com/a", "https://api.example.com/a%00"),
        ("https://api.example.com/a", "https://api.example.com/a%"),
        ("https://api.example.com/a", "https://api.example.com/a%2"),
        ("https://api.example.com/%zz", "https://api.example.com/%ZZ"),
        ("https://api.example.com/a", "https://api.example.com\\a"),
        ("https://api.example.com/a", "https://api.example.com/\\a"),
        ("https://api.example.com/a", "https://api.example.com./a"),
        ("https://api.example.com/a", "https://api\uff0eexample.com/a"),
        ("https://xn--bcher-kva.example/a", "https://b\u00fccher.example/a"),
        ("https://api.example.com/a", "https://api.example.com@evil.test/a"),
        ("https://api.example.com/a", "https://evil.test@api.example.com/a"),
        ("https://api.example.com/a", "https://user:secret@api.example.com/a"),
        ("https://api.example.com/a", "https://api%2Eexample.com/a"),
        ("https://api.example.com/a", "https://api.example.com:x/a"),
        ("https://api.example.com/a", "https://api.example.com:443:443/a"),
        ("https://[2001:db8::1]/a", "https://2001:db8::1/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1%25eth0]/a"),
        ("https://api.example.com/a", "/a"),
        ("https://api.example.com/a", "//api.example.com/a"),
        ("https://api.example.com/a", "a"),
        ("https://api.example.com/a", "https:/api.example.com/a"),
        ("https://api.example.com/a", "https:///a"),
        ("https://api.example.com/a", "ftp://api.example.com/a"),
        ("https://api.example.com/a", " https://api.example.com/a"),
        ("https://api.example.com/a", "https://api.example.com/a "),
        ("https://api.example.com/a", "https://api.example.com/\ta"),
        ("https://api.example.com/a", "https://api.example.com/a\n"),
        ("https://api.example.com/a", "https://api.exam\nple.com/a"),
        ("https://api.example.com/a", "https://api.example.com/" + "a/../" * 2000 + "a"),
    ],
)
def test_what_was_not_addressed_is_refused(url: str, htu: str) -> None:
    """Nor is anything guessed, repaired or looked up."""
    denied(GUARD, asking(url, htu), Reason.PROOF_TARGET)


@pytest.mark.req("A-161")
@pytest.mark.parametrize(
    "url", ["", "/a", "nonsense", "https://", "https://a@b/", "https://api.example.com/\u00e9", "https://[/", "\x00"]
)
def test_a_request_without_a_usable_url_matches_nothing(url: str) -> None:
    """Servers and their headers may hand over anything."""
    denied(GUARD, asking(url, "https://api.example.com/a"), Reason.PROOF_TARGET)
    denied(
        guard_with(base_url="https://api.example.com/x"), asking(url, "https://api.example.com/a"), Reason.PROOF_TARGET
    )


@pytest.mark.req("DP-14", "A-122")
@pytest.mark.parametrize(
    ("base_url", "url", "htu"),
    [
        ("https://api.example.com", "http://10.0.0.7:8000/a?x", "https://api.example.com/a"),
        ("https://api.example.com/", "http://10.0.0.7:8000/a", "https://api.example.com/a"),
        ("https://API.example.com:443", "http://spoofed.test/a", "https://api.example.com/a"),
        ("https://api.example.com/v1", "http://10.0.0.7/a%2Fb", "https://api.example.com/v1/a%2Fb"),
        ("https://api.example.com/v1/", "http://10.0.0.7", "https://api.example.com/v1"),
        ("https://[::1]:8443", "http://10.0.0.7/", "https://[::1]:8443/"),
        ("http://localhost:8000", "https://spoofed.test/a", "http://localhost:8000/a"),
    ],
)
def test_a_base_url_stands_for_host_and_scheme(base_url: str, url: str, htu: str) -> None:
    """Whatever Host says; its path is the prefix that a proxy took away."""
    guard = guard_with(base_url=base_url)
    assert guard.check(asking(url, htu))
    denied(guard, asking(url, url), Reason.PROOF_TARGET)
    denied(guard, asking(url, htu + "/"), Reason.PROOF_TARGET)


@pytest.mark.req("DP-14", "A-122")
def test_a_spoofed_host_gains_nothing_with_a_base_url() -> None:
    """A proof for another host is none for ours, with forwarded headers either."""
    guard = guard_with(base_url=HOST)
    headers = {"Host": "evil.test", "X_Forwarded_Host": "evil.test", "Forwarded": "host=evil.test;proto=https"}
    denied(guard, asking("https://evil.test/a", "https://evil.test/a", **headers), Reason.PROOF_TARGET)


@pytest.mark.req("DP-14", "A-122")
@pytest.mark.parametrize(
    ("forwarded", "headers"),
    [
        (("forwarded",), {"Forwarded": 'for=192.0.2.1;host="api.example.com";proto=https'}),
        (
            ("x-forwarded-host", "x-forwarded-proto"),
            {"X_Forwarded_Host": "api.example.com", "X_Forwarded_Proto": "https"},
        ),
    ],
)
def test_forwarded_headers_count_from_trusted_proxies_alone(
    forwarded: tuple[str, ...], headers: dict[str, str]
) -> None:
    """From anybody else they are not there."""
    proxies = TrustedProxies(networks=("10.0.0.0/8",), forwarded=forwarded)
    guard = guard_for(ISSUER, dpop=DPoP(), proxies=proxies)
    inside, outside = "http://10.0.0.7:8000/a", "https://api.example.com/a"
    assert guard.check(asking(inside, outside, peer="10.1.2.3", **headers))
    denied(guard, asking(inside, inside, peer="10.1.2.3", **headers), Reason.PROOF_TARGET)
    for peer in ("127.0.0.1", "192.0.2.1", None):
        denied(guard, asking(inside, outside, peer=peer, **headers), Reason.PROOF_TARGET)
        assert guard.check(asking(inside, inside, peer=peer, **headers))


@pytest.mark.req("DP-14", "A-122")
def test_what_a_trusted_proxy_says_must_be_readable() -> None:
    """Else nothing was addressed that anybody could tell; it is not passed over."""
    guard = guard_for(ISSUER, dpop=DPoP(), proxies=TrustedProxies(networks=("10.0.0.0/8",), forwarded=("forwarded",)))
    url = "http://api.example.com/a"
    for value in ("host=", "host=a;host=b", 'host="', "proto=gopher"):
        error = denied(guard, asking(url, url, peer="10.0.0.1", Forwarded=value), Reason.PROOF_TARGET)
        assert value not in error.hint
