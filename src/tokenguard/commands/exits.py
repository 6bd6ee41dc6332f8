"""How a command ends: its exit code, and one line where it can't do what it should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tokenguard.errors import ConfigurationError, Denied, Unavailable

REFUSED, USAGE, UNAVAILABLE = 1, 2, 3


@contextmanager
def usage_errors() -> Iterator[None]:
    """A wrong setting is one line, not a traceback."""
    try:
        yield
    except ConfigurationError as error:
        raise typer.Exit(fail(str(error))) from None


@contextmanager
def all_errors() -> Iterator[None]:
    """So is a token that is refused, and a store or an issuer that can't be reached; each has its code."""
    try:
        with usage_errors():
            yield
    except Denied as error:
        raise typer.Exit(fail(f"{error.reason}: {error.hint or error.description}", REFUSED)) from None
    except Unavailable as error:
        raise typer.Exit(fail(f"{error.reason}: {error.hint or error.description}", UNAVAILABLE)) from None


def fail(why: str, code: int = USAGE) -> int:
    """Say it, and give the exit code."""
    typer.echo(f"tokenguard: {why}", err=True)
    return code
