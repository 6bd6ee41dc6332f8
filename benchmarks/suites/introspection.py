"""Opaque tokens: what a remembered answer costs, and what asking the issuer adds to the POST that it takes anyway.

The issuer runs in a process of its own on loopback, and answers at once: a real one takes as long again as the network.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

import httpx

from benchmarks import world
from benchmarks.measure import Case, Samples, each_of, measure, same
from benchmarks.rows import Row, count, timing
from benchmarks.suites import Plan
from tokenguard import ClientSecret, Introspection, Issuer, TokenGuard
from tokenguard.errors import InvalidToken
from tokenguard.testing import LocalIssuer

_GROUP = "introspection"
_TOKENS = 256
_CROWD = 1_000
#: questions of one kind in one round, and the fewest rounds
_QUESTIONS = 50
_MIN_ROUNDS = 7


class _Served(NamedTuple):
    """What another process has to know of the issuer."""

    issuer: str
    endpoint: str
    client: tuple[str, str]
    tokens: list[str]

    def guard(self, cache: float) -> TokenGuard:
        """A guard that asks it, and remembers the answers for `cache` seconds."""
        introspection = Introspection(ClientSecret(*self.client), endpoint=self.endpoint, mode="opaque", cache=cache)
        config = Issuer(self.issuer, introspection=introspection)
        return TokenGuard(audience=world.AUDIENCE, issuers=[config])


def run(plan: Plan) -> list[Row]:
    """Remembered answers by processor time; questions by the clock on the wall."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        served = _Served(*ours.recv())
        rows = _remembered(plan, served) + _asked(plan, served)
        before = _questions(ours)
        _crowd(served)
        asked = _questions(ours) - before
    finally:
        ours.close()
        process.join()
    return [*rows, count(_GROUP, f"{_CROWD:,} requests at once with one new token", "questions", asked)]


def _serve(pipe: Connection) -> None:
    local = LocalIssuer(audience=world.AUDIENCE, algorithm="ES256")
    with local.serve():
        tokens = [local.mint_opaque(sub=f"user-{number}", scope=world.SCOPE) for number in range(_TOKENS)]
        pipe.send((local.issuer, local.introspection_endpoint, local.resource_server, tokens))
        with contextlib.suppress(EOFError):  # the other end is closed when all is measured
            while True:
                pipe.recv()
                pipe.send(len(local.requests))


def _questions(pipe: Connection) -> int:
    pipe.send("how many so far?")
    asked: int = pipe.recv()
    return asked


def _remembered(plan: Plan, served: _Served) -> list[Row]:
    """Beside a remembered JWT, and a bare signature check."""
    jwt_guard, jwt, bare = world.guard(), world.mint(), "bare RS256"
    with served.guard(cache=3_600) as guard:
        for token in served.tokens:
            guard.validate(token)
        cases = [
            world.bare_check("RS256", world.mint_many(64), bare),
            Case("a remembered JWT", jwt_guard.validate, same(jwt)),
            Case("a remembered opaque token", guard.validate, each_of(served.tokens)),
            Case("a remembered refusal", _refuse(guard), same("made-up")),
        ]
        samples = measure(cases, *plan.part("remembered answers", 0.5))
    return [timing(_GROUP, case.name, samples, bare) for case in cases]


def _refuse(guard: TokenGuard) -> Callable[[str], None]:
    def refuse(token: str) -> None:
        try:
            guard.validate(token)
        except InvalidToken:
            return
        raise AssertionError("a made-up token was let in")

    return refuse


def _asked(plan: Plan, served: _Served) -> list[Row]:
    """One question after the other, over a connection that is kept, by us and by httpx alone; round by round."""
    seconds, tick = plan.part("questions", 0.5, 0.5)
    tokens = itertools.cycle(served.tokens)
    rounds: dict[str, list[float]] = {"a bare POST": [], "a new opaque token": []}
    with served.guard(cache=0) as guard, httpx.Client(auth=served.client) as client:

        def post(token: str) -> None:
            assert client.post(served.endpoint, data={"token": token}).json()["active"]

        began = time.perf_counter()
        while len(rounds["a bare POST"]) < _MIN_ROUNDS or time.perf_counter() - began < seconds:
            for name, ask in (("a bare POST", post), ("a new opaque token", guard.validate)):
                start = time.perf_counter()
                for token in itertools.islice(tokens, _QUESTIONS):
                    ask(token)
                rounds[name].append((time.perf_counter() - start) / _QUESTIONS * 1e6)
            tick(time.perf_counter() - began)
    samples = {name: Samples(tuple(values)) for name, values in rounds.items()}
    note = "wall clock, the issuer on loopback"
    return [timing(_GROUP, name, samples, "a bare POST", note) for name in samples]


def _crowd(served: _Served) -> None:
    async def crowd(guard: TokenGuard) -> None:
        await asyncio.gather(*(guard.avalidate(served.tokens[0]) for _ in range(_CROWD)))

    with served.guard(cache=3_600) as guard:
        asyncio.run(crowd(guard))
