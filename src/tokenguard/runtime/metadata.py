"""Fetching an issuer's metadata, in whichever well-known form it has (RFC 8414 3, OpenID Connect Discovery 4)."""

from __future__ import annotations

from tokenguard.config import Issuer
from tokenguard.core import strict_json
from tokenguard.core.discovery import metadata_urls
from tokenguard.core.effects import AnswerFailed
from tokenguard.runtime.http import Document, HTTPClient, HTTPStatusFailed

#: seconds that an address found by discovery is believed while asking there works
METADATA_MAX_AGE = 3_600.0
#: client errors that speak of the moment, not of the address: timeout, too many requests (RFC 9110 15.5.9, RFC 6585 4)
_TRY_LATER = frozenset({408, 429})
_ACCEPT = "application/json"


async def fetch_metadata(client: HTTPClient, config: Issuer, setting: str) -> object:
    """The document, of which nothing is checked yet; `setting`: what makes it unnecessary. Raises `AnswerFailed`."""
    tried = ""
    for url in metadata_urls(config.issuer):
        try:
            document = await client.get(url, max_bytes=config.keys.max_bytes, accept=_ACCEPT)
        except HTTPStatusFailed as cause:
            # not there, so another form may be; a failing server says nothing about where its metadata is
            if not 400 <= cause.status < 500 or cause.status in _TRY_LATER:
                raise
            tried = str(cause)
            continue
        metadata = _json(document)
        if metadata is not None:
            return metadata
        tried = "an answer that is not JSON"
    raise AnswerFailed(f"no metadata at the well-known addresses (last: {tried}); give {setting}")


def _json(document: Document) -> object | None:
    """The JSON in a metadata answer; None where it is something else (RFC 8414 3.2 wants application/json)."""
    if document.body is None or document.content_type.partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        value: object = strict_json.parse_document(document.body)
    except ValueError:
        return None
    return value
