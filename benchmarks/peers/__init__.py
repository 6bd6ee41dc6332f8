"""The packages that people check access tokens with today, each set up for the job as its documents say.

The job: signature with a key chosen by kid (or the one key, where a package knows no key sets), issuer, audience,
expiry. Keys are at hand in all of them; nothing is fetched while measuring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tokenguard.testing import LocalIssuer

#: gets a served issuer with one key, and answers what checks a token: raises or returns None for a bad one
Prepare = Callable[[LocalIssuer], Callable[[str], Any]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A package, or two together. `algorithms`: those it knows, by the names of `world.ALGORITHMS`.

    `prepare` raises ImportError where the package is not installed.
    """

    name: str
    prepare: Prepare
    algorithms: tuple[str, ...] = ("RS256", "ES256", "Ed25519")
    is_async: bool = False


def all_peers() -> Iterator[Peer]:
    """Every peer, installed or not."""
    from benchmarks.peers import libraries, verifiers

    yield from libraries.PEERS
    yield from verifiers.PEERS
