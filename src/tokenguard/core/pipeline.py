"""The way of one request, a stage a line.

A flow is a generator: where it needs the outside world it yields a question (`core/effects.py`) and a driver
(`runtime/drivers.py`) answers it, sync or async. With keys at hand nothing is yielded at all, and for a remembered
token no flow is even begun. `now` is in epoch seconds, `monotonic` in seconds on the caches' clock.

`verify` calls few functions: right after a signature check the processor's caches hold other code, and each call costs
three times what it does elsewhere (benchmarks/README.md).
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from tokenguard.core import jws
from tokenguard.core.claims import check_now, read_claims, run_checks
from tokenguard.core.credentials import read_credential
from tokenguard.core.effects import Flow
from tokenguard.core.keyuse import candidates, is_signed, newer_keys, no_key, usable_keys
from tokenguard.core.model import AccessToken, Credential, Request, Verified
from tokenguard.core.remote import confirm_live, validate_remotely, whom_to_ask
from tokenguard.core.requirements import Requirement, authorize
from tokenguard.core.sender import confirm_sender, refuse_without_request
from tokenguard.core.trust import SettledHeader, Setup, check_header, find_issuer
from tokenguard.errors import Denied, InvalidToken, MissingToken, Reason, Unavailable

#: a token as it came, the digest under which it is remembered, and what is remembered of it, if that counts
Presented: TypeAlias = tuple[bytes, bytes, Verified | None]
#: what is settled at once, as a remembered token is, or the flow that settles it
Begun: TypeAlias = AccessToken | Flow[AccessToken]


def check(setup: Setup, request: Request, requirement: Requirement, now: float, monotonic: float) -> Begun:
    """Authenticate, then authorize."""
    try:
        begun = authenticate(setup, request, now, monotonic, live=requirement.live)
    except MissingToken as missing:
        missing.scope = requirement.scope  # so that the client knows what to ask for
        raise
    if not isinstance(begun, AccessToken):
        return _authorized(setup, begun, requirement, now)
    authorize(begun, requirement, now, setup.leeway)
    return begun


def confirm(
    setup: Setup, request: Request, requirement: Requirement, now: float, monotonic: float
) -> Flow[AccessToken]:
    """Ask live about the token of a request that was authenticated before, then authorize."""
    begun = authenticate(setup, request, now, monotonic, live=True, seen=True)
    return _authorized(setup, begun, requirement, now)


def authenticate(
    setup: Setup, request: Request, now: float, monotonic: float, *, live: bool = False, seen: bool = False
) -> Begun:
    """Who is it: everything but what the route demands. `seen`: a request that was authenticated before."""
    senders = setup.senders
    credential = read_credential(request, form_body=setup.form_body, dpop=senders.dpop is not None)
    try:
        presented = recall(setup, credential.token, now, monotonic)
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise
    verified = presented[2]
    if (
        verified is None
        or live
        or verified.binding is not None
        or credential.scheme != "Bearer"
        or senders.must_be_bound
    ):
        return _authenticate(setup, request, credential, presented, now, monotonic, live=live, seen=seen)
    return AccessToken(verified)


def validate(setup: Setup, token: str, now: float, monotonic: float) -> Begun:
    """A bare token, without a request in which somebody could prove to be the sender it is bound to."""
    presented = recall(setup, token, now, monotonic)
    verified = presented[2]
    if verified is None or verified.binding is not None or setup.senders.must_be_bound:
        return _validate(setup, presented, now, monotonic)
    return AccessToken(verified)


def recall(setup: Setup, token: str, now: float, monotonic: float) -> Presented:
    """The token as it came, and what it says if it was verified before and that still counts.

    It counts while the issuer publishes what the token was verified with, as far as is known, and no refresh is due:
    then it goes the whole way again, so that a service in which every token is remembered still refreshes its keys,
    and notices when they are too old to serve.
    """
    if not isinstance(token, str):
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the token is not a str")
    # before anything is done with it
    if len(token) > setup.limits.token:
        raise InvalidToken(Reason.TOKEN_TOO_LARGE, f"Limits.token is {setup.limits.token}")
    try:
        received = token.encode("ascii")
    except UnicodeEncodeError:
        raise InvalidToken(Reason.MALFORMED_TOKEN, "the token holds characters beyond ASCII") from None
    # what can only be a JWT, and is none, is not worth more
    if setup.introspecting is None and received.count(b".") != 2:
        raise jws.not_three_segments(received)
    if setup.tokens is None:
        return received, b"", None
    digest = hashlib.blake2b(received, digest_size=32).digest()
    verified = setup.tokens.get(digest)
    if verified is not None:
        snapshot = setup.issuers[verified.configured].keys.snapshot
        if monotonic >= snapshot.refresh_at or verified.generation != snapshot.generation:
            verified = None
        else:
            check_now(verified, now, setup.leeway)
    return received, digest, verified


def _authenticate(  # noqa: PLR0917 - what one request is
    setup: Setup, request: Request, credential: Credential, presented: Presented, now: float, monotonic: float,
    *, live: bool, seen: bool,
) -> Flow[AccessToken]:  # fmt: skip
    """What `authenticate` can't settle at once."""
    try:
        verified = yield from vouch(setup, presented, now, monotonic, live=live)
        if verified.binding is not None or credential.scheme != "Bearer" or setup.senders.must_be_bound:
            yield from confirm_sender(setup.senders, request, credential, verified, now, seen=seen)
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise
    return AccessToken(verified)


def _validate(setup: Setup, presented: Presented, now: float, monotonic: float) -> Flow[AccessToken]:
    """What `validate` can't settle at once."""
    verified = yield from vouch(setup, presented, now, monotonic)
    if verified.binding is not None or setup.senders.must_be_bound:
        refuse_without_request(verified)
    return AccessToken(verified)


def vouch(setup: Setup, presented: Presented, now: float, monotonic: float, *, live: bool = False) -> Flow[Verified]:
    """One token, by whoever it is presented: what is remembered of it, or what its signature or its issuer says.

    `live`: its issuer must be asked about it now.
    """
    received, digest, verified = presented
    if verified is None:
        if setup.introspecting is not None:
            asked = whom_to_ask(setup, setup.introspecting, received)
            if asked is not None:
                return (yield from validate_remotely(setup, asked, received, now, live=live))
        verified = yield from verify(setup, received, now, monotonic)
        if setup.tokens is not None:
            setup.tokens.put(digest, verified)
    if live:
        yield from confirm_live(setup.issuers[verified.configured], received)
    return verified


def _authorized(setup: Setup, begun: Begun, requirement: Requirement, now: float) -> Flow[AccessToken]:
    token = begun if isinstance(begun, AccessToken) else (yield from begun)
    authorize(token, requirement, now, setup.leeway, confirmed=True)
    return token


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


def _check_worth_a_fetch(setup: Setup, payload_segment: bytes) -> None:
    """Before asking an issuer for new keys: does the token at least say that it is from a configured one?"""
    if setup.only is not None:
        _, claims = jws.read_payload(payload_segment, setup.limits)
        find_issuer(setup, claims)
