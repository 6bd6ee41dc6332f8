"""Opaque tokens of a real authorization server: every way to ask it, what it answers, and what revocation does."""

from __future__ import annotations

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tokenguard import ClientSecret, Introspection, Issuer, PrivateKeyJWT, Request, Requirement, TokenGuard, errors
from tokenguard.errors import Reason
from tokenguard.introspection import Authentication

from .support import ALGORITHMS, API, API_KEY, API_SECRET, OPAQUE, SERVICE, Provider

PEM = API_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
BASIC = ClientSecret("orders-api-basic", API_SECRET)
METHODS = {
    "client_secret_basic": BASIC,
    "client_secret_post": ClientSecret("orders-api-post", API_SECRET, method="client_secret_post"),
    "private_key_jwt": PrivateKeyJWT("orders-api-key", PEM, algorithm="ES256"),
}


class Clock:
    """Monotonic seconds that pass when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def guard_of(provider: Provider, authentication: Authentication = BASIC, **settings: object) -> TokenGuard:
    """A guard that asks the provider."""
    monotonic = settings.pop("monotonic", Clock())
    algorithms = settings.pop("algorithms", ALGORITHMS)
    introspection = Introspection(authentication, timeout=20, **settings)  # type: ignore[arg-type]
    issuer = Issuer(provider.issuer, introspection=introspection, algorithms=algorithms)  # type: ignore[arg-type]
    return TokenGuard(audience=API, issuers=[issuer], monotonic=monotonic)  # type: ignore[arg-type]


def refusal(guard: TokenGuard, token: str) -> str:
    """Why the token is not let in."""
    with pytest.raises((errors.Denied, errors.Unavailable)) as caught:
        guard.validate(token)
    return str(caught.value.reason)


@pytest.mark.req("IN-01", "IN-02", "IN-08")
@pytest.mark.parametrize("authentication", METHODS.values(), ids=METHODS)
def test_an_opaque_token_is_what_the_issuer_says(provider: Provider, authentication: Authentication) -> None:
    """However we say who we are; next to JWTs, which are checked locally."""
    with guard_of(provider, authentication) as guard:
        token = guard.validate(provider.client_credentials_token(scope="orders:read orders:write", alg=OPAQUE))
        assert (token.issuer, token.client_id, token.audience) == (provider.issuer, SERVICE, (API,))
        assert token.scopes == {"orders:read", "orders:write"}
        assert token.issued_at is not None
        assert token.expires_at - token.issued_at == 600
        assert guard.validate(provider.client_credentials_token()).id
        user = guard.validate(provider.user_tokens(alg=OPAQUE, subject="bob")["access_token"])
        assert (user.subject, user.scopes) == ("bob", {"orders:read"})


@pytest.mark.req("IN-05")
def test_a_token_that_nobody_issued_is_not_active(provider: Provider) -> None:
    """Nor is an ID or refresh token an access token, though the issuer calls the latter active."""
    with guard_of(provider) as guard:
        assert refusal(guard, "made-up") == Reason.INACTIVE
        tokens = provider.user_tokens(alg=OPAQUE)
        assert refusal(guard, tokens["refresh_token"]) in {Reason.MISSING_CLAIM, Reason.WRONG_TYPE}
        assert refusal(guard, tokens["id_token"]) == Reason.WRONG_TYPE


@pytest.mark.req("IN-10", "A-147")
def test_a_revoked_token_is_let_in_no_longer_than_said(provider: Provider) -> None:
    """At once where a route asks live, elsewhere when the remembered answer is too old."""
    clock = Clock()
    with guard_of(provider, cache=60, monotonic=clock) as guard:
        token = provider.client_credentials_token(alg=OPAQUE)
        assert guard.validate(token)
        provider.revoke(token)
        clock.now += 59
        assert guard.validate(token)
        clock.now += 1
        assert refusal(guard, token) == Reason.INACTIVE
    with guard_of(provider) as guard:
        token = provider.client_credentials_token(alg=OPAQUE)
        assert guard.validate(token)
        provider.revoke(token)
        request = Request("GET", f"{API}/orders", {"Authorization": f"Bearer {token}"})
        with pytest.raises(errors.InvalidToken) as caught:
            guard.check(request, requirement=Requirement("orders:read", live=True))
        assert caught.value.reason is Reason.INACTIVE


@pytest.mark.req("JI-01", "JI-02", "JI-03", "JI-04", "JI-05", "JI-07", "JI-09")
def test_signed_answers_are_verified(provider: Provider) -> None:
    """RFC 9701, for the client that is registered for it; what it says of made-up tokens is signed too."""
    with guard_of(provider, ClientSecret("orders-api-signed", API_SECRET), signed=True) as guard:
        token = guard.validate(provider.client_credentials_token(alg=OPAQUE))
        assert (token.client_id, token.scopes) == (SERVICE, {"orders:read"})
        assert refusal(guard, "made-up") == Reason.INACTIVE


@pytest.mark.req("JI-07", "A-148")
def test_an_answer_under_another_algorithm_is_not_believed(provider: Provider) -> None:
    """A client that is not registered for ES256 gets answers under RS256; where that is not allowed, 503."""
    token = provider.client_credentials_token(alg=OPAQUE)
    with guard_of(provider, signed=True) as guard:
        assert guard.validate(token)
    with guard_of(provider, signed=True, algorithms=("ES256",)) as guard:
        assert refusal(guard, token) == Reason.INTROSPECTION_UNAVAILABLE


@pytest.mark.req("IN-06")
def test_wrong_credentials_are_our_fault(provider: Provider) -> None:
    """503, and the token stays good for whoever has the right ones."""
    token = provider.client_credentials_token(alg=OPAQUE)
    with guard_of(provider, ClientSecret("orders-api-basic", "wrong")) as guard:
        assert refusal(guard, token) == Reason.INTROSPECTION_UNAVAILABLE
    with guard_of(provider) as guard:
        assert guard.validate(token)


def test_a_caller_that_policy_refuses_is_told_that_tokens_are_inactive(provider: Provider) -> None:
    """What the issuer answers is what holds."""
    with guard_of(provider, ClientSecret("refused-api", API_SECRET)) as guard:
        assert refusal(guard, provider.client_credentials_token(alg=OPAQUE)) == Reason.INACTIVE


def test_a_jwt_can_not_be_asked_about_at_this_issuer(provider: Provider) -> None:
    """oidc-provider answers 400 for its own JWTs: a live route is 503 then, and never open."""
    token = provider.client_credentials_token()
    request = Request("GET", f"{API}/orders", {"Authorization": f"Bearer {token}"})
    with guard_of(provider) as guard:
        assert guard.check(request, scopes="orders:read")
        with pytest.raises(errors.Unavailable):
            guard.check(request, requirement=Requirement("orders:read", live=True))


@pytest.mark.req("IN-07")
def test_an_issuer_that_crashes_is_asked_again_when_it_is_back(own_provider: Provider) -> None:
    """503 meanwhile, on kept connections too; then answers again, by itself."""
    clock = Clock()
    with guard_of(own_provider, monotonic=clock, cache=0, failures=2, cooldown=10) as guard:
        token = own_provider.client_credentials_token(alg=OPAQUE)
        assert guard.validate(token)
        own_provider.kill()
        for _ in range(4):
            assert refusal(guard, token) == Reason.INTROSPECTION_UNAVAILABLE
        assert guard.health().introspection[0].circuit == "open"
        own_provider.restart()
        clock.now += 10
        assert refusal(guard, token) == Reason.INACTIVE  # the crash has lost it
        assert guard.validate(own_provider.client_credentials_token(alg=OPAQUE))


def test_the_server_is_the_one_we_think(provider: Provider) -> None:
    """Its metadata names the endpoint that all of the above asked."""
    endpoint = provider.metadata["introspection_endpoint"]
    assert endpoint.startswith(provider.issuer)
    assert httpx.post(endpoint, data={"token": "x"}, trust_env=False).status_code in {400, 401}
