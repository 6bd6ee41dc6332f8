"""What a forked child must make new: locks that another thread held, threads that are gone (gunicorn's preload)."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class _Renewable(Protocol):
    def renew_after_fork(self) -> None:
        """Called in the child: forget locks, threads and whatever was under way."""


_objects: weakref.WeakSet[_Renewable] = weakref.WeakSet()


def register(instance: _Renewable) -> None:
    """Have `instance.renew_after_fork()` called in every child process; holds no reference."""
    _objects.add(instance)


def _renew_all() -> None:
    for instance in list(_objects):
        instance.renew_after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_renew_all)
