"""The request that a WSGI environ describes (PEP 3333), for every adapter that stands on WSGI."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tokenguard._forms import UNSEARCHABLE, is_length_searchable
from tokenguard.core.model import Form, Request
from tokenguard.core.target_uri import below_root, escaped_path, request_url
from tokenguard.guard import TokenGuard

_KEYS = {"authorization": "HTTP_AUTHORIZATION", "content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class EnvironRequest(Request):
    """A request read where the server put it: copying the headers would cost more than checking a known token.

    The server has joined repeated lines of a field with commas, so a field has one value or none.
    """

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any], form: Form | None = None) -> None:
        self._environ = environ
        self.method = environ["REQUEST_METHOD"]
        self.peer = environ.get("REMOTE_ADDR")
        self.form = form

    @property
    def url(self) -> str:  # type: ignore[override] # computed for the few who ask
        """Absolute; path and query as the client sent them where the server tells, else put together again."""
        environ = self._environ
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        return request_url(environ["wsgi.url_scheme"], host, sent_target(environ))

    @property
    def client_certificate(self) -> bytes | None:  # type: ignore[override] # computed for the few who ask
        """In DER; None unless the server ends TLS, found no fault with it, and tells it, as mod_ssl or gunicorn do."""
        pem = self._environ.get("SSL_CLIENT_CERT")
        if self._environ.get("SSL_CLIENT_VERIFY", "").startswith("FAILED"):
            return None
        try:
            return ssl.PEM_cert_to_DER_cert(pem) if pem else _certificate_of(self._environ.get("gunicorn.socket"))
        except (OSError, ValueError):
            return None

    def header_values(self, name: str) -> list[str]:
        key = _KEYS.get(name) or "HTTP_" + name.upper().replace("-", "_")
        value = self._environ.get(key)
        return [] if value is None else [value]


def _certificate_of(connection: Any) -> bytes | None:
    """Of a connection's client: gunicorn says nothing of TLS, but hands over the socket, its workers' own kind."""
    ask = getattr(connection, "getpeercert", None)  # absent where the connection is a plain one
    return None if ask is None else ask(binary_form=True)


def sent_target(environ: Mapping[str, Any], encoding: str = "latin-1") -> str:
    """Path and query as sent where the server tells, else put together again.

    PEP 3333 has the path unquoted only, each octet a character; whoever has read it since says as which `encoding`.
    gunicorn and Werkzeug set RAW_URI; uWSGI and mod_wsgi set REQUEST_URI.
    """
    root = environ.get("SCRIPT_NAME", "")
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    # in absolute form (RFC 9112 3.2.2) the caller chooses scheme and host, which are the server's to say
    if target.startswith("/"):
        path, mark, query = target.partition("?")
        return below_root(path, root, encoding) + mark + query
    query = environ.get("QUERY_STRING", "")
    return (escaped_path(root + environ.get("PATH_INFO", ""), encoding) or "/") + ("?" + query if query else "")


def form_of(guard: TokenGuard, environ: Mapping[str, Any], read: Callable[[], Form | None]) -> Form | None:
    """The form, by the framework's way to `read` it, if the guard may look for a token in it.

    `UNSEARCHABLE` if it is too long, does not say how long it is, or is shorter than it says: somebody has read it.
    """
    if not guard.wants_form_body(environ["REQUEST_METHOD"], environ.get("CONTENT_TYPE", "")):
        return None
    length = environ.get("CONTENT_LENGTH") or ""
    if not is_length_searchable(length):
        return UNSEARCHABLE
    form = read()
    return UNSEARCHABLE if isinstance(form, bytes) and len(form) < int(length) else form
