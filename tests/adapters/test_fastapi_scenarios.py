"""The scenario table against the FastAPI example under uvicorn, as the README starts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import pytest
from tests.adapters.serving import serving
from tests.scenarios import SCENARIOS, OrdersAPIs, Scenario, judge, orders_apis


def start(environment: Mapping[str, str]) -> AbstractContextManager[str]:
    """The example, in a process of its own."""
    words = ["uvicorn", "examples.fastapi_orders:app", "--fd", "{fd}", "--log-level", "warning"]
    return serving(*words, environment=environment)


@pytest.fixture(scope="module")
def apis() -> Iterator[OrdersAPIs]:
    """The example twice: with an issuer that serves, and with one that is down."""
    with orders_apis(start) as started:
        yield started


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(apis: OrdersAPIs, scenario: Scenario) -> None:
    """The answer is the scenario's each time; FastAPI's convention puts the error object under "detail"."""
    for answer in apis.answers(scenario):
        judge(scenario, answer, unwrap=lambda body: body["detail"])
