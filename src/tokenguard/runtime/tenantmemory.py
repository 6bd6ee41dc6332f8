"""A bounded memory of issuers that were looked up: whoever sends good tokens is kept before whoever does not.

To be named by a token that nobody has verified brings an issuer in, for anybody can send such tokens; it stays among
the newcomers until a token of it was good. What makes room is always a newcomer, and a tenth of the room is theirs:
whoever knows many names can't push out the issuers at work.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

_V = TypeVar("_V")
#: established issuers that are looked at for one to step down
_LOOKED_AT = 2


class Place(Generic[_V]):
    """Where an issuer is kept. `until`: monotonic seconds. `used`: since it was last looked at for making room."""

    __slots__ = ("until", "used", "value")

    def __init__(self, value: _V, until: float) -> None:
        self.value = value
        self.until = until
        self.used = False


class TenantMemory(Generic[_V]):
    """At most `most` values by name. `find` and `touch` need no lock, all else needs the caller's."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_established = most * 9 // 10
        self._newcomers: OrderedDict[str, Place[_V]] = OrderedDict()
        self._established: OrderedDict[str, Place[_V]] = OrderedDict()
        #: where an established one is kept; the dictionary's own method, since remembered tokens ask it
        self.established: Callable[[str], Place[_V] | None] = self._established.get

    def find(self, name: str) -> Place[_V] | None:
        """Where this name is kept, if it is."""
        return self._established.get(name) or self._newcomers.get(name)

    def touch(self, name: str) -> bool:
        """Note that it is in use. False where it is still a newcomer, or gone: see `establish`."""
        place = self._established.get(name)
        if place is None:
            return False
        place.used = True
        return True

    def put(self, name: str, value: _V, until: float) -> list[_V]:
        """Remember; what had to go for it, and what it replaces."""
        place = Place(value, until)
        if name in self._established:
            replaced = self._established[name]
            self._established[name] = place
            return [replaced.value]
        gone = [self._newcomers.pop(name).value] if name in self._newcomers else []
        while len(self) >= self._most:
            gone.append(self._longest_unused_newcomer())
        self._newcomers[name] = place
        return gone

    def establish(self, name: str) -> None:
        """A token of it was good: from now on it makes room only after the newcomers."""
        place = self._newcomers.get(name)
        if place is None:
            return
        place.used = True
        if len(self._established) >= self._most_established and not self._one_stepped_down():
            return  # all of them are in use as well; it is looked at again with its next token
        self._established[name] = place  # first, so that whoever looks for it without the lock finds it
        del self._newcomers[name]

    def drop(self, name: str) -> _V | None:
        """Forget it; what was remembered."""
        # from both: in a forked child it may be in both, where the parent was just moving it
        newcomer = self._newcomers.pop(name, None)
        place = self._established.pop(name, newcomer)
        return None if place is None else place.value

    def values(self) -> list[_V]:
        """All of them."""
        return [place.value for place in self._places()]

    def __len__(self) -> int:
        return len(self._established) + len(self._newcomers)

    def _places(self) -> Iterator[Place[_V]]:
        yield from self._established.values()
        yield from self._newcomers.values()

    def _longest_unused_newcomer(self) -> _V:
        for _ in range(len(self._newcomers)):
            longest, place = next(iter(self._newcomers.items()))
            if not place.used:
                break
            place.used = False  # a second chance, at the end of the line
            self._newcomers.move_to_end(longest)
        return self._newcomers.popitem(last=False)[1].value

    def _one_stepped_down(self) -> bool:
        """Make one that nobody uses a newcomer again. Looks at few, for it is done while a request waits."""
        for _ in range(min(_LOOKED_AT, len(self._established))):
            longest, place = next(iter(self._established.items()))
            if not place.used:
                self._newcomers[longest] = place
                del self._established[longest]
                return True
            place.used = False
            self._established.move_to_end(longest)
        return False
