"""What each framework's API answers to tokens that a real authorization server made."""

from __future__ import annotations

import pytest

from tokenguard.errors import Reason

from .apis import OrdersAPI, refused
from .support import ALGORITHMS, APP, OTHER_API, Provider


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_token_of_every_algorithm_is_admitted(api: OrdersAPI, provider: Provider, alg: str) -> None:
    """With a scope it needs, and nothing set up but the issuer's name."""
    assert api.get("/orders", provider.client_credentials_token(alg=alg)).json()[0]["item"] == "coffee"


def test_user_is_admitted_with_the_scope_that_was_granted(api: OrdersAPI, user_tokens: dict[str, str]) -> None:
    """A login by authorization code and PKCE is seen as that user, through that app."""
    token = user_tokens["access_token"]
    assert api.orders(token) == 200
    assert api.get("/me", token).json() == {"subject": "bob", "client_id": APP, "scopes": ["orders:read"]}


def test_user_is_refused_without_the_scope(api: OrdersAPI, provider: Provider) -> None:
    """403, and the challenge says which scope would do."""
    response = api.get("/orders", provider.user_tokens(scope="orders:write")["access_token"])
    assert refused(response, 403, "insufficient_scope", Reason.INSUFFICIENT_SCOPE)
    assert 'scope="orders:read"' in response.headers["WWW-Authenticate"]


def test_refreshed_token_is_admitted(api: OrdersAPI, provider: Provider) -> None:
    """The app goes on without its user."""
    tokens = provider.user_tokens()
    renewed = provider.refresh(tokens["refresh_token"])["access_token"]
    assert renewed != tokens["access_token"]
    assert api.orders(renewed) == 200


def test_refresh_token_is_refused(api: OrdersAPI, user_tokens: dict[str, str]) -> None:
    """It is for the authorization server alone (RFC 6749 1.5)."""
    response = api.get("/orders", user_tokens["refresh_token"])
    assert refused(response, 401, "invalid_token", Reason.MALFORMED_TOKEN)


@pytest.mark.req("A-096")
def test_id_token_is_refused(api: OrdersAPI, user_tokens: dict[str, str]) -> None:
    """It tells the app who the user is, and has no typ (RFC 9068 4)."""
    response = api.get("/orders", user_tokens["id_token"])
    assert refused(response, 401, "invalid_token", Reason.WRONG_TYPE)


@pytest.mark.req("A-097", "AT-18")
def test_id_token_is_refused_where_its_audience_and_missing_typ_would_pass(api: OrdersAPI, tenant: Provider) -> None:
    """With profile "jwt" the separator tells it from the access token, which is admitted (RFC 8725 3.12)."""
    tokens = tenant.user_tokens()
    assert refused(api.get("/orders", tokens["id_token"]), 401, "invalid_token", Reason.WRONG_TYPE)
    assert api.orders(tokens["access_token"]) == 200


def test_token_for_another_resource_is_refused(api: OrdersAPI, provider: Provider) -> None:
    """What the same client may do elsewhere, it may not do here."""
    response = api.get("/orders", provider.client_credentials_token(audience=OTHER_API))
    assert refused(response, 401, "invalid_token", Reason.WRONG_AUDIENCE)
