"""A pytest plugin: a run in which a test was skipped, or was expected to fail, has failed.

A skipped test proves nothing, and nobody reads the line that says so.
"""

from __future__ import annotations

import pytest

UNPROVEN = ("skipped", "xfailed", "xpassed")


def _unproven(config: pytest.Config) -> list[tuple[str, str]]:
    """Pairs of outcome and node id of the tests that did not prove anything."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats: dict[str, list[pytest.TestReport | pytest.CollectReport]] = reporter.stats if reporter else {}
    return [(outcome, report.nodeid) for outcome in UNPROVEN for report in stats.get(outcome, [])]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that would have passed into a failed one."""
    if _unproven(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the tests, above the summary line."""
    for outcome, node in _unproven(config):
        terminalreporter.write_line(f"FAILED: {outcome}, so it proves nothing: {node}", red=True)
