"""The program as it is started from a shell."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cli.support import AUDIENCE, run, run_program
from tokenguard.testing import LocalIssuer


@pytest.mark.parametrize(("module", "extra"), [("typer", "cli"), ("rich", "cli")])
def test_without_its_extra_it_says_which(module: str, extra: str) -> None:
    """One line, no traceback."""
    code = f"import sys; sys.modules[{module!r}] = None; from tokenguard.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == f"the tokenguard command needs its extra: pip install 'tokenguard[{extra}]'\n"


def test_each_command_says_what_it_is_for() -> None:
    """In the list that one gets without arguments."""
    told = run().stdout
    assert all(f"│ {command} " in told for command in ("explain", "doctor", "demo", "routes", "revoke", "revocations"))


def test_nothing_but_the_verdict_is_printed(served: LocalIssuer, ca_file: str) -> None:
    """The library's log lines would say the same again."""
    served.extra_keys = [{"kty": "oct", "k": "c2VjcmV0"}]
    options = ["--issuer", served.issuer, "--audience", AUDIENCE, "--ca-file", ca_file]
    ended = run_program("explain", *options, stdin=served.broken("expired").encode())
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_what_the_terminal_can_not_write_is_escaped(
    served: LocalIssuer, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject in Greek on a terminal that knows ASCII only."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    options = ["--issuer", served.issuer, "--audience", AUDIENCE, "--ca-file", ca_file]
    ended = run_program("explain", *options, stdin=served.mint(sub="Ἀλκιβιάδης").encode())
    assert ended.returncode == 0
    assert rb"sub \u1f08\u03bb" in ended.stdout
