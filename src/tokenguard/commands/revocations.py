"""`tokenguard revocations`: what is in a store, and from one store into another."""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tokenguard.commands import terminal
from tokenguard.commands.exits import all_errors
from tokenguard.commands.guards import GuardName, shared_guard
from tokenguard.core.revocation import Level, Revocation
from tokenguard.errors import ConfigurationError

revocations = typer.Typer(
    help="Look through a store of revocations, or move what is in it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

#: bytes of a line: the longest revocation is shorter
_MOST = 256 * 1024
Where = Annotated[Path, typer.Argument(help="A file, a revocation a line as JSON; - for standard input or output.")]


@revocations.command("list")
def list_(
    *,
    level: Annotated[
        Level | None, typer.Option(help="Only those of one level.", case_sensitive=False, show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    guard: GuardName = None,
) -> None:
    """Show revocations. Prints subjects and sessions, which may be personal data."""
    with all_errors():
        rows = terminal.table("level", "value", "issued until", "kept until", "issuer")
        left_out = 0
        with shared_guard(guard) as held_by:
            for revocation in held_by.revocations.held():
                if level is not None and revocation.level is not level:
                    continue
                if rows.row_count == limit:
                    left_out += 1
                    continue
                before = "any time" if revocation.before == math.inf else _date(revocation.before)
                cells = (str(revocation.level), revocation.value, before, _date(revocation.until), revocation.issuer)
                rows.add_row(*(Text(cell) for cell in cells))
    out = terminal.console()
    out.print(rows if rows.row_count else "No revocations.")
    if left_out:
        out.print(f"and {left_out} more (--limit)")


@revocations.command()
def count(*, guard: GuardName = None) -> None:
    """Count revocations, by level."""
    with all_errors(), shared_guard(guard) as held_by:
        numbers = Counter(revocation.level for revocation in held_by.revocations.held())
    rows = terminal.table("level", "revocations")
    for level in Level:
        rows.add_row(str(level), str(numbers[level]))
    rows.add_row("all", str(numbers.total()))
    terminal.console().print(rows)


@revocations.command()
def create(*, guard: GuardName = None) -> None:
    """Say once that an empty store in Redis or Valkey is new.

    Until then it is taken for one that has lost what it held, and requests are answered by the guard's policy.
    """
    with all_errors(), shared_guard(guard) as held_by:
        held_by.revocations.create()
    typer.echo("created", err=True)


@revocations.command()
def export(file: Where, *, guard: GuardName = None) -> None:
    """Write what is in the store to a file that only its owner can read. Holds no token."""
    with all_errors(), shared_guard(guard) as held_by, _writing(file) as out, _progress("exporting", None) as step:
        number = 0
        for number, revocation in enumerate(held_by.revocations.held(), start=1):  # noqa: B007 - told below
            out.write(json.dumps(revocation.as_dict()).encode() + b"\n")
            step(1)
    typer.echo(f"{number} exported", err=True)


@revocations.command("import")
def import_(file: Where, *, guard: GuardName = None) -> None:
    """Write the revocations of a file into the store; those that are there stay, and what has ended is left out.

    To import a file twice does no harm: do so where an import was cut short.
    """
    written = 0
    try:
        with (
            all_errors(),
            shared_guard(guard) as held_by,
            _reading(file) as (lines, number),
            _progress("importing", number) as step,
        ):
            for batch in held_by.revocations.write_all(_read(lines)):
                written += batch
                step(batch)
    finally:
        typer.echo(f"{written} imported", err=True)


def _read(lines: Iterator[bytes]) -> Iterator[Revocation]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            members = json.loads(line)
        except (ValueError, RecursionError):
            raise ConfigurationError(f"line {number} is no JSON") from None
        try:
            yield Revocation.from_mapping(members)
        except ConfigurationError as error:
            raise ConfigurationError(f"line {number}: {error}") from None


@contextmanager
def _reading(file: Path) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """The lines, and how many they are if that can be known."""
    if str(file) == "-":
        yield _lines(sys.stdin.buffer), None
        return
    try:
        with file.open("rb") as opened:
            number = sum(1 for _ in _lines(opened))
            opened.seek(0)
            yield _lines(opened), number
    except OSError as cause:
        raise ConfigurationError(f"{file} can't be read: {cause.strerror}") from None


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(_MOST), b"")


@contextmanager
def _writing(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            if file.is_file():
                file.chmod(0o600)  # one that was there keeps its rights when it is opened
            yield opened
    except OSError as cause:
        raise ConfigurationError(f"{file} can't be written: {cause.strerror}") from None


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda number: progress.advance(task, number)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds")
