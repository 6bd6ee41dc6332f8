"""What an issuer publishes: its metadata at each well-known address, and its keys, usable or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from tokenguard.commands.wording import shown
from tokenguard.config import HTTPSettings, Issuer
from tokenguard.core import strict_json
from tokenguard.core.discovery import MetadataError, jwks_uri_of, metadata_urls
from tokenguard.core.effects import AnswerFailed
from tokenguard.core.jwk import PublishedSecret, SkipKey, import_key
from tokenguard.core.keys import KeySet, KeySetError, key_set_of
from tokenguard.runtime.http import Document, HTTPClient, HTTPStatusFailed
from tokenguard.runtime.iothread import IOThread

#: stands for a member that is absent
NO_VALUE = "-"
_ACCEPT = "application/json, application/jwk-set+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """One GET. `took`: seconds; `failure`: why there is no `document`; `json`: what it holds, None for no JSON.

    `status`: None where there was no answer at all.
    """

    url: str
    took: float
    status: int | None
    failure: str
    document: Document | None
    json: object


@dataclass(frozen=True, slots=True)
class Metadata:
    """The answer of one well-known address. `jwks_uri`: None where the document must not be used, for `fault`."""

    answer: Answer
    jwks_uri: str | None
    fault: str


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """One entry of a JWK Set, to be shown. `kind`: type with size or curve; `skipped`: why it is not used, or empty.

    `is_secret`: a private or symmetric key, which nobody may publish.
    """

    kid: str
    kind: str
    alg: str
    use: str
    skipped: str
    is_secret: bool


@dataclass(frozen=True, slots=True)
class Published:
    """All of it. `jwks`: None where nothing says where the keys are; `fault`: why no key can be used, or empty."""

    metadata: tuple[Metadata, ...]
    jwks: Answer | None
    keys: tuple[PublishedKey, ...]
    fault: str


def look_up(config: Issuer, http: HTTPSettings) -> Published:
    """Ask the issuer, each address within `config.keys.timeout` seconds. Raises nothing over what comes back."""
    client = HTTPClient(http)
    io = IOThread(on_close=client.close)
    done: Future[Published] = Future()
    io.submit(_ask_all(client, config), done)
    try:
        return done.result()
    finally:
        io.close()


def published_keys(document: object, config: Issuer) -> tuple[tuple[PublishedKey, ...], str]:
    """The keys of a JWK Set, and why none of them can be used, or an empty string."""
    used, fault = None, ""
    try:
        used = key_set_of(config, document)
    except KeySetError as cause:
        fault = str(cause)
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list | tuple) or len(entries) > config.keys.max_keys:
        return (), fault
    return tuple(_key(entry, config, used) for entry in entries), fault


async def _ask_all(client: HTTPClient, config: Issuer) -> Published:
    answers = await asyncio.gather(*(_ask(client, url, config) for url in metadata_urls(config.issuer)))
    metadata = tuple(_metadata(answer, config) for answer in answers)
    uri = config.jwks_uri or next((found.jwks_uri for found in metadata if found.jwks_uri), None)
    if uri is None:
        return Published(metadata, None, (), "")
    jwks = await _ask(client, uri, config)
    if jwks.document is None:
        return Published(metadata, jwks, (), jwks.failure)
    return Published(metadata, jwks, *published_keys(jwks.json, config))


async def _ask(client: HTTPClient, url: str, config: Issuer) -> Answer:
    began = time.perf_counter()
    status: int | None = None
    failure, document = "", None
    try:
        async with asyncio.timeout(config.keys.timeout):
            document = await client.get(url, max_bytes=config.keys.max_bytes, accept=_ACCEPT)
        status = 200
    except HTTPStatusFailed as cause:
        status, failure = cause.status, str(cause)
    except AnswerFailed as cause:
        # what the log leaves out may say more: a name that is not found, a certificate that is not trusted
        detail = str(cause.__context__ or "")
        failure = f"{cause} ({shown(detail)})" if detail else str(cause)
    except TimeoutError:
        failure = f"no complete answer within {config.keys.timeout:g} s"
    return Answer(url, time.perf_counter() - began, status, failure, document, _json(document))


def _json(document: Document | None) -> object:
    if document is None or document.body is None:
        return None
    try:
        return strict_json.parse_document(document.body)
    except ValueError:
        return None


def _metadata(answer: Answer, config: Issuer) -> Metadata:
    if answer.document is None:
        return Metadata(answer, None, answer.failure)
    if answer.json is None:
        media_type = answer.document.content_type or "no media type"
        return Metadata(answer, None, f"the answer is not JSON ({shown(media_type)})")
    try:
        return Metadata(answer, jwks_uri_of(answer.json, config), "")
    except MetadataError as cause:
        return Metadata(answer, None, str(cause))


def _key(entry: object, config: Issuer, used: KeySet | None) -> PublishedKey:
    members: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
    kid, kind, alg, use = (
        shown(members[name]) if name in members else NO_VALUE for name in ("kid", "kty", "alg", "use")
    )
    try:
        key = import_key(entry)
    except SkipKey as reason:
        return PublishedKey(kid, kind, alg, use, str(reason), isinstance(reason, PublishedSecret))
    kind = f"{kind} {key.crv or getattr(key.key, 'key_size', '')}".strip()
    skipped = ""
    try:
        alone = key_set_of(config, {"keys": [entry]})
    except KeySetError as cause:
        skipped = str(cause).removeprefix("no usable key: key 0: ")
    else:
        if used is None or not alone.identity <= used.identity:
            skipped = "another key of its kind has the same kid"
    return PublishedKey(kid, kind, alg, use, skipped, is_secret=False)
