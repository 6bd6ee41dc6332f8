"""DPoP from end to end: a server and a client by others, and each framework's API between them, with nonces or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenguard.errors import DESCRIPTIONS, Reason
from tokenguard.testing import DPoPKey

from .apis import SERVERS, OrdersAPI, orders_api
from .client import DPoPClient
from .support import API, SERVICE, Provider

ACCEPTED = {"TOKENGUARD_DPOP": "accepted"}
NONCES = {
    "TOKENGUARD_DPOP_NONCES": "always",
    "TOKENGUARD_DPOP_NONCE_SECRETS": "the-first-secret-of-two-for-nonces,an-older-one-that-still-counts-a-while",
}
ALGS = {"ES256", "Ed25519", "EdDSA", "PS256", "RS256"}


@pytest.fixture(scope="module", params=[False, True], ids=["no nonces", "nonces"])
def nonces(request: pytest.FixtureRequest) -> bool:
    """Does the API demand nonces?"""
    return bool(request.param)


@pytest.fixture(scope="module", params=SERVERS)
def api(request: pytest.FixtureRequest, provider: Provider, nonces: bool) -> Iterator[OrdersAPI]:
    """Each framework's API, as its environment sets it up."""
    environment = ACCEPTED | (NONCES if nonces else {})
    with orders_api(request.param, {"issuer": provider.issuer}, environment=environment) as running:
        yield running


@pytest.fixture
def client(provider: Provider) -> Iterator[DPoPClient]:
    """A client with a key and a token of its own, which has never asked the API."""
    with DPoPClient(provider) as new:
        yield new


@pytest.mark.req("DP-01", "DP-15", "DP-26", "DP-29", "DP-30")
def test_a_client_by_others_is_admitted(api: OrdersAPI, client: DPoPClient, nonces: bool) -> None:
    """It asks twice where it must learn the nonce first, and never again: each answer brings the next."""
    first = client.request("GET", f"{api.base_url}/orders")
    assert (first.status, first.body[0]["item"]) == (200, "coffee")
    assert first.attempts == (2 if nonces else 1)
    for _ in range(3):
        again = client.request("GET", f"{api.base_url}/me?again=1")
        assert (again.status, again.attempts, again.body["client_id"]) == (200, 1, SERVICE)
        assert (again.nonce is not None) == nonces
    placed = client.request("POST", f"{api.base_url}/orders", {"item": "tea", "quantity": 2})
    assert (placed.status, placed.attempts, placed.body["item"]) == (201, 1, "tea")


@pytest.mark.req("DP-13", "A-119")
def test_the_path_may_be_spelled_in_several_ways(api: OrdersAPI, client: DPoPClient) -> None:
    """What the client encodes without need is the same path (RFC 3986 6.2.2.2)."""
    assert client.request("GET", f"{api.base_url}/orders/%31").body["item"] == "coffee"


def test_a_key_of_another_kind_will_do(api: OrdersAPI, provider: Provider) -> None:
    """Ed25519, which the server and the client take too."""
    with DPoPClient(provider, alg="Ed25519") as client:
        assert client.request("GET", f"{api.base_url}/orders").status == 200


@pytest.mark.req("A-113", "DP-32")
def test_a_request_that_was_seen_on_its_way_can_not_be_sent_again(api: OrdersAPI, client: DPoPClient) -> None:
    """The same headers, to the same URL or another."""
    sent = client.request("GET", f"{api.base_url}/orders").headers
    again, elsewhere = api.get_with("/orders", sent), api.get_with("/me", sent)
    for response, reason in ((again, Reason.PROOF_REPLAYED), (elsewhere, Reason.PROOF_TARGET)):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith(
            'DPoP realm="api.example.com", error="invalid_dpop_proof"'
        )
        assert DESCRIPTIONS[reason] in response.text


@pytest.mark.req("A-112", "DP-19")
def test_a_stolen_token_is_of_no_use(api: OrdersAPI, client: DPoPClient, nonces: bool) -> None:
    """Neither with a proof by the thief's own key, whatever the nonce, nor as a bearer token."""
    nonce = client.request("GET", f"{api.base_url}/orders").nonce
    thief = DPoPKey()
    response = api.get_with("/orders", thief.headers("GET", f"{api.base_url}/orders", client.token, nonce=nonce))
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert DESCRIPTIONS[Reason.BINDING_MISMATCH] in response.text
    assert api.orders(client.token) == 401


@pytest.mark.req("DP-22", "DP-23", "DP-25", "A-105")
def test_a_client_that_forgets_its_key_reads_what_it_should_do(api: OrdersAPI, client: DPoPClient) -> None:
    """A client by others makes sense of both challenges (RFC 9449 7.1, 7.2)."""
    answer = client.request("GET", f"{api.base_url}/orders", bearer=True)
    assert answer.status == 401
    assert [challenge["scheme"] for challenge in answer.challenges] == ["bearer", "dpop"]
    assert (answer.error("bearer"), answer.error("dpop")) == ("invalid_token", None)
    parameters = answer.challenges[1]["parameters"]
    assert set(parameters["algs"].split(" ")) == ALGS
    assert API.endswith(parameters["realm"])


@pytest.mark.req("DP-40")
def test_bearer_tokens_are_as_before(api: OrdersAPI, provider: Provider) -> None:
    """Those that are bound to nobody."""
    response = api.get("/orders", provider.client_credentials_token())
    assert (response.status_code, response.headers.get("DPoP-Nonce")) == (200, None)
