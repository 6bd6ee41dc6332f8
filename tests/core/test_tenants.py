"""The flow of a look-up, driven by hand: what it asks, and what each answer makes of the request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.spec.support import guard_for, local_issuer, trust

from tokenguard import ClientSecret, Introspection, Issuer
from tokenguard.core.effects import AnswerFailed, ResolveIssuer
from tokenguard.core.tenants import issuer_of, resolved_issuer, same_settings
from tokenguard.core.trust import Setup, Trusted
from tokenguard.errors import InvalidToken, Reason, Unavailable

NAME = "https://tenant.test/blue"


class Remembered:
    """Tenants that are remembered, by name."""

    def __init__(self, known: Trusted | None = None) -> None:
        self.known = {NAME: known}

    def recall(self, issuer: str, monotonic: float) -> Trusted | None:
        """Until the time is 100."""
        return self.known.get(issuer) if monotonic < 100 else None

    reuse = recall

    def touch(self, issuer: str) -> None:
        """Nothing comes of it."""


ISSUER = local_issuer()
BASE = guard_for(ISSUER)._setup
TRUSTED = BASE.issuers[ISSUER.issuer]
LOOKING_UP = replace(BASE, tenants=Remembered())


def asked(setup: Setup, name: object = NAME, answer: Any = None, monotonic: float = 0.0) -> Trusted:
    """What comes of a look-up that is answered so."""
    flow = resolved_issuer(setup, name, monotonic)
    try:
        question = next(flow)
        assert question == ResolveIssuer(NAME)
        assert NAME not in repr(question)
        flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
    except StopIteration as end:
        result: Trusted = end.value
        return result
    raise AssertionError("asked again")


def test_the_answer_is_the_issuer() -> None:
    """Asked once."""
    assert asked(LOOKING_UP, answer=TRUSTED) is TRUSTED


@pytest.mark.req("A-087", "A-088")
def test_no_answer_is_the_refusal_of_an_unknown_issuer() -> None:
    """Which names the setting and those that are listed, and no name out of the token."""
    with pytest.raises(InvalidToken) as caught:
        asked(LOOKING_UP)
    assert caught.value.reason is Reason.UNKNOWN_ISSUER
    assert "IssuerResolver.resolve" in caught.value.hint
    assert NAME not in caught.value.hint


def test_a_failure_is_ours_and_says_when_to_try_again() -> None:
    """503."""
    with pytest.raises(Unavailable) as caught:
        asked(LOOKING_UP, answer=AnswerFailed("the table is gone", 7))
    assert (caught.value.reason, caught.value.retry_after) == (Reason.ISSUER_UNRESOLVED, 7)


def test_what_is_remembered_is_not_asked_for() -> None:
    """As long as it is believed."""
    setup = replace(BASE, tenants=Remembered(TRUSTED))
    with pytest.raises(StopIteration) as end:
        next(resolved_issuer(setup, NAME, 99))
    assert end.value.value is TRUSTED
    assert asked(setup, answer=TRUSTED, monotonic=100) is TRUSTED


@pytest.mark.req("A-087")
@pytest.mark.parametrize(
    "name",
    [None, 1, [NAME], "", "tenant.test", "ftp://tenant.test", NAME + "?a", NAME + "#a", "https://a@tenant.test",
     NAME + "\n", NAME + "{tenantid}", "https://" + "a" * 501],
    ids=repr,
)  # fmt: skip
def test_what_is_no_issuer_identifier_is_not_asked_for(name: object) -> None:
    """The function never sees it (RFC 8414 2)."""
    with pytest.raises(InvalidToken):
        next(resolved_issuer(LOOKING_UP, name, 0))


def test_without_a_table_nothing_is_asked() -> None:
    """The refusal is the one of a guard with a list."""
    with pytest.raises(InvalidToken) as caught:
        next(resolved_issuer(BASE, NAME, 0))
    assert "IssuerResolver" not in caught.value.hint


def test_an_answer_is_an_issuer_of_that_name() -> None:
    """Itself, or by its name alone."""
    config = Issuer(NAME, algorithms=("ES256",))
    assert issuer_of(NAME, config) is config
    assert same_settings(issuer_of(NAME, NAME), Issuer(NAME))


@pytest.mark.parametrize(
    "answer",
    [Issuer(NAME + "/"), NAME.upper(), "", 1, b"", {"issuer": NAME},
     Issuer(NAME, introspection=Introspection(ClientSecret("a", "b"), mode="every"))],
)  # fmt: skip
def test_what_is_no_answer_is_said_without_a_name(answer: object) -> None:
    """The function may have handed back what was in the token."""
    with pytest.raises(AnswerFailed) as caught:
        issuer_of(NAME, answer)
    assert "tenant.test" not in str(caught.value).lower()


def test_settings_are_the_same_field_by_field() -> None:
    """Two objects may be; any difference counts."""
    one = trust(ISSUER, claims=Issuer(NAME).claims)
    assert same_settings(one, trust(ISSUER))
    for change in ({"audience": "b"}, {"algorithms": ("ES256",)}, {"profile": "jwt"}, {"max_lifetime": 5}):
        assert not same_settings(one, trust(ISSUER, **change))
