"""What all output has in common: it reads at 100 columns, and has no colour where nobody would see it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokenguard.commands.published import PublishedKey

_WIDTH_WHEN_PIPED = 100


def console() -> Console:
    """Standard output; whatever is printed is plain text, never markup."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_WIDTH_WHEN_PIPED if piped else None, highlight=False, markup=False, emoji=False)


def table(*headings: str) -> Table:
    """Columns under a line, without a frame. Cells are `Text`, so that no value is taken for markup."""
    return Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)


def print_keys(out: Console, keys: Iterable[PublishedKey]) -> None:
    """A line a key, if there are any."""
    rows = table("kid", "type", "alg", "use", "usable")
    for key in keys:
        usable = Text(f"no: {key.skipped}", "yellow") if key.skipped else Text("yes", "green")
        rows.add_row(Text(key.kid), Text(key.kind), Text(key.alg), Text(key.use), usable)
    if rows.row_count:
        out.print("\nKeys in the issuer's key set", style="bold")
        out.print(rows)
