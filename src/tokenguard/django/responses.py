"""A refusal as Django's response."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import JsonResponse

from tokenguard.core.challenge import Challenge

_NAME = "WWW-Authenticate"


class ChallengeResponse(JsonResponse):
    """Status, headers and JSON body of a challenge.

    `response["WWW-Authenticate"]` has all challenges, with commas, since Django keeps one value a header. They are
    sent as separate lines, because some clients read only the first challenge of a line.
    """

    def __init__(self, challenge: Challenge) -> None:
        lines = [value for name, value in challenge.headers if name == _NAME]
        headers = dict(challenge.headers) | ({_NAME: ", ".join(lines)} if lines else {})
        super().__init__(challenge.body, status=challenge.status, headers=headers)
        self._lines = lines

    def items(self) -> Iterator[tuple[str, str]]:
        """The headers as Django's handlers send them, for WSGI and ASGI."""
        for name, value in super().items():
            if name == _NAME and value == ", ".join(self._lines):  # unless a middleware has written another one
                yield from ((name, line) for line in self._lines)
            else:
                yield name, value
