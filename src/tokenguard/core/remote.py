"""Tokens about which their issuer is asked: which ones, whom, and what its answer lets in (RFC 7662)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from tokenguard.core import jws
from tokenguard.core.claims import check_now, run_checks
from tokenguard.core.effects import AnswerFailed, Flow, Introspect, Outcome
from tokenguard.core.model import Verified
from tokenguard.core.revocation import fingerprint
from tokenguard.core.tenants import resolved_issuer
from tokenguard.core.trust import Introspecting, Setup, Trusted, find_issuer, listed_issuer
from tokenguard.errors import ConfigurationError, Denied, InvalidToken, Reason, Unavailable

# what RFC 6750 2.1 lets a token be made of; nothing else is worth a question
_TOKEN = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")


def introspecting(issuers: Iterable[Trusted]) -> Introspecting | None:
    """Whom to ask about opaque tokens; None where nobody is. Chosen by prefix, never by trying one after the other."""
    by_prefix: dict[bytes, Trusted] = {}
    takes_jwts = False
    for trusted in issuers:
        settings = trusted.config.introspection
        if settings is None:
            continue
        takes_jwts = takes_jwts or settings.mode in {"every", "opaque"}
        if settings.mode == "live":
            continue
        prefix = settings.prefix.encode()
        if prefix in by_prefix:
            raise ConfigurationError(
                f"Introspection.prefix of {trusted.config.issuer} and {by_prefix[prefix].config.issuer} is the same: "
                "nothing tells their opaque tokens apart"
            )
        by_prefix[prefix] = trusted
    if not by_prefix:
        return None
    return Introspecting(tuple(sorted(by_prefix.items(), key=lambda item: -len(item[0]))), takes_jwts)


def whom_to_ask(setup: Setup, chosen: Introspecting, received: bytes) -> Trusted | None:
    """The issuer that must be asked who this token is; None for a JWT to check locally."""
    if not jws.is_signed(received):
        return _by_prefix(chosen, received)
    if not chosen.takes_jwts:
        return None
    # iss chooses whom to ask, and nothing else is believed of what nobody has verified; another issuer's token is not
    # shown to this one
    claims = jws.read_payload(jws.split(received)[2], setup.limits)[1]
    if setup.tenants is not None and listed_issuer(setup, claims) is None:
        return None  # one that is looked up is never asked in place of a local check
    trusted = find_issuer(setup, claims)
    mode = trusted.config.introspection.mode if trusted.config.introspection is not None else "both"
    if mode == "opaque":
        raise InvalidToken(Reason.WRONG_TYPE, 'a JWT, and Introspection.mode of its issuer is "opaque"')
    return trusted if mode == "every" else None


def _by_prefix(chosen: Introspecting, received: bytes) -> Trusted:
    if not _TOKEN.fullmatch(received):
        raise InvalidToken(Reason.MALFORMED_TOKEN, "characters that no token has (RFC 6750 2.1)")
    for prefix, trusted in chosen.by_prefix:
        if received.startswith(prefix):
            return trusted
    raise InvalidToken(Reason.UNKNOWN_ISSUER, "an opaque token that begins with no configured Introspection.prefix")


def verify_remotely(
    setup: Setup, trusted: Trusted, received: bytes, now: float, *, live: bool = False
) -> Flow[Verified]:
    """A token that its issuer vouches for, and every check of the token that one verified locally gets."""
    try:
        outcome = yield from _ask(trusted, received, live=live)
        verified = outcome.verified
        if verified is None:
            raise InvalidToken(outcome.reason, outcome.hint)
        check_now(verified, now, setup.leeway)
        if trusted.config.checks:
            run_checks(json.loads(verified.payload), trusted.config)
    except (Denied, Unavailable) as refusal:
        refusal.issuer = trusted.config.issuer
        raise
    # the answer is shared by all who asked, and names no token
    return verified if verified.id is not None else verified._replace(fingerprint=fingerprint(received))


def confirm_live(setup: Setup, verified: Verified, received: bytes, monotonic: float) -> Flow[None]:
    """Ask the issuer now about a JWT that was verified locally: does it still count?

    Where it can't be asked, the store of revocations must be one that can be: `admit` then asks that.
    """
    name = verified.configured
    try:
        trusted = setup.issuers.get(name) or (yield from resolved_issuer(setup, name, monotonic))
        if trusted.answers is None and setup.revocations.can_ask:
            return
        outcome = yield from _ask(trusted, received, live=True)
        if not outcome.active:
            raise InvalidToken(outcome.reason, outcome.hint)
    except (Denied, Unavailable) as refusal:
        refusal.concerns(verified.issuer, verified.client_id, verified.id)
        raise


def _ask(trusted: Trusted, received: bytes, *, live: bool) -> Flow[Outcome]:
    answers = trusted.answers
    if answers is None:
        raise Unavailable(
            Reason.LIVE_CHECK_UNAVAILABLE,
            "Requirement(live=True): Issuer.introspection of this issuer is not set, and the store of revocations is "
            "none that can be asked",
        )
    digest = hashlib.sha256(received).digest()
    if not live:
        known = answers.recall(digest)
        if known is not None:
            return known
    try:
        outcome: Outcome = yield Introspect(answers, received.decode("ascii"), digest, fresh=live)
    except AnswerFailed as failure:
        unavailable = Unavailable(Reason.INTROSPECTION_UNAVAILABLE, f"the issuer can't be asked: {failure}")
        raise unavailable.after(failure.retry_after) from None
    return outcome
