"""Which peers are trusted proxies, and which settings are refused."""

from __future__ import annotations

import hmac
from typing import Any

import pytest

from tokenguard import TrustedProxies
from tokenguard.errors import ConfigurationError

SECRET, OLDER = "correct horse battery", "staple staple staple"

pytestmark = pytest.mark.req("CC-01")


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.1.2.3", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("11.0.0.1", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("10.1.2.3, 11.0.0.1", False),
        ("010.1.2.3", False),
        ("10.1.2.3:80", False),
        ("testclient", False),
        ("", False),
        (None, False),
    ],
)
def test_a_peer_is_trusted_by_its_address(peer: str | None, trusted: bool) -> None:
    """Networks of both families; what is no address, or loopback that nobody named, is not trusted."""
    proxies = TrustedProxies(networks=("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))
    assert proxies.trusts(peer, []) is trusted


@pytest.mark.parametrize("peer", [None, ""])
def test_a_peer_without_an_address_is_trusted_only_if_that_is_said(peer: str | None) -> None:
    """A Unix socket has none; neither has a request about which nothing is known."""
    assert TrustedProxies(unix_socket=True).trusts(peer, [])
    assert not TrustedProxies(unix_socket=True).trusts("127.0.0.1", [])
    assert TrustedProxies(unix_socket=True, networks="127.0.0.1").trusts("127.0.0.1", [])


@pytest.mark.req("A-160")
@pytest.mark.parametrize(
    ("values", "trusted"),
    [
        ([SECRET], True),
        ([OLDER], True),
        ([], False),
        ([""], False),
        ([SECRET, SECRET], False),
        ([f"{SECRET}, {SECRET}"], False),
        ([SECRET[:-1]], False),
        ([SECRET + "x"], False),
        (["é" * 16], False),
        (["\udcff"], False),
    ],
)
def test_a_peer_is_trusted_by_the_secret_it_sends(values: list[str], trusted: bool) -> None:
    """The newest or an older one, in exactly one line."""
    proxies = TrustedProxies(secret_header="X-Proxy-Secret", secrets=(SECRET, OLDER))
    assert proxies.secret_header == "x-proxy-secret"
    assert proxies.trusts("203.0.113.9", values) is trusted


@pytest.mark.req("A-160")
def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them, by the one function that is made for it, on octets."""
    compared: list[tuple[Any, Any]] = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(pair) or True)
    assert TrustedProxies(secret_header="X-Proxy-Secret", secrets=(SECRET, OLDER)).trusts(None, ["guess"])
    assert compared == [(b"guess", SECRET.encode()), (b"guess", OLDER.encode())]


def test_address_and_secret_must_both_hold_where_both_are_set() -> None:
    """What is configured is required."""
    proxies = TrustedProxies(networks="10.0.0.0/8", secret_header="X-Proxy-Secret", secrets=SECRET)
    assert proxies.trusts("10.0.0.1", [SECRET])
    assert not proxies.trusts("11.0.0.1", [SECRET])
    assert not proxies.trusts("10.0.0.1", [OLDER])


def test_secrets_are_not_shown() -> None:
    """Neither by repr nor by a complaint."""
    assert SECRET not in repr(TrustedProxies(secret_header="X-Proxy-Secret", secrets=SECRET))
    with pytest.raises(ConfigurationError) as caught:
        TrustedProxies(secret_header="X-Proxy-Secret", secrets="too short")
    assert "too short" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "networks"),
        ({"forwarded": "forwarded"}, "networks"),
        ({"networks": ("10.0.0.1/8",)}, "networks"),
        ({"networks": ("proxy.internal",)}, "networks"),
        ({"networks": ("0.0.0.0/0",)}, "everybody"),
        ({"networks": ("::/0",)}, "everybody"),
        ({"networks": (7,)}, "networks"),
        ({"unix_socket": "yes"}, "unix_socket"),
        ({"secret_header": "X-Proxy-Secret"}, "secrets"),
        ({"secrets": SECRET}, "secret_header"),
        ({"secret_header": "X Proxy", "secrets": SECRET}, "secret_header"),
        ({"secret_header": 7, "secrets": SECRET}, "secret_header"),
        ({"secret_header": "X-Proxy-Secret", "secrets": "fifteen letters"}, "secrets"),
        ({"secret_header": "X-Proxy-Secret", "secrets": f" {SECRET}"}, "secrets"),
        ({"secret_header": "X-Proxy-Secret", "secrets": f"{SECRET}\n"}, "secrets"),
        ({"unix_socket": True, "forwarded": "x-real-ip"}, "forwarded"),
        ({"unix_socket": True, "forwarded": ("forwarded", "x-forwarded-host")}, "forwarded"),
        ({"unix_socket": True, "hops": 0}, "hops"),
        ({"unix_socket": True, "hops": True}, "hops"),
        ({"unix_socket": True, "hops": 17}, "hops"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    """The complaint says which setting is wrong."""
    with pytest.raises(ConfigurationError, match=named):
        TrustedProxies(**settings)


def test_names_of_headers_ignore_case() -> None:
    """As field names do (RFC 9110 5.1)."""
    proxies = TrustedProxies(unix_socket=True, forwarded=("X-Forwarded-Proto", "X-Forwarded-Host"))
    assert proxies.forwarded == ("x-forwarded-proto", "x-forwarded-host")
