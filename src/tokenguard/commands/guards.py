"""The guard whose store of revocations a command works on: an application's own, or that of the environment."""

from __future__ import annotations

from typing import Annotated

import typer

from tokenguard.commands.loading import load_app
from tokenguard.errors import ConfigurationError
from tokenguard.guard import TokenGuard

GuardName = Annotated[
    str | None,
    typer.Option(
        "--guard",
        help="The application's guard; without it, the one that TOKENGUARD_* in the environment describes.",
        metavar="MODULE:NAME",
    ),
]


def shared_guard(name: str | None) -> TokenGuard:
    """The guard. Raises `ConfigurationError` if there is none, or none that shares its revocations."""
    guard = TokenGuard.from_env() if name is None else load_app(name)
    if not isinstance(guard, TokenGuard):
        raise ConfigurationError(f"--guard {name} is no TokenGuard")
    if guard.revocations.state().mode == "memory":
        raise ConfigurationError(
            "this guard keeps revocations in the memory of its own process, where no command can reach them: give it a "
            "store that is shared (revocations; TOKENGUARD_REVOCATIONS=redis://...)"
        )
    return guard
