"""provider.mjs as a child process."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules" / "oidc-provider"
READY_WITHIN = 30  # seconds; one is usual


class Server:
    """The authorization server, running once built; `ready` is the line it printed.

    `start` is the line it reads; provider.mjs says what stands in both. Its standard error is pytest's, which shows
    it when a test fails. Raises RuntimeError when it can't be started.
    """

    def __init__(self, start: Mapping[str, object]) -> None:
        node = shutil.which("node")
        if node is None or not INSTALLED.is_dir():
            raise RuntimeError("these tests need Node.js and oidc-provider: run make test, which installs it")
        self._process = subprocess.Popen(
            [node, HERE / "provider.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(start) + "\n")
        stdin.flush()
        line = stdout.readline() if select.select([stdout], [], [], READY_WITHIN)[0] else ""
        if not line:
            self.kill()
            raise RuntimeError("oidc-provider did not get ready: its standard error says why")
        self.ready: dict[str, str] = json.loads(line)

    def kill(self) -> None:
        """End the process as a crash would (SIGKILL), and wait until it is gone; once it is, this does nothing."""
        with self._process as process:
            process.kill()
