"""Revoking for issuers that a function looks up: by hand, by a logout there, and for good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.asking import bearing
from runtime.support import averdict, verdict
from runtime.tenancy import UNKNOWN, UNRESOLVED, Table, Tenancy, settings_of, tenant
from tokenguard import BackchannelLogout, Issuer, Requirement
from tokenguard.errors import ConfigurationError, InvalidLogoutToken, Reason, Unavailable
from tokenguard.testing import LocalIssuer

RED, BLUE = tenant(1), tenant(2)
IDENTITY: dict[str, Any] = {"jti": "t-1", "sid": "s-1", "sub": "alice", "client_id": "c-1"}

#: both kinds of function, by the name of the method of `Table`
either_kind = pytest.mark.parametrize("kind", ["find", "afind"])


def settings(issuer: LocalIssuer, **more: Any) -> Issuer:
    """What a table has of one whose tokens can be revoked by name."""
    return settings_of(issuer, jwks=issuer.jwks, max_lifetime=3_600, **more)


def both() -> Table:
    """A table of the two, which send the same names; either tells of logouts."""
    logout = BackchannelLogout("c-1", algorithms=("ES256",))
    return Table(*(settings(each, logout=logout) for each in (RED, BLUE)))


@either_kind
@pytest.mark.parametrize(
    "named", [{"id": "t-1"}, {"session": "s-1"}, {"subject": "alice"}, {"client": "c-1"}, {"everything": True}],
    ids=lambda named: next(iter(named)),
)  # fmt: skip
def test_what_is_revoked_by_name_is_refused(tenancy: Tenancy, kind: str, named: dict[str, Any]) -> None:
    """Of that tenant alone, and before a first token of it came."""
    guard = tenancy(getattr(both(), kind))
    red, blue, other_blue = (each.mint(**IDENTITY) for each in (RED, BLUE, BLUE))  # issued before the revocation
    guard.revoke(issuer=RED.issuer, **named)
    assert verdict(guard, red) == Reason.REVOKED
    assert verdict(guard, blue) == "alice"
    asyncio.run(guard.arevoke(issuer=BLUE.issuer, **named))
    assert asyncio.run(averdict(guard, other_blue)) == Reason.REVOKED


@either_kind
@pytest.mark.parametrize("verified", [False, True], ids=["as sent", "as verified"])
@pytest.mark.parametrize("without", ["", "jti"], ids=["with jti", "without"])
def test_a_whole_token_is_revoked(tenancy: Tenancy, kind: str, without: str, verified: bool) -> None:
    """By its id, or its fingerprint where it has none; remembered or not."""
    table = Table(settings(RED, profile="jwt"), settings(BLUE, profile="jwt"))
    guard = tenancy(getattr(table, kind))
    red, blue = (each.mint(**IDENTITY, without=without.split()) for each in (RED, BLUE))
    assert verdict(guard, blue) == "alice"
    guard.revoke(guard.validate(red) if verified else red)
    assert [verdict(guard, token) for token in (red, blue)] == [Reason.REVOKED, "alice"]


def test_what_no_table_has_can_not_be_revoked(tenancy: Tenancy) -> None:
    """It would hit nothing, in silence; where the table can't tell, that is nobody's mistake."""
    table = both()
    guard = tenancy(table.find)
    for stranger in ("https://tenant-9.test", "no URL at all"):
        with pytest.raises(ConfigurationError, match="none of the configured issuers"):
            guard.revoke(subject="alice", issuer=stranger)
    table.fault = OSError()
    with pytest.raises(Unavailable, match=UNRESOLVED):
        guard.revoke(subject="alice", issuer=RED.issuer)
    assert list(guard.revocations.held()) == []


def test_whose_it_is_must_be_said_where_there_is_a_table(tenancy: Tenancy) -> None:
    """The one issuer in the list is not the only one."""
    guard = tenancy(Table(settings(RED)).find, listed=[settings(BLUE)])
    with pytest.raises(ConfigurationError, match="issuer must say whose"):
        guard.revoke(subject="alice")


def test_without_a_horizon_of_the_tenants_nothing_is_revoked(tenancy: Tenancy) -> None:
    """As of a listed issuer: a whole token says when it ends, names do not."""
    guard = tenancy(Table(settings_of(RED)).find)
    with pytest.raises(ConfigurationError, match=r"Issuer\.max_lifetime"):
        guard.revoke(subject="alice", issuer=RED.issuer)
    token = RED.mint()
    guard.revoke(token)
    assert verdict(guard, token) == Reason.REVOKED


@either_kind
def test_a_logout_at_a_tenants_issuer_ends_the_session_here(tenancy: Tenancy, kind: str) -> None:
    """Of that tenant alone, whose logout it may be that brings it in."""
    guard = tenancy(getattr(both(), kind))
    assert guard.takes_logouts
    guard.logout(RED.logout_token(aud="c-1", sid="s-1"))
    asyncio.run(guard.alogout(RED.logout_token(aud="c-1", sid="s-2")))
    told = [verdict(guard, each.mint(**IDENTITY | {"sid": sid})) for each in (RED, BLUE) for sid in ("s-1", "s-2")]
    assert told == [Reason.REVOKED, Reason.REVOKED, "alice", "alice"]


def test_a_logout_of_a_tenant_that_has_none_is_not_believed(tenancy: Tenancy) -> None:
    """Neither of one in the table without `Issuer.logout`, nor of a stranger; no tenant logs another's users out."""
    table = Table(settings(RED))
    guard = tenancy(table.find)
    for each in (RED, BLUE):
        with pytest.raises(InvalidLogoutToken, match=UNKNOWN):
            guard.logout(each.logout_token(aud="c-1", sid="s-1"))
    table.fault = OSError()
    with pytest.raises(Unavailable, match=UNRESOLVED):
        guard.logout(tenant(3).logout_token(aud="c-1", sid="s-1"))


def test_what_is_revoked_stays_so_when_an_issuer_is_removed_and_comes_back(tenancy: Tenancy) -> None:
    """A revocation is of a name, not of what was known of it."""
    guard = tenancy(both().find)
    token = RED.mint(**IDENTITY)
    guard.revoke(token)
    guard.remove_issuer(RED.issuer)
    assert verdict(guard, token) == Reason.REVOKED


def test_a_live_route_of_a_tenant_needs_someone_to_ask(tenancy: Tenancy) -> None:
    """The tenant's issuer, or the store; the refusal says whose token it was."""
    guard = tenancy(both().find)
    with pytest.raises(Unavailable) as unavailable:
        guard.check(bearing(RED.mint(**IDENTITY)), requirement=Requirement(live=True))
    assert unavailable.value.reason is Reason.LIVE_CHECK_UNAVAILABLE
    assert (unavailable.value.issuer, unavailable.value.client_id, unavailable.value.token_id) == (
        RED.issuer, "c-1", "t-1",
    )  # fmt: skip
