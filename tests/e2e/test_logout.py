"""A logout at oidc-provider ends access here: its own back-channel call reaches each framework's example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from tokenguard.errors import Reason

from .apis import LOGOUT_SERVERS, OrdersAPI, orders_api, refused
from .login import Browser
from .support import APP, PHONE, WEB, Provider


class Shop(NamedTuple):
    """The API, and the authorization server that tells it of logouts."""

    provider: Provider
    api: OrdersAPI

    def is_revoked(self, token: str) -> bool:
        """Is this the reason for which a token is refused?"""
        return refused(self.api.get("/orders", token), 401, "invalid_token", Reason.REVOKED)


@pytest.fixture(scope="module", params=LOGOUT_SERVERS)
def shop(request: pytest.FixtureRequest, provider: Provider) -> Iterator[Shop]:
    """Each framework's example."""
    trusted = {"issuer": provider.issuer, "max_lifetime": 3600, "logout": {"client_ids": [WEB, PHONE]}}
    with orders_api(request.param, trusted, servers=LOGOUT_SERVERS) as api:
        provider.tell_of_logouts(f"{api.base_url}/backchannel-logout")
        yield Shop(provider, api)


@pytest.mark.req("BL-10", "BL-15")
def test_a_logout_ends_the_tokens_of_its_session(shop: Shop) -> None:
    """At once, and refreshed ones too; the same user's session in another browser goes on."""
    with Browser() as here, Browser() as there:
        ended = shop.provider.user_tokens(client=WEB, browser=here, subject="carol")["access_token"]
        going_on = shop.provider.user_tokens(client=WEB, browser=there, subject="carol")["access_token"]
        assert [shop.api.orders(token) for token in (ended, going_on)] == [200, 200]
        shop.provider.log_out(here)
    assert shop.is_revoked(ended)
    assert shop.api.orders(going_on) == 200


@pytest.mark.req("BL-10", "BL-15")
def test_a_logout_without_a_session_ends_what_the_user_holds(shop: Shop) -> None:
    """Of every client, but of no other user."""
    with Browser() as browser:
        ended = [
            shop.provider.user_tokens(client=PHONE, browser=browser, subject="dave")["access_token"],
            shop.provider.user_tokens(client=APP, subject="dave")["access_token"],
        ]
        going_on = shop.provider.user_tokens(client=APP, subject="erin")["access_token"]
        assert [shop.api.orders(token) for token in (*ended, going_on)] == [200] * 3
        shop.provider.log_out(browser)
    assert all(shop.is_revoked(token) for token in ended)
    assert shop.api.orders(going_on) == 200


@pytest.mark.req("A-100", "BL-14")
def test_no_other_token_of_the_provider_is_a_logout(shop: Shop) -> None:
    """400 for the access token and the ID token of the very client that is told of logouts."""
    tokens = shop.provider.user_tokens(client=WEB)
    for name in ("access_token", "id_token", "refresh_token"):
        form = {"logout_token": tokens[name]}
        answer = httpx.post(f"{shop.api.base_url}/backchannel-logout", data=form, trust_env=False)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert shop.api.orders(tokens["access_token"]) == 200
