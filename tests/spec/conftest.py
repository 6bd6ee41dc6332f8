"""What the tests by clause have at hand."""

from __future__ import annotations

import pytest
from tests.spec.support import AUDIENCE, NOW, guard_for, local_issuer

from tokenguard import TokenGuard
from tokenguard.testing import LocalIssuer


@pytest.fixture(scope="session")
def issuer() -> LocalIssuer:
    """An ordinary issuer, whose key signs ES256."""
    return local_issuer()


@pytest.fixture(scope="session")
def guard(issuer: LocalIssuer) -> TokenGuard:
    """A guard that trusts it alone."""
    return guard_for(issuer)


@pytest.fixture(scope="session")
def other() -> LocalIssuer:
    """A second issuer, which uses the first one's kid for another key."""
    other = LocalIssuer("https://other.test", audience=AUDIENCE, algorithm="ES256", clock=lambda: NOW)
    other.rotate(keep=0, kid="key-1")
    return other
