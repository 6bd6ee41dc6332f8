"""How an explanation looks: on a terminal, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from tokenguard.commands.explain import Explanation, Outcome, Stage
from tokenguard.commands.terminal import console, print_keys, table

_OUTCOME_STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.NOT_REACHED: "dim",
    Outcome.NOT_CHECKED: "dim",
}
_VERDICT_STYLES = {"accepted": "bold green", "refused": "bold red", "unavailable": "bold yellow"}


def print_explanation(explanation: Explanation) -> None:
    """Stage by stage, then the keys, and last the verdict, which then stands above the prompt."""
    out = console()
    rows = table("stage", "result", "what it saw")
    for stage in explanation.stages:
        rows.add_row(Text(stage.name), _result(stage), _seen(stage))
    out.print(rows)
    if any(stage.unverified for stage in explanation.stages):
        out.print("unverified: no signature was confirmed, so anyone can have written this.", style="yellow")
    print_keys(out, explanation.keys)
    if explanation.keys_fault:
        out.print(f"\nNo usable keys can be shown: {explanation.keys_fault}", style="yellow")
    _print_verdict(out, explanation)


def as_json(explanation: Explanation) -> str:
    """The same for programs. Names, verdict, reason and outcomes are stable; the sentences are not."""
    answer = explanation.answer
    members = asdict(explanation) | {"answer": answer and {"status": answer.status, "headers": answer.headers}}
    return json.dumps(members, indent=2)


def _result(stage: Stage) -> Text:
    result = Text(stage.outcome, _OUTCOME_STYLES[stage.outcome])
    return result.append("\nunverified", "yellow") if stage.unverified else result


def _seen(stage: Stage) -> Text:
    seen = Text("\n".join(stage.seen), "dim" if stage.outcome is Outcome.NOT_REACHED else "")
    return seen.append(f"\nwhy: {stage.why}", "red") if stage.why else seen


def _print_verdict(out: Console, explanation: Explanation) -> None:
    reason = f": {explanation.reason}" if explanation.reason else ""
    verdict = Text(f"\n{explanation.verdict.upper()}{reason}. ", _VERDICT_STYLES[explanation.verdict])
    out.print(verdict.append(explanation.description, ""))
    if explanation.answer is None:
        return
    for stage in explanation.stages:
        if stage.why:
            out.print(f"Why: {stage.why}", soft_wrap=True)
    out.print(f"An API answers {explanation.answer.status}:")
    for name, value in explanation.answer.headers:
        out.print(f"  {name}: {value}", soft_wrap=True)  # whole lines can be searched for
    if explanation.verdict == "unavailable":
        out.print("`tokenguard doctor` looks at the issuer itself.")
