"""An issuer's key set, and the choice of the keys a token's header may mean (RFC 7517 5, RFC 8725 3.1, 3.8).

`KeySet` is one fetched (or configured) JWK Set; `KeySnapshot` is that set with the times that govern its use; the
key source (`runtime/keysource.py`) replaces the snapshot as a whole, so that readers need no lock.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tokenguard.config import TENANT_PLACE, Issuer
from tokenguard.core.algorithms import ALGORITHMS, Verifier
from tokenguard.core.jwk import PublicKey, SkipKey, import_key

#: how many keys are tried for a token without a kid (RFC 7515 appendix D leaves it open)
MAX_CANDIDATES = 4


class KeySetError(ValueError):
    """The document is no usable JWK Set; the text says why and shows no key material."""


class KeySet:
    """The usable keys of one JWK Set, found by algorithm and kid. Immutable once built.

    `count`: usable keys. `skipped`: why others are not used. `identity`: differs whenever any key material, kid or
    alg differs.
    """

    __slots__ = ("_by_alg_and_kid", "_kids", "count", "identity", "skipped")

    def __init__(self, keys: Iterable[PublicKey], algorithms: Iterable[str], skipped: Iterable[str]) -> None:
        table: dict[tuple[str, str | None], list[Verifier]] = {}
        usable = list(keys)
        for key in usable:
            for name in _algorithms_of(key, algorithms):
                verifier = ALGORITHMS[name].verifier(key.key)
                table.setdefault((name, None), []).append(verifier)
                if key.kid is not None:
                    table.setdefault((name, key.kid), []).append(verifier)
        self._by_alg_and_kid: Mapping[tuple[str, str | None], tuple[Verifier, ...]] = {
            wanted: tuple(verifiers[:MAX_CANDIDATES]) for wanted, verifiers in table.items()
        }
        self._kids = frozenset(key.kid for key in usable if key.kid is not None)
        self.count = len(usable)
        self.skipped = tuple(skipped)
        self.identity = frozenset((key.kid, key.alg, _fingerprint(key)) for key in usable)

    def verifiers(self, alg: str, kid: str | None) -> tuple[Verifier, ...]:
        """The keys a header with this `alg` and `kid` may mean; without a kid the first few for `alg`. May be empty."""
        return self._by_alg_and_kid.get((alg, kid), ())

    def has_key_id(self, kid: str | None) -> bool:
        """Is there a key of that kid, whatever its algorithm?"""
        return kid in self._kids


class KeySnapshot(NamedTuple):
    """A key set and its times, on the monotonic clock, in seconds.

    `generation`: changes whenever key material does. `refresh_at`: from then on the key source wants to be asked
    for a refresh. `stale_at`: from then on the keys must not serve. `fetched_at`, `attempted_at`: when the last
    fetch that succeeded, and the last one at all, began. `failure`: what went wrong last, empty after a success.
    """

    keys: KeySet | None
    generation: int
    refresh_at: float
    stale_at: float
    fetched_at: float
    attempted_at: float
    failure: str


NEVER_FETCHED = KeySnapshot(None, 0, -math.inf, -math.inf, -math.inf, -math.inf, "")


class KeyView(Protocol):
    """What the pipeline sees of a key source."""

    @property
    def snapshot(self) -> KeySnapshot:
        """The newest key set and its times."""


def build_key_set(document: object, algorithms: Iterable[str], *, max_keys: int, of_any_tenant: bool = False) -> KeySet:
    """The usable keys of a JWK Set (RFC 7517 5); one that can't be read is skipped, the rest serve.

    `algorithms`: those the issuer may use. `of_any_tenant`: only the keys that may sign for every tenant.
    Raises `KeySetError` where nothing usable is left.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("keys"), list | tuple):
        raise KeySetError("not a JWK Set: a JSON object with an array named keys")
    entries = document["keys"]
    if len(entries) > max_keys:
        raise KeySetError(f"{len(entries)} keys, more than KeyPolicy.max_keys, {max_keys}")
    algorithms = tuple(algorithms)
    keys: dict[tuple[str | None, str | None, bytes], PublicKey] = {}
    skipped: list[str] = []
    for position, entry in enumerate(entries):
        try:
            key = import_key(entry)
            if not _algorithms_of(key, algorithms):
                raise SkipKey("it serves none of the algorithms in Issuer.algorithms")
            if of_any_tenant and TENANT_PLACE not in entry.get("issuer", TENANT_PLACE):
                raise SkipKey("its member issuer names one tenant, for which alone it may sign")
        except SkipKey as reason:
            skipped.append(f"key {position}: {reason}")
        else:
            keys[key.kid, key.alg, _fingerprint(key)] = key  # the same key twice is one
    unambiguous = _without_ambiguous(keys.values(), algorithms, skipped)
    if not unambiguous:
        raise KeySetError("no usable key: " + ("; ".join(skipped[:5]) or "the set is empty"))
    return KeySet(unambiguous, algorithms, skipped)


def key_set_of(config: Issuer, document: object) -> KeySet:
    """The keys of a JWK Set that this issuer's tokens, and logout tokens, may be signed with."""
    is_template = TENANT_PLACE in config.issuer
    algorithms = dict.fromkeys((*config.algorithms, *(config.logout.algorithms if config.logout is not None else ())))
    return build_key_set(document, algorithms, max_keys=config.keys.max_keys, of_any_tenant=is_template)


def _without_ambiguous(keys: Iterable[PublicKey], algorithms: Iterable[str], skipped: list[str]) -> list[PublicKey]:
    # different keys of one kid that would serve the same alg: no guess which is meant (RFC 7517 4.5)
    keys = list(keys)
    meant: dict[tuple[str | None, str], set[bytes]] = {}
    for key in keys:
        for name in _algorithms_of(key, algorithms):
            meant.setdefault((key.kid, name), set()).add(_fingerprint(key))
    clear = [
        key
        for key in keys
        if key.kid is None or all(len(meant[key.kid, name]) == 1 for name in _algorithms_of(key, algorithms))
    ]
    if len(clear) != len(keys):
        skipped.append(f"{len(keys) - len(clear)} keys that share their kid with another for the same algorithm")
    return clear


def _algorithms_of(key: PublicKey, allowed: Iterable[str]) -> list[str]:
    """A key that names an alg serves that one; one that names none, the allowed ones of its type and curve."""
    return [
        name
        for name in allowed
        if (algorithm := ALGORITHMS[name]).kty == key.kty and algorithm.crv == key.crv and key.alg in (None, name)
    ]


def _fingerprint(key: PublicKey) -> bytes:
    encoded: Any = key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()
