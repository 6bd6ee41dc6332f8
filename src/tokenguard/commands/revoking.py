"""How a guard of an application knows what is revoked, and what its processes must share for that to hold."""

from __future__ import annotations

from collections.abc import Iterator

from tokenguard.commands.doctor import Finding, Level
from tokenguard.guard import TokenGuard


def of_revocations(guard: TokenGuard) -> Iterator[Finding]:
    """Where revocations are kept, and what becomes of requests while that can't be told. Asks the store nothing."""
    state = guard.revocations.state()
    if state.mode == "memory":
        advice = "with several workers each must be told, or they share a store: RedisRevocations(...)"
        yield Finding(Level.WARNING, "revocations", "kept in each process alone", advice)
    else:
        yield Finding(Level.OK, "revocations", f"kept in {state.store} ({state.mode})")
    if guard.revocations.lookup.when_unknown == "open":
        advice = "each is an error of the logger tokenguard.audit; closed answers 503"
        seen = "a revoked token is let in while the store can't tell (when_revocations_unknown)"
        yield Finding(Level.WARNING, "revocations", seen, advice)
