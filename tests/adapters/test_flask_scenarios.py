"""The scenario table against the Flask example under gunicorn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import pytest
from tests.adapters.serving import serving
from tests.scenarios import SCENARIOS, OrdersAPIs, Scenario, judge, orders_apis


def start(environment: Mapping[str, str]) -> AbstractContextManager[str]:
    """The example, in a process of its own."""
    words = ["gunicorn", "examples.flask_orders:app", "--bind", "fd://{fd}", "--log-level", "warning"]
    # an over-size token would be gunicorn's to refuse, with 431
    return serving(*words, "--limit-request-field_size", "65536", environment=environment)


@pytest.fixture(scope="module")
def apis() -> Iterator[OrdersAPIs]:
    """The example twice: with an issuer that serves, and with one that is down."""
    with orders_apis(start) as started:
        yield started


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(apis: OrdersAPIs, scenario: Scenario) -> None:
    """The answer is the scenario's each time."""
    for answer in apis.answers(scenario):
        judge(scenario, answer)
