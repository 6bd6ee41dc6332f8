"""The URL that a client addressed, as trusted proxies tell it: by Forwarded (RFC 7239) or by X-Forwarded-*.

Only the headers named in `TrustedProxies.forwarded` are looked at, and only if the immediate peer is such a proxy; for
everybody else they are not there (RFC 7239 8.1). What is there but can't be read is never passed over in silence.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tokenguard.core.header_lists import MAX_FIELD, only, pair_syntax, read_elements, written_by_us
from tokenguard.core.model import Request
from tokenguard.proxies import TrustedProxies

# token (RFC 9110 5.6.2)
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105
_PAIR = pair_syntax(_TOKEN, _TOKEN)
#: a WebSocket's handshake is an HTTP request; some proxies name it by the scheme of its URL (RFC 6455 3)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
# uri-host with an optional port (RFC 9110 7.2): a name in its ASCII form, or an address; 253 as in the DNS
_HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
# segments of a path (RFC 3986 3.3), none of them empty
_PREFIX = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+)*+")
_PORT = re.compile(r"[0-9]{1,5}")


class Told(NamedTuple):
    """What proxies say of the URL: None, or "" for the prefix, where they say nothing.

    `host`: with the port, if that was given. `port`: what X-Forwarded-Port alone says. `prefix`: what was taken away
    from the beginning of the path; begins with a slash and ends with none.
    """

    scheme: str | None = None
    host: str | None = None
    port: str | None = None
    prefix: str = ""


_NOTHING = Told()


def is_from_proxy(request: Request, proxies: TrustedProxies) -> bool:
    """Does the request come from one of the trusted proxies?"""
    header = proxies.secret_header
    return proxies.trusts(request.peer, [] if header is None else request.header_values(header))


def client_url(request: Request, proxies: TrustedProxies | None) -> str:
    """The request's URL as the client addressed it, neither normalised nor checked further.

    Raises ValueError where a trusted proxy's word can't be read; the text names no value.
    """
    url = request.url
    if proxies is None or not proxies.forwarded or not is_from_proxy(request, proxies):
        return url
    told = read_forwarded(request, proxies)
    if told is _NOTHING:
        return url
    scheme, separator, rest = url.partition("://")
    end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not separator:
        raise ValueError("the request has no absolute URL")
    if told.host is not None:
        authority = told.host
    if told.port is not None:
        authority = _with_port(authority, told.port)
    return f"{told.scheme or scheme}://{authority}{told.prefix}{path}"


def read_forwarded(request: Request, proxies: TrustedProxies) -> Told:
    """What the headers say that `proxies` forwards; ValueError where they can't be read. Trust is the caller's to ask.

    A header that is not there says nothing: what the request says by itself then counts.
    """
    if proxies.forwarded == ("forwarded",):
        return _of_forwarded(request, proxies.hops)
    scheme = _of_list(request, "x-forwarded-proto", proxies)
    host = _of_list(request, "x-forwarded-host", proxies)
    port = _of_list(request, "x-forwarded-port", proxies)
    prefix = _of_list(request, "x-forwarded-prefix", proxies)
    if scheme is host is port is prefix is None:
        return _NOTHING
    told = Told(_scheme(scheme), _host(host), _port(port), _prefix(prefix))
    if told.host is not None and told.port is not None:
        own = _HOST.fullmatch(told.host)
        if own is not None and own[2] not in {None, told.port}:
            raise ValueError("X-Forwarded-Host and X-Forwarded-Port name different ports")
    return told


def _of_forwarded(request: Request, hops: int | None) -> Told:
    lines = request.header_values("forwarded")
    if not lines:
        return _NOTHING
    # lines of one list field are one list (RFC 9110 5.3); read as a whole, so that no quotation spans two of them
    elements = [element for line in lines for element in read_elements(line, _PAIR)]
    pairs = written_by_us(elements, hops)
    # each parameter once in an element (RFC 7239 4); what else there is, as for and by, is not about the URL
    return Told(_scheme(only(pairs, "proto")), _host(only(pairs, "host")))


def _of_list(request: Request, name: str, proxies: TrustedProxies) -> str | None:
    """One value: some proxies set the header, some add to a list."""
    if name not in proxies.forwarded:
        return None
    lines = request.header_values(name)
    if not lines:
        return None
    if sum(map(len, lines)) > MAX_FIELD:
        raise ValueError("too long")
    values = [value.strip(" \t") for line in lines for value in line.split(",")]
    # a single value was set by one of them, whichever
    return values[0] if len(values) == 1 else written_by_us(values, proxies.hops)


def _scheme(value: str | None) -> str | None:
    if value is None:
        return None
    scheme = _SCHEMES.get(value.lower())
    if scheme is None:
        raise ValueError("the forwarded scheme is neither http nor https")
    return scheme


def _host(value: str | None) -> str | None:
    if value is None:
        return None
    matched = _HOST.fullmatch(value)
    if matched is None:
        raise ValueError("the forwarded host can't be read")
    if matched[2] is not None:
        _port(matched[2])
    return value


def _port(value: str | None) -> str | None:
    if value is None:
        return None
    if not _PORT.fullmatch(value) or not 1 <= int(value) <= 65_535:
        raise ValueError("the forwarded port can't be read")
    return value


def _prefix(value: str | None) -> str:
    path = (value or "").removesuffix("/")
    # dot segments, also written with %2E, would take away what stands in front of them (RFC 3986 5.2.4, 6.2.2.2)
    plain = path.lower().replace("%2e", ".")
    if not _PREFIX.fullmatch(path) or not {".", ".."}.isdisjoint(plain.split("/")):
        raise ValueError("the forwarded prefix is no path")
    return path


def _with_port(authority: str, port: str) -> str:
    matched = _HOST.fullmatch(authority)
    if matched is None:
        raise ValueError("the host of the request can't be read")
    return f"{matched[1]}:{port}"
