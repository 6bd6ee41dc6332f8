"""Where a token to explain comes from: arguments, a file, or standard input, which shows nothing of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import BinaryIO

from tokenguard.errors import ConfigurationError

#: bytes that are read: far more than any guard accepts, far less than would hurt
_MOST = 1024 * 1024
_PROMPT = "Paste the token (it is not shown), then press Enter: "
# as it is copied out of a request
_AROUND = re.compile(r"\s*(?:authorization:\s*)?(?:(?:bearer|dpop)\s+)?", re.IGNORECASE)


def read_token(arguments: Sequence[str], file: Path | None) -> str:
    """The token, without white space or `Authorization: Bearer` around it. Raises `ConfigurationError`.

    `arguments`: words of the command line; none, or "-", means standard input. `file`: read in their place.
    """
    if file is not None and arguments:
        raise ConfigurationError("give the token as an argument or as --file, not both")
    if str(file) == "-" or (file is None and list(arguments) in ([], ["-"])):
        text = _from_standard_input()
    elif file is not None:
        text = _from_file(file)
    else:
        text = " ".join(arguments)
    token = _AROUND.sub("", text, count=1).strip()
    if not token:
        raise ConfigurationError("there is no token: give it as an argument, as --file FILE, or on standard input")
    return token


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _text(file)
    except OSError as cause:
        raise ConfigurationError(f"--file {path} can't be read: {cause.strerror}") from None


def _from_standard_input() -> str:
    return _from_terminal() if sys.stdin.isatty() else _text(sys.stdin.buffer)


def _text(file: BinaryIO) -> str:
    # what is no text becomes a token that is refused for its characters
    return file.read(_MOST).decode("utf-8-sig", errors="replace")


def _from_terminal() -> str:
    if sys.platform == "win32":
        return getpass(_PROMPT)
    with _unseen():
        print(_PROMPT, end="", file=sys.stderr, flush=True)
        text = sys.stdin.readline(_MOST)
    print(file=sys.stderr)
    return text


@contextmanager
def _unseen() -> Iterator[None]:
    """The terminal without echo, and, unlike getpass, without its line editing, which cuts a paste at 4096 bytes."""
    import termios  # noqa: PLC0415 - not on Windows

    before = termios.tcgetattr(sys.stdin)
    changed = termios.tcgetattr(sys.stdin)
    changed[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        # what was pasted beyond the first line is dropped, so that no shell runs it
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)
