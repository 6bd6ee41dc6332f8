"""Which paths a setting means."""

from __future__ import annotations

import re

import pytest

from tokenguard._paths import ExemptPaths, ProtectedPaths
from tokenguard.errors import ConfigurationError


@pytest.mark.parametrize(
    ("path", "is_protected"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/orders", True),
        ("/API/Orders", True),
        ("/v2/internal/x", True),
        ("/apis", False),
        ("/v2/internals", False),
        ("/v2", False),
        ("/x/api/", False),
        ("/", False),
        ("", False),
    ],
)
def test_protected_paths_go_by_segment_in_any_case(path: str, is_protected: bool) -> None:
    """A prefix means itself and what is below it, however it is spelled."""
    assert (path in ProtectedPaths("PATHS", ["/api/", "/v2/Internal"])) is is_protected


def test_any_case_is_what_routes_that_ignore_case_take_for_it() -> None:
    """Dotless and dotted i, long s and the Kelvin sign match the plain letters under re.IGNORECASE."""
    protected = ProtectedPaths("PATHS", ["/api/kiosks"])
    for path in ("/ap\u0131/kiosks", "/AP\u0130/kiosks/x", "/api/kio\u017fk\u017f", "/api/\u212aiosks"):
        assert re.match("/api/kiosks", path, re.IGNORECASE)
        assert path in protected
    assert "/a.i/kiosks" not in ProtectedPaths("PATHS", ["/a+i"])


def test_to_protect_the_root_is_to_protect_everything() -> None:
    """The generous reading, where it closes."""
    assert "/any/thing" in ProtectedPaths("PATHS", ["/"])


@pytest.mark.parametrize(
    ("path", "is_exempt"),
    [
        ("/", True),
        ("/docs", True),
        ("/docs/", True),
        ("/docs/a/b.css", True),
        ("/docs2", False),
        ("/Docs", False),
        ("/x/docs", False),
        ("//", False),
        ("/orders", False),
        ("/docs/../orders", False),
        ("/docs/./a", False),
        ("/docs/..", False),
        ("/docs/a..b", True),
        ("", False),
    ],
)
def test_exempt_paths_go_by_segment_to_the_letter(path: str, is_exempt: bool) -> None:
    """The narrow reading, where it opens: the root is itself alone, and dot segments are never let through."""
    assert (path in ExemptPaths("EXEMPT_PATHS", ("/docs/", "/"))) is is_exempt


@pytest.mark.parametrize("kind", [ProtectedPaths, ExemptPaths])
@pytest.mark.parametrize("paths", [["api"], [""], [], "/api", [1], None])
def test_what_is_no_list_of_paths_is_refused(kind: type[ProtectedPaths | ExemptPaths], paths: object) -> None:
    """The error names the setting."""
    with pytest.raises(ConfigurationError, match="SOME_PATHS"):
        kind("SOME_PATHS", paths)
