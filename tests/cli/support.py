"""Running the command as a program, and reading what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from typer.testing import CliRunner, Result

from tokenguard.cli import app

ROOT = Path(__file__).parent.parent.parent
AUDIENCE = "https://api.example.com"
#: seconds after which what should have ended long ago has failed
PATIENCE = 30.0


def run(*arguments: str, stdin: str = "") -> Result:
    """The command in this process; an exception that is no exit is the test's failure."""
    return CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)


def program(*arguments: str) -> list[str]:
    """The command line of the program in a process of its own."""
    return [sys.executable, "-c", "from tokenguard.cli import main; main()", *arguments]


def run_program(*arguments: str, cwd: Path = ROOT, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The program from start to exit, with its output in a pipe."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        program(*arguments), cwd=cwd, input=stdin, env=environment, capture_output=True, check=False, timeout=PATIENCE
    )


def rows(output: str, columns: Sequence[str]) -> list[list[str]]:
    """The table under these headings, a list of cells a row; the lines of a cell that is wrapped are joined."""
    lines = iter(output.splitlines())
    heading = next(line for line in lines if line.split() == list(columns) or all(name in line for name in columns))
    starts = [heading.index(name) for name in columns]
    ends = [*starts[1:], None]
    next(lines)  # the rule under the headings
    table: list[list[str]] = []
    for line in lines:
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if not any(cells):
            break
        if cells[0] or not table:
            table.append(cells)
        else:
            table[-1] = [f"{above} {below}".strip() for above, below in zip(table[-1], cells, strict=True)]
    return table
