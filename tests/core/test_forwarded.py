"""The URL that the client addressed, as trusted proxies tell it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, properties

from tokenguard import Request, TrustedProxies
from tokenguard.core.forwarded import Told, client_url, read_forwarded

PROXY, URL = "10.0.0.1", "http://app:8000/orders?x=1"
X_FORWARDED = ("x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix")
STANDARD = TrustedProxies(networks="10.0.0.0/8", forwarded="forwarded")
OLDER = TrustedProxies(networks="10.0.0.0/8", forwarded=X_FORWARDED)

pytestmark = pytest.mark.req("DP-14")


def url_of(
    headers: dict[str, str] | list[tuple[str, str]],
    proxies: TrustedProxies | None = OLDER,
    *,
    peer: str | None = PROXY,
    url: str = URL,
) -> str:
    """What the client addressed, if the request that arrived is this one."""
    return client_url(Request("GET", url, headers, peer=peer), proxies)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("proto=https;host=api.example.com", "https://api.example.com/orders?x=1"),
        ("for=192.0.2.60;Proto=HTTPS;by=203.0.113.43;HOST=api.example.com", "https://api.example.com/orders?x=1"),
        (
            'for="[2001:db8::1]:4711"; proto=https ;host="api.example.com:8443"',
            "https://api.example.com:8443/orders?x=1",
        ),
        ('host="[2001:db8::1]:8443"', "http://[2001:db8::1]:8443/orders?x=1"),
        ("proto=https", "https://app:8000/orders?x=1"),
        ("proto=wss", "https://app:8000/orders?x=1"),
        ("for=192.0.2.60", URL),
        (r'for="\"_x\\;,host=evil.test\"";host=api.example.com', "http://api.example.com/orders?x=1"),
        (",, proto=https ,", "https://app:8000/orders?x=1"),
    ],
)
def test_forwarded_says_scheme_and_host(value: str, url: str) -> None:
    """Parameters in any case and order, quoted or not; what it does not say stays (RFC 7239 4, 5)."""
    assert url_of({"Forwarded": value}, STANDARD) == url


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ";",
        "proto",
        "proto=",
        "=https",
        "proto=https;",
        "proto=https;;host=api.example.com",
        "proto=https;proto=https",
        "proto=https;PROTO=http",
        "proto =https",
        "proto= https",
        "proto=https host=api.example.com",
        "proto=ftp",
        "proto=javascript",
        'host="api.example.com',
        'host="api.example.com"x',
        'host="api.example.com\\"',
        'host="api.example.com/path"',
        'host="user@api.example.com"',
        'host="api.example.com:0"',
        'host="api.example.com:65536"',
        'host="api.example.com:"',
        'host=""',
        'host="a b"',
        'host="[::1"',
        'host="äpi.example.com"',
        "host=api.example.com:8443",
        "proto=https, proto=https",
        'for="x, proto=https',
        "proto=https\x00",
        "proto=https;host=" + "a" * 254,
        "proto=https;x=" + "a" * 32_768,
    ],
)
def test_what_can_not_be_read_is_not_passed_over(value: str) -> None:
    """It is an error, not a reason to believe something else; the error shows none of it."""
    with pytest.raises(ValueError, match=r"\A[a-zA-Z.=,' ]+\Z"):
        url_of({"Forwarded": value}, STANDARD)


def test_elements_are_counted_from_the_end() -> None:
    """Each proxy adds its own behind what came with the request (RFC 7239 4); as many count as there are hops."""
    value = 'host=evil.test;proto=http, for=192.0.2.1;host=api.example.com;proto=https, for="10.0.0.2";host=inner'
    for hops, url in ((1, "http://inner/orders?x=1"), (2, "https://api.example.com/orders?x=1")):
        proxies = TrustedProxies(networks="10.0.0.0/8", forwarded="forwarded", hops=hops)
        assert url_of({"Forwarded": value}, proxies) == url
        lines = [("Forwarded", element) for element in value.split(", ")]
        assert url_of(lines, proxies) == url
    with pytest.raises(ValueError, match="hops"):
        url_of({"Forwarded": value}, TrustedProxies(networks="10.0.0.0/8", forwarded="forwarded", hops=4))
    with pytest.raises(ValueError, match="hops"):
        url_of({"Forwarded": value}, STANDARD)


@pytest.mark.parametrize(
    "sent",
    ['for="', 'host=evil.test;for="', 'host="evil.test', "host=evil.test;for=\\", 'for="x\\', "host=evil.test;"],
)
@pytest.mark.parametrize("added", ["for=192.0.2.1;host=api.example.com", 'host="api.example.com";for="[2001:db8::1]"'])
def test_a_quotation_that_the_client_left_open_does_not_reach_into_the_proxys_element(sent: str, added: str) -> None:
    """Whatever comes with the request: the proxy's own element is read, or none is."""
    proxies = TrustedProxies(networks="10.0.0.0/8", forwarded="forwarded", hops=1)
    with contextlib.suppress(ValueError):
        assert url_of({"Forwarded": f"{sent}, {added}"}, proxies) == "http://api.example.com/orders?x=1"


@pytest.mark.parametrize(
    "sent",
    ["host=evil.test;", "host=evil.test; ", "host=evil.test;,", "host=evil.test proto=http", 'host="evil.test"host=x'],
)
def test_an_element_that_the_client_left_open_does_not_reach_into_the_proxys(sent: str) -> None:
    """A proxy that says nothing of the host would else be taken for its word."""
    proxies = TrustedProxies(networks="10.0.0.0/8", forwarded="forwarded", hops=1)
    with pytest.raises(ValueError, match="pair"):
        url_of({"Forwarded": f"{sent}, for=192.0.2.1;proto=https"}, proxies)


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({}, URL),
        ({"X-Forwarded-Proto": "https"}, "https://app:8000/orders?x=1"),
        ({"X-Forwarded-Host": "api.example.com"}, "http://api.example.com/orders?x=1"),
        ({"X-Forwarded-Proto": "HTTPS", "X-Forwarded-Host": "[::1]:8443"}, "https://[::1]:8443/orders?x=1"),
        ({"X-Forwarded-Port": "443"}, "http://app:443/orders?x=1"),
        ({"X-Forwarded-Host": "api.test", "X-Forwarded-Port": "8443"}, "http://api.test:8443/orders?x=1"),
        ({"X-Forwarded-Host": "api.test:8443", "X-Forwarded-Port": "8443"}, "http://api.test:8443/orders?x=1"),
        ({"X-Forwarded-Prefix": "/api/v1"}, "http://app:8000/api/v1/orders?x=1"),
        ({"X-Forwarded-Prefix": "/api/"}, "http://app:8000/api/orders?x=1"),
        ({"X-Forwarded-Prefix": "/"}, URL),
        ({"X-Forwarded-Prefix": ""}, URL),
        ({"X-Forwarded-For": "192.0.2.1", "Forwarded": "host=evil.test"}, URL),
    ],
)
def test_the_older_headers_say_what_each_is_for(headers: dict[str, str], url: str) -> None:
    """Scheme, host, port and prefix, each by itself; Forwarded does not count beside them."""
    assert url_of(headers) == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-Proto", ""),
        ("X-Forwarded-Proto", "ftp"),
        ("X-Forwarded-Proto", "https, http"),
        ("X-Forwarded-Host", ""),
        ("X-Forwarded-Host", "evil.test, api.example.com"),
        ("X-Forwarded-Host", "api.example.com/.."),
        ("X-Forwarded-Host", "user@api.example.com"),
        ("X-Forwarded-Host", "api.example.com:99999"),
        ("X-Forwarded-Host", "\uff41pi.example.com"),
        ("X-Forwarded-Port", "https"),
        ("X-Forwarded-Port", "-1"),
        ("X-Forwarded-Port", "٤٤٣"),
        ("X-Forwarded-Port", "0"),
        ("X-Forwarded-Prefix", "api"),
        ("X-Forwarded-Prefix", "//evil.test"),
        ("X-Forwarded-Prefix", "/a//b"),
        ("X-Forwarded-Prefix", "/a/../b"),
        ("X-Forwarded-Prefix", "/a/%2E%2e/b"),
        ("X-Forwarded-Prefix", "/."),
        ("X-Forwarded-Prefix", "/a?b"),
        ("X-Forwarded-Prefix", "/a%2"),
        ("X-Forwarded-Prefix", "/a" * 20_000),
    ],
)
def test_the_older_headers_are_read_strictly_too(name: str, value: str) -> None:
    """What is no scheme, host, port or path is an error, and so are two values where nobody said how many to expect."""
    with pytest.raises(ValueError, match=r"\A[a-zA-Z.,' -]+\Z"):
        url_of({name: value})


def test_two_forwarded_ports_must_be_the_same() -> None:
    """Nothing says which of them the client addressed."""
    with pytest.raises(ValueError, match="different ports"):
        url_of({"X-Forwarded-Host": "api.test:8443", "X-Forwarded-Port": "443"})


def test_values_of_the_older_headers_are_counted_from_the_end_too() -> None:
    """Whether joined by commas or in lines; a single one was set, not added."""
    proxies = TrustedProxies(networks="10.0.0.0/8", forwarded=X_FORWARDED, hops=2)
    lines = [("X-Forwarded-Host", "evil.test, api.test"), ("X-Forwarded-Host", "inner"), ("X-Forwarded-Proto", "https")]
    assert url_of(lines, proxies) == "https://api.test/orders?x=1"


@pytest.mark.req("A-122")
def test_nobody_else_is_believed() -> None:
    """Without settings, from another peer, or by a header that no setting names, the request speaks for itself."""
    told = {"Forwarded": "host=evil.test", "X-Forwarded-Host": "evil.test"}
    assert url_of(told, None) == URL
    assert url_of(told, TrustedProxies(networks="10.0.0.0/8")) == URL
    for proxies in (OLDER, STANDARD):
        assert url_of(told, proxies, peer="127.0.0.1") == URL
        assert url_of(told, proxies, peer=None) == URL
    assert url_of(told, TrustedProxies(networks="10.0.0.0/8", forwarded="x-forwarded-proto")) == URL


@pytest.mark.req("A-122")
def test_a_shared_secret_is_read_from_its_header() -> None:
    """The header that TrustedProxies names must hold it, in one line."""
    proxies = TrustedProxies(secret_header="X-Proxy-Secret", secrets="correct horse battery", forwarded=X_FORWARDED)
    told = [("X-Forwarded-Host", "api.test")]
    secret = ("X-PROXY-SECRET", "correct horse battery")
    assert url_of([*told, secret], proxies, peer=None) == "http://api.test/orders?x=1"
    assert url_of([*told, secret, secret], proxies) == URL
    assert url_of(told, proxies) == URL


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://app:8000", "https://api.test/p"),
        ("http://app:8000?x=1", "https://api.test/p?x=1"),
        ("http://app:8000#x", "https://api.test/p#x"),
        ("http://app:8000//a?b/c", "https://api.test/p//a?b/c"),
        ("http://[::1]:8000/%2F", "https://api.test/p/%2F"),
    ],
)
def test_path_and_query_stay_as_they_are(url: str, told: str) -> None:
    """To the character: normalising is for later."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.test", "X-Forwarded-Prefix": "/p"}
    assert url_of(headers, url=url) == told


@pytest.mark.req("A-161")
@properties
@given(any_text | st.text('hostprefx=;," \\:/[].%2e-0'), st.sampled_from([None, 1, 2]), st.booleans())
def test_whatever_is_sent_either_it_is_read_or_it_is_a_value_error(
    value: str, hops: int | None, standard: bool
) -> None:
    """What is read is a scheme, a host of ASCII, and a path."""
    names = ("forwarded",) if standard else X_FORWARDED
    proxies = TrustedProxies(networks="10.0.0.0/8", forwarded=names, hops=hops)
    for name in names:
        request = Request("GET", URL, [(name, value)], peer=PROXY)
        try:
            told = read_forwarded(request, proxies)
        except ValueError:
            continue
        assert isinstance(told, Told)
        assert told.scheme in {None, "http", "https"}
        assert told.host is None or (told.host.isascii() and not set(told.host) & set("/?#@ \\"))
        assert told.prefix == "" or told.prefix[0] == "/" != told.prefix[-1]


labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)


@properties
@given(st.lists(st.tuples(labels, labels, st.text(st.characters(min_codepoint=32, max_codepoint=126))), min_size=1))
def test_what_was_written_is_read(elements: list[tuple[str, str, str]]) -> None:
    """Whatever a quoted value holds: it changes nothing of the values beside it, nor of how elements are counted."""
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for _, _, text in elements]
    value = ", ".join(f'for="{text}";host={a}.{b}' for (a, b, _), text in zip(elements, quoted, strict=True))
    for hops in range(1, min(len(elements), 16) + 1):
        proxies = TrustedProxies(networks="10.0.0.0/8", forwarded="forwarded", hops=hops)
        told = read_forwarded(Request("GET", URL, {"Forwarded": value}, peer=PROXY), proxies)
        assert told.host == ".".join(elements[-hops][:2])
