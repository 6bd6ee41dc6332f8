"""The scenario table against the Django example, under gunicorn and under uvicorn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import pytest
from tests.adapters.serving import serving
from tests.scenarios import SCENARIOS, OrdersAPIs, Scenario, judge, orders_apis

GUNICORN = ("gunicorn", "examples.django_orders:application", "--bind", "fd://{fd}")
UVICORN = ("uvicorn", "examples.django_orders:asgi_application", "--fd", "{fd}", "--lifespan", "off")


@pytest.fixture(scope="module", params=[GUNICORN, UVICORN], ids=["WSGI", "ASGI"])
def apis(request: pytest.FixtureRequest) -> Iterator[OrdersAPIs]:
    """The example twice: with an issuer that serves, and with one that is down."""

    def start(environment: Mapping[str, str]) -> AbstractContextManager[str]:
        # an over-size token would be gunicorn's to refuse, with 431
        limit = ["--limit-request-field_size", "65536"] if request.param is GUNICORN else []
        return serving(*request.param, "--log-level", "warning", *limit, environment=environment)

    with orders_apis(start) as started:
        yield started


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(apis: OrdersAPIs, scenario: Scenario) -> None:
    """The answer is the scenario's each time."""
    for answer in apis.answers(scenario):
        judge(scenario, answer)
