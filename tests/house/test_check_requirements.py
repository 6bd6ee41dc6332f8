"""What `make check` says about requirement ids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import check_requirements

REQUIRED = {"BT-01": "first", "BT-02": "second"}
CLAIM = {"tests/test_a.py::test_it"}


def test_every_id_claimed_or_explained_passes() -> None:
    """A test for one id and a reason for the other leave nothing to say."""
    assert not list(check_requirements.faults(REQUIRED, {"BT-02": "no bodies here"}, {"BT-01": CLAIM}))


@pytest.mark.parametrize(
    ("exempt", "claimed", "complaint"),
    [
        ({}, {"BT-01": CLAIM}, "BT-02: no test claims it"),
        ({"BT-02": "reason"}, {"BT-01": CLAIM, "BT-02": CLAIM}, "BT-02: not_applicable.txt says it cannot apply, yet"),
        ({"BT-02": "reason"}, {"BT-01": CLAIM, "BT-99": CLAIM}, "BT-99: tests/test_a.py::test_it claims it, but"),
        ({"BT-02": "reason", "BT-99": "reason"}, {"BT-01": CLAIM}, "BT-99: not_applicable.txt names it, but"),
        ({"BT-02": ""}, {"BT-01": CLAIM}, "BT-02: not_applicable.txt gives no reason"),
    ],
    ids=["uncovered", "both", "unknown claim", "unknown exemption", "no reason"],
)
def test_each_fault_is_said_alone(exempt: dict[str, str], claimed: dict[str, set[str]], complaint: str) -> None:
    """One thing wrong gives one sentence, which starts with the id."""
    (fault,) = check_requirements.faults(REQUIRED, exempt, claimed)
    assert fault.startswith(complaint)


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """A table can't say two things of one id."""
    table = tmp_path / "table.txt"
    table.write_text("# a comment\n\nBT-01 | one | thing\nBT-01 | another\n")
    with pytest.raises(ValueError, match="BT-01 stands twice"):
        check_requirements.read_table(table)


def collect(tests: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Check a made-up test file against three requirements, in an interpreter of its own."""
    (tests / "spec").mkdir()
    (tests / "spec" / "requirements.txt").write_text("".join(f"BT-0{n} | RFC | title\n" for n in range(1, 6)))
    (tests / "spec" / "not_applicable.txt").write_text("")
    (tests / "test_made_up.py").write_text(f"import pytest\n{code}")
    (tests / "pytest.ini").write_text("[pytest]\nmarkers = req(*ids): ids\n")
    return subprocess.run(
        [sys.executable, "-m", "tools.check_requirements", "--report", "--tests", str(tests)],
        cwd=Path(check_requirements.__file__).parent.parent,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_claims_are_read_from_every_place_a_mark_can_stand(tmp_path: Path) -> None:
    """Function, class, module and parameter marks all count, and the report names the test once."""
    checked = collect(
        tmp_path,
        """
pytestmark = pytest.mark.req("BT-01")

@pytest.mark.req("BT-02")
class TestIt:
    @pytest.mark.req("BT-03", "BT-04")
    def test_method(self): pass

@pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.req("BT-05"))])
def test_function(x): pass
""",
    )
    assert checked.returncode == 0, checked.stderr
    assert "5 requirements: 5 tested, 0 not applicable" in checked.stdout
    assert checked.stdout.count("test_made_up.py::test_function\n") == 2, checked.stdout  # for BT-01 and BT-05


def test_tests_that_cannot_be_collected_fail_the_check(tmp_path: Path) -> None:
    """A broken test file is shown, not passed over."""
    checked = collect(tmp_path, "import no_such_module")
    assert checked.returncode == 1
    assert "no_such_module" in checked.stderr
