"""The plugin that lets no skipped test pass unseen."""

from __future__ import annotations

import pytest

WAYS_TO_PROVE_NOTHING = {
    "skip mark": "@pytest.mark.skip\ndef test_it(): pass",
    "skip call": "def test_it(): pytest.skip('no server here')",
    "expected failure": "@pytest.mark.xfail\ndef test_it(): assert False",
    "unexpected success": "@pytest.mark.xfail\ndef test_it(): pass",
    "no parameters": "@pytest.mark.parametrize('x', [])\ndef test_it(x): pass",
    "missing module": "pytest.importorskip('no_such_module')\ndef test_it(): pass",
}


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the made-up run apart from the plugins and settings of this one."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_a_run_in_which_all_pass_has_passed(pytester: pytest.Pytester) -> None:
    """The plugin changes nothing where nothing was skipped."""
    pytester.makepyfile("def test_it(): pass")
    assert pytester.runpytest_inprocess("-p", "tools.no_skips").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("body", WAYS_TO_PROVE_NOTHING.values(), ids=WAYS_TO_PROVE_NOTHING.keys())
def test_a_test_that_proves_nothing_fails_the_run(pytester: pytest.Pytester, body: str) -> None:
    """Beside a passing test, each way not to run a test makes the whole run fail and is named."""
    pytester.makepyfile(test_passing="def test_it(): pass", test_idle=f"import pytest\n{body}")
    result = pytester.runpytest_inprocess("-p", "tools.no_skips")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED: *, so it proves nothing: test_idle.py*"])
