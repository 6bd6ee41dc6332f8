"""What every test run has."""

from __future__ import annotations

pytest_plugins = ["pytester", "tools.no_skips"]
