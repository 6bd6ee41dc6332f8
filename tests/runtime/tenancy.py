"""Tenants without number, and tables in which a guard looks them up."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from runtime.support import ENDLESS, PATIENCE, Clock
from tokenguard import Issuer, IssuerResolver, KeyPolicy, TokenGuard
from tokenguard.testing import LocalIssuer, SigningKey

UNKNOWN = "unknown_issuer"
UNRESOLVED = "issuer_unresolved"
_key = SigningKey.generate("ES256", "tenant-key")


def tenant(number: int = 0) -> LocalIssuer:
    """One of many, which share a key: whoever mixes them up is told so by `iss` alone."""
    return LocalIssuer(f"https://tenant-{number}.test", signing_key=_key)


def settings_of(issuer: LocalIssuer, **settings: Any) -> Issuer:
    """What a table has of it: keys at hand, unless there is more to say."""
    return Issuer(issuer.issuer, **settings or {"jwks": issuer.jwks})


def served(issuer: LocalIssuer, **policy: Any) -> Issuer:
    """What a table has of one that is served: its keys are fetched."""
    return Issuer(issuer.issuer, keys=KeyPolicy(**{"timeout": ENDLESS} | policy))


class Table:
    """Issuers by name; counts what is looked up. `fault`: raised instead; `held`: look-ups wait until `go`."""

    def __init__(self, *rows: Issuer | str) -> None:
        self.rows: dict[str, Any] = {row if isinstance(row, str) else row.issuer: row for row in rows}
        self.asked: Counter[str] = Counter()
        self.threads: set[str] = set()
        self.most_at_once = self._now = 0
        self.fault: BaseException | None = None
        self.go = threading.Event()
        self.go.set()

    def hold(self) -> None:
        """From now on look-ups wait."""
        self.go.clear()

    def find(self, issuer: str) -> Any:
        """A plain look-up, in place."""
        self._begin(issuer)
        assert self.go.wait(PATIENCE)
        return self._end(issuer)

    async def afind(self, issuer: str) -> Any:
        """One that waits, as a database's does."""
        self._begin(issuer)
        await asyncio.sleep(0)
        await asyncio.to_thread(self.go.wait, PATIENCE)
        return self._end(issuer)

    def _begin(self, issuer: str) -> None:
        self.asked[issuer] += 1
        self.threads.add(threading.current_thread().name)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)

    def _end(self, issuer: str) -> Any:
        self._now -= 1
        if self.fault is not None:
            raise self.fault
        return self.rows.get(issuer)


#: builds a guard for a look-up function; settings of `IssuerResolver` and of `TokenGuard`, each goes where it belongs
Tenancy = Callable[..., TokenGuard]
_GUARD = frozenset({"http", "listed", "monotonic", "token_cache"})


def build_tenancy(resolve: Callable[[str], Any], clock: Clock, **settings: Any) -> TokenGuard:
    """A guard that looks its issuers up; `listed` ones come beside them."""
    general = {"monotonic": clock} | {name: settings.pop(name) for name in _GUARD & settings.keys()}
    listed = general.pop("listed", ())
    resolver = IssuerResolver(resolve, **{"timeout": ENDLESS} | settings)
    return TokenGuard(audience="https://api.example.com", issuers=[*listed, resolver], **general)
