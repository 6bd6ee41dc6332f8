"""Run by test_forksafe: a server's first process that builds a guard, perhaps uses it, and forks workers.

Arguments: the scenario and the issuer. Lines on standard input are tokens to check, or words the scenario waits for;
lines on standard output are what came of it. The workers end as gunicorn's do, with `sys.exit`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from tokenguard import HTTPSettings, Issuer, IssuerResolver, KeyPolicy, TokenGuard, errors


def check(guard: TokenGuard, who: str, token: str) -> None:
    """Say what becomes of a token."""
    try:
        outcome = str(guard.validate(token).subject)
    except (errors.Denied, errors.Unavailable) as refusal:
        outcome = f"{refusal.reason} ({refusal.hint})"
    say(f"{who}: {outcome}")


def say(line: str) -> None:
    """In one write, so that lines of several processes do not mix."""
    os.write(1, f"{line}\n".encode())


def heard() -> str:
    """The next line that the test sends."""
    return sys.stdin.readline().strip()


def fork(work: Callable[[], None]) -> int:
    """Do `work` in a child; its process id, for the parent."""
    child = os.fork()
    if child == 0:
        work()
        sys.exit(0)
    return child


def wait_for(child: int) -> None:
    """Until it has ended, well."""
    _, status = os.waitpid(child, 0)
    say(f"worker ended: {os.waitstatus_to_exitcode(status)}")


def preloaded(guard: TokenGuard) -> None:
    """The app is built before the fork, and the keys are fetched after it."""
    token = heard()
    for child in [fork(lambda: check(guard, "worker", token)) for _ in range(2)]:
        wait_for(child)
    check(guard, "parent", token)


def warmed(guard: TokenGuard) -> None:
    """The keys are fetched before the fork, and by worker and parent again after it."""
    guard.warm()
    old = heard()
    check(guard, "parent", old)
    tokens: Any = guard._setup.tokens
    say(f"remembered: {len(tokens)}")
    new = heard()

    def work() -> None:
        say(f"remembered: {len(tokens)}")
        check(guard, "worker", old)
        check(guard, "worker", new)
        check(guard, "worker", new)

    wait_for(fork(work))
    check(guard, "parent", new)


def in_flight(guard: TokenGuard) -> None:
    """A thread of the parent waits for keys at the moment of the fork."""
    token = heard()
    waiting = threading.Thread(target=check, args=(guard, "parent", token))
    waiting.start()
    heard()
    child = fork(lambda: check(guard, "worker", token))
    waiting.join()
    wait_for(child)


def locked(guard: TokenGuard) -> None:
    """Other threads of the parent hold every lock at the moment of the fork."""
    token = heard()
    holders: list[Any] = [
        guard._issuers.io,
        guard._setup.tokens,
        guard._setup.headers,
        *guard._issuers.sources.values(),
    ]
    held, over = threading.Semaphore(0), threading.Event()

    def hold(lock: threading.Lock) -> None:
        with lock:
            held.release()
            over.wait()

    for holder in holders:
        threading.Thread(target=hold, args=(holder._lock,), daemon=True).start()
        held.acquire()
    child = fork(lambda: check(guard, "worker", token))
    wait_for(child)
    over.set()
    check(guard, "parent", token)


def abandoned(guard: TokenGuard) -> None:
    """The process ends while a fetch is under way and somebody waits for it."""
    threading.Thread(target=check, args=(guard, "parent", heard()), daemon=True).start()
    heard()


def looked_up(guard: TokenGuard) -> None:
    """A look-up is under way, and other threads hold every lock of those that were looked up, at the moment."""
    (issuer,) = guard.issuers
    table, asked, go = {issuer: issuer}, threading.Event(), threading.Event()

    async def find(name: str) -> str | None:
        asked.set()
        if os.getpid() == parent:
            await asyncio.to_thread(go.wait)
        return table.get(name)

    parent = os.getpid()
    tenancy = TokenGuard(audience="https://api.example.com", issuers=[IssuerResolver(find, timeout=30)])
    tokens = [heard(), heard()]
    waiting = threading.Thread(target=check, args=(tenancy, "parent", tokens[0]))
    waiting.start()
    asked.wait()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with tenancy._issuers.changing, tenancy._issuers.tenants._lock:  # type: ignore[union-attr]
            held.set()
            over.wait()

    def work() -> None:
        check(tenancy, "worker", tokens[0])
        del table[issuer]
        tenancy.remove_issuer(issuer)
        check(tenancy, "worker", tokens[0])

    holding = threading.Thread(target=hold)
    holding.start()
    held.wait()
    child = fork(work)
    wait_for(child)
    over.set()
    go.set()
    for thread in (holding, waiting):
        thread.join()
    check(tenancy, "parent", tokens[1])


SCENARIOS = {function.__name__: function for function in (preloaded, warmed, in_flight, locked, abandoned, looked_up)}

if __name__ == "__main__":
    scenario = SCENARIOS[sys.argv[1]]
    # no cool-down to speak of, so that a rotated key is looked for at once
    config = Issuer(sys.argv[2], keys=KeyPolicy(cooldown=0.001, timeout=30))
    guarded = TokenGuard(audience="https://api.example.com", issuers=[config], http=HTTPSettings(ca_file=sys.argv[3]))
    scenario(guarded)  # nobody closes it: workers rarely do
