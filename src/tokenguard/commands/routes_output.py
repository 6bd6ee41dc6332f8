"""How a list of unprotected routes looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from tokenguard.commands.terminal import console, table
from tokenguard.fastapi import Kind, UnprotectedRoute

_WHY: dict[Kind, str] = {
    "documentation": "FastAPI's own documentation",
    "optional": "a token is checked where there is one",
    "exempt": "a path that TokenGuardMiddleware exempts",
    "mount": "a mounted application whose routes can't be read",
    "open": "nothing protects it",
}


def print_routes(routes: Iterable[UnprotectedRoute]) -> None:
    """A line a route that can be reached without a token."""
    out = console()
    rows = table("path", "methods", "why it is open")
    for route in routes:
        rows.add_row(Text(route.path), Text(" ".join(route.methods) or "any"), Text(_WHY[route.kind]))
    if rows.row_count:
        out.print(rows)
    else:
        out.print("Every route is protected.", style="green")
