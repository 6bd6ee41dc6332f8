"""One careful request: bounded in time as a whole and in bytes, no redirects, no cookies, no environment.

Everything that goes wrong is an `AnswerFailed` whose text names the URL's host and the fault, for the operator's log.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import httpx

from tokenguard.config import HTTPSettings
from tokenguard.core.effects import AnswerFailed
from tokenguard.errors import ConfigurationError
from tokenguard.runtime import forksafe

_OK, _NOT_MODIFIED = 200, 304
_CHUNK = 64 * 1024
#: connections that stay open for the next request
_KEPT = 100

try:
    _USER_AGENT = f"tokenguard/{version('tokenguard')}"
except PackageNotFoundError:  # on the path, though not installed
    _USER_AGENT = "tokenguard"


@dataclass(frozen=True, slots=True)
class Document:
    """A fetched document. `content_type`, `etag`, `cache_control`: header values, empty where absent.

    `body` is None where the document still is the one that had the ETag asked with.
    """

    body: bytes | None
    content_type: str
    etag: str
    cache_control: str


class HTTPStatusFailed(AnswerFailed):
    """The server answered with another status than wanted."""

    def __init__(self, host: str, status: int) -> None:
        super().__init__(f"{host} answered {status}")
        self.status = status


class ConnectionDropped(AnswerFailed):
    """The connection ended before the answer did; with `unanswered` before it began, as one kept open too long does."""

    def __init__(self, text: str, *, unanswered: bool) -> None:
        super().__init__(text)
        self.unanswered = unanswered


class AnswerTooLong(AnswerFailed):
    """The answer has more bytes than are taken."""


class HTTPClient:
    """A connection pool that lives on one event loop and is made at its first use there.

    `certificate`: files of our client certificate and its key, for servers that ask for one.
    """

    def __init__(self, settings: HTTPSettings, certificate: tuple[str, str | None] | None = None) -> None:
        self._settings = settings
        self._certificate = certificate
        self._client: httpx.AsyncClient | None = None
        forksafe.register(self)

    async def get(self, url: str, *, max_bytes: int, accept: str, etag: str = "") -> Document:
        """The document at `url`, without its body where it still is the one that had `etag`. Raises `AnswerFailed`."""
        headers = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
        try:
            return await self._exchange("GET", url, headers, None, max_bytes)
        except ConnectionDropped as cause:
            if not cause.unanswered:
                raise
            return await self._exchange("GET", url, headers, None, max_bytes)

    async def post(self, url: str, form: Mapping[str, str], *, max_bytes: int, headers: Mapping[str, str]) -> Document:
        """What `url` answers with status 200 to this form. Raises `AnswerFailed`."""
        return await self._exchange("POST", url, headers, form, max_bytes)

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, max_bytes: int
    ) -> Document:
        # the caller bounds the time; here only bytes are bounded, while they arrive
        host = urlsplit(url).netloc
        # identity: a compressed answer could grow a thousandfold between two looks at its size
        headers = {**headers, "Accept-Encoding": "identity"}
        unanswered = True
        try:
            async with self._open().stream(method, url, headers=headers, data=form) as response:
                unanswered = False
                if response.status_code == _NOT_MODIFIED and "If-None-Match" in headers:
                    return _document(response, None)
                if response.status_code != _OK:
                    raise HTTPStatusFailed(host, response.status_code)
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise AnswerFailed(f"{host} sent a compressed answer that was not asked for")
                body = bytearray()
                async for chunk in response.aiter_raw(_CHUNK):
                    body += chunk
                    if len(body) > max_bytes:
                        raise AnswerTooLong(f"{host} sent more than {max_bytes} bytes")
                return _document(response, bytes(body))
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as cause:
            failure = f"{host} dropped the connection: {type(cause).__name__}"
            raise ConnectionDropped(failure, unanswered=unanswered) from None
        # ValueError: what httpx lets through for a host name, in the URL or in a Location, that can't be one
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as cause:
            raise AnswerFailed(f"{host} can't be reached: {_name(cause)}") from None

    async def close(self) -> None:
        """Close the pool, on the loop it lives on."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def renew_after_fork(self) -> None:
        """The pool and its connections belong to the parent; two processes on one connection would mix answers."""
        self._client = None

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            settings = self._settings
            context = tls_context(settings)
            if self._certificate is not None:
                context.load_cert_chain(*self._certificate)
            self._client = httpx.AsyncClient(
                verify=context,
                proxy=_proxy(settings.proxy, context),
                headers={"User-Agent": settings.user_agent or _USER_AGENT},
                timeout=None,  # noqa: S113 - the caller's deadline covers the whole refresh
                # each issuer bounds its own: a pool with a limit lets one that hangs keep the others from being asked
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=_KEPT),
                follow_redirects=False,
                trust_env=False,
                cookies=CookieJar(DefaultCookiePolicy(netscape=False, rfc2965=False)),  # takes none
            )
        return self._client


def _name(error: BaseException) -> str:
    """What went wrong, and what was at the root of it: a name that is not found, a certificate that is not trusted."""
    root = error
    while (cause := root.__cause__ or root.__context__) is not None:
        root = cause
    kinds = dict.fromkeys((type(error).__name__, type(root).__name__))
    return ", ".join(kinds)


def _document(response: httpx.Response, body: bytes | None) -> Document:
    headers = response.headers
    etag = headers.get("ETag", "")
    return Document(
        body=body,
        content_type=headers.get("Content-Type", ""),
        etag=etag if etag.isascii() else "",  # others can't be sent back
        cache_control=headers.get("Cache-Control", ""),
    )


def _proxy(url: str | None, context: ssl.SSLContext) -> httpx.Proxy | None:
    if url is None:
        return None
    return httpx.Proxy(url, ssl_context=context if urlsplit(url).scheme == "https" else None)


def tls_context(settings: HTTPSettings) -> ssl.SSLContext:
    """Certificates are always checked: against `ca_file`, or the public authorities."""
    if settings.ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    return ssl.create_default_context(cafile=settings.ca_file)


def check_settings(http: HTTPSettings) -> None:
    """Raises `ConfigurationError` for certificates that can't be read: now, and not at the first fetch."""
    try:
        if http.ca_file is not None:
            tls_context(http)
    except (OSError, ValueError):
        raise ConfigurationError(f"HTTPSettings.ca_file: {http.ca_file} holds no readable certificates") from None
