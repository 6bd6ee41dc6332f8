"""Check that every requirement id is claimed by a test, or stands in the list of those that cannot apply here.

A test claims ids with `@pytest.mark.req("BT-03", "A-003")`: on a function, a class, a module's `pytestmark` or a
`pytest.param`. What counts is what pytest itself collects. `--report` prints which tests claim which id.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent / "tests"


@dataclass
class Claims:
    """A pytest plugin that notes, for each id, the tests that claim it."""

    tests: dict[str, set[str]] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the `req` marks of what was collected; the cases of a parametrized test count as one test."""
        for item in items:
            for mark in item.iter_markers("req"):
                for id_ in mark.args:
                    self.tests.setdefault(str(id_), set()).add(item.nodeid.partition("[")[0])


class CollectionError(Exception):
    """pytest could not collect the tests; the text is what it said."""


def claimed_ids(tests: Path) -> dict[str, set[str]]:
    """Each claimed id with the node ids of the tests that claim it. Raises `CollectionError`."""
    claims, output = Claims(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = pytest.main(["--collect-only", str(tests)], plugins=[claims])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise CollectionError(output.getvalue())
    return claims.tests


def read_table(path: Path) -> dict[str, str]:
    """The lines `ID | text` of a file as a mapping; raises ValueError for an id that stands twice."""
    table: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        id_, _, text = (part.strip() for part in line.partition("|"))
        if id_ in table:
            raise ValueError(f"{path.name}: {id_} stands twice")
        table[id_] = text
    return table


def faults(required: Mapping[str, str], exempt: Mapping[str, str], claimed: Mapping[str, set[str]]) -> Iterator[str]:
    """What is wrong, a sentence for each id."""
    for id_, title in required.items():
        if id_ not in exempt and id_ not in claimed:
            yield f"{id_}: no test claims it, and not_applicable.txt does not say why ({title})"
        if id_ in exempt and id_ in claimed:
            yield f"{id_}: not_applicable.txt says it cannot apply, yet it is claimed by {min(claimed[id_])}"
    for id_, tests in claimed.items():
        if id_ not in required:
            yield f"{id_}: {min(tests)} claims it, but there is no such requirement"
    for id_, reason in exempt.items():
        if id_ not in required:
            yield f"{id_}: not_applicable.txt names it, but there is no such requirement"
        if not reason:
            yield f"{id_}: not_applicable.txt gives no reason"


def print_report(required: Mapping[str, str], exempt: Mapping[str, str], claimed: Mapping[str, set[str]]) -> None:
    """A table: id, title, and the tests that claim it or the reason why none does."""
    for id_, title in required.items():
        print(f"{id_:<7} {title}")
        if id_ in exempt:
            print(f"        not applicable: {exempt[id_]}")
        for test in sorted(claimed.get(id_, ())):
            print(f"        {test}")


def main() -> int:
    """Print every fault, and with `--report` the table; return the exit status."""
    parser = argparse.ArgumentParser(description="Is every requirement claimed by a test?")
    parser.add_argument("--report", action="store_true", help="print which tests claim which id")
    parser.add_argument("--tests", type=Path, default=TESTS, help="the folder of the tests")
    options = parser.parse_args()
    tests: Path = options.tests
    required = read_table(tests / "spec" / "requirements.txt")
    exempt = read_table(tests / "spec" / "not_applicable.txt")
    try:
        claimed = claimed_ids(tests)
    except CollectionError as error:
        print(error, file=sys.stderr)
        return 1
    if options.report:
        print_report(required, exempt, claimed)
    found = list(faults(required, exempt, claimed))
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(required)} requirements: {len(required.keys() & claimed.keys())} tested, {len(exempt)} not applicable")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
