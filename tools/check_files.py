"""Check the project's files: none too long or wide, none that names a machine's path or a registry's address.

A lock file or a setting that names a registry host works on its writer's machine and nowhere else.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_LINES = 400
#: of documents; code has its linter
MAX_COLUMNS = 120

# Each pattern is spelled so that it does not match itself in this file.
FORBIDDEN = {
    "a machine's path": re.compile(r"(?<![\w.-])/(?:root|home)/"),
    "a registry's address": re.compile(
        r"pypi\.(?:org|python)|pythonhosted\.(?:org)|registry\.(?:npmjs|yarnpkg)\.|[\"']resolved[\"']\s*:\s*[\"']http"
        r"|(?:extra-)?index[-_](?:url)|PIP_(?:EXTRA_)?INDEX_(?:URL)"
    ),
}


def project_files(root: Path) -> list[Path]:
    """Every text file that is tracked, or would be by `git add .`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (root / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


def faults(path: Path) -> Iterator[str]:
    """What is wrong with one file, a sentence each."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".py" and len(lines) > MAX_LINES:
        yield f"{path}: {len(lines)} lines; over {MAX_LINES} a file holds two ideas"
    for number, line in enumerate(lines, start=1):
        # a table's row can't be broken, nor can one long word, as a link
        if path.suffix == ".md" and len(line) > MAX_COLUMNS and not line.startswith("|") and " " in line.strip():
            yield f"{path}:{number}: {len(line)} columns; a document's line has {MAX_COLUMNS}"
        for what, pattern in FORBIDDEN.items():
            if pattern.search(line):
                yield f"{path}:{number}: names {what}"


def main(root: Path = ROOT) -> int:
    """Print every fault; return the exit status."""
    found = [fault for path in project_files(root) for fault in faults(path)]
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
