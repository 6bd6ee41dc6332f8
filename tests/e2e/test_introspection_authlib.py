"""An issuer of another make, whose JWTs can be asked about: live routes see what no signature tells."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tokenguard import ClientSecret, Introspection, Issuer, Request, Requirement, TokenGuard, errors
from tokenguard.errors import Reason

from .authlib_server import API, Client, authlib_server

SECRET = "s3cret"
CLIENTS = {"app": Client("app", SECRET), "api": Client("api", SECRET, asks=True), "nosy": Client("nosy", SECRET)}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The server."""
    with authlib_server(CLIENTS) as identifier:
        yield identifier


def token_of(issuer: str, scope: str = "orders:read") -> str:
    """An access token that the application got for itself."""
    form = {"grant_type": "client_credentials", "scope": scope, "client_id": "app", "client_secret": SECRET}
    response = httpx.post(f"{issuer}/token", data=form, auth=("app", SECRET), trust_env=False)
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token


def revoke(issuer: str, token: str) -> None:
    """As the application does when its user logs out."""
    httpx.post(f"{issuer}/revoke", data={"token": token}, auth=("app", SECRET), trust_env=False).raise_for_status()


def guard_of(issuer: str, client_id: str = "api", **settings: object) -> TokenGuard:
    """A guard that asks the server."""
    introspection = Introspection(ClientSecret(client_id, SECRET), timeout=20, **settings)  # type: ignore[arg-type]
    return TokenGuard(audience=API, issuers=[Issuer(issuer, introspection=introspection)])


def live(guard: TokenGuard, token: str) -> str:
    """What a live route says."""
    request = Request("GET", f"{API}/orders", {"Authorization": f"Bearer {token}"})
    try:
        return str(guard.check(request, requirement=Requirement("orders:read", live=True)).subject)
    except (errors.Denied, errors.Unavailable) as refusal:
        return str(refusal.reason)


@pytest.mark.parametrize("mode", ["both", "live"])
def test_a_revoked_jwt_is_seen_by_live_routes_alone(issuer: str, mode: str) -> None:
    """Checked locally first, then asked about; elsewhere it serves until it expires."""
    with guard_of(issuer, mode=mode) as guard:
        token = token_of(issuer)
        assert live(guard, token) == "app"
        assert live(guard, token_of(issuer, "orders:list")) == Reason.INSUFFICIENT_SCOPE
        revoke(issuer, token)
        assert live(guard, token) == Reason.INACTIVE
        assert guard.validate(token).client_id == "app"


def test_every_jwt_may_be_asked_about(issuer: str) -> None:
    """And then none is believed without its issuer's word."""
    with guard_of(issuer, mode="every", cache=0) as guard:
        token = token_of(issuer)
        verified = guard.validate(token)
        assert (verified.subject, verified.audience, verified.scopes) == ("app", (API,), {"orders:read"})
        revoke(issuer, token)
        with pytest.raises(errors.InvalidToken) as caught:
            guard.validate(token)
        assert caught.value.reason is Reason.INACTIVE


def test_only_whom_the_server_lets_ask_learns_anything(issuer: str) -> None:
    """Another client gets an error or "inactive"; either way nothing is let in."""
    with guard_of(issuer, "nosy") as guard:
        assert live(guard, token_of(issuer)) in {Reason.INACTIVE, Reason.INTROSPECTION_UNAVAILABLE}
