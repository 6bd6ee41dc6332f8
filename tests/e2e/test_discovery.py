"""A guard that knows no more than an issuer's name finds its keys, and checks its tokens of every algorithm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tokenguard import TokenGuard, errors
from tokenguard.errors import Reason

from .support import ALGORITHMS, API, APP, OTHER_API, SERVICE, Provider


@pytest.fixture(scope="module")
def guard(provider: Provider) -> Iterator[TokenGuard]:
    """As the README builds it."""
    with TokenGuard(audience=API, issuers=[provider.issuer]) as guard:
        yield guard


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_token_of_every_algorithm_is_valid(guard: TokenGuard, provider: Provider, alg: str) -> None:
    """One key set serves them all: neither the RSA nor the Ed25519 key in it names an alg, and each serves two."""
    token = guard.validate(provider.client_credentials_token(scope="orders:read orders:write", alg=alg))
    assert (token.issuer, token.subject, token.client_id) == (provider.issuer, SERVICE, SERVICE)
    assert token.audience == (API,)
    assert token.scopes == {"orders:read", "orders:write"}
    assert token.expires_at == token.claims["exp"] == token.claims["iat"] + 600


def test_token_without_a_scope_is_valid_and_grants_nothing(guard: TokenGuard, provider: Provider) -> None:
    """The claim is absent when nothing was granted."""
    assert guard.validate(provider.client_credentials_token(scope="")).scopes == frozenset()


def test_issuer_with_a_path_is_found_by_its_openid_form(tenant: Provider) -> None:
    """Its RFC 8414 forms, with the well-known part before the path, are not there."""
    with TokenGuard(audience=API, issuers=[tenant.issuer]) as guard:
        token = guard.validate(tenant.user_tokens(subject="bob")["access_token"])
    assert (token.issuer, token.subject, token.client_id) == (tenant.issuer, "bob", APP)


def test_token_for_another_resource_is_refused(guard: TokenGuard, provider: Provider) -> None:
    """Same issuer, keys and client: only the audience differs (RFC 9068 4)."""
    with pytest.raises(errors.InvalidToken) as refusal:
        guard.validate(provider.client_credentials_token(audience=OTHER_API))
    assert refusal.value.reason is Reason.WRONG_AUDIENCE


def test_keys_of_one_issuer_do_not_vouch_for_another(provider: Provider, tenant: Provider) -> None:
    """A guard that trusts the one refuses the other's tokens, without asking it anything."""
    with TokenGuard(audience=API, issuers=[provider.issuer]) as guard:
        guard.warm()
        asked = tenant.key_fetches
        with pytest.raises(errors.InvalidToken) as refusal:
            guard.validate(tenant.client_credentials_token())
    assert refusal.value.reason is Reason.UNKNOWN_ISSUER
    assert tenant.key_fetches == asked


def test_all_keys_come_in_one_fetch(provider: Provider) -> None:
    """Tokens of every algorithm, and one request for the keys."""
    asked = provider.key_fetches
    with TokenGuard(audience=API, issuers=[provider.issuer]) as guard:
        for alg in ALGORITHMS:
            guard.validate(provider.client_credentials_token(alg=alg))
    assert provider.key_fetches == asked + 1
