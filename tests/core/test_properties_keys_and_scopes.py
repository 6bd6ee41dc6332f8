"""Any key set is usable or refused, and scope expressions mean what Python's all and any mean."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, json_values, properties
from tests.spec.support import signing_key

from tokenguard import all_of, any_of
from tokenguard.config import KNOWN_ALGORITHMS
from tokenguard.core.jwk import SkipKey, import_key
from tokenguard.core.keys import KeySetError, build_key_set
from tokenguard.errors import ConfigurationError
from tokenguard.testing.jws import b64url

# keys

JWKS = [signing_key(name).jwk for name in ("RS256", "ES256", "Ed25519", "Ed448", "ES256K", "ML-DSA-44")]
jwks = st.builds(
    lambda jwk, changes: {**jwk, **changes},
    st.sampled_from(JWKS),
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "pub", "use", "key_ops", "kid"]),
        json_values
        | st.binary(max_size=80).map(b64url)
        | st.sampled_from(["RSA", "EC", "OKP", "AKP", "P-256", "Ed448"]),
        max_size=3,
    ),
)


@properties
@given(jwks | json_values)
def test_any_key_is_read_or_skipped(jwk: Any) -> None:
    """Whatever stands in a key set raises SkipKey at most."""
    with contextlib.suppress(SkipKey):
        assert import_key(jwk).kty in {"RSA", "EC", "OKP", "AKP"}


@properties
@given(st.lists(jwks | json_values, max_size=4).map(lambda keys: {"keys": keys}) | json_values)
def test_any_key_set_is_usable_or_refused(document: Any) -> None:
    """Whatever an issuer publishes, there are keys in it or a KeySetError."""
    with contextlib.suppress(KeySetError):
        assert build_key_set(document, KNOWN_ALGORITHMS, max_keys=100).count > 0


# scope expressions

scopes = st.sampled_from("abcde")
#: an expression as nested lists whose first item is all or any of Python's
trees = st.recursive(
    scopes,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: [all, *parts])
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: [any, *parts])
    ),
    max_leaves=8,
)
granted_scopes = st.frozensets(scopes)


def built(tree: Any) -> Any:
    """The expression of a tree."""
    if isinstance(tree, str):
        return tree
    return (all_of if tree[0] is all else any_of)(*map(built, tree[1:]))


def holds(tree: Any, granted: frozenset[str]) -> bool:
    """Is the tree true, by Python's own all and any?"""
    return tree in granted if isinstance(tree, str) else tree[0](holds(part, granted) for part in tree[1:])


@properties
@given(trees, granted_scopes)
def test_scope_expressions_are_boolean_algebra(tree: Any, granted: frozenset[str]) -> None:
    """all_of and any_of mean what all and any mean, however they are nested."""
    assert all_of(built(tree)).is_met(granted) == holds(tree, granted)


@properties
@given(trees, granted_scopes, granted_scopes)
def test_more_scopes_never_lose_anything(tree: Any, granted: frozenset[str], more: frozenset[str]) -> None:
    """What some scopes are enough for, more are too."""
    expression = all_of(built(tree))
    assert expression.is_met(granted | more) or not expression.is_met(granted)


@properties
@given(trees)
def test_the_scopes_that_a_challenge_names_are_enough(tree: Any) -> None:
    """Whoever asks for what the challenge says, gets in."""
    expression = all_of(built(tree))
    assert expression.is_met(set(str(expression).split()))


@properties
@given(st.lists(any_text | scopes, max_size=3))
def test_a_scope_expression_is_built_of_scopes_or_not_at_all(parts: list[str]) -> None:
    """Any text is a scope that a challenge can name, or a ConfigurationError."""
    try:
        expression = all_of(*parts)
    except ConfigurationError:
        assert not all(re.fullmatch(r"[!#-\[\]-~]+", part) for part in parts)
    else:
        assert set(str(expression).split(" ")) - {""} == set(parts)
