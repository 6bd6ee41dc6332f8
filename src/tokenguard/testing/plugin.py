"""The pytest plugin: `local_issuer` and `served_issuer`, installed with the package and idle until a test asks.

pytest loads this module in every session, so whatever costs is imported inside the fixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenguard.testing import LocalIssuer, SigningKey


@pytest.fixture(scope="session")
def local_issuer_key() -> SigningKey:
    """The RS256 key that every `local_issuer` of the session begins with (making one takes about 50 ms)."""
    from tokenguard.testing import SigningKey  # noqa: PLC0415 - see the module's docstring

    return SigningKey.generate("RS256")


@pytest.fixture
def local_issuer(local_issuer_key: SigningKey) -> LocalIssuer:
    """A fresh `LocalIssuer` that no server stands behind: give its `jwks` to the guard.

    Override it in a `conftest.py` to name your own audience; `served_issuer` follows.
    """
    from tokenguard.testing import LocalIssuer  # noqa: PLC0415 - see the module's docstring

    return LocalIssuer(signing_key=local_issuer_key)


@pytest.fixture
def served_issuer(local_issuer: LocalIssuer) -> Iterator[LocalIssuer]:
    """The test's `local_issuer`, served on a loopback port (discovery and key set) until the test ends."""
    with local_issuer.serve() as issuer:
        yield issuer
