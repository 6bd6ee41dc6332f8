"""`tokenguard doctor`: does an issuer publish what a guard needs, and where would one stumble?

What the findings show comes from the library's own functions; the last one is a real guard that fetches the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from tokenguard.commands.published import NO_VALUE, Answer, Metadata, Published, PublishedKey, look_up
from tokenguard.commands.wording import difference, duration, shown
from tokenguard.config import KNOWN_ALGORITHMS, HTTPSettings, Issuer
from tokenguard.core.discovery import MetadataError, introspection_endpoint_of
from tokenguard.errors import Unavailable
from tokenguard.guard import TokenGuard

#: seconds after which an answer is called slow; the first request after a start waits for several
_SLOW = 1.0
#: for ID tokens; no metadata names the algorithms of access tokens
_ADVERTISED = "id_token_signing_alg_values_supported"
#: what a key may be for besides signatures
_OTHER_USES = frozenset({"enc"})


class Level(StrEnum):
    """How bad a finding is. A problem: tokens of this issuer can't be checked safely, or at all."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis. `advice`: what to do about it; may be empty."""

    level: Level
    subject: str
    seen: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, and each key."""

    findings: tuple[Finding, ...]
    keys: tuple[PublishedKey, ...]

    @property
    def has_problem(self) -> bool:
        """Is there anything that must be put right?"""
        return any(finding.level is Level.PROBLEM for finding in self.findings)


def diagnose(config: Issuer, *, audience: str | None, http: HTTPSettings) -> Diagnosis:
    """Look at everything an issuer publishes. Raises `ConfigurationError`; takes three times the timeout at most."""
    with TokenGuard(audience=audience or "https://api.invalid", issuers=[config], http=http) as guard:
        published = look_up(config, http)
        findings = (
            *_of_addresses(published, config),
            *_of_metadata(published, config),
            *_of_keys(published),
            *_of_algorithms(published, config),
            *_of_introspection(published, config),
            *_of_audience(published, audience),
            *_of_guard(guard, config, published),
        )
    return Diagnosis(tuple(dict.fromkeys(findings)), published.keys)  # two well-known forms may say the same


def _of_addresses(published: Published, config: Issuer) -> Iterator[Finding]:
    """Does the issuer answer, and in time?"""
    if urlsplit(config.issuer).scheme == "http":
        yield Finding(Level.WARNING, "issuer", "plain http", "for development on this machine only; else https")
    answers = [metadata.answer for metadata in published.metadata]
    found = config.jwks_uri is not None or any(answer.json is not None for answer in answers)
    for answer in answers:
        yield _of_address(answer, found=found)
    for answer in (*answers, *([published.jwks] if published.jwks is not None else [])):
        if answer.took > _SLOW:
            advice = "the first request after a start waits for it"
            yield Finding(Level.WARNING, "speed", f"{answer.url} took {answer.took:.1f} s", advice)


def _of_address(answer: Answer, *, found: bool) -> Finding:
    """One well-known address. `found`: metadata is at another one, or not needed."""
    address = urlsplit(answer.url).path
    if answer.json is not None and answer.document is not None:
        media_type = answer.document.content_type
        if "application/json" in media_type.lower():
            return Finding(Level.OK, "metadata", f"{address} has it")
        seen = f"{address} has it, as {shown(media_type or 'no media type')}"
        return Finding(
            Level.WARNING, "metadata", seen, "it is not read, unless sent as application/json (RFC 8414 3.2)"
        )
    failure = answer.failure or "it is not JSON"
    if not found:
        return Finding(Level.PROBLEM, "metadata", f"{address}: {failure}", _advice(answer))
    if answer.status is None or answer.status >= 500:
        return Finding(Level.WARNING, "metadata", f"{address}: {failure}", _advice(answer))
    return Finding(Level.OK, "metadata", f"{address}: {failure}; another form is enough")


def _of_metadata(published: Published, config: Issuer) -> Iterator[Finding]:
    """Is the metadata about this very issuer, and where does it say the keys are?"""
    for metadata in published.metadata:
        if metadata.answer.json is None:
            continue
        named = _members(metadata).get("issuer")
        if named == config.issuer:
            yield Finding(Level.OK, "issuer", "the metadata names it exactly as given")
        elif isinstance(named, str):
            why = difference(config.issuer, named) or "another issuer"
            advice = "if that is your issuer, give it to the character, slash included"
            yield Finding(Level.PROBLEM, "issuer", f"the metadata names {shown(named)}: {why}", advice)
            continue
        if metadata.fault:
            yield Finding(Level.PROBLEM, "metadata", metadata.fault, "the issuer must publish an https jwks_uri")
        elif config.jwks_uri not in (None, metadata.jwks_uri):
            seen = f"the metadata says {shown(metadata.jwks_uri)}, not what was given"
            yield Finding(Level.WARNING, "jwks_uri", seen, "leave --jwks-uri out, unless you know why they differ")
        else:
            yield Finding(Level.OK, "jwks_uri", shown(metadata.jwks_uri))


def _of_keys(published: Published) -> Iterator[Finding]:
    """Are there keys, and which of them are of no use?"""
    if published.jwks is None:
        return
    usable = [key for key in published.keys if not key.skipped]
    count = f"{len(published.keys)} published, {len(usable)} usable"
    if usable:
        yield Finding(Level.OK, "keys", f"{count}; answered in {published.jwks.took * 1000:.0f} ms")
    else:
        yield Finding(Level.PROBLEM, "keys", count if published.keys else published.fault, _advice(published.jwks))
    for key in published.keys:
        if key.is_secret:
            yield Finding(Level.PROBLEM, "keys", f"kid {key.kid}: {key.skipped}", "the issuer must replace it now")
        elif key.skipped and key.use not in _OTHER_USES:
            yield Finding(Level.WARNING, "keys", f"kid {key.kid}: {key.skipped}", "tokens signed with it are refused")
    nameless = sum(key.kid == NO_VALUE for key in usable)
    if nameless > 1:
        yield Finding(
            Level.WARNING, "keys", f"{nameless} have no kid", "they are tried in turn; a kid would spare that"
        )


def _of_algorithms(published: Published, config: Issuer) -> Iterator[Finding]:
    """Does the issuer sign in a way that is accepted? A hint: what is advertised is for ID tokens."""
    documents = [_members(metadata) for metadata in published.metadata]
    values = [document.get(_ADVERTISED) for document in documents]
    names = {name for value in values if isinstance(value, list) for name in value if isinstance(name, str)}
    if not names:
        return
    advertised = ", ".join(map(shown, sorted(names)))
    if not names.isdisjoint(config.algorithms):
        yield Finding(Level.OK, "algorithms", f"advertised for ID tokens: {advertised}")
        return
    known = sorted(names & KNOWN_ALGORITHMS)
    advice = (
        f"if access tokens are signed so too: algorithms={tuple(known)}" if known else "none of them can be accepted"
    )
    yield Finding(Level.WARNING, "algorithms", f"advertised for ID tokens, but not accepted: {advertised}", advice)


def _of_introspection(published: Published, config: Issuer) -> Iterator[Finding]:
    """Can the issuer be asked about tokens (RFC 7662), and as whom (RFC 8414 2)?"""
    for metadata in published.metadata:
        document = _members(metadata)
        if document.get("issuer") != config.issuer or "introspection_endpoint" not in document:
            continue
        try:
            endpoint = introspection_endpoint_of(document, config, mutual_tls=False)
        except MetadataError as fault:
            advice = "opaque tokens can't be asked about, unless Introspection.endpoint is given"
            yield Finding(Level.WARNING, "introspection", str(fault), advice)
            continue
        methods = document.get("introspection_endpoint_auth_methods_supported")
        named = [shown(method) for method in methods if isinstance(method, str)] if isinstance(methods, list) else []
        ways = f"; authenticates by {', '.join(named)}" if named else ""
        yield Finding(Level.OK, "introspection", f"{shown(endpoint)}{ways}")


def _of_audience(published: Published, audience: str | None) -> Iterator[Finding]:
    """Does the issuer say that it issues tokens for this API (RFC 9728 4)?"""
    for metadata in published.metadata:
        resources = _members(metadata).get("protected_resources")
        if audience is None or not isinstance(resources, list):
            continue
        if audience in resources:
            yield Finding(Level.OK, "audience", "the issuer lists it among its protected resources")
        else:
            advice = "compare with what aud says in a token: tokenguard explain"
            yield Finding(Level.WARNING, "audience", "not among the issuer's protected resources", advice)


def _of_guard(guard: TokenGuard, config: Issuer, published: Published) -> Iterator[Finding]:
    """The proof: a guard fetches the keys as it would in production."""
    try:
        guard.warm()
    except Unavailable as refusal:
        yield Finding(Level.PROBLEM, "guard", refusal.hint, "requests with this issuer's tokens get 503")
        return
    state = guard.health().issuers[0]
    document = published.jwks.document if published.jwks is not None else None
    if document is not None:
        seen = f"Cache-Control: {shown(document.cache_control or 'none')}; ETag: {'yes' if document.etag else 'none'}"
        often = state.refresh_in is not None and state.refresh_in <= config.keys.cooldown
        advice = f"the keys are fetched every {config.keys.cooldown:g} s; allow some minutes" if often else ""
        yield Finding(Level.WARNING if often else Level.OK, "caching", seen, advice)
    refresh = f"; next refresh in {duration(state.refresh_in)}" if state.refresh_in is not None else ""
    yield Finding(Level.OK, "guard", f"ready with {state.key_count} usable keys{refresh}")


def _members(metadata: Metadata) -> Mapping[str, Any]:
    document = metadata.answer.json
    return document if isinstance(document, Mapping) else {}


def _advice(answer: Answer) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in answer.failure:  # OpenSSL's name for it
        return "for a private authority, give its certificate: --ca-file"
    if answer.status is not None and 300 <= answer.status < 400:
        return "redirects are not followed: give the final address"
    if answer.status is not None and answer.status >= 500:
        return "a guard stops here, since the issuer seems to fail; 404 would let it try the next form"
    return ""
