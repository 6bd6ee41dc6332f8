"""A token taken apart to be looked at: leniently, and never to decide anything by."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What a token seems to say. `lengths`: characters of each segment; `header`, `claims`: None where unreadable."""

    lengths: tuple[int, ...]
    header: dict[str, Any] | None
    claims: dict[str, Any] | None


def dissect(token: str) -> Anatomy:
    """Read as much of a token as can be read, whatever the token."""
    segments = token.split(".")
    claims = _json_object(segments[1]) if len(segments) > 1 else None
    return Anatomy(tuple(map(len, segments)), _json_object(segments[0]), claims)


def _json_object(segment: str) -> dict[str, Any] | None:
    try:
        value = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
