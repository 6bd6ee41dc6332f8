"""JSON and base64url are read as an independent judge reads them, or refused with ValueError."""

from __future__ import annotations

import json
import math
import string
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.core.strategies import json_values, properties, scalars

from tokenguard.config import Limits
from tokenguard.core import strict_json
from tokenguard.core.jws import decode_base64url
from tokenguard.testing.jws import b64url

ROOMY = Limits(items=100_000)


# JSON


class RepeatedMember(ValueError):
    """A name occurs twice in one object."""


def strictly(text: bytes) -> Any:
    """The value by `json.loads`, or ValueError for what RFC 8259 forbids or leaves open."""

    def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in members}) < len(members):
            raise RepeatedMember
        return dict(members)

    def constant(name: str) -> Any:
        raise ValueError(name)

    value = json.loads(text.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant)
    for part in parts(value):
        if (isinstance(part, float) and not math.isfinite(part)) or (isinstance(part, str) and has_surrogate(part)):
            raise ValueError("no number, or no character")
    return value


def parts(value: Any) -> Iterator[Any]:
    """The value, and everything in it."""
    yield value
    inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in inside:
        yield from parts(part)


def has_surrogate(text: str) -> bool:
    """Is half a character in it?"""
    return any("\ud800" <= character <= "\udfff" for character in text)


literals = st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e400", "-0", "1.0", "1E5", "0.10", "01", "+1", ".5", "1.", "0x1",
     "123456789012345678901234567890", "1e-999", '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0061"', '"\t"', '"\x7f"',
     '"\\/"', "tru", "'a'", "/**/1", "18446744073709551616", "-9223372036854775809", "9" * 4301, "nul"]
)  # fmt: skip
texts = st.recursive(
    literals | scalars.map(json.dumps) | st.text().map(lambda value: json.dumps(value, ensure_ascii=False)),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"', '""', "a"]), inner), max_size=3).map(
            lambda members: "{" + ",".join(f"{name}:{value}" for name, value in members) + "}"
        )
        | inner.map(" {} ".format)
    ),
    max_leaves=8,
)


def outcome(read: Callable[[bytes], Any], text: bytes) -> Any:
    """What is read, with its type as repr shows it, or the class of what was raised."""
    try:
        value = read(text)
    except Exception as error:
        return type(error)
    return value, repr(value)


@properties
@given(st.binary() | texts.map(lambda text: text.encode("utf-8", "surrogatepass")), st.booleans())
@example(b'{"a":1,"a":1}', True)
@example(b"\xef\xbb\xbf{}", True)
@example(b"{}\x00", True)
@example("{}".encode("utf-16"), True)
def test_strict_json_agrees_with_a_strict_reading_by_the_standard_library(text: bytes, with_extra: bool) -> None:
    """A text is read as `json.loads` does or refused with ValueError: no more, no less, with the extra or not."""
    expected = outcome(strictly, text)
    with pytest.MonkeyPatch.context() as patch:
        if not with_extra:
            patch.setattr(strict_json, "msgspec", None)
        found = outcome(lambda text: strict_json.parse(text, ROOMY), text)
    assert found == (ValueError if isinstance(expected, type) else expected)


@properties
@given(json_values, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")]), st.booleans())
def test_strict_json_reads_whatever_was_written(value: Any, separators: tuple[str, str], ascii_only: bool) -> None:
    """A value written in any style comes back as it was."""
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode()
    assert strict_json.parse(text, ROOMY) == strict_json.parse_document(text) == value


@properties
@given(st.binary() | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_document_is_read_or_refused_with_value_error(text: bytes) -> None:
    """What an issuer serves raises ValueError itself and nothing else: the subclasses would carry the text along."""
    expected, found = outcome(strictly, text), outcome(strict_json.parse_document, text)
    assert found is ValueError if isinstance(found, type) else expected in (found, RepeatedMember)


@properties
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["[]", '{"":}']))
def test_nesting_is_allowed_to_the_limit_and_no_further(depth: int, limit: int, brackets: str) -> None:
    """So many levels as the limit says."""
    opening, closing = brackets[:-1], brackets[-1]
    text = (opening * depth + ("0" if ":" in brackets else "") + closing * depth).encode()
    if depth <= limit:
        strict_json.parse(text, Limits(depth=limit))
    else:
        with pytest.raises(ValueError, match="deep"):
            strict_json.parse(text, Limits(depth=limit))


@pytest.mark.parametrize("around", ["{}", " {}", '{{"a":{}}}', '{{"a":[{}]}}', '{{"a":{},"b":"' + "x" * 400 + '"}}'])
@pytest.mark.parametrize("parser", ["the standard library's", "the faster one"])
def test_an_integer_is_read_to_its_limit_and_no_further(around: str, parser: str) -> None:
    """Of 320 characters, whether the text around it is short or long, and whoever reads it."""
    with pytest.MonkeyPatch.context() as patch:
        if parser == "the standard library's":
            patch.setattr(strict_json, "msgspec", None)
        for longest in ("9" * 320, "-" + "9" * 319):
            strict_json.parse(around.format(longest).encode(), ROOMY)
            with pytest.raises(ValueError, match="range"):
                strict_json.parse(around.format(longest + "9").encode(), ROOMY)


@properties
@given(json_values, st.sampled_from(["", " ", "\n "]), st.integers(1, 8), st.integers(1, 3))
@example({"a": {}}, "", 1, 1)
@example({"a": []}, "", 1, 1)
@example([1], "", 1, 1)
@example([{}], "", 1, 1)
@example({}, " ", 1, 1)
def test_what_holds_too_much_is_refused_however_flat_it_looks(
    value: Any, before: str, containers: int, depth: int
) -> None:
    """By as many brackets as the text has, in strings too; and by how deep its value nests."""
    text = before + json.dumps(value)
    deep = nesting(value)
    limits = Limits(items=100_000, containers=containers, depth=depth)
    if text.count("{") + text.count("[") <= containers and deep <= depth:
        strict_json.parse(text.encode(), limits)
    else:
        with pytest.raises(ValueError, match=r"too many|too deep"):
            strict_json.parse(text.encode(), limits)


def nesting(value: Any) -> int:
    """How many levels."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(nesting, inside), default=0)


# base64url


@properties
@given(st.binary())
def test_base64url_comes_back(octets: bytes) -> None:
    """What was encoded is decoded."""
    assert decode_base64url(b64url(octets).encode()) == octets


@properties
@given(st.text(string.ascii_letters + string.digits + "-_", max_size=12).map(str.encode) | st.binary(max_size=12))
@example(b"AB")
@example(b"A")
@example(b"AA==")
@example(b"AA+/")
def test_base64url_has_one_spelling(segment: bytes) -> None:
    """A segment is decoded if encoding the result gives that very segment, and refused otherwise."""
    padded = segment + b"=" * (-len(segment) % 4)
    try:
        judged = urlsafe_b64decode(padded)
    except ValueError:
        judged = None
    if judged is not None and b64url(judged).encode() == segment:
        assert decode_base64url(segment) == judged
    else:
        with pytest.raises(ValueError, match=r"."):
            decode_base64url(segment)
