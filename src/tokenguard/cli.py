"""The `tokenguard` command: arguments and exit codes. What it does is in `commands/`."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

try:
    import rich  # noqa: F401 - asked for here, where a missing extra can be named
    import typer
except ModuleNotFoundError:
    raise SystemExit("the tokenguard command needs its extra: pip install 'tokenguard[cli]'") from None

from tokenguard.commands.demo import run_demo
from tokenguard.commands.demo_output import print_demo
from tokenguard.commands.doctor import Diagnosis, Finding, diagnose
from tokenguard.commands.doctor_output import print_diagnosis
from tokenguard.commands.exits import REFUSED, UNAVAILABLE, fail, usage_errors
from tokenguard.commands.explain import explain as explain_token
from tokenguard.commands.explain_output import as_json, print_explanation
from tokenguard.commands.loading import load_app
from tokenguard.commands.reading import read_token
from tokenguard.commands.revocations import revocations
from tokenguard.commands.revoke import revoke
from tokenguard.commands.revoking import of_revocations
from tokenguard.commands.senders import of_senders
from tokenguard.config import DEFAULT_ALGORITHMS, HTTPSettings, Issuer, KeyPolicy
from tokenguard.errors import ConfigurationError

# tracebacks with local variables would show tokens
app = typer.Typer(
    help="Check access tokens and issuers by hand.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

app.add_typer(revoke, name="revoke")
app.add_typer(revocations, name="revocations")

IssuerURL = Annotated[str, typer.Option("--issuer", help="The issuer, exactly as iss has it.", metavar="URL")]
CAFile = Annotated[
    str | None, typer.Option(help="PEM file of the authorities to trust, for a private CA.", metavar="FILE")
]
JWKSURI = Annotated[
    str | None, typer.Option(help="Where the keys are; without it the issuer's metadata says.", metavar="URL")
]
Algorithms = Annotated[
    list[str] | None,
    typer.Option(
        "--algorithm",
        help=f"Accept only this one; may be repeated. By default {', '.join(DEFAULT_ALGORITHMS)}.",
        metavar="ALG",
        show_default=False,
    ),
]
InsecureHTTP = Annotated[
    bool,
    typer.Option("--insecure-http", help="Allow http:// beyond this machine: whoever is on the way can forge keys."),
]

_EXIT = {"accepted": 0, "refused": REFUSED, "unavailable": UNAVAILABLE}


def main() -> None:
    """The entry point."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a claim may hold what the terminal's encoding lacks
    logging.getLogger("tokenguard").addHandler(logging.NullHandler())  # the commands print what the log would say
    app()


@app.callback()
def _commands() -> None:
    """Check access tokens and issuers by hand."""


@app.command()
def explain(
    *,
    issuer: IssuerURL,
    audience: Annotated[
        list[str], typer.Option(help="Your API's identifier, as aud names it; may be repeated.", metavar="A")
    ],
    token: Annotated[
        list[str] | None,
        typer.Argument(
            help="The token; without it, or with -, standard input is read, which no history keeps.",
            metavar="TOKEN",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Read the token from a file, - for standard input.", metavar="FILE")
    ] = None,
    jwks: Annotated[
        Path | None, typer.Option(help="Take the keys from a file (a JWK Set); nothing is fetched.", metavar="FILE")
    ] = None,
    jwks_uri: JWKSURI = None,
    profile: Annotated[
        str, typer.Option(help="rfc9068, or jwt for issuers that send plain JWTs.", metavar="NAME")
    ] = "rfc9068",
    algorithm: Algorithms = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="Also demand this scope; may be repeated, all are needed.", metavar="S")
    ] = None,
    leeway: Annotated[int, typer.Option(help="Seconds of clock difference that are forgiven.")] = 30,
    ca_file: CAFile = None,
    insecure_http: InsecureHTTP = False,
    json_wanted: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what became of a token, stage by stage, and which setting would change it.

    Prints claim values, which may be personal data; never the token or its signature.
    Exit code 0: accepted, 1: refused, 2: wrong usage, 3: the keys can't be had.
    """
    with usage_errors():
        config = Issuer(
            issuer,
            jwks=_jwks(jwks) if jwks else None,
            jwks_uri=jwks_uri,
            algorithms=tuple(algorithm or DEFAULT_ALGORITHMS),
            profile=profile,  # type: ignore[arg-type] # Issuer checks it
            insecure_http=insecure_http,
        )
        explanation = explain_token(
            read_token(token or [], file),
            config,
            audience=tuple(audience),
            scopes=tuple(scope or ()),
            leeway=leeway,
            http=HTTPSettings(ca_file=ca_file),
        )
    if json_wanted:
        typer.echo(as_json(explanation))
    else:
        print_explanation(explanation)
    raise typer.Exit(_EXIT[explanation.verdict])


@app.command()
def doctor(
    *,
    issuer: IssuerURL,
    jwks_uri: JWKSURI = None,
    audience: Annotated[
        str | None,
        typer.Option(help="Your API's identifier, where the issuer publishes for whom it issues tokens.", metavar="A"),
    ] = None,
    algorithm: Algorithms = None,
    guard: Annotated[
        str | None,
        typer.Option(help="Also look at what this one needs: bound tokens, revocations.", metavar="MODULE:GUARD"),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for each answer.")] = KeyPolicy().timeout,
    ca_file: CAFile = None,
    insecure_http: InsecureHTTP = False,
) -> None:
    """Look at what an issuer publishes: its metadata, its keys, and where a guard would stumble.

    Exit code 0: no problem, 1: a problem, 2: wrong usage.
    """
    with usage_errors():
        config = Issuer(
            issuer,
            jwks_uri=jwks_uri,
            algorithms=tuple(algorithm or DEFAULT_ALGORITHMS),
            keys=KeyPolicy(timeout=timeout),
            insecure_http=insecure_http,
        )
        ours = () if guard is None else _of_guard(load_app(guard))
        diagnosis = diagnose(config, audience=audience, http=HTTPSettings(ca_file=ca_file))
        diagnosis = Diagnosis((*diagnosis.findings, *ours), diagnosis.keys)
    print_diagnosis(diagnosis)
    raise typer.Exit(1 if diagnosis.has_problem else 0)


def _of_guard(guard: Any) -> tuple[Finding, ...]:
    return (*of_senders(guard), *of_revocations(guard))


@app.command()
def demo(
    application: Annotated[
        str,
        typer.Option("--app", help="An ASGI app that reads TOKENGUARD_* and serves GET /orders.", metavar="MODULE:APP"),
    ] = "examples.fastapi_orders:app",
) -> None:
    """See a protected API refuse and admit real requests; uses loopback only.

    Run it in a clone of the repository, where the example is. Exit code 0: every answer was as expected.
    """
    with usage_errors():
        as_expected = print_demo(run_demo(application))
    raise typer.Exit(0 if as_expected else 1)


@app.command()
def routes(application: Annotated[str, typer.Argument(metavar="MODULE:APP", help="A FastAPI application.")]) -> None:
    """List the routes of a FastAPI application that nothing protects."""
    try:
        from tokenguard.commands.routes_output import print_routes  # noqa: PLC0415 - FastAPI is an extra of its own
        from tokenguard.fastapi import unprotected_routes  # noqa: PLC0415 - same
    except ModuleNotFoundError:
        raise typer.Exit(fail("this needs FastAPI: pip install 'tokenguard[fastapi]'")) from None
    with usage_errors():
        print_routes(unprotected_routes(load_app(application)))


def _jwks(path: Path) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(path.read_bytes())
    except OSError as cause:
        raise ConfigurationError(f"--jwks {path} can't be read: {cause.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"--jwks {path} holds no JSON") from None
    return document
