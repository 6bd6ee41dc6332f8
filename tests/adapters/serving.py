"""Real servers in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def serving(*command: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Run `python -m COMMAND` and give its base URL; "{fd}" in the command is the listening socket's descriptor.

    The socket listens before the server starts, so that requests wait for it in the queue. Each request should come
    on a connection of its own: uvicorn takes the socket for a Unix one, and leaves Nagle's delays on.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        words = [word.format(fd=descriptor) for word in command]
        process = subprocess.Popen(
            [sys.executable, "-m", *words], env={**os.environ, **environment}, pass_fds=[descriptor]
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)
