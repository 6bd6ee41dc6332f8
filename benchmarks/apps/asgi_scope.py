"""The ASGI scope of a request, as uvicorn makes it, with the headers that an API client sends."""

from __future__ import annotations

from typing import Any


def scope(path: str, token: str) -> dict[str, Any]:
    """A GET request with this Bearer token."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"api.example.com"),
            (b"user-agent", b"orders-client/1.0"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"connection", b"keep-alive"),
            (b"authorization", b"Bearer " + token.encode()),
        ],
        "state": {},
    }
