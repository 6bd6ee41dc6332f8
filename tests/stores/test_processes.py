"""Guards in processes of their own, which hear of each other through a real server only."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runtime.support import io_threads, until, verdict
from stores.support import Join, Valkey
from tokenguard import Issuer, Request, Requirement, TokenGuard
from tokenguard.core.revocation import Level, Revocation
from tokenguard.stores.redis import RedisRevocations
from tokenguard.testing import LocalIssuer

pytestmark = pytest.mark.timeout(90)
LIFETIME = 3600.0
Build = Callable[..., TokenGuard]


class Process:
    """One that follows, talked to by lines."""

    def __init__(self, server: Valkey, prefix: str, issuer: LocalIssuer) -> None:
        script = Path(__file__).with_name("following.py")
        self._process = subprocess.Popen(
            # from Python 3.12 on it warns of any fork beside a thread, which is what this is about
            [
                sys.executable,
                "-W",
                "ignore::DeprecationWarning",
                str(script),
                server.url,
                prefix,
                issuer.issuer,
                json.dumps(issuer.jwks),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Its next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> list[str]:
        """What else it says until it ends, which it must do well and without a complaint."""
        output, complaints = self._process.communicate(timeout=20)
        assert complaints == ""
        assert self._process.returncode == 0
        return output.splitlines()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    """An issuer whose keys are at hand."""
    return LocalIssuer(algorithm="ES256")


@pytest.fixture
def build(issuer: LocalIssuer, prefix: str) -> Iterator[Build]:
    """Makes guards, each with a store of its own at a server; none leaves a thread."""
    before = io_threads()
    with ExitStack() as guards:

        def make(server: Valkey, *, guard: dict[str, Any] | None = None, **settings: Any) -> TokenGuard:
            store = RedisRevocations(server.url, **({"prefix": prefix, "create": True} | settings))
            config = Issuer(issuer.issuer, jwks=issuer.jwks, max_lifetime=LIFETIME)
            built = TokenGuard(audience=issuer.audience, issuers=[config], revocations=store, **(guard or {}))
            return guards.enter_context(built)

        yield make
    until(lambda: io_threads() <= before, "the end of every thread")


@pytest.fixture
def start(shared: Valkey, prefix: str, issuer: LocalIssuer, join: Join) -> Iterator[Callable[[], Process]]:
    """Starts processes, in a store that is known to be new."""
    join(shared).create()
    with ExitStack() as processes:

        def begin() -> Process:
            process = processes.enter_context(Process(shared, prefix, issuer))
            assert process.hear() == "ready"
            return process

        yield begin


def test_two_processes_refuse_within_a_second_what_a_third_revokes(
    start: Callable[[], Process], build: Build, shared: Valkey, issuer: LocalIssuer
) -> None:
    """Measured from before the call to after the refusal, fifty times; the distribution is printed."""
    first, second, revoking = start(), start(), build(shared)
    delays: list[float] = []
    for _ in range(50):
        token = issuer.mint()
        for process in (first, second):
            process.tell(f"watch {token}")
            assert process.hear() == "let in"
        began = time.monotonic()
        revoking.revoke(token)
        delays += [float(process.hear()) - began for process in (first, second)]
    delays.sort()
    shown = {name: round(delays[int(share * (len(delays) - 1))] * 1000, 1) for name, share in
             (("least", 0), ("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("most", 1))}  # fmt: skip
    print(f"\nfrom guard.revoke to a refusal by another process, ms: {shown}")
    assert delays[-1] < 1
    assert first.end() == second.end() == ["threads left: 0"]


def test_a_forked_child_follows_by_itself(
    start: Callable[[], Process], build: Build, shared: Valkey, issuer: LocalIssuer
) -> None:
    """Its first check asks, its follower goes on from the parent's copy, and the parent's own is not disturbed."""
    process, revoking = start(), build(shared)
    token, early = issuer.mint(), issuer.mint()
    process.tell(f"check {early}")
    assert process.hear() == "user-1"
    process.tell(f"fork {token}")
    assert process.hear() == "let in"
    began = time.monotonic()
    revoking.revoke(token)
    assert float(process.hear()) - began < 1
    told = [process.hear() for _ in range(4)]
    assert told == ["child follows: True", "threads left: 0", "child ended: 0", "parent follows: True"]
    assert process.end() == ["threads left: 0"]


def test_a_hundred_thousand_are_imported_while_requests_go_on(
    build: Build, shared: Valkey, issuer: LocalIssuer
) -> None:
    """Every request is answered rightly all the while, in both modes, and each import arrives."""
    importing, replica, direct = build(shared), build(shared, mode="replica"), build(shared)
    revoked, fine = issuer.mint(), issuer.mint()
    importing.revoke(revoked)
    assert verdict(replica, fine) == "user-1"
    until(lambda: replica.revocations.state().lag is not None)
    over, checks, slowest = threading.Event(), [0], [0.0]

    def go_on(guard: TokenGuard) -> None:
        while not over.is_set():
            began = time.perf_counter()
            assert (verdict(guard, fine), verdict(guard, revoked)) == ("user-1", "revoked")
            slowest.append(time.perf_counter() - began)
            checks.append(1)

    until_then = time.time() + LIFETIME
    many = [
        Revocation(issuer.issuer, Level.SESSION, f"s-{number}", float("inf"), until_then) for number in range(100_000)
    ]
    with ThreadPoolExecutor() as pool:
        requests = [pool.submit(go_on, guard) for guard in (replica, direct)]
        try:
            assert sum(importing.revocations.write_all(many)) == 100_000
            until(lambda: replica.revocations.state().entries == 100_001)
        finally:
            over.set()
        for each in requests:
            each.result()
    print(f"\n{2 * sum(checks)} checks during the import, the slowest pair took {max(slowest) * 1000:.0f} ms")
    assert verdict(replica, issuer.mint(sid="s-99999")) == "revoked"
    assert verdict(replica, issuer.mint(sid="s-100000")) == "user-1"


@pytest.mark.parametrize("mode", ["direct", "replica"])
@pytest.mark.parametrize(
    "named",
    [{"id": "t-1"}, {"session": "s-1"}, {"subject": "alice"}, {"client": "c-1"}, {"everything": True}],
    ids=lambda named: next(iter(named)),
)
def test_a_guard_refuses_what_another_revoked(
    build: Build, shared: Valkey, issuer: LocalIssuer, mode: str, named: dict[str, Any]
) -> None:
    """At each level and in each mode, remembered tokens too."""
    revoking, checking = build(shared), build(shared, mode=mode)
    token = issuer.mint(jti="t-1", sid="s-1", sub="alice", client_id="c-1")
    assert verdict(checking, token) == "alice"
    revoking.revoke(**named)
    until(lambda: verdict(checking, token) == "revoked")
    assert [(each.level, each.issuer) for each in checking.revocations.held()] == [
        ({"id": "token", "everything": "issuer"}.get(next(iter(named)), next(iter(named))), issuer.issuer)
    ]


@pytest.mark.parametrize("mode", ["direct", "replica"])
@pytest.mark.parametrize("policy", ["closed", "open"])
def test_a_server_that_is_gone_is_what_the_guards_policy_is_for(
    build: Build, valkey: Valkey, issuer: LocalIssuer, mode: str, policy: str
) -> None:
    """503 or let in with an alarm; a live requirement is never let in; health says so; it recovers by itself."""
    expected = {"closed": "revocations_unavailable", "open": "user-1"}[policy]
    guard = build(valkey, mode=mode, max_lag=0.1, timeout=0.3, guard={"when_revocations_unknown": policy})
    token = issuer.mint()
    request = Request("GET", "https://api.example.com/", {"authorization": f"Bearer {token}"})
    assert guard.check(request, requirement=Requirement(live=True)).subject == "user-1"
    valkey.kill()
    until(lambda: verdict(guard, token) == expected and guard.revocations.state().last_error)
    assert not guard.revocations.state().serving
    with pytest.raises(Exception, match="revocations_unavailable"):
        guard.check(request, requirement=Requirement(live=True))
    valkey.start()
    until(lambda: guard.revocations.state().serving or not verdict(guard, token))
    until(lambda: verdict(guard, token) == "user-1")
