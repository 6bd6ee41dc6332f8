"""The questions the pipeline asks of the outside world, and how a driver says that it got no answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

from tokenguard.core.model import Verified
from tokenguard.errors import Reason

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RefreshKeys:
    """Fetch the keys of `issuer`, unless a fetch is running (join it) or the cool-down forbids one.

    With `wait` the flow goes on when the fetch is over, and `AnswerFailed` is thrown in if it failed; without, the
    flow goes on at once. Answered with None: the pipeline then looks at the issuer's snapshot again.
    """

    issuer: str
    wait: bool


class Outcome(NamedTuple):
    """What an issuer said of a token: that it is not active, or `verified`, or `reason` and `hint` to refuse it."""

    active: bool
    verified: Verified | None
    reason: Reason
    hint: str

    def __repr__(self) -> str:
        return f"Outcome(active={self.active})"


@dataclass(frozen=True, slots=True)
class Introspect:
    """Ask `issuer` about a token (RFC 7662), or join whoever is asking about it. Answered with an `Outcome`.

    `digest`: SHA-256 of the token, under which the answer is remembered. `fresh`: joins no question that was sent
    before this one was put, for whose answer the issuer may have looked earlier.
    """

    issuer: str
    token: str = field(repr=False)
    digest: bytes = field(repr=False)
    fresh: bool = False
    wait: ClassVar[bool] = True


Question: TypeAlias = RefreshKeys | Introspect
#: a computation that yields questions, is sent their answers, and returns a result
Flow: TypeAlias = Generator[Question, Any, _T]


class AnswerFailed(Exception):
    """The outside world could not answer; the text is for the operator's log and holds no secret.

    `retry_after`: seconds until it may be worth another try.
    """

    def __init__(self, text: str, retry_after: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after
