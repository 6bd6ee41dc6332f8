"""JSON as strict as a security decision needs it (RFC 8259; RFC 8725 3.7 for UTF-8).

Python's parser takes NaN, turns 1e999 into infinity, keeps the last of two members of one name, guesses UTF-16 and
lets lone surrogates through. None of that here: each is a `ValueError`, with a text that shows no value.

With the extra `fast`, msgspec reads what is written as msgspec itself would write it, to the byte, which most
issuers' tokens are. That leaves no room for a repeated member or any other doubt; the rest goes the strict way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

from tokenguard.config import Limits

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]

# numbers, not byte strings: those are looked for in a fifth of the time
_BRACE, _BRACKET, _BACKSLASH = b"{[\\"
_WHITESPACE = " \t\n\r"  # RFC 8259 2; nothing else around the text
#: characters of an integer: more than the largest float has, and few enough to be read at once
_MAX_DIGITS = 320
_TO_ZEROS, _TOO_LONG = bytes.maketrans(b"123456789", b"0" * 9), b"0" * _MAX_DIGITS
#: bytes of a text that is worth reading the fast way; hostile ones are long, and would be read twice
_MAX_FAST = 2_048

if msgspec is not None:
    _read, _write = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def parse(text: bytes, limits: Limits) -> Any:
    """The value of one JSON text; ValueError for anything doubtful.

    Nesting and number of members are bounded before the parser runs. An over-estimate is used (brackets and commas
    inside strings count too), which one pass in C gives.
    """
    if len(text) > limits.items and text.count(b",") > limits.items:
        raise ValueError("too many members or elements")
    # most texts are one object with nothing nested in it; counting takes four times as long as looking for a second
    is_flat = _BRACKET not in text and text.find(_BRACE, 1) < 0
    containers = 1 if is_flat else text.count(b"{") + text.count(b"[")
    if containers > limits.containers:
        raise ValueError("too many objects or arrays")
    # only where so many digits stand in a row can an integer be too long, and must each be looked at
    has_long = len(text) > _MAX_DIGITS and _TOO_LONG in text.translate(_TO_ZEROS)
    value = None
    if msgspec is not None and len(text) <= _MAX_FAST and not has_long:
        try:
            value = _read(text)
            if _write(value) != text:
                value = None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            value = None
    if value is None:  # the strict way, which also says what is wrong
        value = _decode(text, _STRICT_AND_LONG if has_long else _STRICT)
    if containers > limits.depth and _depth(value, limits.depth) > limits.depth:
        raise ValueError("nested too deep")
    return value


def parse_document(text: bytes) -> Any:
    """The value of a fetched document, whose size is bounded already.

    An object with a repeated member becomes an empty one: in a JWK Set that costs the one key (RFC 7517 4), not all.
    """
    return _decode(text, _TOLERANT)


def _decode(text: bytes, decoder: json.JSONDecoder) -> Any:
    try:
        # raw_decode, since decode() runs two regular expressions around it
        decoded = text.decode("utf-8").strip(_WHITESPACE)
        value, end = decoder.raw_decode(decoded)
        # an escaped lone surrogate parses, and would fail later, wherever the string is first encoded
        if _BACKSLASH in text and b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise ValueError("not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    if end != len(decoded):
        raise ValueError("not one JSON text")
    return value


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _short(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is out of range")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _unique_or_empty(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else {}


def _decoder(
    of_object: Callable[[list[tuple[str, Any]]], dict[str, Any]], of_integer: Callable[[str], int]
) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=of_object, parse_constant=_refuse_constant, parse_float=_finite, parse_int=of_integer
    )


_STRICT, _STRICT_AND_LONG = _decoder(_unique, int), _decoder(_unique, _short)
_TOLERANT = _decoder(_unique_or_empty, _short)


def _depth(value: Any, limit: int) -> int:
    """How deep containers nest, counted no further than just past `limit`."""
    level = [value]
    depth = 0
    while depth <= limit:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.append(list(item.values()))
            elif isinstance(item, list):
                inner.append(item)
        if not inner:
            return depth
        depth += 1
        level = [element for container in inner for element in container]
    return depth
