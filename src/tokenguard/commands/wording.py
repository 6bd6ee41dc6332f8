"""Values, times and differences in the words of a person; safe to print, whoever chose the value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

#: characters of a value that are shown
_MOST = 120
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def shown(value: object) -> str:
    r"""A value out of a token or a document: strings as they are, the rest as JSON; escaped and capped.

    >>> print(shown("alice\x1b[2J"), shown(["a", 1]))
    alice\x1b[2J ["a", 1]
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "nested too deep to be shown"
    # a terminal obeys control characters, and reads some invisible ones backwards
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:_MOST])
    return "".join(escaped) + (f"... ({len(text)} characters)" if len(text) > _MOST else "")


def duration(seconds: float) -> str:
    """A length of time, to two units.

    >>> duration(192), duration(59), duration(90_000)
    ('3 min 12 s', '59 s', '1 d 1 h')
    """
    rest = int(abs(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def moment(time: float, now: float) -> str:
    """A time of day in UTC, with the date where it is another than that of `now`. Both in epoch seconds.

    >>> moment(0, 1), moment(0, 90_000)
    ('00:00:00 UTC', '1970-01-01 00:00:00 UTC')
    """
    try:
        then = datetime.fromtimestamp(time, UTC)
    except (OverflowError, ValueError, OSError):  # a count of milliseconds is the usual reason
        return "beyond the year 9999: in milliseconds, where seconds are due?"
    is_today = then.date() == datetime.fromtimestamp(now, UTC).date()
    return then.strftime("%H:%M:%S UTC" if is_today else "%Y-%m-%d %H:%M:%S UTC")


def from_now(time: float, now: float) -> str:
    """How far off a time is, and when it is.

    >>> from_now(1000, 1192), from_now(1060, 1000)
    ('3 min 12 s ago (00:16:40 UTC)', 'in 1 min (00:17:40 UTC)')
    """
    distance = duration(time - now)
    return f"{distance} ago ({moment(time, now)})" if time <= now else f"in {distance} ({moment(time, now)})"


def difference(ours: str, theirs: str) -> str:
    """Where two identifiers differ, if it is in one place that is easily overlooked; else empty.

    >>> difference("https://as.example", "https://as.example/")
    'only the slash at the end differs'
    """
    if ours == theirs:
        return ""
    if ours.strip() == theirs.strip():
        return "only white space differs"
    if ours.rstrip("/") == theirs.rstrip("/"):
        return "only the slash at the end differs"
    if ours.casefold() == theirs.casefold():
        return "only upper and lower case differ"
    try:
        one, other = urlsplit(ours.rstrip("/")), urlsplit(theirs.rstrip("/"))
    except ValueError:
        return ""
    parts = {
        "the scheme (http or https)": (one.scheme, other.scheme),
        "the host": (one.netloc.lower(), other.netloc.lower()),
        "the path": (one.path, other.path),
    }
    differing = [name for name, (left, right) in parts.items() if left != right]
    return f"only {differing[0]} differs" if len(differing) == 1 and one.netloc and other.netloc else ""
