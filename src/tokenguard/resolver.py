"""`IssuerResolver`: issuers that are looked up when the first token of theirs comes, for services of many tenants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TypeAlias

from tokenguard._checks import require_number
from tokenguard.config import Issuer
from tokenguard.errors import ConfigurationError

#: what a look-up ends with: an issuer, its identifier alone, or None for one that is not trusted
Found: TypeAlias = Issuer | str | None


@dataclass(frozen=True, slots=True, eq=False)
class IssuerResolver:
    """Issuers from a table of yours, in the place of (or beside) those in a guard's list. Times in seconds.

    `resolve`: called with the `iss` of a token that nobody has verified; answers the `Issuer` of that name, a string
    for `Issuer(string)`, or None where the table has none. It must look the name up and never make an issuer of it:
    whom it answers with is trusted. What else it answers or raises is our fault: the request gets 503, not 401.
    A plain function is called in place, on whatever thread or event loop checks the token, so it must answer from
    memory; an async one runs on the guard's I/O thread, whose event loop is its own: no connection of another loop
    serves there, and what blocks there blocks every fetch.
    Its issuers are known by the `iss` of JWTs; `Introspection` fits them with mode="live" alone.

    `ttl`: how long an answer is believed: for so long may an issuer that left the table still be accepted, unless
    `TokenGuard.remove_issuer` is called. Where the same settings come again, keys and tokens are kept.
    `unknown_ttl`: how long None is believed: for so long may one that is new in the table still be refused.
    `max_issuers`: issuers kept, with their keys; beyond it those go that were used longest ago, and first those of
    which no good token came. As many unknown names again are remembered, apart, so that made-up ones displace nothing.
    `timeout`: for one look-up, waiting for its turn included. `concurrency`: look-ups of an async function at a time;
    `queue`: further ones that may wait; beyond that, requests of issuers that are not known yet get 503. Known ones
    are looked up again with as many turns of their own. One look-up an issuer runs at a time, whoever asks.
    `retry_after`: after a look-up that failed, the next one of that name.

    An issuer that it answers with is trusted for tokens of its own name alone (RFC 8725 3.8).

    Raises `ConfigurationError` when built.

    >>> table = {"https://auth.example.com/blue": Issuer("https://auth.example.com/blue", algorithms=("ES256",))}
    >>> IssuerResolver(table.get, ttl=60).max_issuers
    1000
    """

    resolve: Callable[[str], Found | Awaitable[Found]] = field(repr=False)
    _: KW_ONLY
    ttl: float = 300.0
    unknown_ttl: float = 10.0
    max_issuers: int = 1_000
    timeout: float = 5.0
    concurrency: int = 16
    queue: int = 1_000
    retry_after: float = 1.0

    def __post_init__(self) -> None:
        if not callable(self.resolve):
            raise ConfigurationError("IssuerResolver.resolve must be a function that answers an Issuer, a str or None")
        for name in ("ttl", "unknown_ttl", "timeout", "retry_after"):
            require_number(f"IssuerResolver.{name}", getattr(self, name), low=0.001)
        for name in ("max_issuers", "concurrency"):
            require_number(f"IssuerResolver.{name}", getattr(self, name), low=1)
        require_number("IssuerResolver.queue", self.queue, low=0)
