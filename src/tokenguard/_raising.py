"""Refusals as the framework's own exceptions, for every adapter.

What an adapter raises is both the `Denied` (or `Unavailable`) and the framework's HTTP error: the framework's handler
answers it without any of ours installed, and an app's handlers for either can take over.
"""

from __future__ import annotations

from typing import Any

from tokenguard.errors import Denied, Unavailable


def framework_error(error: Denied | Unavailable, base: type[Exception], **attributes: Any) -> Exception:
    """`error` as an exception that is a `base` too; `attributes` are those that `base` would have been built with."""
    kind = _combined(type(error), base)
    raised = kind.__new__(kind, *error.args)  # not called: each base has an __init__ of its own
    raised.__dict__.update(error.__dict__ | attributes)
    return raised


_kinds: dict[tuple[type[Exception], type[Exception]], type[Exception]] = {}


def _combined(kind: type[Exception], base: type[Exception]) -> type[Exception]:
    if (kind, base) not in _kinds:
        _kinds[kind, base] = type(kind.__name__, (kind, base), {"__module__": base.__module__, "__doc__": kind.__doc__})
    return _kinds[kind, base]
