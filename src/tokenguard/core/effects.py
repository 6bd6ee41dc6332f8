"""The questions the pipeline asks of the outside world, and how a driver says that it got no answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefreshKeys:
    """Fetch the keys of `issuer`, unless a fetch is running (join it) or the cool-down forbids one.

    With `wait` the flow goes on when the fetch is over, and `AnswerFailed` is thrown in if it failed; without, the
    flow goes on at once. Answered with None: the pipeline then looks at the issuer's snapshot again.
    """

    issuer: str
    wait: bool


Question = RefreshKeys


class AnswerFailed(Exception):
    """The outside world could not answer; the text is for the operator's log and holds no secret."""
