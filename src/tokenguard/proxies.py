"""Which proxies are believed when their headers say what a client addressed, or which certificate it has."""

from __future__ import annotations

import hmac
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from tokenguard._checks import require_field_name, require_flag, string_tuple
from tokenguard.errors import ConfigurationError

Network: TypeAlias = IPv4Network | IPv6Network

#: what says which URL the client addressed: the one of RFC 7239, or some of the older ones
_X_FORWARDED = frozenset({"x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"})
#: characters of a shared secret; fewer may be guessed
_MIN_SECRET = 16
#: more proxies in a row than anybody has
_MAX_HOPS = 16


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies in front of the application that may speak for the client. Nobody else may, loopback neither.

    `networks`: addresses or networks of the immediate peers that are such proxies. `unix_socket`: a peer without an
    address is one, since the server listens on a Unix socket that only they can open. `secret_header`: a header in
    which each of them sends one of `secrets` (several, so that they can be changed). What is given must hold: one of
    `networks` and `unix_socket`, and the secret. The secret is the safest: some servers (uvicorn by default) put what
    X-Forwarded-For says in place of the peer's address.
    `forwarded`: the headers by which they tell the URL that the client addressed, each set or removed by them on every
    request: "forwarded" (RFC 7239), or some of "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port" and
    "x-forwarded-prefix". None by default.
    `hops`: how many of them add to a header that is a list: the element that far from its end is used. By default
    such a header must have one element.

    That they remove those headers from what clients send can't be seen from here (RFC 9440 4, RFC 7239 8.1).

    Raises `ConfigurationError` when built.

    >>> proxies = TrustedProxies(networks="10.0.0.0/8")
    >>> proxies.trusts("10.1.2.3", []), proxies.trusts("127.0.0.1", [])
    (True, False)
    """

    _: KW_ONLY
    networks: tuple[str, ...] = ()
    unix_socket: bool = False
    secret_header: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    forwarded: tuple[str, ...] = ()
    hops: int | None = None
    _networks: tuple[Network, ...] = field(init=False, repr=False, compare=False)
    _secrets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_flag("TrustedProxies.unix_socket", self.unix_socket)
        networks = string_tuple("TrustedProxies.networks", self.networks) if self.networks else ()
        object.__setattr__(self, "networks", networks)
        object.__setattr__(self, "_networks", tuple(map(_network, networks)))
        self._check_secrets()
        if not (networks or self.unix_socket or self.secret_header):
            raise ConfigurationError("TrustedProxies needs networks, unix_socket=True, or secret_header and secrets")
        forwarded = string_tuple("TrustedProxies.forwarded", self.forwarded) if self.forwarded else ()
        names = tuple(name.lower() for name in forwarded)
        if set(names) != {"forwarded"} and not set(names) <= _X_FORWARDED:
            known = ", ".join(sorted(_X_FORWARDED))
            raise ConfigurationError(f'TrustedProxies.forwarded must be "forwarded" alone, or some of {known}')
        object.__setattr__(self, "forwarded", names)
        if self.hops is not None and (type(self.hops) is not int or not 1 <= self.hops <= _MAX_HOPS):
            raise ConfigurationError(f"TrustedProxies.hops must be a whole number from 1 to {_MAX_HOPS}, or None")

    def trusts(self, peer: str | None, secret_values: list[str]) -> bool:
        """Is the immediate peer one of these proxies? `secret_values`: every value of `secret_header`."""
        if (self._networks or self.unix_socket) and not self._is_trusted_peer(peer):
            return False
        if self.secret_header is None:
            return True
        # a repeated line is not what a proxy of ours sends
        if len(secret_values) != 1:
            return False
        given = secret_values[0].encode("utf-8", "replace")
        # each is compared, in constant time, so that the time tells nothing of any
        return any([hmac.compare_digest(given, secret) for secret in self._secrets])  # noqa: C419

    def _is_trusted_peer(self, peer: str | None) -> bool:
        if not peer:  # servers leave it out, or empty, for a Unix socket
            return self.unix_socket
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)

    def _check_secrets(self) -> None:
        if (self.secret_header is None) != (not self.secrets):
            raise ConfigurationError("TrustedProxies: secret_header and secrets go together")
        if self.secret_header is None:
            object.__setattr__(self, "_secrets", ())
            return
        require_field_name("TrustedProxies.secret_header", self.secret_header)
        secrets = string_tuple("TrustedProxies.secrets", self.secrets)
        for secret in secrets:  # never shown
            if (
                len(secret) < _MIN_SECRET
                or not secret.isascii()
                or not secret.isprintable()
                or secret != secret.strip()
            ):
                raise ConfigurationError(
                    f"TrustedProxies.secrets must be of printable ASCII, each {_MIN_SECRET} characters at least"
                )
        object.__setattr__(self, "secret_header", self.secret_header.lower())
        object.__setattr__(self, "secrets", secrets)
        object.__setattr__(self, "_secrets", tuple(secret.encode("ascii") for secret in secrets))


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ConfigurationError(f"TrustedProxies.networks: {text} is no address or network") from None
    if network.prefixlen == 0:
        raise ConfigurationError(f"TrustedProxies.networks: {text} is everybody; leave it out where there is a secret")
    return network


@lru_cache(maxsize=1024)  # reading an address takes longer than all else here
def _address(peer: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(peer)
    except ValueError:
        return None
    # a socket for both families shows IPv4 peers so (RFC 4291 2.5.5.2)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
