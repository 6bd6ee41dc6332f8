"""The way of one request, a stage a line.

A flow is a generator: where it needs the outside world it yields a question (`core/effects.py`) and a driver
(`runtime/drivers.py`) answers it, sync or async. With keys at hand nothing is yielded at all, and for a remembered
token no flow is even begun. `now` is in epoch seconds, `monotonic` in seconds on the caches' clock.

`verify` calls few functions: right after a signature check the processor's caches hold other code, and each call costs
three times what it does elsewhere (benchmarks/README.md).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeAlias

from tokenguard.core import jws
from tokenguard.core.claims import check_now, read_claims, run_checks
from tokenguard.core.credentials import read_credential
from tokenguard.core.dpop import token_hash
from tokenguard.core.effects import Flow, RecordProof
from tokenguard.core.keyuse import candidates, is_signed, newer_keys, no_key, usable_keys
from tokenguard.core.model import INTROSPECTED, AccessToken, Credential, Request, Verified
from tokenguard.core.remote import confirm_live, verify_remotely, whom_to_ask
from tokenguard.core.requirements import Requirement, authorize
from tokenguard.core.revocation import Lookup, WhenUnknown, fingerprint
from tokenguard.core.revoked import admit, admit_known
from tokenguard.core.sender import ask_first_use, confirm_sender, refuse_without_request
from tokenguard.core.tenants import check_trusted, resolved_issuer
from tokenguard.core.trust import SettledHeader, Setup, check_header, find_issuer, listed_issuer
from tokenguard.errors import Denied, MissingToken, Unavailable

#: a token as it came, the digest under which it is remembered, and what is remembered of it, if that counts
Presented: TypeAlias = tuple[bytes, bytes, Verified | None]
#: what is settled at once, as a remembered token is, or the flow that settles it
Begun: TypeAlias = AccessToken | Flow[AccessToken]


def check(setup: Setup, request: Request, requirement: Requirement, now: float, monotonic: float) -> Begun:
    """Authenticate, then authorize."""
    try:
        begun = authenticate(
            setup, request, now, monotonic, live=requirement.live, when_unknown=requirement.when_revocations_unknown
        )
    except MissingToken as missing:
        missing.scope = requirement.scope  # so that the client knows what to ask for
        raise
    if not isinstance(begun, AccessToken):
        return _authorized(setup, begun, requirement, now)
    authorize(begun, requirement, now, setup.leeway, setup.revocations.when_unknown)
    return begun


def confirm(
    setup: Setup, request: Request, requirement: Requirement, now: float, monotonic: float
) -> Flow[AccessToken]:
    """Ask live about the token of a request that was authenticated before, then authorize."""
    begun = authenticate(setup, request, now, monotonic, live=True, seen=True)
    return _authorized(setup, begun, requirement, now)


def authenticate(
    setup: Setup,
    request: Request,
    now: float,
    monotonic: float,
    *,
    live: bool = False,
    seen: bool = False,
    when_unknown: WhenUnknown | None = None,
) -> Begun:
    """Who is it: everything but what the route demands.

    `live`: the token must be asked about now. `seen`: the request was authenticated before. `when_unknown`: in place
    of the guard's policy, where nobody can tell whether the token is revoked.
    """
    senders = setup.senders
    credential = read_credential(request, form_body=setup.form_body, dpop=senders.dpop is not None)
    try:
        presented = recall(setup, credential.token, now, monotonic)
        verified = presented[2]
        if verified is None or live:
            return _authenticate(setup, request, credential, presented, now, monotonic, live, seen, when_unknown)
        question = None
        if verified.binding is not None or credential.scheme != "Bearer" or senders.must_be_bound:
            question = confirm_sender(senders, request, credential, verified, now, seen=seen)
        if question is None:
            token = admit_known(setup.revocations, verified, now)
            if token is not None:
                return token
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise
    return _admit(setup, credential, verified, question, now, when_unknown)


def validate(setup: Setup, token: str, now: float, monotonic: float) -> Begun:
    """A bare token, without a request in which somebody could prove to be the sender it is bound to."""
    presented = recall(setup, token, now, monotonic)
    verified = presented[2]
    if verified is not None and verified.binding is None and not setup.senders.must_be_bound:
        known = admit_known(setup.revocations, verified, now)
        if known is not None:
            return known
    return _validate(setup, presented, now, monotonic)


def reconsider(setup: Setup, lookup: Lookup, token: AccessToken, now: float, monotonic: float) -> Flow[None]:
    """A token that was let in before: would it be let in now? For what goes on for longer than a request.

    Its signature is not looked at again, and an issuer that is asked about tokens is not asked.
    """
    verified = token._verified  # noqa: SLF001 - what is checked again is what was checked
    check_now(verified, now, setup.leeway)
    yield from check_trusted(setup, verified, monotonic)
    yield from admit(lookup, verified, now, live=False, when_unknown=None)


def recall(setup: Setup, token: str, now: float, monotonic: float) -> Presented:
    """The token as it came, and what it says if it was verified before and that still counts.

    It counts while the issuer publishes what the token was verified with, as far as is known, and no refresh is due:
    then it goes the whole way again, so that a service in which every token is remembered still refreshes its keys,
    and notices when they are too old to serve.
    """
    limits = setup.limits
    is_usual = type(token) is str and len(token) <= limits.token and token.isascii()
    received = token.encode() if is_usual else jws.received_bytes(token, limits)
    # what can only be a JWT, and is none, is not worth more (counting would cost as much as half the digest)
    if setup.introspecting is None and b"." not in received:
        raise jws.not_three_segments(received)
    if setup.tokens is None:
        return received, b"", None
    digest = blake2b(received).digest()  # a keyword for a shorter one would cost a fifth more
    verified = setup.tokens.get(digest)
    if verified is None:
        return received, digest, None
    trusted = setup.only or setup.issuers.get(verified.configured)
    if trusted is None and setup.tenants is not None:
        trusted = setup.tenants.reuse(verified.configured, monotonic)
    # no two issuers, and no two times that one was added, have a generation in common
    if (
        trusted is None
        or monotonic >= trusted.keys.snapshot.refresh_at
        or verified.generation != trusted.keys.snapshot.generation
    ):
        return received, digest, None
    check_now(verified, now, setup.leeway)
    return received, digest, verified


def _authenticate(  # noqa: PLR0917 - what one request is
    setup: Setup, request: Request, credential: Credential, presented: Presented, now: float, monotonic: float,
    live: bool, seen: bool, when_unknown: WhenUnknown | None,
) -> Flow[AccessToken]:  # fmt: skip
    """What `authenticate` can't settle at once: a token that is not remembered, or must be asked about."""
    try:
        verified = yield from vouch(setup, presented, now, monotonic, live=live)
        if verified.binding is not None or credential.scheme != "Bearer" or setup.senders.must_be_bound:
            question = confirm_sender(setup.senders, request, credential, verified, now, seen=seen)
            if question is not None:
                yield from ask_first_use(question, verified)
        if live and verified.generation != INTROSPECTED:
            yield from confirm_live(setup, verified, presented[0], monotonic)
        return (yield from admit(setup.revocations, verified, now, live=live, when_unknown=when_unknown))
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise


def _admit(  # noqa: PLR0917
    setup: Setup, credential: Credential, verified: Verified, question: RecordProof | None, now: float,
    when_unknown: WhenUnknown | None,
) -> Flow[AccessToken]:  # fmt: skip
    """The last of `authenticate` for a remembered token, where a store must be asked: for its proof, or about it."""
    try:
        if question is not None:
            yield from ask_first_use(question, verified)
        return (yield from admit(setup.revocations, verified, now, live=False, when_unknown=when_unknown))
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise


def _validate(setup: Setup, presented: Presented, now: float, monotonic: float) -> Flow[AccessToken]:
    """What `validate` can't settle at once."""
    verified = yield from vouch(setup, presented, now, monotonic)
    if verified.binding is not None or setup.senders.must_be_bound:
        refuse_without_request(verified)
    known = admit_known(setup.revocations, verified, now)
    return known or (yield from admit(setup.revocations, verified, now, live=False, when_unknown=None))


def _authorized(setup: Setup, begun: Begun, requirement: Requirement, now: float) -> Flow[AccessToken]:
    token = begun if isinstance(begun, AccessToken) else (yield from begun)
    authorize(token, requirement, now, setup.leeway, setup.revocations.when_unknown, confirmed=True)
    return token


def vouch(setup: Setup, presented: Presented, now: float, monotonic: float, *, live: bool = False) -> Flow[Verified]:
    """One token, whoever presents it: what is remembered of it, or what its signature or its issuer says.

    `live`: an issuer that is asked about it in place of a local check must be asked now.
    """
    if presented[2] is None and setup.introspecting is None:
        return verify(setup, presented, now, monotonic)  # the usual way, without a flow around it
    return _vouch(setup, presented, now, monotonic, live=live)


def _vouch(setup: Setup, presented: Presented, now: float, monotonic: float, *, live: bool) -> Flow[Verified]:
    received, _, verified = presented
    if verified is not None:
        return verified
    if setup.introspecting is not None:
        asked = whom_to_ask(setup, setup.introspecting, received)
        if asked is not None:
            return (yield from verify_remotely(setup, asked, received, now, live=live))
    return (yield from verify(setup, presented, now, monotonic))


def verify(  # noqa: PLR0912 - in one place, since each call would cost (see above)
    setup: Setup, presented: Presented, now: float, monotonic: float
) -> Flow[Verified]:
    """A token that nobody has seen: form, issuer, key, signature, claims. Then it is remembered."""
    received, digest, _ = presented
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
    if verified.id is None:
        verified = verified._replace(fingerprint=fingerprint(received))
    if verified.binding is not None:
        verified = verified._replace(hash=token_hash(received))
    if setup.tokens is not None:
        setup.tokens.put(digest, verified)
    if setup.tenants is not None:
        setup.tenants.touch(verified.configured)
    return verified


def _check_worth_a_fetch(setup: Setup, payload_segment: bytes) -> None:
    """Before asking an issuer for new keys: does the token at least say that it is from a configured one?"""
    if setup.only is not None:
        _, claims = jws.read_payload(payload_segment, setup.limits)
        find_issuer(setup, claims)
