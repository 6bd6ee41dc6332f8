"""What a health endpoint can tell: whether requests can be answered, and how old the keys are."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tokenguard.core.keys import KeySnapshot
from tokenguard.core.revocation import StoreState
from tokenguard.runtime.breaker import State


@dataclass(frozen=True, slots=True)
class KeyState:
    """The keys of one issuer. Times in seconds from now; None where there is none.

    `state`: "static" (configured), "unused" (the issuer is asked about its tokens instead), "cold" (never fetched),
    "fresh", "stale" (serving, though the last refresh failed), "expired" (past the stale limit: its tokens get 503).
    `key_count`: usable keys. `age`: since the fetch that brought them. `refresh_in`: until the next refresh is due.
    `cooling_down`: no fetch may begin now. `last_error`: of the last fetch, empty after a success. `skipped_keys`: why
    published keys are not used.
    """

    issuer: str
    state: Literal["static", "unused", "cold", "fresh", "stale", "expired"]
    key_count: int
    age: float | None
    refresh_in: float | None
    cooling_down: bool
    last_error: str
    skipped_keys: tuple[str, ...]

    @property
    def serving(self) -> bool:
        """Can this issuer's tokens be checked now?"""
        return self.state in {"static", "unused", "fresh", "stale"}


@dataclass(frozen=True, slots=True)
class IntrospectionState:
    """How asking one issuer about tokens goes.

    `circuit`: "closed", "open" (it failed too often and isn't asked for a while) or "half-open" (the next question
    tries it). `running`: questions under way or waiting. `last_error`: of the last question, empty after an answer.
    """

    issuer: str
    circuit: State
    running: int
    last_error: str

    @property
    def serving(self) -> bool:
        """May this issuer be asked now?"""
        return self.circuit != "open"


@dataclass(frozen=True, slots=True)
class TenantsState:
    """The issuers that an `IssuerResolver` knows, in numbers.

    `known`: issuers kept; `serving`: those of them whose tokens can be checked now; `failing`: those that can't be,
    or only with keys that could not be refreshed, or that can't be asked about tokens. `examples`, `circuits`: a few
    of the failing. `unknown`: names remembered as not in the table. `looking_up`: look-ups under way or waiting.
    `last_error`: of the last look-up, empty after one that answered with an issuer.
    """

    known: int
    serving: int
    failing: int
    examples: tuple[KeyState, ...]
    circuits: tuple[IntrospectionState, ...]
    unknown: int
    looking_up: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a guard. `ready`: the tokens of every issuer in its list can be checked now.

    `tenants`: of issuers that are looked up; they don't decide `ready`, for one tenant's outage is no reason to take
    the service from all others. None where none are.
    """

    ready: bool
    issuers: tuple[KeyState, ...]
    introspection: tuple[IntrospectionState, ...] = ()
    revocations: StoreState | None = None
    tenants: TenantsState | None = None

    def as_dict(self) -> dict[str, Any]:
        """For a JSON body; `tenants` is in it only where there are any to look up."""
        members = asdict(self)
        if self.tenants is None:
            del members["tenants"]
        return members


def key_state(issuer: str, snapshot: KeySnapshot, *, now: float, cooldown: float) -> KeyState:
    """`snapshot` as seen at `now`, on the monotonic clock."""
    fetched = math.isfinite(snapshot.fetched_at)
    return KeyState(
        issuer=issuer,
        state=_state(snapshot, now),
        key_count=snapshot.keys.count if snapshot.keys is not None else 0,
        age=now - snapshot.fetched_at if fetched else None,
        refresh_in=max(0.0, snapshot.refresh_at - now) if fetched else None,
        cooling_down=math.isfinite(snapshot.attempted_at) and now < snapshot.attempted_at + cooldown,
        last_error=snapshot.failure,
        skipped_keys=snapshot.keys.skipped if snapshot.keys is not None else (),
    )


def _state(snapshot: KeySnapshot, now: float) -> Literal["static", "cold", "fresh", "stale", "expired"]:
    if snapshot.keys is None:
        return "cold"
    if snapshot.stale_at == math.inf:
        return "static"
    if now >= snapshot.stale_at:
        return "expired"
    return "stale" if snapshot.failure else "fresh"
