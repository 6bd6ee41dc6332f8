"""An issuer crashes and comes back: a service that has its keys goes on, one that has none says so and recovers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from threading import Condition, Event
from typing import NamedTuple

from tokenguard.errors import DESCRIPTIONS, Reason

from .apis import IMPATIENT, WITHIN, OrdersAPI, eventually
from .support import Provider

CLIENTS = 2
PAUSE = 0.01  # seconds between an answer and the next request, which leave the issuer some time to start


class Answered(NamedTuple):
    """When a request began, in monotonic seconds, and the status of its answer."""

    began: float
    status: int


class Stream:
    """Clients that ask again and again, each with one token after another."""

    def __init__(self, api: OrdersAPI, tokens: list[str]) -> None:
        self.answers: list[Answered] = []
        self._api = api
        self._tokens = tokens
        self._answered = Condition()
        self._ended = Event()

    def wait(self, count: int, since: float) -> bool:
        """Have that many answers come, in time, to requests that began at `since` or later?"""
        with self._answered:
            return self._answered.wait_for(
                lambda: sum(answer.began >= since for answer in self.answers) >= count, timeout=WITHIN
            )

    def end(self) -> None:
        """Each client gets the answer that it waits for, and asks no more."""
        self._ended.set()

    def ask(self) -> None:
        """Be one of the clients."""
        for token in cycle(self._tokens):
            if self._ended.wait(PAUSE):
                return
            began = time.monotonic()
            answer = Answered(began, self._api.orders(token))
            with self._answered:
                self.answers.append(answer)
                self._answered.notify_all()


@contextmanager
def streaming(api: OrdersAPI, tokens: list[str]) -> Iterator[Stream]:
    """CLIENTS clients ask while the block runs; whatever befalls one is raised at its end."""
    stream = Stream(api, tokens)
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(stream.ask) for _ in range(CLIENTS)]
        try:
            yield stream
        finally:
            stream.end()
        for client in clients:
            client.result()


def test_no_good_token_is_refused_while_the_issuer_is_away(own_api: OrdersAPI, own_provider: Provider) -> None:
    """The last good keys serve, for tokens that were seen before and others, until the issuer has newer ones."""
    tokens = [own_provider.client_credentials_token() for _ in range(10)]
    unseen = own_provider.client_credentials_token()
    with streaming(own_api, tokens) as stream:
        assert stream.wait(20, since=0)
        own_provider.kill()
        # requests that began after max_age asked for keys, which nobody had
        assert stream.wait(20, since=time.monotonic() + 2 * IMPATIENT["max_age"])
        assert own_api.orders(unseen) == 200
        own_provider.restart()
        own_provider.rotate(retain=True)
        new = own_provider.client_credentials_token()
        assert eventually(lambda: own_api.orders(new) == 200)
        assert stream.wait(20, since=time.monotonic())
    assert {answer.status for answer in stream.answers} == {200}


def test_cold_service_says_that_it_is_not_the_caller_and_recovers(own_api: OrdersAPI, own_provider: Provider) -> None:
    """503 and when to ask again, never a 401 that would make clients throw good tokens away; then 200 by itself."""
    token = own_provider.client_credentials_token()
    own_provider.kill()
    for _ in range(3):
        response = own_api.get("/orders", token)
        body = response.json()
        assert response.status_code == 503
        assert body.get("detail", body)["error_description"] == DESCRIPTIONS[Reason.KEYS_UNAVAILABLE]
        assert int(response.headers["Retry-After"]) >= 1
        assert "WWW-Authenticate" not in response.headers
    assert own_api.get("/health", token).status_code == 200
    own_provider.restart()
    assert eventually(lambda: own_api.orders(token) == 200)
