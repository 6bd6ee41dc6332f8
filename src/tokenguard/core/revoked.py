"""Does a verified token still count? The store is asked as it can be, and the policy decides where it can't tell."""

from __future__ import annotations

from tokenguard.core.effects import AnswerFailed, AskRemotely, FindRevocation, Flow
from tokenguard.core.model import AccessToken, Verified
from tokenguard.core.revocation import Lookup, Revocation, WhenUnknown
from tokenguard.errors import InvalidToken, Reason, Unavailable


def admit(
    lookup: Lookup, verified: Verified, now: float, *, live: bool, when_unknown: WhenUnknown | None
) -> Flow[AccessToken]:
    """The token as it is handed out, unless it is revoked.

    `live`: the store itself is asked, where it can be, and nothing is let in of which it can't tell. `when_unknown`:
    the route's policy in place of the guard's.
    """
    find = lookup.find
    try:
        if find is None or (live and lookup.can_ask):
            found = yield FindRevocation(verified, now)
        else:
            try:
                found = find(verified, now)
            except AskRemotely:
                if not lookup.can_ask:
                    raise
                found = yield FindRevocation(verified, now)
        if found is not None and not isinstance(found, Revocation):
            raise AnswerFailed(f"the store answered with a {type(found).__name__}")
    except Exception as error:  # a store may be anyone's: anything may come
        failure = error if isinstance(error, AnswerFailed) else AnswerFailed(f"the store raised {type(error).__name__}")
        if live or (when_unknown or lookup.when_unknown) != "open":
            raise _unavailable(verified, failure) from None
        lookup.alarm(verified, str(failure))
        return AccessToken(verified, unconfirmed=True)
    if found is not None:
        raise _revoked(verified, found)
    return AccessToken(verified)


def admit_known(lookup: Lookup, verified: Verified, now: float) -> AccessToken | None:
    """The token, where the store says from memory that it is not revoked; whatever else comes is for `admit`."""
    find = lookup.find
    if find is None:
        return None
    try:
        found = find(verified, now)
    except Exception:  # a store may be anyone's: anything may come
        return None
    return AccessToken(verified) if found is None else None


def _revoked(verified: Verified, found: Revocation) -> InvalidToken:
    refusal = InvalidToken(Reason.REVOKED, f"by a revocation of its {found.level}")
    refusal.concerns(verified.issuer, verified.client_id, verified.id)
    refusal.level = str(found.level)
    return refusal


def _unavailable(verified: Verified, failure: AnswerFailed) -> Unavailable:
    hint = f"whether it is revoked can't be told: {failure} (see when_revocations_unknown)"
    unavailable = Unavailable(Reason.REVOCATIONS_UNAVAILABLE, hint)
    unavailable.concerns(verified.issuer, verified.client_id, verified.id)
    return unavailable.after(failure.retry_after)
