"""The scenario table, run by the guard itself: sync and async."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.scenarios import AUDIENCE, SCENARIOS, Answer, Scenario, judge

from tokenguard import Issuer, Request, TokenGuard
from tokenguard.errors import Denied, Unavailable
from tokenguard.testing import LocalIssuer

# what optional=True forgives is the adapters' business
GUARDED = [scenario for scenario in SCENARIOS if scenario.route is not None and not scenario.route.optional]


@dataclass
class Asked:
    """A guard, whom it trusts, and the request it is asked about."""

    issuer: LocalIssuer
    guard: TokenGuard
    request: Request


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[LocalIssuer, TokenGuard]]:
    """A guard that has its issuer's keys."""
    issuer = LocalIssuer(audience=AUDIENCE, algorithm="ES256")
    with TokenGuard(audience=AUDIENCE, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)]) as guard:
        yield issuer, guard


@pytest.fixture(scope="module")
def cold() -> Iterator[tuple[LocalIssuer, TokenGuard]]:
    """A guard whose issuer has never answered."""
    with LocalIssuer(audience=AUDIENCE, algorithm="ES256").serve() as issuer:
        issuer.misbehave("down")
        with TokenGuard(audience=AUDIENCE, issuers=[issuer.issuer]) as guard:
            yield issuer, guard


@pytest.fixture(params=GUARDED, ids=lambda scenario: scenario.name)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """Each scenario on which the guard has a say."""
    assert isinstance(request.param, Scenario)
    return request.param


@pytest.fixture
def asked(scenario: Scenario, served: tuple[LocalIssuer, TokenGuard], cold: tuple[LocalIssuer, TokenGuard]) -> Asked:
    """The scenario's request, and the guard to ask."""
    issuer, guard = cold if scenario.issuer_down else served
    authorization = [("Authorization", value) for value in scenario.authorization(issuer)]
    headers = [*authorization, *scenario.headers.items()]
    return Asked(issuer, guard, Request(scenario.method, AUDIENCE + scenario.path, headers))


def judge_refusal(scenario: Scenario, asked: Asked, error: Denied | Unavailable) -> None:
    """Assert that the refusal is the scenario's, and so is the answer made of it."""
    assert error.reason is scenario.reason
    challenge = asked.guard.challenge(error)
    headers = [(name.lower(), value) for name, value in challenge.headers]
    judge(scenario, Answer(challenge.status, [("content-type", "application/json"), *headers], challenge.body))


def test_check(scenario: Scenario, asked: Asked) -> None:
    """`check` gives the token or the scenario's refusal, and the same again: a token may be remembered by then."""
    assert scenario.route is not None
    for _ in range(2):
        if not scenario.is_refused:
            assert asked.guard.check(asked.request, scopes=scenario.route.scopes).issuer == asked.issuer.issuer
            continue
        with pytest.raises((Denied, Unavailable)) as refusal:
            asked.guard.check(asked.request, scopes=scenario.route.scopes)
        judge_refusal(scenario, asked, refusal.value)


async def test_acheck(scenario: Scenario, asked: Asked) -> None:
    """`acheck` gives what `check` gives."""
    assert scenario.route is not None
    for _ in range(2):
        if not scenario.is_refused:
            token = await asked.guard.acheck(asked.request, scopes=scenario.route.scopes)
            assert token.issuer == asked.issuer.issuer
            continue
        with pytest.raises((Denied, Unavailable)) as refusal:
            await asked.guard.acheck(asked.request, scopes=scenario.route.scopes)
        judge_refusal(scenario, asked, refusal.value)
