"""What `make check` says about the project's files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import check_files

# Put together here, so that this file itself stays clean.
BAD_LINES = {
    "home of a user": "cd " + "/ho" + "me/alice/project",
    "home of root": "open('" + "/ro" + "ot/.cache')",
    "npm host": "https://registry." + "npmjs.org/x.tgz",
    "npm lock": '"reso' + 'lved": "http://somewhere/x.tgz"',
    "Python host": "https://py" + "pi.org/simple",
    "Python files": "https://files.python" + "hosted.org/x.whl",
    "pip option": "--extra-in" + "dex-url=https://somewhere",
    "pip variable": "PIP_IN" + "DEX_URL=https://somewhere",
}
GOOD_LINES = ["https://api.example.com/home/orders", "Path('~/root')", "pip install tokenguard", "the index, the url"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty repository."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_a_clean_tree_passes(tree: Path) -> None:
    """URL paths that merely look like a home folder, and files of 400 lines, are fine."""
    (tree / "notes.md").write_text("\n".join(GOOD_LINES))
    (tree / "module.py").write_text("pass\n" * check_files.MAX_LINES)
    assert check_files.main(tree) == 0


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_machine_or_a_registry_is_named_with_its_line(
    tree: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """The fault says which line of which file, before the file is even added."""
    (tree / "notes.md").write_text(f"fine\n{line}\n")
    assert check_files.main(tree) == 1
    assert "notes.md:2: names " in capsys.readouterr().err


def test_a_long_module_is_a_fault(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line over the limit is over the limit."""
    (tree / "module.py").write_text("pass\n" * (check_files.MAX_LINES + 1))
    assert check_files.main(tree) == 1
    assert "module.py: 401 lines" in capsys.readouterr().err


def test_a_wide_line_of_a_document_is_a_fault(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """But no row of a table, and no single long word: they can't be broken."""
    widest = "word " * (check_files.MAX_COLUMNS // 5 - 1) + "words"
    (tree / "notes.md").write_text(f"{widest}\n| {widest} |\n{'x' * 200}\n")
    assert check_files.main(tree) == 0
    (tree / "notes.md").write_text(f"{widest}!\n")
    assert check_files.main(tree) == 1
    assert "notes.md:1: 121 columns" in capsys.readouterr().err


def test_ignored_and_binary_files_are_not_read(tree: Path) -> None:
    """What git ignores, and what is no text, is none of this check's business."""
    (tree / ".gitignore").write_text("build/\n")
    (tree / "build").mkdir()
    (tree / "build" / "pip.conf").write_text(BAD_LINES["pip option"])
    (tree / "picture.png").write_bytes(b"\x89PNG\0" + BAD_LINES["npm host"].encode())
    assert check_files.main(tree) == 0
