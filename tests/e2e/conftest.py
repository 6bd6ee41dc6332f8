"""A running authorization server: one for all tests that leave it as it is, one each for those that don't."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .support import Provider


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """Shared by the session: get tokens from it, but neither rotate nor kill it."""
    with Provider() as shared:
        yield shared


@pytest.fixture
def own_provider() -> Iterator[Provider]:
    """This test's own, to rotate, kill and restart."""
    with Provider() as own:
        yield own
