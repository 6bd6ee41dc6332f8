"""The scenario table against the ASGI middleware under uvicorn, without a framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import pytest
from tests.adapters.serving import serving
from tests.scenarios import SCENARIOS, OrdersAPIs, Scenario, judge, orders_apis


def start(environment: Mapping[str, str]) -> AbstractContextManager[str]:
    """The API, in a process of its own."""
    words = ["uvicorn", "tests.adapters.asgi_orders:app", "--fd", "{fd}", "--log-level", "warning"]
    return serving(*words, environment=environment)


@pytest.fixture(scope="module")
def apis() -> Iterator[OrdersAPIs]:
    """The API twice: with an issuer that serves, and with one that is down."""
    with orders_apis(start) as started:
        yield started


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(apis: OrdersAPIs, scenario: Scenario) -> None:
    """The answer is the scenario's each time, its body the error object."""
    for answer in apis.answers(scenario):
        judge(scenario, answer)
