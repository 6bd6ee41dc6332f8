"""A served issuer, a clock, and guards that must leave no thread behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from runtime.support import Clock, Protect, build_guard, io_threads
from runtime.tenancy import Tenancy, build_tenancy
from tokenguard import HTTPSettings, TokenGuard
from tokenguard.testing import LocalIssuer, SigningKey


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """A key that costs little to make and to use."""
    return SigningKey.generate("ES256", "current")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A private certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its certificate, as a PEM file."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def issuer(signing_key: SigningKey) -> Iterator[LocalIssuer]:
    """An issuer over real HTTP."""
    with LocalIssuer(signing_key=signing_key).serve() as served:
        yield served


@pytest.fixture
def clock() -> Clock:
    """What the guards of the test take for the time of their caches."""
    return Clock()


@pytest.fixture
def protect(clock: Clock, ca_file: str) -> Iterator[Protect]:
    """Build guards on the test's clock; closed when the test ends, and then no thread of theirs is left.

    They trust the private authority alone: to load the public ones for each takes longer than most tests.
    """
    before = io_threads()
    guards: list[TokenGuard] = []

    def build(issuer: LocalIssuer | str, **settings: Any) -> TokenGuard:
        guards.append(build_guard(issuer, **{"monotonic": clock, "http": HTTPSettings(ca_file=ca_file)} | settings))
        return guards[-1]

    yield build
    for guard in guards:
        guard.close()
    assert io_threads() <= before


@pytest.fixture
def tenancy(clock: Clock, ca_file: str) -> Iterator[Tenancy]:
    """`protect`, for guards that look their issuers up."""
    before = io_threads()
    guards: list[TokenGuard] = []

    def build(resolve: Callable[[str], Any], **settings: Any) -> TokenGuard:
        guards.append(build_tenancy(resolve, clock, **{"http": HTTPSettings(ca_file=ca_file)} | settings))
        return guards[-1]

    yield build
    for guard in guards:
        guard.close()
    assert io_threads() <= before
