"""How the demo looks on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.live import Live
from rich.text import Text

from tokenguard.commands.demo import COOLDOWN, TIMED, Outcome
from tokenguard.commands.terminal import console, table

_PARAMETER = re.compile(r'(\w+)="[^"]*"')
_LEFT_OUT = ("realm", "error_description", "algs")  # they say nothing new in the table
_LEGEND = f"""
WWW-Authenticate: of the scheme that was used; realm, error_description and algs are left out here.
Reason: what the server logged. Bound: to a key of the client (DPoP), or to its TLS certificate.
Guard: what a guard that remembers no token needs to decide; median of {TIMED} checks in this process.
Keys are fetched {COOLDOWN} s apart at least, so that the rotation shows at once; by default 30 s."""


def print_demo(outcomes: Iterable[Outcome]) -> bool:
    """One line a request, and a count. True if every answer was as expected."""
    out = console()
    rows = table("request", "status", "WWW-Authenticate", "reason", "guard")
    rows.columns[2].min_width = len('Bearer error="insufficient_scope",')
    rows.columns[-1].justify = "right"
    seen: list[Outcome] = []
    with Live(rows, console=out, auto_refresh=False) as live:
        for outcome in outcomes:
            seen.append(outcome)
            rows.add_row(*_cells(outcome))
            live.refresh()
    if not out.is_terminal:
        out.line()  # which Live leaves out there
    out.print(_LEGEND, style="dim")
    let_in = sum(outcome.status < 400 for outcome in seen)
    put_off = sum(outcome.status >= 500 for outcome in seen)
    wrong = sum(not outcome.as_expected for outcome in seen)
    counts = f"\n{len(seen)} requests: {let_in} let in, {len(seen) - let_in - put_off} refused, {put_off} put off; "
    verdict = Text(f"{wrong} NOT as expected", "bold red") if wrong else Text("each as expected", "bold green")
    out.print(Text(counts).append(verdict).append("."))
    return not wrong


def _cells(outcome: Outcome) -> list[Text]:
    style = "green" if outcome.status < 400 else "yellow" if outcome.status >= 500 else "red"
    reason = Text(outcome.reason)
    if not outcome.as_expected:
        expected = f"expected {outcome.attempt.status}\n{outcome.attempt.reason or ''}"
        reason.append(f"\n{expected}" if outcome.reason else expected, "bold red")
    microseconds = Text(f"{outcome.microseconds:.0f} µs")
    return [
        Text(outcome.attempt.title),
        Text(str(outcome.status), style),
        Text(_challenge(outcome)),
        reason,
        microseconds,
    ]


def _challenge(outcome: Outcome) -> str:
    if outcome.retry_after:
        return f"(Retry-After: {outcome.retry_after})"
    challenge = outcome.challenges[0] if outcome.challenges else ""
    shown = [found[0] for found in _PARAMETER.finditer(challenge) if found[1] not in _LEFT_OUT]
    return f"{challenge.partition(' ')[0]} {', '.join(shown)}"
