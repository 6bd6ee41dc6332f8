"""`routes` lists what can be reached without a token."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.support import ROOT, rows, run

COLUMNS = ["path", "methods", "why it is open"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository, with the settings that the example reads."""
    monkeypatch.setenv("TOKENGUARD_ISSUERS", "https://issuer.test")
    monkeypatch.setenv("TOKENGUARD_AUDIENCE", "https://api.example.com")
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


def test_routes_without_protection_are_listed_with_why() -> None:
    """The example's health check, what is optional, and FastAPI's own pages; nothing that is protected."""
    result = run("routes", "examples.fastapi_orders:app")
    listed = {path: why for path, _, why in rows(result.stdout, COLUMNS)}
    assert listed.pop("/health") == "nothing protects it"
    assert listed.pop("/greeting") == "a token is checked where there is one"
    assert set(listed.values()) == {"FastAPI's own documentation"}
    assert result.exit_code == 0


def test_an_application_without_an_open_route_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty table would leave one wondering."""
    (tmp_path / "closed.py").write_text("import fastapi\napp = fastapi.FastAPI(openapi_url=None)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run("routes", "closed:app").stdout == "Every route is protected.\n"


def test_a_setting_that_the_application_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its ConfigurationError is shown without a traceback."""
    (tmp_path / "unset.py").write_text("from tokenguard import TokenGuard\napp = TokenGuard.from_env({})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run("routes", "unset:app")
    assert (result.exit_code, result.stderr) == (2, "tokenguard: TOKENGUARD_AUDIENCE is not set\n")
