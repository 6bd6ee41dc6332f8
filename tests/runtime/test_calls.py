"""What a check costs, counted and not timed: the package's own functions that it goes through, whatever the machine.

Each call costs a tenth of a microsecond or more, twice that after a signature check or among a framework's own code:
whoever adds one here decides that it is worth it (benchmarks/README.md).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType

import pytest

import tokenguard
from runtime.support import Protect
from tokenguard import AccessToken, Requirement, TokenGuard
from tokenguard.asgi import recall
from tokenguard.errors import Denied
from tokenguard.testing import Broken, LocalIssuer

_OURS = str(Path(tokenguard.__file__).parent)
REMEMBERED = ["recall", "RevocationBook.find", "AccessToken.__init__"]
READ = Requirement("orders:read")


def entered(work: Callable[[], object]) -> list[CodeType]:
    """The package's functions that are entered, in order; a generator each time it goes on. Refusals are expected."""
    codes: list[CodeType] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_OURS):
            codes.append(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with suppress(Denied, StopIteration):
            work()
    finally:
        sys.setprofile(before)
    return codes


def names(codes: list[CodeType]) -> list[str]:
    """As a reader would look for them."""
    return [code.co_qualname for code in codes]


@pytest.fixture
def guard(issuer: LocalIssuer, protect: Protect) -> TokenGuard:
    """A guard that knows its issuer's keys, and the header that its tokens have."""
    guard = protect(issuer)
    guard.validate(issuer.mint())
    return guard


def test_a_remembered_token_takes_four_calls(issuer: LocalIssuer, guard: TokenGuard) -> None:
    """The guard's own, the memory's, the store of revocations', and the caller's own object."""
    token = issuer.mint()
    guard.validate(token)
    assert names(entered(lambda: guard.validate(token))) == ["TokenGuard.validate", *REMEMBERED]


def test_an_async_caller_pays_for_nothing_more(issuer: LocalIssuer, guard: TokenGuard) -> None:
    """The coroutine takes the place of the function."""
    token = issuer.mint()
    guard.validate(token)
    codes = entered(lambda: guard.avalidate(token).send(None))
    assert names(codes) == ["TokenGuard.avalidate", *REMEMBERED]


def test_an_adapter_asks_for_a_remembered_token_with_six_calls(issuer: LocalIssuer, guard: TokenGuard) -> None:
    """No request and no credential is made of what the server gave, and the scopes are one comparison."""
    token = issuer.mint(scope="orders:read")
    guard.validate(token)
    scope = {"type": "http", "headers": [(b"host", b"api"), (b"authorization", f"Bearer {token}".encode())]}
    found: list[AccessToken | None] = []
    codes = entered(lambda: found.append(recall(guard, scope, READ)))
    assert found[0] is not None
    assert names(codes) == ["recall", "TokenGuard.recall", *REMEMBERED, "is_plainly_met"]


def test_the_way_of_a_new_token_is_plain_calls(issuer: LocalIssuer, guard: TokenGuard) -> None:
    """Where nothing must be asked no flow is begun, and there is a call a stage."""
    token = issuer.mint()
    codes = entered(lambda: guard.validate(token))
    assert not any(code.co_flags & inspect.CO_GENERATOR for code in codes)
    assert len(codes) <= 24, names(codes)


@pytest.mark.parametrize("kind", [Broken.BAD_SIGNATURE, Broken.OTHER_ISSUER, "unknown_key"])
def test_a_token_is_refused_without_a_flow(issuer: LocalIssuer, guard: TokenGuard, kind: Broken | str) -> None:
    """A forged one, a stranger's, one by a key that nobody has: no question is even prepared."""
    stranger = LocalIssuer(issuer.issuer, algorithm="ES256")
    token = issuer.broken(kind) if isinstance(kind, Broken) else stranger.mint()
    codes = entered(lambda: guard.validate(token))
    assert "Reporting.report" in names(codes)
    assert not any(code.co_flags & inspect.CO_GENERATOR for code in codes), names(codes)
