"""A guard built before a fork, as servers that preload the app do: each process has its own thread and connections."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.support import JWKS, OAUTH, PATIENCE, until
from tokenguard.testing import LocalIssuer

pytestmark = pytest.mark.timeout(60)
Start = Callable[[str], "Master"]


class Master:
    """The first process of a server, talked to by lines."""

    def __init__(self, scenario: str, issuer: LocalIssuer, ca_file: str) -> None:
        script = Path(__file__).with_name("forking.py")
        self._process = subprocess.Popen(
            # from Python 3.12 on it warns of any fork beside a thread, which is what this is about
            [sys.executable, "-W", "ignore::DeprecationWarning", str(script), scenario, issuer.issuer, ca_file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Its next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> list[str]:
        """What else it says until it ends, which it must do well and without a complaint."""
        output, complaints = self._process.communicate(timeout=PATIENCE)
        assert complaints == ""
        assert self._process.returncode == 0
        return output.splitlines()

    def __enter__(self) -> Master:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(issuer: LocalIssuer, ca_file: str) -> Iterator[Start]:
    """Start a scenario of forking.py with the test's issuer."""
    with ExitStack() as processes:
        yield lambda scenario: processes.enter_context(Master(scenario, issuer, ca_file))


def test_workers_of_a_preloaded_app_fetch_by_themselves(issuer: LocalIssuer, start: Start) -> None:
    """Building a guard starts nothing that a fork would break; the parent can still use it, too."""
    master = start("preloaded")
    master.tell(issuer.mint())
    assert Counter(master.end()) == {"worker: user-1": 2, "worker ended: 0": 2, "parent: user-1": 1}
    assert (issuer.count(OAUTH), issuer.count(JWKS)) == (3, 3)


def test_a_worker_has_the_keys_and_connections_of_its_own(issuer: LocalIssuer, start: Start) -> None:
    """Keys at hand serve on; a new one is fetched on a thread and a connection that are not the parent's."""
    master = start("warmed")
    master.tell(issuer.mint(sub="old"))
    assert master.hear() == "parent: old"
    assert master.hear() == "remembered: 1"
    assert issuer.count(JWKS) == 1
    issuer.rotate()
    master.tell(issuer.mint(sub="new"))
    assert master.end() == [
        "remembered: 0",
        "worker: old",
        "worker: new",
        "worker: new",
        "worker ended: 0",
        "parent: new",
    ]
    assert issuer.count(JWKS) == 3


def test_a_fetch_in_flight_is_the_parents(issuer: LocalIssuer, start: Start) -> None:
    """The worker does not wait for a thread that it does not have: it fetches, and both get their keys."""
    issuer.misbehave("hang", path=JWKS)
    master = start("in_flight")
    master.tell(issuer.mint())
    until(lambda: issuer.count(JWKS) == 1)
    master.tell("now")
    until(lambda: issuer.count(JWKS) == 2)
    issuer.behave()
    assert sorted(master.end()) == ["parent: user-1", "worker ended: 0", "worker: user-1"]


def test_locks_that_others_held_are_new(issuer: LocalIssuer, start: Start) -> None:
    """A worker would wait for ever for threads that stayed behind."""
    master = start("locked")
    master.tell(issuer.mint())
    assert master.end() == ["worker: user-1", "worker ended: 0", "parent: user-1"]


def test_a_look_up_under_way_is_the_parents(issuer: LocalIssuer, start: Start) -> None:
    """The worker looks up and changes by itself, though other threads held the locks; the parent's goes on."""
    master = start("looked_up")
    for _ in range(2):
        master.tell(issuer.mint())
    said = master.end()
    assert said[:3] == ["worker: user-1", said[1], "worker ended: 0"]
    assert said[1].startswith("worker: unknown_issuer")
    assert said[3:] == ["parent: user-1", "parent: user-1"]


def test_a_process_can_end_during_a_fetch(issuer: LocalIssuer, start: Start) -> None:
    """At once, without a complaint, though nobody has closed the guard."""
    issuer.misbehave("hang", path=JWKS)
    master = start("abandoned")
    master.tell(issuer.mint())
    until(lambda: issuer.count(JWKS) == 1)
    master.tell("now")
    assert master.end() == []
