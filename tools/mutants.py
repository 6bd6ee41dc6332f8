"""Break one check at a time, in a copy of the tree, and see the tests notice.

    python -m tools.mutants                    # all; many minutes, so not part of `make check`
    python -m tools.mutants claims stores/book # those in core/claims.py and stores/book.py

Each mutant (tools/mutations) replaces a piece of one file. One for which none of that module's tests in `SUITES` fails
has survived: a check that could be lost unnoticed. Those tests are run first with nothing taken away: where one fails
anyhow, nothing is known about the module's mutants.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tools.mutations import MUTANTS, SUITES, Mutant

ROOT = Path(__file__).parent.parent


class Verdict(NamedTuple):
    """What became of a mutant. `notice`: the first test that failed, or why there is none."""

    killed: bool
    notice: str


def judge(mutant: Mutant) -> Verdict:
    """Run the tests against a copy of the tree with this mutant in it."""
    try:
        broken = mutant.applied((ROOT / mutant.path).read_text(encoding="utf-8"))
    except ValueError as cause:
        return Verdict(killed=False, notice=str(cause))
    failed = first_failure(mutant.module, {mutant.path: broken})
    return Verdict(killed=failed is not None, notice=failed or "survived")


def first_failure(module: str, changed: dict[Path, str]) -> str | None:
    """Of the module's tests, in a copy of the tree in which these files are changed."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        ignore = shutil.ignore_patterns("node_modules", "__pycache__")
        for name in ("src", "tests", "tools"):
            shutil.copytree(ROOT / name, tree / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", tree)
        for path, text in changed.items():
            (tree / path).write_text(text, encoding="utf-8")
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "--tb=no", *(f"tests/{suite}.py" for suite in SUITES[module])],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode == 0:
        return None
    # 1: a test failed; 2: one was interrupted, or could not be imported; else the list of tests is at fault
    if run.returncode not in {1, 2}:
        raise RuntimeError(f"pytest ended with {run.returncode}: {run.stdout}{run.stderr}")
    signs = ("FAILED", "ERROR", "!!!")
    return next(line for sign in signs for line in run.stdout.splitlines() if line.startswith(sign))


def main(modules: list[str]) -> int:
    """Print each verdict when it is known; return the exit status."""
    unknown = set(modules) - SUITES.keys()
    if unknown:
        print(f"no mutants of {', '.join(sorted(unknown))}; there are some of {', '.join(SUITES)}", file=sys.stderr)
        return 2
    killed = total = 0
    for module in modules or SUITES:
        fails = first_failure(module, {})
        if fails is not None:
            print(f"UNKNOWN  {module}: a test fails with nothing taken away\n         {fails}", flush=True)
        for mutant in (each for each in MUTANTS if each.module == module):
            total += 1
            if fails is None:
                verdict = judge(mutant)
                killed += verdict.killed
                outcome = "killed" if verdict.killed else "SURVIVED"
                print(f"{outcome:<8} {module}: {mutant.loses}\n         {verdict.notice}", flush=True)
    print(f"{killed} of {total} killed")
    return 0 if killed == total else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
