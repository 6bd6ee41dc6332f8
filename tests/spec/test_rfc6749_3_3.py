"""RFC 6749 3.3: scopes are whole, case-sensitive names, and a route needs those it says (RFC 6750 3.1)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.spec.support import admitted, bearing, guard_for, refused, request_refused, trust

from tokenguard import Requirement, TokenGuard, all_of, any_of
from tokenguard.errors import ConfigurationError, InsufficientScope, Reason
from tokenguard.testing import LocalIssuer


@pytest.mark.req("BT-26", "O21-09", "O21-01", "AT-13")
@pytest.mark.parametrize(
    ("granted", "needed"),
    [
        ("orders:read", "orders:read"),
        ("a orders:read b", "orders:read"),
        ("b a", ["a", "b"]),
        ("a  b", ["a", "b"]),
        (" a b ", {"a", "b"}),
        ("a", any_of("a", "b")),
        ("a c", all_of("a", any_of("b", "c"))),
        ("anything", None),
        ("", all_of()),
        ("", []),
    ],
)
def test_a_token_with_the_needed_scopes_is_let_in(
    guard: TokenGuard, issuer: LocalIssuer, granted: str, needed: Any
) -> None:
    """Order and number of spaces have no meaning."""
    assert admitted(guard, bearing(issuer.mint(scope=granted)), needed)


@pytest.mark.req("BT-26", "O21-09", "O21-01", "A-090")
@pytest.mark.parametrize(
    ("granted", "needed"),
    [
        ("administrator", "admin"),
        ("admin", "administrator"),
        ("Admin", "admin"),
        ("admins", "admin"),
        ("xadmin", "admin"),
        ("admin:read", "admin"),
        ("admin,read", "admin"),
        ("read\tadmin", "admin"),
        ("read\nadmin", "admin"),
        ("read\u00a0admin", "admin"),
        ("\u0430dmin", "admin"),
        ("*", "admin"),
        ("", "admin"),
        ("a", ["a", "b"]),
        ("c", any_of("a", "b")),
        ("a", all_of("a", any_of("b", "c"))),
        ("a b", [any_of("a", "b"), "c"]),
    ],
)
def test_a_token_without_the_needed_scopes_is_refused(
    guard: TokenGuard, issuer: LocalIssuer, granted: str, needed: Any
) -> None:
    """Parts, other cases, look-alikes and other separators grant nothing."""
    scopes = all_of(*needed) if isinstance(needed, list) else needed
    error = request_refused(
        guard, bearing(issuer.mint(scope=granted)), InsufficientScope, Reason.INSUFFICIENT_SCOPE, scopes
    )
    assert error.scope


@pytest.mark.req("BT-26", "O21-09")
def test_a_token_without_a_scope_grants_none(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """An absent scope is no scope."""
    request_refused(guard, bearing(issuer.mint()), InsufficientScope, Reason.INSUFFICIENT_SCOPE, "orders:read")


@pytest.mark.req("A-090")
@pytest.mark.parametrize(
    "scope", [["orders:read"], [], 1, None, True, {"orders:read": True}, [["orders:read"]]], ids=repr
)
def test_scope_is_a_string(guard: TokenGuard, issuer: LocalIssuer, scope: Any) -> None:
    """A scope of another form is refused; arrays are read only where plain JWTs were opted in."""
    refused(guard, issuer.mint(scope=scope), Reason.MALFORMED_CLAIMS)
    if scope in (["orders:read"], []):
        lax = guard_for(trust(issuer, profile="jwt"))
        assert lax.validate(issuer.mint(scope=scope)).scopes == set(scope)


@pytest.mark.req("A-090")
def test_a_vendors_scopes_grant_nothing_in_the_strict_profile(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """scp is not a claim of RFC 9068."""
    assert guard.validate(issuer.mint(scp=["admin"])).scopes == frozenset()


@pytest.mark.req("BT-26")
def test_scopes_are_asked_for_in_one_way(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Scopes and a requirement together, and what is no scope, are wrong calls and not refusals."""
    request = bearing(issuer.mint())
    for wrong in (5, [5], [["a"]], object(), {"a b"}):
        with pytest.raises(ConfigurationError, match="scope"):
            guard.check(request, wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not both"):
        guard.check(request, "a", requirement=Requirement("a"))
    with pytest.raises(ConfigurationError, match="never be met"):
        any_of()


@pytest.mark.req("BT-26", "O21-09")
def test_a_token_is_authorized_as_often_as_there_are_routes(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """What one route allows says nothing of the next."""
    token = guard.validate(issuer.mint(scope="orders:read"))
    guard.authorize(token, Requirement("orders:read"))
    with pytest.raises(InsufficientScope):
        guard.authorize(token, Requirement("orders:write"))
    guard.authorize(token, Requirement())
