"""Break one check at a time, in a copy of the tree, and see the tests notice.

    python -m tools.mutants              # all; some minutes, so not part of `make check`
    python -m tools.mutants claims jws   # those in core/claims.py and core/jws.py

Each mutant replaces a piece of one file under `src/tokenguard/core`. One for which none of that module's tests in
`SUITES` fails has survived: a check that could be lost unnoticed. One whose text is not found once is stale.
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
CORE = Path("src") / "tokenguard" / "core"


class Verdict(NamedTuple):
    """What became of a mutant. `notice`: the first test that failed, or why there is none."""

    mutant: Mutant
    killed: bool
    notice: str


def judge(mutant: Mutant) -> Verdict:
    """Run the tests against a copy of the tree with this mutant in it."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        ignore = shutil.ignore_patterns("node_modules", "__pycache__")
        for name in ("src", "tests", "tools"):
            shutil.copytree(ROOT / name, tree / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", tree)
        path = tree / CORE / f"{mutant.module}.py"
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            return Verdict(mutant, killed=False, notice=f"stale: found {text.count(mutant.old)} times")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "--tb=no",
                *(f"tests/{suite}.py" for suite in SUITES[mutant.module]),
            ],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return Verdict(mutant, killed=run.returncode == 1 and bool(failed), notice=failed[0] if failed else "survived")


def main(modules: list[str]) -> int:
    """Print each verdict when it is known; return the exit status."""
    chosen = [mutant for mutant in MUTANTS if not modules or mutant.module in modules]
    verdicts = []
    for mutant in chosen:
        verdict = judge(mutant)
        verdicts.append(verdict)
        outcome = "killed" if verdict.killed else "SURVIVED"
        print(f"{outcome:<8} {mutant.module}: {mutant.loses}\n         {verdict.notice}", flush=True)
    survivors = sum(not verdict.killed for verdict in verdicts)
    print(f"{len(verdicts) - survivors} of {len(verdicts)} killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
