"""The questions the pipeline asks of the outside world, and how a driver says that it got no answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar

from tokenguard.core.keys import KeyView
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Revocation
from tokenguard.errors import Reason

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RefreshKeys:
    """Fetch these keys anew, unless a fetch is running (join it) or the cool-down forbids one.

    The keys and not their issuer's name: an issuer that is removed, or another now, is still that of this request.
    With `wait` the flow goes on when the fetch is over, and `AnswerFailed` is thrown in if it failed; without, the
    flow goes on at once. Answered with None: the pipeline then looks at the issuer's snapshot again.
    """

    keys: KeyView
    wait: bool


class Outcome(NamedTuple):
    """What an issuer said of a token: that it is not active, or `verified`, or `reason` and `hint` to refuse it."""

    active: bool
    verified: Verified | None
    reason: Reason
    hint: str

    def __repr__(self) -> str:
        return f"Outcome(active={self.active})"


class Answers(Protocol):
    """What one issuer said when asked about tokens, as far as it is remembered (`runtime/introspector.py`)."""

    def recall(self, digest: bytes) -> Outcome | None:
        """The answer about the token of this SHA-256, if it is still good."""


@dataclass(frozen=True, slots=True)
class Introspect:
    """Ask an issuer about a token (RFC 7662), or join whoever is asking about it. Answered with an `Outcome`.

    `answers`: those of the issuer, so far. `digest`: SHA-256 of the token, under which the answer is remembered.
    `fresh`: joins no question that was sent before this one was put, for whose answer the issuer may have looked
    earlier.
    """

    answers: Answers
    token: str = field(repr=False)
    digest: bytes = field(repr=False)
    fresh: bool = False
    wait: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class RecordProof:
    """Remember a used proof where all workers look (RFC 9449 11.1). Answered with True if it was not there before.

    `key`, `now`, `until`: see `possession.Replays.record`.
    """

    key: bytes = field(repr=False)
    now: float
    until: float
    wait: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class FindRevocation:
    """Ask the store of revocations about a verified token. Answered with the `Revocation` that hits it, or None."""

    token: Verified
    now: float
    wait: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class WriteRevocations:
    """Have the store keep them, all or none. Answered with None when they are kept where every reader looks."""

    revocations: tuple[Revocation, ...]
    wait: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class ResolveIssuer:
    """Look an issuer up that is in no list. Answered with its `Trusted`, or None where the table has none."""

    issuer: str = field(repr=False)  # out of a token that nobody has verified
    wait: ClassVar[bool] = True


Question: TypeAlias = RefreshKeys | Introspect | RecordProof | FindRevocation | WriteRevocations | ResolveIssuer
#: a computation that yields questions, is sent their answers, and returns a result
Flow: TypeAlias = Generator[Question, Any, _T]


class AnswerFailed(Exception):
    """The outside world could not answer; the text is for the operator's log and holds no secret.

    `retry_after`: seconds until it may be worth another try.
    """

    def __init__(self, text: str, retry_after: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class AskRemotely(AnswerFailed):
    """A store of revocations can't answer from memory, but can be asked (`RemoteRevocations.ask`)."""
