"""`tokenguard revoke`: have every process of an API refuse a token, a session, or what a user or a client holds."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tokenguard.commands.exits import all_errors
from tokenguard.commands.guards import GuardName, shared_guard
from tokenguard.commands.reading import read_token
from tokenguard.core.revocation import Revocation
from tokenguard.core.revoking import Named
from tokenguard.errors import ConfigurationError

revoke = typer.Typer(
    help="Refuse tokens from now on, in every process that shares the store.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

IssuerURL = Annotated[
    str | None,
    typer.Option("--issuer", help="Whose tokens; may be left out where one issuer is configured.", metavar="URL"),
]
Before = Annotated[
    str | None,
    typer.Option(help="What was issued later than this goes on: epoch seconds, or ISO 8601 with an offset."),
]
Until = Annotated[
    str | None,
    typer.Option(
        help="When no token it hits is alive; by default the token's end, or the issuer's max_lifetime from now.",
    ),
]


@revoke.command()
def token(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            help="The token; without it, or with -, standard input is read, which no history keeps.",
            metavar="TOKEN",
            show_default=False,
        ),
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option(help="Read the token from a file, - for standard input.", metavar="FILE")
    ] = None,
    token_id: Annotated[str | None, typer.Option("--id", help="Its jti, in place of the whole token.")] = None,
    issuer: IssuerURL = None,
    until: Until = None,
    guard: GuardName = None,
) -> None:
    """Revoke one token, given whole or by its id. It is checked first, and never printed.

    Exit code 0: revoked, 1: the token is refused anyway, 2: wrong usage, 3: nothing was revoked, try again.
    """
    with all_errors():
        if token_id is None and issuer is not None:
            raise ConfigurationError("--issuer goes with --id: a whole token says itself whose it is")
        if token_id is not None and (text or file):
            raise ConfigurationError("give the token or its --id, not both")
        whole = read_token(text or [], file) if token_id is None else None
        _revoke(guard, {"id": token_id, "issuer": issuer}, None, until, whole)


@revoke.command()
def session(
    name: Annotated[str, typer.Argument(help="The session, as its tokens have it (sid).", metavar="SESSION")],
    *,
    issuer: IssuerURL = None,
    before: Before = None,
    until: Until = None,
    guard: GuardName = None,
) -> None:
    """Revoke the tokens of a session, or of a family of refresh tokens."""
    with all_errors():
        _revoke(guard, {"session": name, "issuer": issuer}, before, until)


@revoke.command()
def subject(
    name: Annotated[str, typer.Argument(help="The user, as tokens have it (sub).", metavar="SUBJECT")],
    *,
    issuer: IssuerURL = None,
    before: Before = None,
    until: Until = None,
    guard: GuardName = None,
) -> None:
    """Revoke all that a user holds by now."""
    with all_errors():
        _revoke(guard, {"subject": name, "issuer": issuer}, before, until)


@revoke.command()
def client(
    name: Annotated[str, typer.Argument(help="The client, as tokens have it (client_id).", metavar="CLIENT")],
    *,
    issuer: IssuerURL = None,
    before: Before = None,
    until: Until = None,
    guard: GuardName = None,
) -> None:
    """Revoke all that a client holds by now."""
    with all_errors():
        _revoke(guard, {"client": name, "issuer": issuer}, before, until)


@revoke.command()
def issuer(
    name: Annotated[str, typer.Argument(help="The issuer, exactly as iss has it.", metavar="ISSUER")],
    *,
    before: Before = None,
    until: Until = None,
    guard: GuardName = None,
) -> None:
    """Revoke everything that an issuer has issued by now: every user must log in again."""
    with all_errors():
        _revoke(guard, {"everything": True, "issuer": name}, before, until)


def _revoke(
    guard_name: str | None, named: Named, before: str | None, until: str | None, whole: str | None = None
) -> None:
    if before is not None:
        named["before"] = _seconds("before", before)
    if until is not None:
        named["until"] = _seconds("until", until)
    if whole is not None:
        named = {"until": named["until"]} if until is not None else {}
    with shared_guard(guard_name) as guard:
        revocation = guard.revoke(whole, **named)
        delay = guard.revocations.state().worst_case_delay
    typer.echo(_told(revocation, delay))


def _told(revocation: Revocation, delay: float | None) -> str:
    """What was done, without saying to whom: whoever asked knows, and a terminal may be shared."""
    which = "issued at any time" if revocation.before == math.inf else f"issued until {_date(revocation.before)}"
    sure = "" if delay is None else f" Processes with this guard's settings refuse it within {delay:g} s."
    return f"Revoked: {revocation.level} of {revocation.issuer}, {which}. Kept until {_date(revocation.until)}.{sure}"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds")


def _seconds(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--{name} must be epoch seconds, or a time such as 2030-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ConfigurationError(f"--{name} must say its offset: {text}Z for UTC")
    return moment.timestamp()
