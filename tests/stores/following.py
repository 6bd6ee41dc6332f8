"""Run by test_processes: a process with a guard in replica mode, told by lines what to do.

Arguments: the server's URL, the prefix, an issuer, and its JWK Set as JSON. Each answer is a line, after `ready`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from tokenguard import Issuer, TokenGuard, errors
from tokenguard.stores.redis import RedisRevocations


def say(line: str) -> None:
    """In one write, so that lines of several processes do not mix."""
    os.write(1, f"{line}\n".encode())


def refused_at(guard: TokenGuard, token: str) -> float:
    """Check again and again, until it is refused; the moment, on the clock that all processes have in common."""
    pause = threading.Event()
    while True:
        try:
            guard.validate(token)
        except errors.InvalidToken:
            return time.monotonic()
        pause.wait(0.001)


def watch(guard: TokenGuard, token: str) -> None:
    """Let it in, say so, and say when it was refused."""
    guard.validate(token)
    say("let in")
    say(str(refused_at(guard, token)))


def fork(guard: TokenGuard, token: str) -> None:
    """The same in a child that was forked while the parent follows, and in the parent after it."""
    guard.validate(token)
    assert following(guard)
    child = os.fork()
    if child == 0:
        assert threading.active_count() == 1
        watch(guard, token)
        say(f"child follows: {following(guard)}")
        guard.close()
        say(f"threads left: {threading.active_count() - 1}")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    say(f"child ended: {os.waitstatus_to_exitcode(status)}")
    refused_at(guard, token)
    say(f"parent follows: {following(guard)}")


def following(guard: TokenGuard) -> bool:
    """May the copy be answered from, because this process's own follower says so? It may take a moment."""
    store: Any = guard.revocations._store
    deadline, pause = time.monotonic() + 10, threading.Event()
    while store._replica.current_until < time.monotonic() < deadline:
        pause.wait(0.01)
    return bool(store._replica.current_until > time.monotonic())


def check(guard: TokenGuard, token: str) -> None:
    """Say what becomes of one token."""
    try:
        say(str(guard.validate(token).subject))
    except (errors.Denied, errors.Unavailable) as refusal:
        say(str(refusal.reason))


if __name__ == "__main__":
    url, prefix, issuer, jwks = sys.argv[1:]
    built = TokenGuard(
        audience="https://api.example.com",
        issuers=[Issuer(issuer, jwks=json.loads(jwks))],
        revocations=RedisRevocations(url, mode="replica", prefix=prefix),
    )
    say("ready")
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        {"watch": watch, "fork": fork, "check": check}[command](built, argument)
    built.close()
    say(f"threads left: {threading.active_count() - 1}")
