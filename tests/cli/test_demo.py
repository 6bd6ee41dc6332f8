"""The demo shows what it claims over real HTTP, notices an answer that is wrong, and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from cli.support import PATIENCE, ROOT, program, rows, run, run_program
from testing.judge import header_of
from tokenguard.commands.demo import run_demo
from tokenguard.errors import ConfigurationError, Reason

COLUMNS = ["request", "status", "WWW-Authenticate", "reason"]  # and microseconds, which stand to the right
#: an application that answers every request alike, and one that does what its line says
OPEN = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        ANSWER
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
"""


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository, where the example is."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


def write_app(folder: Path, line: str = "pass") -> Path:
    """An application without protection, in a module that is called `unguarded`."""
    (folder / "unguarded.py").write_text(OPEN.replace("ANSWER", line))
    return folder


def test_every_answer_of_the_example_is_as_expected() -> None:
    """As `make demo` runs it: nineteen requests, each let in or refused as it must be, and for the right reason."""
    ended = run_program("demo")
    told = ended.stdout.decode()
    assert (ended.returncode, ended.stderr) == (0, b"")
    table = rows(told, COLUMNS)
    statuses = [row[1] for row in table]
    assert [statuses.count(status) for status in ("200", "401", "403", "503")] == [5, 12, 1, 1]
    assert "19 requests: 5 let in, 13 refused, 1 put off; each as expected." in told
    for row in table:
        *reason, microseconds, unit = row[3].split()
        assert set(reason) <= set(Reason)
        assert int(microseconds) > 0
        assert unit == "µs"
    assert all(len(line) <= 100 for line in told.splitlines())


def test_answers_that_are_wrong_are_counted(tmp_path: Path) -> None:
    """Against an API that lets everybody in: the exit code says so, and each row what was expected."""
    ended = run_program("demo", "--app", "unguarded:app", cwd=write_app(tmp_path))
    told = ended.stdout.decode()
    assert ended.returncode == 1
    assert "19 requests: 19 let in, 0 refused, 0 put off; 14 NOT as expected." in told
    assert {"expected", "503", "keys_unavailable"} <= set(rows(told, COLUMNS)[-1][3].split())


def test_an_interrupt_ends_everything_at_once(tmp_path: Path) -> None:
    """Ctrl-C while a request waits: the process ends, and says nothing but that it was aborted."""
    folder = write_app(tmp_path, f"import os; os.kill(os.getpid(), {signal.SIGINT:d})")
    process = subprocess.Popen(
        program("demo", "--app", "unguarded:app"), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in errors


@pytest.mark.usefixtures("at_home")
def test_the_rotation_is_real() -> None:
    """The good token after it is by another key than those before."""
    good = [outcome.attempt for outcome in run_demo("examples.fastapi_orders:app") if outcome.status == 200]
    kids = [header_of(attempt.headers["Authorization"].split()[1])["kid"] for attempt in good]
    assert (len(kids), len(set(kids)), kids[-1] == kids[-2]) == (5, 2, True)


@pytest.mark.usefixtures("at_home")
def test_what_is_refused_was_good_a_moment_ago() -> None:
    """The revoked token is one that was let in, and so is the proof that is replayed: the same to the letter."""
    outcomes = list(run_demo("examples.fastapi_orders:app"))
    let_in = [dict(outcome.attempt.headers) for outcome in outcomes if outcome.status == 200]
    refused = {outcome.reason: outcome for outcome in outcomes}
    for reason in (Reason.REVOKED, Reason.PROOF_REPLAYED):
        assert dict(refused[reason].attempt.headers) in let_in
    proven = refused[Reason.PROOF_REPLAYED]
    assert proven.challenges[0].startswith('DPoP realm="api.example.com", error="invalid_dpop_proof"')
    assert (
        refused[Reason.WRONG_SCHEME].attempt.headers["Authorization"].split()[1]
        in proven.attempt.headers["Authorization"]
    )


@pytest.mark.usefixtures("at_home")
def test_the_process_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread, no variable, no log handler stays behind, also if one stops half-way."""
    monkeypatch.setenv("TOKENGUARD_AUDIENCE", "https://mine.example")
    logger = logging.getLogger("tokenguard")
    before = dict(os.environ), set(threading.enumerate()), list(logger.handlers), logger.level
    outcomes = run_demo("examples.fastapi_orders:app")
    assert [next(outcomes).as_expected for _ in range(3)] == [True] * 3
    outcomes.close()
    assert (dict(os.environ), set(threading.enumerate()), list(logger.handlers), logger.level) == before


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        ("nowhere:app", "nowhere:app can't be loaded from"),
        ("json:app", "json has no app"),
        ("json", "json must be MODULE:APP"),
    ],
)
def test_an_application_that_is_not_there_is_one_line(app: str, complaint: str) -> None:
    """Wrong usage, exit code 2."""
    result = run("demo", "--app", app)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_application_that_hangs_up_is_an_error_and_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo does not wait for an answer that can't come."""
    monkeypatch.chdir(write_app(tmp_path, "await send({'type': 'http.response.start', 'status': 200}); return"))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError, match="does not answer: RemoteProtocolError"):
        list(run_demo("unguarded:app"))
