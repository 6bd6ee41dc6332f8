"""Install the packages we compare with one by one, for where they can't all be had: the others are left out."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Install what can be installed; the benchmark names what is not there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt")]
    for package in project["dependency-groups"]["bench"]:
        if subprocess.run([*pip, package], check=False).returncode:
            print(f"{package} can't be installed; the benchmark goes on without it", file=sys.stderr)


if __name__ == "__main__":
    main()
