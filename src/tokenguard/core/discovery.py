"""Where an issuer's metadata is, and what in it may be believed (RFC 8414 3, OpenID Connect Discovery 4)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tokenguard._checks import require_url
from tokenguard.config import Issuer
from tokenguard.errors import ConfigurationError


class MetadataError(ValueError):
    """The document must not be used; the text says why."""


def metadata_urls(issuer: str) -> list[str]:
    """The well-known forms in the order they are tried.

    >>> for url in metadata_urls("https://auth.example.com/tenant"):
    ...     print(url)
    https://auth.example.com/.well-known/oauth-authorization-server/tenant
    https://auth.example.com/tenant/.well-known/openid-configuration
    https://auth.example.com/.well-known/openid-configuration/tenant
    """
    parts = urlsplit(issuer)
    origin = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.removesuffix("/")
    urls = [
        f"{origin}/.well-known/oauth-authorization-server{path}",  # RFC 8414 3.1
        f"{origin}{path}/.well-known/openid-configuration",  # OpenID Connect Discovery 4
    ]
    if path:
        urls.append(f"{origin}/.well-known/openid-configuration{path}")  # RFC 8414 5
    return urls


def jwks_uri_of(metadata: object, config: Issuer) -> str:
    """The `jwks_uri` of a metadata document that is about this very issuer; raises `MetadataError` otherwise."""
    return _url(_about(metadata, config), "jwks_uri", config)


def introspection_endpoint_of(metadata: object, config: Issuer, *, mutual_tls: bool) -> str:
    """The same for `introspection_endpoint` (RFC 8414 2), with `mutual_tls` its alias where there is one."""
    members = _about(metadata, config)
    aliases = members.get("mtls_endpoint_aliases")  # RFC 8705 5
    if mutual_tls and isinstance(aliases, Mapping) and "introspection_endpoint" in aliases:
        members = aliases
    return _url(members, "introspection_endpoint", config)


def _about(metadata: object, config: Issuer) -> Mapping[str, object]:
    if not isinstance(metadata, Mapping):
        raise MetadataError("the metadata is not a JSON object")
    # identical, to the code point and the trailing slash (RFC 8414 3.3)
    if metadata.get("issuer") != config.issuer:
        raise MetadataError("the metadata names another issuer; Issuer(...) must be given exactly as it is there")
    return metadata


def _url(members: Mapping[str, object], name: str, config: Issuer) -> str:
    uri = members.get(name)
    try:
        require_url(name, uri, insecure_http=config.insecure_http)
    except ConfigurationError:
        raise MetadataError(f"the metadata has no acceptable https {name}") from None
    assert isinstance(uri, str)  # noqa: S101 - what require_url just established
    # an https issuer must not send us to plain http, loopback included
    if urlsplit(config.issuer).scheme == "https" and urlsplit(uri).scheme != "https":
        raise MetadataError(f"the metadata of an https issuer names an http {name}")
    return uri
