"""The client's certificate as a proxy wrote it into a header: one strict reader for each way of writing.

Each gives the SHA-256 hash of the certificate's DER as it was sent, which is all that a binding needs (RFC 8705 3.1):
a certificate is neither parsed nor written anew. What can't be read to its last character is a ValueError, whose text
shows nothing of it, and never a certificate.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from tokenguard.core.header_lists import MAX_FIELD, only, pair_syntax, read_elements, written_by_us

# names are letters; what holds a comma, a semicolon or an equals sign is quoted (Envoy)
_XFCC_PAIR = pair_syntax(r"[A-Za-z]+", r"[!#-+\--:<>-~]*+")
_HASH = re.compile(r"[0-9A-Fa-f]{64}")
# RFC 7468 2, 5.1; line breaks may have become spaces, or be gone
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/= \t\r\n]*+)-----END CERTIFICATE-----[ \t\r\n]*+")
_NO_BREAKS = str.maketrans("", "", " \t\r\n")
_SEQUENCE, _BIT_STRING = 0x30, 0x03


def read_thumbprint(value: str, format: str, hops: int | None) -> bytes:  # noqa: A002 - as the setting is called
    """SHA-256 of the client certificate in a header's one value; `format`: of `MTLS`, `hops`: of `TrustedProxies`."""
    # a cap before anything is decoded, and plain ASCII in every format
    if len(value) > MAX_FIELD or not value.isascii():
        raise ValueError("too long, or not ASCII")
    field = value.strip(" \t")
    if not field:
        raise ValueError("empty")
    return _of_xfcc(field, hops) if format == "xfcc" else sha256(READERS[format](field)).digest()


def _of_rfc9440(value: str) -> bytes:
    """One Byte Sequence, no list and no parameters (RFC 9440 2.2, RFC 9651 3.3.5)."""
    if len(value) < 2 or value[0] != ":" or value[-1] != ":":
        raise ValueError("not a byte sequence: base64 between two colons")
    inner = value[1:-1]
    # padding may be missing (RFC 9651 4.2.7)
    return _der(inner if "=" in inner else inner + "=" * (-len(inner) % 4))


def _of_escaped_pem(value: str) -> bytes:
    # `+` is a character of base64, not a space: AWS leaves it as it is
    return _of_pem(unquote(value, encoding="latin-1"))


def _of_pem(value: str) -> bytes:
    """The first of one or more certificates: the sender's own comes first (RFC 8446 4.4.2)."""
    certificates: list[bytes] = []
    position = 0
    while position < len(value) or not certificates:
        matched = _PEM.match(value, position)
        if matched is None:
            raise ValueError("not PEM, or something around it")
        certificates.append(_der(matched[1].translate(_NO_BREAKS)))
        position = matched.end()
    return certificates[0]


def _of_base64_der(value: str) -> bytes:
    """Of several with commas between, the first; older Traefiks escape what is not plain in a URL."""
    certificates = [_der(item) for item in unquote(value, encoding="latin-1").split(",")]
    return certificates[0]


#: by the names of `MTLS.format`; each gives the certificate's DER
READERS: Final[dict[str, Callable[[str], bytes]]] = {
    "rfc9440": _of_rfc9440,
    "escaped-pem": _of_escaped_pem,
    "pem": _of_pem,
    "base64-der": _of_base64_der,
}


def _of_xfcc(value: str, hops: int | None) -> bytes:
    """By `Cert` or `Hash` of the element that our proxy added; where both are there, they must agree."""
    pairs = written_by_us(read_elements(value, _XFCC_PAIR), hops)
    given, certificate = only(pairs, "hash"), only(pairs, "cert")
    thumbprint = None if certificate is None else sha256(_of_escaped_pem(certificate)).digest()
    if given is None:
        if thumbprint is None:
            raise ValueError("neither Hash nor Cert")
        return thumbprint
    if not _HASH.fullmatch(given):
        raise ValueError("Hash is not 64 hexadecimal digits")
    hashed = bytes.fromhex(given)
    if thumbprint is not None and not hmac.compare_digest(hashed, thumbprint):
        raise ValueError("Hash is not that of Cert")
    return hashed


def _der(text: str) -> bytes:
    """Standard base64 (RFC 4648 4) of what has a certificate's form."""
    encoded = text.encode("ascii")
    der = binascii.a2b_base64(encoded, strict_mode=True)
    # Python's strict mode still takes padding that belongs to nothing, and unused bits that are set
    if binascii.b2a_base64(der, newline=False) != encoded or not is_certificate(der):
        raise ValueError("not a certificate")
    return der


def is_certificate(der: bytes) -> bool:
    """Has this DER a certificate's form: a sequence of two sequences and a bit string, nothing else (RFC 5280 4.1)?

    No more: a certificate with values that some parser does not like may be bound to all the same.
    """
    try:
        start, end = _enter(der, 0, _SEQUENCE)
        if end != len(der):
            return False
        for tag in (_SEQUENCE, _SEQUENCE, _BIT_STRING):
            _, start = _enter(der, start, tag)
    except (IndexError, ValueError):
        return False
    return start == end


def _enter(der: bytes, position: int, tag: int) -> tuple[int, int]:
    """Where the content of the value at `position` begins and should end (ITU-T X.690 8.1.3, 10.1).

    IndexError or ValueError otherwise; whether it ends there at all is for the caller to see.
    """
    if der[position] != tag:
        raise ValueError("another type")
    length, start = der[position + 1], position + 2
    if length >= 0x80:
        octets = length - 0x80
        if not 1 <= octets <= 3:
            raise ValueError("a length that is not of a certificate")
        length = int.from_bytes(der[start : start + octets], "big")
        # in the fewest octets, as DER has it
        if length < 0x80 or length >> 8 * (octets - 1) == 0:
            raise ValueError("a length that is not DER")
        start += octets
    if length == 0:
        raise ValueError("nothing in it")
    return start, start + length
