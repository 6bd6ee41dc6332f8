"""A token is read from where it is said to be, without what is copied along, and is not shown."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from cli.support import PATIENCE, program, run
from tokenguard.commands.reading import read_token
from tokenguard.errors import ConfigurationError
from tokenguard.testing import LocalIssuer

OPTIONS = ("explain", "--issuer", "https://issuer.test", "--audience", "https://api.example.com")


@pytest.mark.parametrize(
    "copied",
    [
        "TOKEN",
        "  TOKEN\r\n",
        "Bearer TOKEN",
        "bearer   TOKEN\n",
        "Authorization: Bearer TOKEN\n",
        "authorization:bearer TOKEN",
        "\ufeffTOKEN\r\n",
    ],
)
def test_what_is_copied_along_is_left_out(copied: str, tmp_path: Path) -> None:
    """White space, a byte order mark, the scheme and the header's name are no part of a token."""
    file = tmp_path / "token"
    file.write_text(copied, encoding="utf-8", newline="")
    assert read_token([], file) == "TOKEN"


def test_a_token_may_be_several_words_of_the_command_line() -> None:
    """An unquoted `Bearer TOKEN` is taken, and never quoted back as an argument too many."""
    assert read_token(["Bearer", "TOKEN"], None) == "TOKEN"


@pytest.mark.parametrize("arguments", [(), ("-",), ("--file", "-")])
def test_standard_input_is_read(arguments: tuple[str, ...], issuer: LocalIssuer) -> None:
    """No token, a dash, or a dash for the file: all mean standard input."""
    told = run(*OPTIONS, *arguments, stdin=f"Bearer {'x' * 41}\n").stdout
    assert "one Bearer token of 41 characters" in told


def test_what_is_no_text_is_a_bad_token_and_no_crash(tmp_path: Path) -> None:
    """UTF-16, as some shells write it, is refused by the guard."""
    file = tmp_path / "token"
    file.write_text("eyJ.eyJ.eyJ", encoding="utf-16")
    result = run(*OPTIONS, "--file", str(file))
    assert (result.exit_code, "REFUSED: malformed_credentials" in result.stdout) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["abc", "--file", "x"], "not both"),
        (["--file", "no-such-file"], "--file no-such-file can't be read: No such file"),
        (["--file", "."], "--file . can't be read: Is a directory"),
        ([], "there is no token"),
        (["Bearer "], "there is no token"),
    ],
)
def test_a_token_that_is_not_there_is_wrong_usage(arguments: list[str], complaint: str) -> None:
    """One line says what is missing, and the exit code is 2."""
    result = run(*OPTIONS, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_endless_file_is_read_in_part() -> None:
    """What is longer than any token is not read to its end."""
    assert len(read_token([], Path("/dev/zero"))) == 1024 * 1024


def test_both_sources_are_refused() -> None:
    """An argument and a file leave open which is meant."""
    with pytest.raises(ConfigurationError):
        read_token(["TOKEN"], Path("file"))


@pytest.mark.parametrize("length", [100, 6_000])
def test_a_token_pasted_into_a_terminal_is_read_whole_and_not_shown(length: int) -> None:
    """There is no echo, and none of the 4096 characters that a terminal's line holds at most."""
    token = "A" * length
    ours, theirs = pty.openpty()
    process = subprocess.Popen(program(*OPTIONS), stdin=theirs, stdout=subprocess.PIPE, stderr=theirs)
    shown = b""
    while b"press Enter: " not in shown:
        shown += os.read(ours, 1024)
    os.write(ours, f"{token}\r".encode())
    told, _ = process.communicate(timeout=PATIENCE)
    os.close(theirs)
    os.set_blocking(ours, False)
    shown += os.read(ours, 65536)
    os.close(ours)
    assert f"one Bearer token of {length:,} characters".encode() in told
    assert b"AA" not in shown + told
