"""`doctor --guard` says where a guard keeps revocations, and what it does while nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest

from cli.support import AUDIENCE
from tokenguard import TokenGuard
from tokenguard.commands.doctor import Level
from tokenguard.commands.revoking import of_revocations
from tokenguard.stores.redis import RedisRevocations

SHARED = "redis://127.0.0.1:1"


def findings(**settings: Any) -> list[tuple[Level, str]]:
    """What is said of a guard with these settings."""
    with TokenGuard(audience=AUDIENCE, issuers=["https://auth.example.com"], **settings) as guard:
        return [(each.level, each.seen) for each in of_revocations(guard)]


def test_revocations_of_one_process_are_warned_of() -> None:
    """Another worker would never learn of them."""
    assert findings() == [(Level.WARNING, "kept in each process alone")]


@pytest.mark.parametrize("mode", ["direct", "replica"])
def test_a_shared_store_is_named_without_its_address(mode: Any) -> None:
    """Which may hold a password; and nothing is asked of it."""
    [(level, seen)] = findings(revocations=RedisRevocations(SHARED, mode=mode))
    assert level is Level.OK
    assert seen.startswith(f"kept in RedisRevocations ({mode}")
    assert SHARED not in seen


def test_a_guard_that_lets_in_what_it_can_not_tell_is_warned_of() -> None:
    """By the name of the setting."""
    told = findings(revocations=RedisRevocations(SHARED), when_revocations_unknown="open")
    assert [level for level, _ in told] == [Level.OK, Level.WARNING]
    assert "when_revocations_unknown" in told[1][1]
