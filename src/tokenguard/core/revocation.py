"""What it means that a token is revoked: which tokens a revocation hits, until when, and how a store is asked.

A revocation names one issuer and one of: a token, a session (or family of refresh tokens), a subject, a client, or all
that the issuer issued. It never hits a token of another issuer, whatever identifiers the two have in common.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol, Self, TypeAlias

from tokenguard._checks import require_number
from tokenguard.config import MAX_LEEWAY, Issuer
from tokenguard.core import jws
from tokenguard.core.model import Verified
from tokenguard.errors import ConfigurationError

#: where nobody can tell whether a token is revoked: "closed" refuses it with 503, "open" lets it in with an alarm
WhenUnknown: TypeAlias = Literal["closed", "open"]
#: characters of a value: no identifier that fits into a token is longer
MAX_VALUE = 16 * 1024
#: where the year 9999 ends, in epoch seconds: what is later is a mistake
MAX_TIME = 253_402_300_800
#: before what stands for the value of a token without `jti`
FINGERPRINT_PREFIX = "fingerprint:"


class Level(StrEnum):
    """How much a revocation hits, from one token to all that an issuer issued."""

    TOKEN = "token"  # noqa: S105 - no secret
    SESSION = "session"
    SUBJECT = "subject"
    CLIENT = "client"
    ISSUER = "issuer"


#: the levels that must say which tokens are meant by when they were issued: the others of it go on
DATED = frozenset({Level.SUBJECT, Level.CLIENT, Level.ISSUER})


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens that no longer count. Times in epoch seconds.

    `issuer`: as the tokens have it in `iss`. `level` and `value`: which tokens: `jti` (or the `fingerprint` of a token
    that has none), session, `sub`, `client_id`; "" for the whole issuer. `before`: hit are those issued until then,
    and those that do not say when they were; infinite for all, as it always is for a single token. `until`: no token
    that it could hit is alive from then on, so that it may be forgotten.
    """

    issuer: str
    level: Level
    value: str
    before: float
    until: float

    def __post_init__(self) -> None:
        if not isinstance(self.issuer, str) or not self.issuer:
            raise ConfigurationError("Revocation.issuer must be an issuer identifier")
        if not isinstance(self.level, Level):
            raise ConfigurationError(f"Revocation.level must be one of {', '.join(Level)}")
        if not isinstance(self.value, str) or len(self.value) > MAX_VALUE:
            raise ConfigurationError(f"Revocation.value must be a string of at most {MAX_VALUE} characters")
        if bool(self.value) == (self.level is Level.ISSUER):
            raise ConfigurationError("Revocation.value must be empty for a whole issuer, and only then")
        require_number("Revocation.until", self.until, low=0, high=MAX_TIME)
        if self.before != math.inf:
            require_number("Revocation.before", self.before, low=0, high=MAX_TIME)
            if self.level is Level.TOKEN:
                raise ConfigurationError("Revocation.before: a single token is revoked whenever it was issued")
        elif self.level in DATED:
            raise ConfigurationError(f"Revocation.before is required for a {self.level}: those issued later count")

    def joined(self, other: Self | None) -> Self:
        """What holds of two for the same tokens: the later end of each."""
        if other is None or (other.before <= self.before and other.until <= self.until):
            return self
        return type(self)(
            self.issuer, self.level, self.value, max(self.before, other.before), max(self.until, other.until)
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `before` is None where it is infinite. `from_mapping` reads it back."""
        before = None if self.before == math.inf else self.before
        return {
            "issuer": self.issuer,
            "level": str(self.level),
            "value": self.value,
            "before": before,
            "until": self.until,
        }

    @classmethod
    def from_mapping(cls, members: Mapping[str, Any]) -> Self:
        """One that `as_dict` wrote; `ConfigurationError` for anything else."""
        try:
            level, before = Level(members["level"]), members["before"]
            return cls(
                members["issuer"], level, members["value"], math.inf if before is None else before, members["until"]
            )
        except (KeyError, TypeError, ValueError) as cause:
            if isinstance(cause, ConfigurationError):
                raise
            raise ConfigurationError("a revocation has issuer, level, value, before and until") from None

    def __repr__(self) -> str:
        return f"Revocation(issuer={self.issuer!r}, level={self.level.value!r})"  # a value may be personal


def levels_of(token: Verified) -> list[tuple[Level, str]]:
    """All under which a token can be revoked: level and value, the narrowest first."""
    named = (
        (Level.TOKEN, token.id or token.fingerprint),
        (Level.SESSION, token.session),
        (Level.SUBJECT, token.subject),
        (Level.CLIENT, token.client_id),
    )
    return [*((level, value) for level, value in named if value), (Level.ISSUER, "")]


def hits(revocation: Revocation, token: Verified, now: float) -> bool:
    """Is this token revoked by it? One without `iat` may have been issued at any time."""
    return (
        revocation.issuer == token.issuer
        and (revocation.level, revocation.value) in levels_of(token)
        and (token.issued_at is None or token.issued_at <= revocation.before)
        and now < revocation.until
    )


def fingerprint(received: bytes) -> str:
    """What stands for a token without `jti`: SHA-256 of the signing input for a JWT, of all of it for any other.

    Not of a JWT's signature: an ECDSA signature has a second spelling that is valid too.
    """
    what = received.rpartition(b".")[0] if jws.is_signed(received) else received
    return FINGERPRINT_PREFIX + hashlib.sha256(what).hexdigest()


def last_moment(config: Issuer, issued: float) -> float:
    """From when on no token of this issuer that was issued until `issued` is alive, at whichever service.

    Raises `ConfigurationError` where nothing bounds how long its tokens live.
    """
    if config.max_lifetime is None:
        raise ConfigurationError(
            f"how long tokens of {config.issuer} live is not known: set Issuer.max_lifetime, or say `until`"
        )
    # its clock may be ahead of ours, and that of whoever lets its tokens in behind
    return min(issued + config.max_lifetime + 2 * MAX_LEEWAY, MAX_TIME)


def require_when_unknown(name: str, value: object) -> None:
    """Raises unless it is such a policy."""
    if value not in {"closed", "open"}:
        raise ConfigurationError(f'{name} must be "closed" or "open"')


@dataclass(frozen=True, slots=True)
class StoreState:
    """How a store of revocations is. Times in seconds; None where it is not known.

    `store`: its name; `mode`: how it answers. `entries`: revocations held here. `lag`: how far what it answers from is
    behind what was written. `worst_case_delay`: how long after a successful write a request with a revoked token may
    still be let in, in any process. `serving`: can it answer now? `last_error`: empty after a success.
    """

    store: str
    mode: str
    entries: int | None
    lag: float | None
    worst_case_delay: float | None
    serving: bool = True
    last_error: str = ""


class LocalRevocations(Protocol):
    """A store that answers from memory: no I/O, no lock, on every request."""

    def find(self, token: Verified, now: float) -> Revocation | None:
        """The revocation that hits this token (see `hits`), of all levels in one look-up; None for none.

        Raises `AnswerFailed` where it can't tell, and then the policy decides; `AskRemotely` where `ask` can.
        """


class RemoteRevocations(Protocol):
    """A store that must be asked. Runs on the guard's I/O thread, so it needs no lock of its own."""

    async def ask(self, token: Verified, now: float) -> Revocation | None:
        """As `LocalRevocations.find`, in one round trip. With both, this is for `Requirement(live=True)`."""


#: what `TokenGuard(revocations=...)` takes: either or both
Store: TypeAlias = LocalRevocations | RemoteRevocations


class LocalWrites(Protocol):
    """A store in memory that can be written to, and read as a whole."""

    def add(self, revocations: Sequence[Revocation], now: float) -> None:
        """Remember them all, or raise `AnswerFailed` and remember none. The same one twice is one (see `joined`)."""

    def held(self, now: float) -> Iterator[Revocation]:
        """All that have not ended."""


class RemoteWrites(Protocol):
    """A store elsewhere that can be written to, and read as a whole. Runs on the guard's I/O thread."""

    async def write(self, revocations: Sequence[Revocation], now: float) -> None:
        """Return when they are kept where every reader looks; raise `AnswerFailed` otherwise, and keep all or none."""

    def pages(self, now: float) -> AsyncIterator[Sequence[Revocation]]:
        """All that have not ended, some at a time."""


class Attached(Protocol):
    """A store with work of its own. It belongs to one guard, which attaches it when built."""

    def attach(self, begin: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """`begin` starts work in the background, on the guard's I/O thread, which is started by it if need be.

        Nothing may be begun by `attach` itself: servers fork after building an app. Work that runs when the guard is
        closed is cancelled. In a forked child none of it runs. Raises `AnswerFailed` once the guard is closed.
        """

    async def close(self) -> None:
        """Release connections. Last on the I/O thread; not called if that was never started."""


class Reporting(Protocol):
    """A store that can say how it is."""

    def state(self, now: float) -> StoreState:
        """For `guard.health()`. Waits for nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """How a guard's store of revocations is asked. `find`: from memory, None where it can't be. `can_ask`: remotely.

    `alarm`: told of a token that was let in although nobody could tell, and why.
    """

    find: Callable[[Verified, float], Revocation | None] | None
    can_ask: bool
    when_unknown: WhenUnknown
    alarm: Callable[[Verified, str], None]
