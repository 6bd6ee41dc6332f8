"""Two URIs, one target? What a DPoP proof names beside what the client addressed (RFC 9449 4.3, RFC 3986 6.2.2, 6.2.3).

Both sides are brought into one normal form. What has none, such as a URI with user information or with half a
percent-encoding, equals nothing. No name is looked up, and none is converted: hosts are compared as A-labels, in lower
case, with or without their trailing dot as they came.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import quote, unquote

#: characters; a proof's target has no query, and no path that routes is as long
MAX_URI = 4096
# a WebSocket handshake is an HTTP request, whatever its scheme (RFC 6455 4.1)
_SCHEMES = {"https": ("https", 443), "http": ("http", 80), "wss": ("https", 443), "ws": ("http", 80)}
_URI = re.compile(r"([A-Za-z]+)://([^/?#]*)([^?#]*)", re.ASCII)
# a host and its port (RFC 3986 3.2.2, 3.2.3): of a name what can be in one, user information in no case
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::([0-9]{0,5}))?", re.ASCII)
#: nothing to normalise in it: unreserved, sub-delims, ":", "@" (RFC 3986 3.3), and no dot at the start of a segment
_PLAIN_PATH = re.compile(r"(?:/(?!\.)[A-Za-z0-9._~!$&'()*+,;=:@-]*)+", re.ASCII)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
#: printable, but in no URI (RFC 3986 2): some clients send them bare, others encoded
_BARE = re.compile(r"[\"<>\\^`{|}\[\]]")
_PRINTABLE = re.compile(r"[\x21-\x7E]*")
#: what clients leave as it is in a path, beside the unreserved characters (RFC 3986 3.3)
_IN_PATHS = "/:@!$&'()*+,;="


def request_url(scheme: str, host: str, target: str) -> str:
    """The URL of a request, of what stands in its request line and in Host; for adapters.

    What is no host counts for nothing, as if there were none; what is no target in origin form (RFC 9112 3.2.1) makes
    no URL: "".
    """
    # a "/", "?" or "#" in Host would move the border between host and path: a proof for one path were one for all
    # (RFC 9110 4.2.3, 7.2)
    if not _AUTHORITY.fullmatch(host):
        host = ""
    return f"{scheme}://{host}{target}" if target[:1] == "/" and "#" not in target else ""


def escaped_path(path: str, encoding: str = "utf-8") -> str:
    """A path that the server has decoded, as clients most likely sent it. "%2F" is lost: it was made a slash."""
    return quote(path, safe=_IN_PATHS, encoding=encoding, errors="replace")


def below_root(path: str, root: str, encoding: str = "utf-8") -> str:
    """A path as sent, with what a proxy took away from its beginning and the application knows, `root`, decoded."""
    root = root.rstrip("/")
    if not root or f"{unquote(path, encoding)}/".startswith(f"{root}/"):
        return path
    return escaped_path(root, encoding) + path


def same_target(named: str, addressed: str) -> bool:
    """Is the URI that a proof names the one that was addressed, query and fragment aside (RFC 9449 4.3)?"""
    ours = normal_form(addressed)
    return ours is not None and (named == ours or normal_form(named) == ours)


@lru_cache(maxsize=256)  # the same few targets again and again; a miss costs a few microseconds
def normal_form(uri: str) -> str | None:
    """An absolute http(s) URI without query and fragment in its normal form; None for what is no such URI."""
    if len(uri) > MAX_URI or not _PRINTABLE.fullmatch(uri):
        return None
    parts = _URI.match(uri)
    if parts is None:
        return None
    scheme, authority, path = parts.groups()
    known = _SCHEMES.get(scheme.lower())
    host = None if known is None else _normal_authority(authority, known[1])
    if known is None or host is None:
        return None
    if not _PLAIN_PATH.fullmatch(path):
        normal = _normal_path(path)
        if normal is None:
            return None
        path = normal
    return f"{known[0]}://{host}{path}"


def _normal_authority(authority: str, default_port: int) -> str | None:
    # "user@host" is refused with whatever else is no host (RFC 9110 4.2.4)
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        return None
    host, port = parts.groups()
    if host[0] == "[":
        try:
            host = f"[{IPv6Address(host[1:-1])}]"  # in its shortest form (RFC 5952)
        except ValueError:
            return None
    # an empty port is the default one, and that is left out (RFC 3986 6.2.3)
    number = int(port) if port else default_port
    return host.lower() if number == default_port else f"{host.lower()}:{number}"


def _normal_path(path: str) -> str | None:
    """Escapes in upper case and only where needed (RFC 3986 6.2.2.1, 6.2.2.2), without dot segments (6.2.2.3)."""
    if not all(_ESCAPE.findall(path)):  # half an escape
        return None
    path = _BARE.sub(lambda character: f"%{ord(character[0]):02X}", _ESCAPE.sub(_normal_escape, path))
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    # "/a/.." is "/", and "/a/." is "/a/" (RFC 3986 5.2.4)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _normal_escape(escape: re.Match[str]) -> str:
    octet = int(escape[1], 16)
    # "%2F" is no "/": what is reserved stays as it is (RFC 3986 2.2)
    return chr(octet) if octet in _UNRESERVED else escape[0].upper()
