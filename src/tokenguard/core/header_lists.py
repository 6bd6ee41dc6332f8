"""Header fields that are lists of elements, one added by each proxy, each of `name=value` pairs.

Forwarded (RFC 7239 4) and X-Forwarded-Client-Cert (Envoy) look alike. An attacker may have written the elements in
front of the proxy's: so the whole field is read, or none of it. What follows a quotation that does not end where it
should could else be taken for the proxy's word.
"""

from __future__ import annotations

import re
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

#: characters of such a field; what servers take in all headers together is of this size
MAX_FIELD = 32 * 1024

Pair: TypeAlias = tuple[str, str]


def pair_syntax(name: str, value: str) -> re.Pattern[str]:
    """A pair whose name, and whose value without quotation marks, are what these regular expressions say."""
    # in a quoted string: anything printable but the quotation mark and the backslash, or a backslash and one character
    return re.compile(rf'({name})=(?:"((?:[\t !#-\[\]-~]|\\[\t -~])*+)"|({value}))')


def read_elements(field: str, pair: re.Pattern[str]) -> list[list[Pair]]:
    """Every element, in order, each as its (name in lower case, value) pairs; ValueError unless all can be read."""
    if len(field) > MAX_FIELD:
        raise ValueError("too long")
    elements: list[list[Pair]] = []
    pairs: list[Pair] = []
    position = _after_space(field, 0)
    while position < len(field):
        if field[position] == ",":  # an empty element, which counts for nothing (RFC 9110 5.6.1.2)
            position = _after_space(field, position + 1)
            continue
        matched = pair.match(field, position)
        if matched is None:
            raise ValueError("not name=value")
        name, quoted, plain = matched.groups()
        pairs.append((name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)))
        position = _after_space(field, matched.end())
        after = field[position : position + 1]
        if after == ";":
            position = _after_space(field, position + 1)
            if position == len(field) or field[position] in ",;":
                raise ValueError("a semicolon with no pair behind it")
        elif after in {",", ""}:
            elements.append(pairs)
            pairs = []
            position = _after_space(field, position + 1)
        else:
            raise ValueError("neither a comma nor a semicolon behind a pair")
    return elements


def only(pairs: list[Pair], name: str) -> str | None:
    """The value of a name in one element; None if it is not there, ValueError if it is twice."""
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        raise ValueError("a name stands twice in one element")
    return values[0] if values else None


def written_by_us(elements: list[_T], hops: int | None) -> _T:
    """The element that the outermost of our proxies added. `hops`: how many of them add one; None: see below.

    What stands in front of it came with the request. Where it is not said how many add one there must be one in all.
    """
    if len(elements) < (hops or 1) or (hops is None and len(elements) > 1):
        raise ValueError("TrustedProxies.hops is not the number of elements")
    return elements[-(hops or 1)]


def _after_space(field: str, position: int) -> int:
    while position < len(field) and field[position] in " \t":
        position += 1
    return position
