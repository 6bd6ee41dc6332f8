"""The way of one request, a stage a line.

A flow is a generator: where it needs the outside world it yields a question (`core/effects.py`) and a driver
(`runtime/drivers.py`) answers it, sync or async. With keys at hand nothing is yielded at all. `now` is in epoch
seconds, `monotonic` in seconds on the caches' clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from typing import TypeAlias, TypeVar

from tokenguard.core import jws
from tokenguard.core.algorithms import Verifier
from tokenguard.core.claims import check_now, read_claims, run_checks
from tokenguard.core.credentials import read_credential
from tokenguard.core.effects import AnswerFailed, Question, RefreshKeys
from tokenguard.core.jws import Header
from tokenguard.core.keys import MAX_CANDIDATES, KeySnapshot
from tokenguard.core.model import AccessToken, Request, Verified
from tokenguard.core.requirements import Requirement, authorize
from tokenguard.core.trust import Memory, SettledHeader, Setup, Trusted, check_header, find_issuer
from tokenguard.errors import Denied, InvalidToken, MissingToken, Reason, Unavailable

_T = TypeVar("_T")
Flow: TypeAlias = Generator[Question, None, _T]


def check(setup: Setup, request: Request, requirement: Requirement, now: float, monotonic: float) -> Flow[AccessToken]:
    """Authenticate, then authorize."""
    try:
        token = yield from authenticate(setup, request, now, monotonic)
    except MissingToken as missing:
        missing.scope = requirement.scope  # so that the client knows what to ask for
        raise
    authorize(token, requirement, now, setup.leeway)
    return token


def authenticate(setup: Setup, request: Request, now: float, monotonic: float) -> Flow[AccessToken]:
    """Who is it: everything but what the route demands."""
    credential = read_credential(request, form_body=setup.form_body)
    return (yield from validate(setup, credential.token, now, monotonic))


def validate(setup: Setup, token: str, now: float, monotonic: float) -> Flow[AccessToken]:
    """One token: verified anew, or remembered and checked for what can change between two requests with it."""
    received = jws.received_bytes(token, setup.limits)
    remembered, digest = None, b""
    if setup.tokens is not None:
        digest = hashlib.blake2b(received, digest_size=32).digest()
        remembered = _recall(setup.tokens, digest, setup.issuers, monotonic)
    if remembered is not None:
        check_now(remembered, now, setup.leeway)
        return AccessToken(remembered)
    verified = yield from verify(setup, received, now, monotonic)
    if setup.tokens is not None:
        setup.tokens.put(digest, verified)
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
        trusted = find_issuer(setup, parsed[1])
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
            snapshot = yield from _usable_keys(trusted, snapshot, monotonic)
        verifiers = settled.verifiers if settled else _candidates(header, snapshot)
        if not _is_signed(signing_input, signature, verifiers, header):
            _check_worth_a_fetch(setup, payload_segment)
            snapshot = yield from _newer_keys(trusted, snapshot, header, monotonic)
            verifiers = _candidates(header, snapshot)
            if not _is_signed(signing_input, signature, verifiers, header):
                raise _no_key(header, snapshot)
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


def _recall(
    tokens: Memory[Verified], digest: bytes, issuers: Mapping[str, Trusted], monotonic: float
) -> Verified | None:
    """A token verified before, if its issuer still publishes what it was verified with, as far as is known.

    None when a refresh is due: the token then goes the whole way, so that a service in which every token is
    remembered still refreshes its keys, and notices when they are too old to serve.
    """
    verified = tokens.get(digest)
    if verified is None:
        return None
    snapshot = issuers[verified.issuer].keys.snapshot
    return verified if monotonic < snapshot.refresh_at and verified.generation == snapshot.generation else None


def _is_signed(signing_input: bytes, signature: bytes, verifiers: tuple[Verifier, ...], header: Header) -> bool:
    """Does the signature hold under one of the keys? False where none is known that could tell."""
    for verifier in verifiers:
        try:
            verifier(signature, signing_input)
        except Exception:  # noqa: S112 - InvalidSignature, and whatever else hostile bytes may bring about
            continue
        return True
    # Without a kid a failed check may as well mean a key that is not known yet.
    if verifiers and header.kid is not None:
        raise InvalidToken(Reason.BAD_SIGNATURE, "the key that kid names did not make this signature")
    return False


def _candidates(header: Header, snapshot: KeySnapshot) -> tuple[Verifier, ...]:
    return snapshot.keys.verifiers(header.alg, header.kid) if snapshot.keys is not None else ()


def _check_worth_a_fetch(setup: Setup, payload_segment: bytes) -> None:
    """Before asking an issuer for new keys: does the token at least say that it is from a configured one?"""
    if setup.only is not None:
        _, claims = jws.read_payload(payload_segment, setup.limits)
        find_issuer(setup, claims)


def _usable_keys(trusted: Trusted, snapshot: KeySnapshot, monotonic: float) -> Flow[KeySnapshot]:
    """The issuer's keys when a refresh is due: asks for it, and waits only if the keys at hand must not serve."""
    must_wait = monotonic >= snapshot.stale_at
    if must_wait:
        _check_cooldown(trusted, snapshot, monotonic)
    yield from _refresh(trusted, wait=must_wait)
    return trusted.keys.snapshot


def _newer_keys(trusted: Trusted, snapshot: KeySnapshot, header: Header, monotonic: float) -> Flow[KeySnapshot]:
    """Keys fetched because none is known for this header; refuses where a fetch would tell nothing new."""
    # Only a fetch that succeeded a moment ago proves that the key does not exist: otherwise a rotation during an
    # outage would log everybody out.
    if monotonic < snapshot.fetched_at + trusted.config.keys.cooldown:
        raise _no_key(header, snapshot)
    _check_cooldown(trusted, snapshot, monotonic)
    yield from _refresh(trusted, wait=True)
    return trusted.keys.snapshot


def _check_cooldown(trusted: Trusted, snapshot: KeySnapshot, monotonic: float) -> None:
    wait = snapshot.attempted_at + trusted.config.keys.cooldown - monotonic
    if wait > 0:
        raise Unavailable(
            Reason.KEYS_UNAVAILABLE, f"the last fetch of keys failed ({snapshot.failure}); KeyPolicy.cooldown holds"
        ).after(wait)


def _refresh(trusted: Trusted, *, wait: bool) -> Flow[None]:
    try:
        yield RefreshKeys(trusted.config.issuer, wait)
    except AnswerFailed as failure:
        unavailable = Unavailable(Reason.KEYS_UNAVAILABLE, f"the keys can't be fetched: {failure}")
        raise unavailable.after(trusted.config.keys.cooldown) from None


def _no_key(header: Header, snapshot: KeySnapshot) -> InvalidToken:
    if _candidates(header, snapshot):
        return InvalidToken(
            Reason.BAD_SIGNATURE, f"no kid, and none of the first {MAX_CANDIDATES} keys for this alg made the signature"
        )
    if snapshot.keys is not None and snapshot.keys.has_key_id(header.kid):
        return InvalidToken(Reason.UNSUPPORTED_ALGORITHM, "the key that kid names is not for this alg")
    return InvalidToken(Reason.UNKNOWN_KEY, "no key with that kid is published; a new one is seen after a refresh")
