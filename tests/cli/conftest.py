"""A signing key and an authority that are made once, and an issuer over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trustme

from tokenguard.testing import LocalIssuer, SigningKey


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """A key that costs little to make and to use."""
    return SigningKey.generate("ES256", "current")


@pytest.fixture
def issuer(signing_key: SigningKey) -> LocalIssuer:
    """An issuer that has no server."""
    return LocalIssuer(signing_key=signing_key)


@pytest.fixture
def served(signing_key: SigningKey) -> Iterator[LocalIssuer]:
    """An issuer over real HTTP."""
    with LocalIssuer(signing_key=signing_key).serve() as served:
        yield served


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A private certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its certificate, as a PEM file; loading it alone is much faster than loading the public ones."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)
