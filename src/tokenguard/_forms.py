"""What adapters hand to a guard that accepts tokens in form bodies (RFC 6750 2.2).

None where there is no form; `UNSEARCHABLE` where there is one, but what is in it can't be known: to take that for "no
token" would let a bad one pass where a token is optional.
"""

from __future__ import annotations

from collections.abc import Iterator

from tokenguard.core.credentials import MAX_FORM_BODY
from tokenguard.core.model import Form
from tokenguard.errors import InvalidRequest, Reason


class _Unsearchable:
    """Refuses the request when the guard looks for a token, so that it is the guard who reports it."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        raise InvalidRequest(
            Reason.MALFORMED_CREDENTIALS,
            f"with form_body, a form must come whole, unread by others, in {MAX_FORM_BODY} bytes at most, and for "
            "Flask and Django with a Content-Length",
        )


UNSEARCHABLE: Form = _Unsearchable()


def is_length_searchable(content_length: str) -> bool:
    """Does a Content-Length announce a form short enough to be held in memory for whoever sends it?"""
    return len(content_length) < 10 and content_length.isdecimal() and int(content_length) <= MAX_FORM_BODY
