"""From a header to a signature that holds: the keys at hand, and newer ones where those are not enough.

Shared by access tokens and by an issuer's other signed answers.
"""

from __future__ import annotations

from tokenguard.core.algorithms import Verifier
from tokenguard.core.effects import AnswerFailed, Flow, RefreshKeys
from tokenguard.core.jws import Header
from tokenguard.core.keys import MAX_CANDIDATES, KeySnapshot
from tokenguard.core.trust import Trusted
from tokenguard.errors import InvalidToken, Reason, Unavailable


def verify_signature(
    trusted: Trusted, header: Header, signing_input: bytes, signature: bytes, monotonic: float
) -> Flow[None]:
    """Return if one of the issuer's keys made the signature. Raises `InvalidToken` or `Unavailable`.

    For what an issuer signs beside access tokens; those take the same steps with their memory of settled headers.
    """
    snapshot = trusted.keys.snapshot
    if monotonic >= snapshot.refresh_at:
        snapshot = yield from usable_keys(trusted, snapshot, monotonic)
    if not is_signed(signing_input, signature, candidates(header, snapshot), header):
        refuse_if_newest(trusted, snapshot, header, monotonic)
        snapshot = yield from newer_keys(trusted, snapshot, monotonic)
        if not is_signed(signing_input, signature, candidates(header, snapshot), header):
            raise no_key(header, snapshot)


def is_signed(signing_input: bytes, signature: bytes, verifiers: tuple[Verifier, ...], header: Header) -> bool:
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


def candidates(header: Header, snapshot: KeySnapshot) -> tuple[Verifier, ...]:
    """The keys at hand that the header may mean."""
    return snapshot.keys.verifiers(header.alg, header.kid) if snapshot.keys is not None else ()


def usable_keys(trusted: Trusted, snapshot: KeySnapshot, monotonic: float) -> Flow[KeySnapshot]:
    """The issuer's keys when a refresh is due: asks for it, and waits only if the keys at hand must not serve."""
    must_wait = monotonic >= snapshot.stale_at
    if must_wait:
        _check_cooldown(trusted, snapshot, monotonic)
    yield from _refresh(trusted, wait=must_wait)
    return trusted.keys.snapshot


def refuse_if_newest(trusted: Trusted, snapshot: KeySnapshot, header: Header, monotonic: float) -> None:
    """Refuses a header for which no key is known, where a fetch would tell nothing new."""
    # Only a fetch that succeeded a moment ago proves that the key does not exist: otherwise a rotation during an
    # outage would log everybody out.
    if monotonic < snapshot.fetched_at + trusted.config.keys.cooldown:
        raise no_key(header, snapshot)


def newer_keys(trusted: Trusted, snapshot: KeySnapshot, monotonic: float) -> Flow[KeySnapshot]:
    """Keys fetched because those at hand won't do; ask `refuse_if_newest` first."""
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
        yield RefreshKeys(trusted.keys, wait)
    except AnswerFailed as failure:
        unavailable = Unavailable(Reason.KEYS_UNAVAILABLE, f"the keys can't be fetched: {failure}")
        raise unavailable.after(trusted.config.keys.cooldown) from None


def no_key(header: Header, snapshot: KeySnapshot) -> InvalidToken:
    """The refusal where no key made the signature."""
    if candidates(header, snapshot):
        return InvalidToken(
            Reason.BAD_SIGNATURE, f"no kid, and none of the first {MAX_CANDIDATES} keys for this alg made the signature"
        )
    if snapshot.keys is not None and snapshot.keys.has_key_id(header.kid):
        return InvalidToken(Reason.UNSUPPORTED_ALGORITHM, "the key that kid names is not for this alg")
    return InvalidToken(Reason.UNKNOWN_KEY, "no key with that kid is published; a new one is seen after a refresh")
