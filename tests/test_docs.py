"""What the documents show works: Python blocks run, commands exist, examples in docstrings hold.

The Python blocks of one document run in order, as one program. A block that cannot run by itself says
"python compile-only" after its fence, and has only to be valid.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tokenguard import DPoP
from tokenguard.settings import _PART_VARIABLES, _VARIABLES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "tokenguard"
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
    ]
)
#: commands that have commands
GROUPS = {"revoke", "revocations"}
SHELLS = {"sh", "bash", "shell", "console"}
FENCE = re.compile(r"^ *```(?P<info>.*)$")


class Block(NamedTuple):
    """A fenced block: the words after the fence, the line its text starts on, the text."""

    info: list[str]
    line: int
    text: str


def blocks(document: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text."""
    opened: tuple[int, list[str]] | None = None
    lines = document.splitlines()
    for number, line in enumerate(lines, start=1):
        fence = FENCE.match(line)
        if fence and opened is None:
            opened = number + 1, fence["info"].split()
        elif fence and opened:
            start, info = opened
            yield Block(info, start, "\n".join(lines[start - 1 : number - 1]))
            opened = None


def program(document: str) -> str:
    """The Python blocks as one program; lines keep their numbers, so that tracebacks point at the document."""
    lines: list[str] = []
    for block in blocks(document):
        if block.info == ["python"]:
            lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    return "\n".join(lines)


def commands(document: str) -> Iterator[list[str]]:
    """The argument lists of the commands in the shell blocks; in a block with `$ ` prompts only the prompted lines."""
    for block in blocks(document):
        if not SHELLS.intersection(block.info[:1]):
            continue
        lines = block.text.replace("\\\n", " ").splitlines()
        prompted = [line.strip()[2:] for line in lines if line.strip().startswith("$ ")]
        for line in prompted or lines:
            for command in re.split(r"\|\|?|&&|;", line):
                words = shlex.split(command, comments=True)
                while words and re.fullmatch(r"\w+=.*", words[0]):
                    words.pop(0)
                if words:
                    yield words


@cache
def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def help_of(*command: str) -> str:
    """What `tokenguard COMMAND --help` prints; empty if there is no such command."""
    ran = subprocess.run(
        [Path(sys.executable).parent / "tokenguard", *command, "--help"],
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
        check=False,
        capture_output=True,
        text=True,
    )
    return ran.stdout if ran.returncode == 0 else ""


def untrue(words: list[str]) -> Iterator[str]:
    """What a shown command names that does not exist."""
    name, arguments = Path(words[0]).name, words[1:]
    if name == "make":
        for word in arguments:
            if "=" not in word and not word.startswith("-") and word not in make_targets():
                yield f"make has no target {word}"
    elif name == "tokenguard" and arguments and not arguments[0].startswith("-"):
        command = arguments[:2] if arguments[0] in GROUPS else arguments[:1]
        shown = help_of(*command)
        if not shown:
            yield f"tokenguard has no command {' '.join(command)}"
        for option in (word.partition("=")[0] for word in arguments[1:] if word.startswith("--")):
            if shown and option not in shown:
                yield f"tokenguard {' '.join(command)} has no option {option}"
    for word in words:
        if word.startswith(("examples/", "benchmarks/", "tools/", "tests/")) and not (ROOT / word).exists():
            yield f"there is no {word}"


def by_name(path: Path) -> str:
    """A document's name in the output of pytest."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_python_in_a_document_is_valid(document: Path) -> None:
    """Every Python block compiles, also those that cannot run alone."""
    for block in blocks(document.read_text(encoding="utf-8")):
        if block.info[:1] == ["python"]:
            assert block.info in (["python"], ["python", "compile-only"]), f"line {block.line - 1}: unknown mark"
            source = "\n" * (block.line - 1) + block.text
            compile(source, document, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_python_in_a_document_runs(document: Path, tmp_path: Path) -> None:
    """The blocks of one document run from top to bottom, as its reader would type them."""
    script = tmp_path / f"{document.stem}.py"
    script.write_text(program(document.read_text(encoding="utf-8")))
    ran = subprocess.run([sys.executable, "-W", "error", script], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_commands_in_a_document_exist(document: Path) -> None:
    """Each `make` target, `tokenguard` command and option, and file of ours that a shell block names is there."""
    shown = commands(document.read_text(encoding="utf-8"))
    assert [fault for words in shown for fault in untrue(words)] == []


def test_examples_in_docstrings_hold() -> None:
    """Each `>>>` example in the package gives what it says."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
            assert doctest.testmod(module, report=True).failed == 0, f"examples in {path.relative_to(ROOT)}"


EXAMPLE = """
# A document

```python
total = 1
```

```python compile-only
await nothing
```

```python
assert total == 1, "the blocks are one program"
raise SystemExit(total + 2)
```

```console
$ FORCE=1 make check test | less   # both
no command
$ tokenguard demo && ls \\
    examples/none.py
```

```sh
make help
```
"""


def test_the_blocks_of_a_document_run_as_one_program_with_its_line_numbers() -> None:
    """Later blocks see earlier ones, and compile-only blocks are left out."""
    assert program(EXAMPLE).splitlines()[13] == EXAMPLE.splitlines()[13] == "raise SystemExit(total + 2)"
    assert subprocess.run([sys.executable, "-c", program(EXAMPLE)], check=False).returncode == 3


def test_commands_are_found_behind_prompts_pipes_and_settings() -> None:
    """Output lines and comments are no commands; continued lines are one."""
    assert list(commands(EXAMPLE)) == [
        ["make", "check", "test"],
        ["less"],
        ["tokenguard", "demo"],
        ["ls", "examples/none.py"],
        ["make", "help"],
    ]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("make sense", "make has no target sense"),
        (".venv/bin/tokenguard frobnicate", "tokenguard has no command frobnicate"),
        ("tokenguard explain --nonsense=1", "tokenguard explain has no option --nonsense"),
        ("python examples/missing.py", "there is no examples/missing.py"),
    ],
)
def test_a_command_that_does_not_exist_is_seen(command: str, complaint: str) -> None:
    """A document can't promise a target, a command, an option or a file that is not there."""
    assert list(untrue(shlex.split(command))) == [complaint]


def test_commands_that_exist_are_left_alone() -> None:
    """What is there, and what is not ours, is no fault."""
    shown = ["make PYTHON=python3.12 test", "tokenguard explain --issuer https://as.example", "pip install tokenguard"]
    assert [fault for command in shown for fault in untrue(shlex.split(command))] == []


def test_operators_find_every_logger() -> None:
    """Each logger of the package has its row in the page for operators."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    loggers = set(re.findall(r"getLogger\(\"(tokenguard[.\w]*)\"\)", sources))
    assert "tokenguard.audit" in loggers
    assert {name for name in loggers if f"\n| `{name}` |" not in page} == set()


def test_operators_find_every_variable() -> None:
    """Each `TOKENGUARD_*` variable stands in some document, by its whole name or in the table of all of them."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").iterdir())
    names = _VARIABLES.keys() | _PART_VARIABLES.keys()
    assert {name for name in names if f"`{name}`" not in text and f"TOKENGUARD_{name}" not in text} == set()


def test_every_page_is_linked_from_the_readme() -> None:
    """What nobody is led to, nobody reads."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [path for path in DOCUMENTS if path.parent == ROOT / "docs"]
    assert pages
    assert [page.name for page in pages if f"](docs/{page.name}" not in readme] == []


def test_links_between_documents_lead_somewhere() -> None:
    """To a file that is there and, where a heading is named, to a heading."""
    for document in DOCUMENTS:
        for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", document.read_text(encoding="utf-8")):
            there = document.parent / target if target else document
            assert there.exists(), f"{by_name(document)}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in anchors, f"{by_name(document)}: {target}#{anchor}"


@pytest.mark.req("DP-41")
def test_the_documents_say_what_a_proof_does_not_cover() -> None:
    """Where DPoP is set up, where it is explained, and where threats are."""
    texts = [DPoP.__doc__ or "", *(ROOT.joinpath(name).read_text("utf-8") for name in ("docs/dpop.md", "SECURITY.md"))]
    for text in texts:
        assert "RFC 9449 11.7" in text
        assert "body" in text
