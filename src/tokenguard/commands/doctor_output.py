"""How a diagnosis looks on a terminal."""

from __future__ import annotations

from collections import Counter

from rich.text import Text

from tokenguard.commands.doctor import Diagnosis, Level
from tokenguard.commands.terminal import console, print_keys, table

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """The findings in order, then each key, and last what it comes to."""
    out = console()
    rows = table("", "about", "finding")
    for finding in diagnosis.findings:
        seen = Text(finding.seen)
        if finding.advice:
            seen.append(f"\n-> {finding.advice}")
        rows.add_row(Text(finding.level, _STYLES[finding.level]), Text(finding.subject), seen)
    out.print(rows)
    print_keys(out, diagnosis.keys)
    count = Counter(finding.level for finding in diagnosis.findings)
    worst = next(level for level in (Level.PROBLEM, Level.WARNING, Level.OK) if count[level])
    out.print(f"\nProblems: {count[Level.PROBLEM]}, warnings: {count[Level.WARNING]}", style=_STYLES[worst])
