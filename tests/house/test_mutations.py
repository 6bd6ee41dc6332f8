"""The list of checks whose loss the tests must notice fits the code, and what runs it tells the truth."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tools import mutants
from tools.mutations import MUTANTS, SUITES, Mutant

ROOT = Path(__file__).parent.parent.parent


def name_of(mutant: Mutant) -> str:
    """As `tools.mutants` prints it."""
    return f"{mutant.module}: {mutant.loses}"


@cache
def read(path: Path) -> tuple[str, str]:
    """A file of the repository, and what it does: its tree, which has no comments and no layout."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return text, ast.dump(ast.parse(text))


@pytest.mark.parametrize("mutant", MUTANTS, ids=name_of)
def test_each_mutant_changes_what_its_file_does(mutant: Mutant) -> None:
    """What it takes away stands there once, and what is left is Python that does something else."""
    text, tree = read(mutant.path)
    assert ast.dump(ast.parse(mutant.applied(text))) != tree


def test_each_module_has_mutants_and_tests_that_are_there() -> None:
    """So that no mutant is judged by nothing."""
    assert set(SUITES) == {mutant.module for mutant in MUTANTS}
    assert all(SUITES.values())
    assert [
        suite for suites in SUITES.values() for suite in suites if not (ROOT / "tests" / f"{suite}.py").is_file()
    ] == []


def test_names_tell_mutants_apart() -> None:
    """Or a survivor could not be found."""
    assert [name for name, times in Counter(map(name_of, MUTANTS)).items() if times > 1] == []


def test_a_mutant_whose_text_is_gone_has_not_been_killed() -> None:
    """It says that it is stale, without a test run."""
    verdict = mutants.judge(Mutant("jws", "nothing", "what stands nowhere", ""))
    assert not verdict.killed
    assert "stale" in verdict.notice


def test_a_module_without_mutants_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled name is no success."""
    assert mutants.main(["no_such_module"]) == 2
    assert "no_such_module" in capsys.readouterr().err
