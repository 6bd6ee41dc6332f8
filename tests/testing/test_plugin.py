"""The pytest plugin, in test suites of its own."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's test suite, in which a warning is an error too, with this plugin alone (the others take a second)."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\naddopts = -p tokenguard.testing.plugin\nfilterwarnings = error")
    return pytester


def test_pytest_loads_the_plugin_by_itself() -> None:
    """The package names it as an entry point."""
    [entry] = entry_points(group="pytest11", name="tokenguard")
    assert entry.value == "tokenguard.testing.plugin"


def test_a_test_gets_an_issuer_and_a_server(suite: pytest.Pytester) -> None:
    """local_issuer mints; served_issuer is the same one, over HTTP."""
    suite.makepyfile(
        """
        import json
        from urllib.request import urlopen

        def test_unserved(local_issuer):
            assert local_issuer.issuer == "https://issuer.test"
            assert local_issuer.mint().count(".") == 2

        def test_served(local_issuer, served_issuer):
            assert served_issuer is local_issuer
            with urlopen(served_issuer.jwks_uri) as answer:
                assert json.load(answer) == served_issuer.jwks
        """
    )
    suite.runpytest().assert_outcomes(passed=2)


def test_every_test_has_a_fresh_issuer_of_the_sessions_key(suite: pytest.Pytester) -> None:
    """What one test rotates, the next finds as it was; no RSA key is made for each."""
    suite.makepyfile(
        """
        import pytest

        seen = []

        @pytest.mark.parametrize("time", [1, 2])
        def test_rotation(local_issuer, time):
            seen.append((local_issuer, local_issuer.signing_key))
            local_issuer.rotate()

        def test_fresh():
            [(issuer, key), (other_issuer, other_key)] = seen
            assert issuer is not other_issuer
            assert key is other_key
        """
    )
    suite.runpytest().assert_outcomes(passed=3)


def test_a_conftest_may_make_the_issuer(suite: pytest.Pytester) -> None:
    """served_issuer serves what local_issuer is."""
    suite.makeconftest(
        """
        import pytest
        from tokenguard.testing import LocalIssuer

        @pytest.fixture
        def local_issuer():
            return LocalIssuer(audience="https://orders.example.com", algorithm="ES256")
        """
    )
    suite.makepyfile(
        """
        def test_served(served_issuer):
            assert served_issuer.audience == "https://orders.example.com"
        """
    )
    suite.runpytest().assert_outcomes(passed=1)


def test_the_plugin_is_idle_until_a_test_asks(suite: pytest.Pytester) -> None:
    """With it comes no framework, and not even its own issuer."""
    suite.makepyfile(
        """
        import sys

        def test_idle():
            assert "tokenguard.testing.plugin" in sys.modules
            ours = {name for name in sys.modules if name.startswith("tokenguard.testing")}
            assert ours == {"tokenguard.testing", "tokenguard.testing.plugin"}
            assert not {"fastapi", "starlette", "flask", "django"} & set(sys.modules)
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=1)
