"""What the pipeline does in one way and could do in another: what each would cost."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Generator
from typing import Any

import cachetools
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from benchmarks import world
from benchmarks.measure import Case, measure, same
from benchmarks.rows import Row, absent, timing
from benchmarks.suites import Plan
from tokenguard.config import Limits
from tokenguard.core import jws, strict_json
from tokenguard.core.algorithms import ALGORITHMS
from tokenguard.runtime.tokencache import BoundedMemory

_LIMITS = Limits()


def run(plan: Plan) -> list[Row]:
    """A group a question; the first of each is what is done."""
    missing: list[Row] = []
    groups = {
        "signature: ES256": _signature("ES256", ECAlgorithm(ECAlgorithm.SHA256, ec.SECP256R1)),
        "signature: RS256": _signature("RS256", RSAAlgorithm(RSAAlgorithm.SHA256)),
        "digest of the token": _digests(),
        "base64url of the payload": _base64url(),
        "JSON of the payload": _json(missing),
        "memory of tokens": _memories(),
        "one pipeline for sync and async": _pipelines(),
    }
    rows = []
    for position, (group, cases) in enumerate(groups.items()):
        samples = measure(cases, *plan.part(group, 1 / len(groups), position / len(groups)))
        rows += [timing(group, case.name, samples, cases[0].name) for case in cases]
        rows += [row for row in missing if row.group == group]
    return rows


def _signature(algorithm: str, pyjwt: Any) -> list[Case]:
    key = world.signing_key(algorithm).private.public_key()
    received = world.mint(algorithm).encode()
    signed, _, segment = received.rpartition(b".")
    signature = jws.decode_base64url(segment)
    return [
        Case("cryptography, called directly", ALGORITHMS[algorithm].verifier(key), same(signature, signed)),
        Case("PyJWT's algorithm object", pyjwt.verify, same(signed, key, signature)),
    ]


def _digests() -> list[Case]:
    received = world.mint().encode()
    return [
        Case("BLAKE2b", lambda: hashlib.blake2b(received).digest(), same()),
        Case("SHA-256", lambda: hashlib.sha256(received).digest(), same()),
        Case("hash() of the text, which must then be kept", lambda: hash(received.decode()), same()),
    ]


def _base64url() -> list[Case]:
    segment = world.mint().split(".")[1].encode()
    return [
        Case("strict: translate, then binascii", jws.decode_base64url, same(segment)),
        Case("lax: base64.urlsafe_b64decode", lambda: base64.urlsafe_b64decode(segment + b"=="), same()),
    ]


def _json(missing: list[Row]) -> list[Case]:
    payload = world.payload()
    cases = [
        Case("strict_json.parse, with the extra fast", strict_json.parse, same(payload, _LIMITS)),
        Case("json.loads: repeated members, NaN and UTF-16 taken", json.loads, same(payload)),
    ]
    for name in ("msgspec", "orjson"):
        try:
            cases.append(Case(f"{name}: repeated members taken", _parser(name), same(payload)))
        except ImportError as error:
            missing.append(absent("JSON of the payload", name, f"not installed: {error}"))
    return cases


def _parser(name: str) -> Callable[[bytes], Any]:
    if name == "msgspec":
        import msgspec

        return msgspec.json.Decoder().decode
    import orjson

    return orjson.loads


def _memories() -> list[Case]:
    digests = [hashlib.sha256(b"%d" % number).digest() for number in range(10_000)]
    ours: BoundedMemory[int] = BoundedMemory(len(digests))
    recent: cachetools.LRUCache[bytes, int] = cachetools.LRUCache(len(digests))
    timed: cachetools.TTLCache[bytes, int] = cachetools.TTLCache(len(digests), ttl=3_600)
    lock = threading.Lock()
    for number, digest in enumerate(digests):
        ours.put(digest, number)
        recent[digest] = timed[digest] = number

    def locked(memory: Any) -> Callable[[], int | None]:
        def get() -> int | None:
            with lock:
                found: int | None = memory.get(digests[5])
                return found

        return get

    return [
        Case("first in, first out, read without a lock", ours.get, same(digests[5])),
        Case("cachetools, least recently used, with a lock", locked(recent), same()),
        Case("cachetools, time to live, with a lock", locked(timed), same()),
    ]


def _pipelines() -> list[Case]:
    def plain(value: int) -> int:
        return value

    def flow(value: int) -> Generator[None, None, int]:
        if value < 0:
            yield
        return value

    def driven(value: int) -> int:
        try:
            next(flow(value))
        except StopIteration as end:
            answer: int = end.value
            return answer
        raise AssertionError("it asked something")

    return [
        Case("a generator that asks nothing, and its driver", driven, same(1)),
        Case("a plain function, written twice", plain, same(1)),
    ]
