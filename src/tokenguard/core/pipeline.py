"""The way of one request, a stage a line.

A flow is a generator: where it needs the outside world it yields a question (`core/effects.py`) and a driver
(`runtime/drivers.py`) answers it, sync or async. With keys at hand nothing is yielded at all. `now` is in epoch
seconds, `monotonic` in seconds on the caches' clock.
"""

from __future__ import annotations

import hashlib

from tokenguard.core import jws
from tokenguard.core.claims import check_now, read_claims, run_checks
from tokenguard.core.credentials import read_credential
from tokenguard.core.effects import Flow
from tokenguard.core.keyuse import candidates, is_signed, newer_keys, no_key, usable_keys
from tokenguard.core.model import AccessToken, Request, Verified
from tokenguard.core.remote import confirm_live, validate_remotely, whom_to_ask
from tokenguard.core.requirements import Requirement, authorize
from tokenguard.core.tenants import resolved_issuer
from tokenguard.core.trust import Memory, SettledHeader, Setup, check_header, find_issuer, listed_issuer
from tokenguard.errors import Denied, MissingToken, Unavailable


def check(setup: Setup, request: Request, requirement: Requirement, now: float, monotonic: float) -> Flow[AccessToken]:
    """Authenticate, then authorize."""
    try:
        token = yield from authenticate(setup, request, now, monotonic, live=requirement.live)
    except MissingToken as missing:
        missing.scope = requirement.scope  # so that the client knows what to ask for
        raise
    authorize(token, requirement, now, setup.leeway, confirmed=True)
    return token


def confirm(
    setup: Setup, request: Request, requirement: Requirement, now: float, monotonic: float
) -> Flow[AccessToken]:
    """Ask live about the token of a request that was authenticated before, then authorize."""
    credential = read_credential(request, form_body=setup.form_body)
    token = yield from validate(setup, credential.token, now, monotonic, live=True)
    authorize(token, requirement, now, setup.leeway, confirmed=True)
    return token


def authenticate(
    setup: Setup, request: Request, now: float, monotonic: float, *, live: bool = False
) -> Flow[AccessToken]:
    """Who is it: everything but what the route demands."""
    credential = read_credential(request, form_body=setup.form_body)
    return (yield from validate(setup, credential.token, now, monotonic, live=live))


def validate(setup: Setup, token: str, now: float, monotonic: float, *, live: bool = False) -> Flow[AccessToken]:
    """One token: verified anew, or remembered and checked for what can change between two requests with it.

    `live`: its issuer must be asked about it now.
    """
    received = jws.received_bytes(token, setup.limits)
    verified, digest = None, b""
    if setup.tokens is not None:
        digest = hashlib.blake2b(received, digest_size=32).digest()
        verified = _recall(setup, setup.tokens, digest, monotonic)
    if verified is not None:
        check_now(verified, now, setup.leeway)
    else:
        if setup.introspecting is not None:
            asked = whom_to_ask(setup, setup.introspecting, received)
            if asked is not None:
                return (yield from validate_remotely(setup, asked, received, now, live=live))
        verified = yield from verify(setup, received, now, monotonic)
        if setup.tokens is not None:
            setup.tokens.put(digest, verified)
        if setup.tenants is not None:
            setup.tenants.touch(verified.configured)
    if live:
        name = verified.configured
        trusted = setup.issuers.get(name) or (yield from resolved_issuer(setup, name, monotonic))
        yield from confirm_live(trusted, received)
    return AccessToken(verified)


def verify(setup: Setup, received: bytes, now: float, monotonic: float) -> Flow[Verified]:
    """A token that nobody has seen: form, issuer, key, signature, claims."""
    signing_input, header_segment, payload_segment, signature_segment = jws.split(received)
    settled = setup.headers.get(header_segment)
    header = settled.header if settled else jws.read_header(header_segment, setup.algorithms, setup.limits)
    if setup.only is not None:
        parsed, trusted = None, setup.only
    else:
        # iss must choose the issuer: one strict parse, of which nothing else is used until the signature holds
        parsed = jws.read_payload(payload_segment, setup.limits)
        claims = parsed[1]
        trusted = listed_issuer(setup, claims) or (yield from resolved_issuer(setup, claims.get("iss"), monotonic))
    try:
        snapshot = trusted.keys.snapshot
        if settled is None or settled.generation != snapshot.generation:
            settled = None
            check_header(header, trusted.config)
        signature = jws.read_signature(signature_segment)
        if monotonic >= snapshot.refresh_at:
            settled = None
            if monotonic >= snapshot.stale_at:
                _check_worth_a_fetch(setup, payload_segment)
            snapshot = yield from usable_keys(trusted, snapshot, monotonic)
        verifiers = settled.verifiers if settled else candidates(header, snapshot)
        if not is_signed(signing_input, signature, verifiers, header):
            _check_worth_a_fetch(setup, payload_segment)
            snapshot = yield from newer_keys(trusted, snapshot, header, monotonic)
            verifiers = candidates(header, snapshot)
            if not is_signed(signing_input, signature, verifiers, header):
                raise no_key(header, snapshot)
        if settled is None:
            setup.headers.put(header_segment, SettledHeader(header, snapshot.generation, verifiers))
        payload, claims = parsed or jws.read_payload(payload_segment, setup.limits)
        verified = read_claims(claims, payload, trusted, snapshot.generation)
        check_now(verified, now, setup.leeway)
        if trusted.config.checks:
            run_checks(claims, trusted.config)
    except (Denied, Unavailable) as refusal:
        refusal.issuer = trusted.config.issuer
        raise
    return verified


def _recall(setup: Setup, tokens: Memory[Verified], digest: bytes, monotonic: float) -> Verified | None:
    """A token verified before, if its issuer still publishes what it was verified with, as far as is known.

    None when a refresh is due: the token then goes the whole way, so that a service in which every token is
    remembered still refreshes its keys, and notices when they are too old to serve. None, too, where its issuer is
    trusted no more: no two issuers, and no two times that one was added, have a generation in common.
    """
    verified = tokens.get(digest)
    if verified is None:
        return None
    trusted = setup.only or setup.issuers.get(verified.configured)
    if trusted is None and setup.tenants is not None:
        trusted = setup.tenants.reuse(verified.configured, monotonic)
    if trusted is None:
        return None
    snapshot = trusted.keys.snapshot
    return verified if monotonic < snapshot.refresh_at and verified.generation == snapshot.generation else None


def _check_worth_a_fetch(setup: Setup, payload_segment: bytes) -> None:
    """Before asking an issuer for new keys: does the token at least say that it is from a configured one?"""
    if setup.only is not None:
        _, claims = jws.read_payload(payload_segment, setup.limits)
        find_issuer(setup, claims)
