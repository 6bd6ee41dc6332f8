"""An issuer changes its keys while the service runs, and nobody touches the service."""

from __future__ import annotations

import pytest

from tokenguard import TokenGuard, errors
from tokenguard.config import KeyPolicy
from tokenguard.errors import Reason

from .apis import OrdersAPI, eventually, refused
from .support import ALGORITHMS, API, Provider

COOLDOWN = KeyPolicy().cooldown


class Clock:
    """Monotonic seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The caches' clock of a guard."""
    return Clock()


def test_new_keys_are_fetched_once_and_old_ones_serve_while_published(own_provider: Provider, clock: Clock) -> None:
    """The first token of an unknown key costs one refresh, which brings the keys of all the others."""
    with TokenGuard(audience=API, issuers=[own_provider.issuer], monotonic=clock) as guard:
        old, unseen = (own_provider.client_credentials_token(alg="ES256") for _ in range(2))
        guard.validate(old)
        own_provider.rotate(retain=True)
        clock.now += COOLDOWN
        fetched = own_provider.key_fetches
        for alg in ALGORITHMS:
            guard.validate(own_provider.client_credentials_token(alg=alg))
        guard.validate(old)
        guard.validate(unseen)
        assert own_provider.key_fetches == fetched + 1


def test_tokens_of_a_dropped_key_are_refused_once_the_keys_are_fetched_anew(
    own_provider: Provider, clock: Clock
) -> None:
    """A token is not better for having been verified before: what the issuer no longer publishes no longer counts."""
    with TokenGuard(audience=API, issuers=[own_provider.issuer], monotonic=clock) as guard:
        remembered, unseen = (own_provider.client_credentials_token() for _ in range(2))
        guard.validate(remembered)
        own_provider.rotate(retain=False)
        guard.validate(remembered)
        clock.now += COOLDOWN
        guard.warm()
        for token in (remembered, unseen):
            with pytest.raises(errors.InvalidToken) as refusal:
                guard.validate(token)
            assert refusal.value.reason is Reason.UNKNOWN_KEY
        guard.validate(own_provider.client_credentials_token())


def test_running_service_follows_a_rotation(own_api: OrdersAPI, own_provider: Provider) -> None:
    """New keys are found, old ones are kept as long as the issuer keeps them, and no longer."""
    old = own_provider.client_credentials_token()
    assert own_api.orders(old) == 200
    own_provider.rotate(retain=True)
    new = own_provider.client_credentials_token()
    # not at once, for the keys may have been fetched a moment ago: KeyPolicy.cooldown
    assert eventually(lambda: own_api.orders(new) == 200)
    assert own_api.orders(old) == 200
    own_provider.rotate(retain=False)
    # no new token leads the service to the new keys: KeyPolicy.max_age does
    assert eventually(lambda: own_api.orders(old) == 401)
    for dropped in (old, new):
        assert refused(own_api.get("/orders", dropped), 401, "invalid_token", Reason.UNKNOWN_KEY)
    assert own_api.orders(own_provider.client_credentials_token()) == 200
