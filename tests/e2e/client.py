"""client.mjs as a child process: an OAuth client that others wrote, with a DPoP key."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
from typing import Any, NamedTuple, Self

from .server import HERE, READY_WITHIN
from .support import SERVICE, SERVICE_SECRET, Provider, resource


class Answer(NamedTuple):
    """What the client got. `attempts`: requests it took; `headers`: those of the last one, in lower case."""

    status: int
    body: Any
    attempts: int
    nonce: str | None
    headers: dict[str, str]
    challenges: list[dict[str, Any]]

    def error(self, scheme: str) -> str | None:
        """The error code in the challenge of a scheme, in lower case; None if there is none."""
        (challenge,) = [each for each in self.challenges if each["scheme"] == scheme]
        error: str | None = challenge["parameters"].get("error")
        return error


class DPoPClient:
    """Has a token that `provider` bound to its key. A context manager that ends the process."""

    def __init__(self, provider: Provider, *, alg: str = "ES256", scope: str = "orders:read orders:write") -> None:
        node = shutil.which("node")
        if node is None or not (HERE / "node_modules" / "oauth4webapi").is_dir():
            raise RuntimeError("these tests need Node.js and oauth4webapi: run make test, which installs it")
        self._process = subprocess.Popen(
            [node, HERE / "client.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        client = {"clientId": SERVICE, "clientSecret": SERVICE_SECRET, "resource": resource(), "scope": scope}
        granted = self._ask({"issuer": provider.issuer, "alg": alg, **client})
        self.token: str = granted["token"]
        self.token_type: str = granted["tokenType"]
        self.thumbprint: str = granted["jkt"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, method: str, url: str, body: Any = None, *, bearer: bool = False) -> Answer:
        """Send a request with the token and a proof, or `bearer`, with the token alone."""
        return Answer(**self._ask({"method": method, "url": url, "body": body, "bearer": bearer}))

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        with self._process as process:
            process.kill()

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(message) + "\n")
        stdin.flush()
        line = stdout.readline() if select.select([stdout], [], [], READY_WITHIN)[0] else ""
        if not line:
            self.close()
            raise RuntimeError("the client gave no answer: its standard error says why")
        answer: dict[str, Any] = json.loads(line)
        return answer
