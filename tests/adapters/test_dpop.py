"""DPoP in every framework, by the guard's configuration alone: no view knows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.adapters.dpop_apps import APPS, BASE, HOST, Answer, Send
from tests.adapters.in_process import NOW, CountingGuard

from tokenguard import DPoP
from tokenguard.errors import DESCRIPTIONS, Reason
from tokenguard.testing import DPoPKey, LocalIssuer, SigningKey

SECRETS = ("the newest of two secrets for nonces", "an older one that still counts for some time")
ORDERS = f"{BASE}/orders"

pytestmark = pytest.mark.parametrize("app", APPS)
MakeGuard = Callable[..., CountingGuard]


@pytest.fixture(scope="module")
def signing_key() -> SigningKey:
    """The client's."""
    return SigningKey.generate("ES256")


@pytest.fixture
def key(signing_key: SigningKey) -> DPoPKey:
    """A client's key at `NOW`."""
    return DPoPKey(signing_key=signing_key, clock=lambda: NOW)


@pytest.fixture
def token(issuer: LocalIssuer, key: DPoPKey) -> str:
    """A token that is bound to it."""
    return issuer.mint(scope="orders:read", dpop_key=key)


@pytest.fixture
def settings() -> dict[str, Any]:
    """Of `DPoP`."""
    return {}


@pytest.fixture
def send(app: str, make_guard: MakeGuard, settings: dict[str, Any]) -> Iterator[Send]:
    """Send to the app of a framework."""
    with APPS[app](make_guard(dpop=DPoP(**settings))) as sending:
        yield sending


always = pytest.mark.parametrize("settings", [{"nonces": "always", "nonce_secrets": SECRETS}], ids=["nonces"])


def errors(answer: Answer) -> list[str]:
    """Of each challenge in order, its scheme and error code; "-" for none. REST framework has them in one line."""
    line = ", ".join(answer.values("www-authenticate"))
    found = []
    for challenge in line.replace(", DPoP ", "\nDPoP ").replace(", Bearer ", "\nBearer ").split("\n"):
        scheme, _, parameters = challenge.partition(" ")
        code = parameters.partition('error="')[2].partition('"')[0]
        found.append(f"{scheme} {code or '-'}")
        assert ("algs=" in parameters) == (scheme == "DPoP")
    return found


def described_as(answer: Answer, reason: Reason) -> bool:
    """Is this the refusal for that reason?"""
    body = answer.body.get("detail", answer.body)
    return bool(body["error_description"] == DESCRIPTIONS[reason])


@pytest.mark.req("DP-01", "DP-32")
def test_a_proof_is_used_once_however_often_the_request_is_looked_at(
    send: Send, key: DPoPKey, token: str, app: str
) -> None:
    """App, router and route share what was verified; the second look is not taken for a replay."""
    answer = send("/orders", key.headers("GET", ORDERS, token))
    assert (answer.status, answer.body) == (200, {"bound_by": ["dpop"]})
    assert answer.values("dpop-nonce") == []
    assert answer.values("cache-control") == ["public, max-age=60"]


@pytest.mark.req("DP-32", "A-113")
def test_a_replay_is_refused(send: Send, key: DPoPKey, token: str, app: str) -> None:
    """The same proof again, on the DPoP challenge, which comes first (RFC 9449 7.1)."""
    headers = key.headers("GET", ORDERS, token)
    assert send("/orders", headers).status == 200
    replayed = send("/orders", headers)
    assert (replayed.status, errors(replayed)) == (401, ["DPoP invalid_dpop_proof", "Bearer -"])
    assert described_as(replayed, Reason.PROOF_REPLAYED)
    assert replayed.values("cache-control") == ["no-store"]


@pytest.mark.req("DP-22", "A-105")
def test_a_bound_token_is_no_bearer_token(send: Send, key: DPoPKey, token: str, app: str) -> None:
    """Sent as one it is refused, with a proof beside it too; both challenges say what would do."""
    proof = key.proof("GET", ORDERS, token)
    for beside in ({}, {"DPoP": proof}):
        answer = send("/orders", {"Authorization": f"Bearer {token}", **beside})
        assert (answer.status, errors(answer)) == (401, ["Bearer invalid_token", "DPoP -"])


@pytest.mark.req("DP-23", "DP-25")
def test_a_request_without_a_token_is_told_both_schemes(send: Send, app: str) -> None:
    """And no error, for it made none."""
    answer = send("/orders", {})
    assert (answer.status, errors(answer)) == (401, ["Bearer -", "DPoP -"])


@pytest.mark.req("DP-40")
def test_a_bearer_token_is_one_as_before(send: Send, issuer: LocalIssuer, app: str) -> None:
    """With a stray proof beside it, too."""
    bearer = {"Authorization": f"Bearer {issuer.mint(scope='orders:read')}"}
    assert send("/orders", bearer).body == {"bound_by": []}
    assert send("/orders", {**bearer, "DPoP": "anything"}).status == 200


@pytest.mark.req("DP-03", "A-107")
def test_two_proofs_are_one_too_many(send: Send, key: DPoPKey, token: str, app: str) -> None:
    """Joined by a comma, as servers of WSGI do with two lines."""
    headers = key.headers("GET", ORDERS, token)
    answer = send("/orders", {**headers, "DPoP": f"{headers['DPoP']}, {key.proof('GET', ORDERS, token)}"})
    assert (answer.status, errors(answer)[0]) == (401, "DPoP invalid_dpop_proof")
    assert described_as(answer, Reason.SEVERAL_PROOFS)


@pytest.mark.req("DP-12", "DP-14", "A-118", "A-122")
@pytest.mark.parametrize(
    "target",
    [
        "http://{}/orders",
        "https://{}:8443/orders",
        "https://evil.test/orders",
        "https://{}/Orders",
        "https://{}/orders/",
    ],
)
def test_a_proof_for_another_url_is_refused(send: Send, key: DPoPKey, token: str, app: str, target: str) -> None:
    """Scheme, host, port and path are those the client addressed."""
    answer = send("/orders?page=2", key.headers("GET", target.format(HOST), token))
    assert (answer.status, errors(answer)[0]) == (401, "DPoP invalid_dpop_proof")
    assert described_as(answer, Reason.PROOF_TARGET)


@pytest.mark.req("DP-12", "DP-14", "A-122")
@pytest.mark.parametrize("settings", [{}, {"base_url": BASE}], ids=["host", "base_url"])
@pytest.mark.parametrize(
    "host", [HOST + "/files/a?", HOST + "/files/a#", "x/files/a?", HOST + ",", "x@" + HOST, "[", "*"]
)
def test_no_host_moves_the_border_to_the_path(send: Send, key: DPoPKey, token: str, app: str, host: str) -> None:
    """Whoever has a proof for one path could else use it for all others (RFC 9110 7.2)."""
    answer = send("/orders", {**key.headers("GET", f"{BASE}/files/a", token), "Host": host})
    assert (answer.status, errors(answer)[0]) == (401, "DPoP invalid_dpop_proof")
    assert described_as(answer, Reason.PROOF_TARGET)


@pytest.mark.req("DP-12", "A-116", "A-119")
@pytest.mark.parametrize(
    "case",
    [
        ("/files/a%2Fb", "/files/a%2Fb", 200),
        ("/files/a%2fb", "/files/a%2Fb?page=2", 200),
        ("/files/%61/b", "/files/a/b", 200),
        ("/files/a/b", "/files/a%2Fb", 401),
        ("/files/a%2Fb", "/files/a/b", 401),
        ("/files/a%252Fb", "/files/a%2Fb", 401),
    ],
)
def test_the_path_is_compared_as_it_was_sent(
    send: Send, key: DPoPKey, token: str, app: str, case: tuple[str, str, int]
) -> None:
    """The frameworks decode it, and then an encoded slash is one like others (RFC 3986 2.2)."""
    named, sent, status = case
    assert send(sent, key.headers("GET", BASE + named, token)).status == status


@always
@pytest.mark.req("DP-15", "DP-26", "A-126")
def test_a_client_is_told_the_nonce(send: Send, key: DPoPKey, token: str, app: str) -> None:
    """One header, once, with the refusal; with it the next request is let in, and gets the next."""
    first = send("/orders", key.headers("GET", ORDERS, token))
    assert (first.status, errors(first)) == (401, ["DPoP use_dpop_nonce", "Bearer -"])
    (nonce,) = first.values("dpop-nonce")
    assert first.values("cache-control") == ["no-store"]
    second = send("/orders", key.headers("GET", ORDERS, token, nonce=nonce))
    assert second.status == 200


@always
@pytest.mark.req("DP-29")
@pytest.mark.parametrize("path", ["/orders", "/files/a"])
def test_an_answer_has_the_next_nonce_and_is_not_kept(
    send: Send, key: DPoPKey, token: str, app: str, path: str
) -> None:
    """Whatever the view says of caching (RFC 9449 8.2); one header, however often the request was looked at."""
    (nonce,) = send(path, key.headers("GET", BASE + path, token)).values("dpop-nonce")
    answer = send(path, key.headers("GET", BASE + path, token, nonce=nonce))
    assert (answer.status, len(answer.values("dpop-nonce"))) == (200, 1)
    assert answer.values("cache-control") == ["no-store"]


@always
@pytest.mark.req("DP-29")
def test_a_refusal_after_the_proof_has_one_nonce_at_most(
    send: Send, issuer: LocalIssuer, key: DPoPKey, app: str
) -> None:
    """A 403, whose proof was good."""
    token = issuer.mint(scope="orders:write", dpop_key=key)
    (nonce,) = send("/orders", key.headers("GET", ORDERS, token)).values("dpop-nonce")
    answer = send("/orders", key.headers("GET", ORDERS, token, nonce=nonce))
    assert (answer.status, errors(answer)[0]) == (403, "DPoP insufficient_scope")
    assert len(answer.values("dpop-nonce")) <= 1


@always
def test_a_bearer_token_gets_no_nonce(send: Send, issuer: LocalIssuer, app: str) -> None:
    """Its answers may be kept as the view says."""
    answer = send("/orders", {"Authorization": f"Bearer {issuer.mint(scope='orders:read')}"})
    assert (answer.status, answer.values("dpop-nonce")) == (200, [])
    assert answer.values("cache-control") == ["public, max-age=60"]


@pytest.mark.req("DP-38")
@pytest.mark.parametrize("settings", [{"required": True}], ids=["required"])
def test_where_it_is_required_nothing_else_does(send: Send, issuer: LocalIssuer, app: str) -> None:
    """And no other scheme is offered."""
    assert errors(send("/orders", {})) == ["DPoP -"]
    unbound = send("/orders", {"Authorization": f"Bearer {issuer.mint(scope='orders:read')}"})
    assert unbound.status == 401
    assert "DPoP -" in errors(unbound)
