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
from tokenguard.core.keyuse import candidates, is_signed, newer_keys, no_key, refuse_if_newest, usable_keys
from tokenguard.core.model import INTROSPECTED, AccessToken, Credential, Request, Verified
from tokenguard.core.remote import confirm_live, verify_remotely, whom_to_ask
from tokenguard.core.requirements import Requirement, authorize, is_plainly_met
from tokenguard.core.revocation import Lookup, WhenUnknown, fingerprint
from tokenguard.core.revoked import admit, admit_known
from tokenguard.core.sender import ask_first_use, confirm_sender, refuse_without_request
from tokenguard.core.tenants import check_trusted, remembered_issuer, resolved_issuer
from tokenguard.core.trust import SettledHeader, Setup, Trusted, check_header, find_issuer, listed_issuer
from tokenguard.errors import Denied, MissingToken, Unavailable

#: a token as it came, the digest under which it is remembered, and what is remembered of it, if that counts
Presented: TypeAlias = tuple[bytes, bytes, Verified | None]
#: what is settled at once, or the flow that settles it
Begun: TypeAlias = AccessToken | Flow[AccessToken]
#: the same, for a token whoever presents it
Vouched: TypeAlias = Verified | Flow[Verified]


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
    if not is_plainly_met(begun, requirement):
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
        known = recall(setup, credential.token, now, monotonic, credential.scheme == "Bearer" and not live)
        if isinstance(known, AccessToken):
            return known
        vouched = known[2] or vouch(setup, known, now, monotonic, live=live)
        if live or not isinstance(vouched, Verified):
            return _authenticate(
                setup, request, credential, known[0], vouched, now, monotonic, live, seen, when_unknown
            )
        question = None
        if vouched.binding is not None or credential.scheme != "Bearer" or senders.must_be_bound:
            question = confirm_sender(senders, request, credential, vouched, now, seen=seen)
        if question is None:
            token = admit_known(setup.revocations, vouched, now)
            if token is not None:
                return token
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise
    return _admit(setup, credential, vouched, question, now, when_unknown)


def validate(setup: Setup, presented: Presented, now: float, monotonic: float) -> Begun:
    """A bare token that `recall` did not let in, without a request in which somebody could prove to be its sender."""
    vouched = presented[2] or vouch(setup, presented, now, monotonic)
    if not isinstance(vouched, Verified):
        return _validate(setup, vouched, now)
    if vouched.binding is not None or setup.senders.must_be_bound:
        refuse_without_request(vouched)
    return admit_known(setup.revocations, vouched, now) or _admit_asking(setup, vouched, now)


def reconsider(setup: Setup, lookup: Lookup, token: AccessToken, now: float, monotonic: float) -> Flow[None]:
    """A token that was let in before: would it be let in now? For what goes on for longer than a request.

    Its signature is not looked at again, and an issuer that is asked about tokens is not asked.
    """
    verified = token._verified  # noqa: SLF001 - what is checked again is what was checked
    check_now(verified, now, setup.leeway)
    yield from check_trusted(setup, verified, monotonic)
    yield from admit(lookup, verified, now, live=False, when_unknown=None)


def recall(setup: Setup, token: str, now: float, monotonic: float, is_bare: bool) -> AccessToken | Presented:
    """The token as it came, and what it says if it was verified before and that still counts.

    It counts while the issuer publishes what the token was verified with, as far as is known, and no refresh is due:
    then it goes the whole way again, so that a service in which every token is remembered still refreshes its keys,
    and notices when they are too old to serve.

    `is_bare`: it came as a Bearer token, and nobody need be asked about it now. Such a one, where it is bound to nobody
    and not revoked, is let in here: what every request does is done without a call that could be spared.
    """
    limits = setup.limits
    is_usual = type(token) is str and len(token) <= limits.token and token.isascii()
    received = token.encode() if is_usual else jws.received_bytes(token, limits)
    # what can only be a JWT, and is none, is not worth a digest
    if "." not in token and setup.introspecting is None:
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
    if trusted is None:
        return received, digest, None
    snapshot = trusted.keys.snapshot
    # no two issuers, and no two times that one was added, have a generation in common
    if monotonic >= snapshot.refresh_at or verified.generation != snapshot.generation:
        return received, digest, None
    if is_bare and verified.binding is None and not setup.senders.must_be_bound:
        leeway, issued_at, not_before = setup.leeway, verified.issued_at, verified.not_before
        # `check_now` and `admit_known` in place, two calls less of six; where one would refuse, they say why or ask
        if (
            now < verified.expires_at + leeway
            and (issued_at is None or now >= issued_at - leeway)
            and (not_before is None or now >= not_before - leeway)
        ):
            try:
                if setup.revocations.find(verified, now) is None:  # type: ignore[misc] # where it is None, as if it raised
                    return AccessToken(verified)
            except Exception:  # noqa: S110 - a store may be anyone's: anything may come
                pass
    check_now(verified, now, setup.leeway)
    return received, digest, verified


def _authenticate(  # noqa: PLR0917 - what one request is
    setup: Setup, request: Request, credential: Credential, received: bytes, vouched: Vouched, now: float,
    monotonic: float, live: bool, seen: bool, when_unknown: WhenUnknown | None,
) -> Flow[AccessToken]:  # fmt: skip
    """What `authenticate` can't settle at once: a token for which something must be asked."""
    try:
        verified = yield from settled(vouched)
        if verified.binding is not None or credential.scheme != "Bearer" or setup.senders.must_be_bound:
            question = confirm_sender(setup.senders, request, credential, verified, now, seen=seen)
            if question is not None:
                yield from ask_first_use(question, verified)
        if live and verified.generation != INTROSPECTED:
            yield from confirm_live(setup, verified, received, monotonic)
        return (yield from admit(setup.revocations, verified, now, live=live, when_unknown=when_unknown))
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise


def _admit(  # noqa: PLR0917 - what one request is
    setup: Setup, credential: Credential, verified: Verified, question: RecordProof | None, now: float,
    when_unknown: WhenUnknown | None,
) -> Flow[AccessToken]:  # fmt: skip
    """The last of `authenticate`, where a store must be asked: for the token's proof, or about the token."""
    try:
        if question is not None:
            yield from ask_first_use(question, verified)
        return (yield from admit(setup.revocations, verified, now, live=False, when_unknown=when_unknown))
    except Denied as refusal:
        refusal.schemes = (credential.scheme,)
        raise


def _validate(setup: Setup, vouched: Vouched, now: float) -> Flow[AccessToken]:
    """What `validate` can't settle at once."""
    verified = yield from settled(vouched)
    if verified.binding is not None or setup.senders.must_be_bound:
        refuse_without_request(verified)
    return (yield from _admit_asking(setup, verified, now))


def _admit_asking(setup: Setup, verified: Verified, now: float) -> Flow[AccessToken]:
    return (yield from admit(setup.revocations, verified, now, live=False, when_unknown=None))


def _authorized(setup: Setup, begun: Begun, requirement: Requirement, now: float) -> Flow[AccessToken]:
    token = begun if isinstance(begun, AccessToken) else (yield from begun)
    authorize(token, requirement, now, setup.leeway, setup.revocations.when_unknown, confirmed=True)
    return token


def vouched_for(setup: Setup, token: str, now: float, monotonic: float) -> Flow[Verified]:
    """What a token says, whoever sent it, and whether or not it is revoked."""
    known = recall(setup, token, now, monotonic, False)
    if isinstance(known, AccessToken):
        return known._verified  # noqa: SLF001 - for the types: what is not bare is not let in at once
    return (yield from settled(known[2] or vouch(setup, known, now, monotonic)))


def settled(vouched: Vouched) -> Flow[Verified]:
    """The end of what may be one already."""
    return vouched if isinstance(vouched, Verified) else (yield from vouched)


def vouch(setup: Setup, presented: Presented, now: float, monotonic: float, *, live: bool = False) -> Vouched:
    """One token that is not remembered, whoever presents it: what its signature or its issuer says.

    `live`: an issuer that is asked about it in place of a local check must be asked now.
    """
    if setup.introspecting is not None:
        asked = whom_to_ask(setup, setup.introspecting, presented[0])
        if asked is not None:
            return verify_remotely(setup, asked, presented[0], now, live=live)
    return verify(setup, presented, now, monotonic)


def verify(  # noqa: PLR0912, PLR0917 - a branch a check; the last three arguments are for what was asked
    setup: Setup, presented: Presented, now: float, monotonic: float, trusted: Trusted | None = None,
    refreshed: bool = False, renewed: bool = False,
) -> Vouched:  # fmt: skip
    """The local check of a token, a stage a line; a flow where something must be asked first, which then begins again.

    `trusted`: the issuer, as it was looked up. `refreshed`: a refresh of its keys that was due has been asked for.
    `renewed`: newer keys than those that did not do have been fetched.
    """
    received, digest, _ = presented
    signing_input, header_segment, payload_segment, signature_segment = jws.split(received)
    known_header = setup.headers.get(header_segment)
    header = known_header.header if known_header else jws.read_header(header_segment, setup.algorithms, setup.limits)
    parsed = None
    trusted = trusted or setup.only
    if trusted is None:
        # iss must choose the issuer: one strict parse, of which nothing else is used until the signature holds
        parsed = jws.read_payload(payload_segment, setup.limits)
        trusted = listed_issuer(setup, parsed[1]) or remembered_issuer(setup, parsed[1].get("iss"), monotonic)
        if trusted is None:
            return _verify_resolved(setup, presented, parsed[1]["iss"], now, monotonic)
    try:
        snapshot = trusted.keys.snapshot
        if known_header is None or known_header.generation != snapshot.generation:
            known_header = None
            check_header(header, trusted.config)
        signature = jws.read_signature(signature_segment)
        if monotonic >= snapshot.refresh_at and not refreshed:
            if monotonic >= snapshot.stale_at:
                _check_worth_a_fetch(setup, payload_segment)
            asking = usable_keys(trusted, snapshot, monotonic)
            return _verify_asking(setup, presented, trusted, asking, now, monotonic, False)
        verifiers = known_header.verifiers if known_header else candidates(header, snapshot)
        if not is_signed(signing_input, signature, verifiers, header):
            if renewed:
                raise no_key(header, snapshot)
            _check_worth_a_fetch(setup, payload_segment)
            refuse_if_newest(trusted, snapshot, header, monotonic)
            asking = newer_keys(trusted, snapshot, monotonic)
            return _verify_asking(setup, presented, trusted, asking, now, monotonic, True)
        if known_header is None:
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


def _verify_resolved(setup: Setup, presented: Presented, name: str, now: float, monotonic: float) -> Flow[Verified]:
    """Once its issuer, which is in no list, has been looked up."""
    trusted = yield from resolved_issuer(setup, name, monotonic)
    return (yield from settled(verify(setup, presented, now, monotonic, trusted)))


def _verify_asking(  # noqa: PLR0917 - what `verify` begins again with
    setup: Setup, presented: Presented, trusted: Trusted, asking: Flow[object], now: float, monotonic: float,
    renewed: bool,
) -> Flow[Verified]:  # fmt: skip
    """Once the issuer's keys have been asked for."""
    try:
        yield from asking
    except (Denied, Unavailable) as refusal:
        refusal.issuer = trusted.config.issuer
        raise
    return (yield from settled(verify(setup, presented, now, monotonic, trusted, True, renewed)))


def _check_worth_a_fetch(setup: Setup, payload_segment: bytes) -> None:
    """Before asking an issuer for new keys: does the token at least say that it is from a configured one?"""
    if setup.only is not None:
        _, claims = jws.read_payload(payload_segment, setup.limits)
        find_issuer(setup, claims)
