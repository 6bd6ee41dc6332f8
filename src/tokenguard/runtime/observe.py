"""What an operator sees: log records for refusals and for keys.

Loggers: `tokenguard` (refusals: INFO for the caller's fault, WARNING for ours, DEBUG where there was no token, which an
optional route forgives), `tokenguard.keys`, `tokenguard.introspection`, `tokenguard.issuers`, `tokenguard.revocations`
(`stores/replica.py`), and `tokenguard.audit`: revocations made (INFO), tokens refused because of one (INFO), and tokens
let in although nobody could tell (ERROR); docs/operations.md lists them. Each record of a refusal has the fields as
`record.tokenguard`, a dict: reason, issuer, client_id, jti, token (a SHA-256 prefix), request_id, hint. Never a token;
claim values only after the signature held, and of these only client_id and jti.
A record of the audit has event, issuer, level, client_id and jti there, and a SHA-256 prefix of any other value.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenguard.core.keys import KeySet
from tokenguard.core.model import Verified
from tokenguard.core.revocation import Level, Revocation
from tokenguard.errors import Denied, MissingToken, Unavailable

_refusals = logging.getLogger("tokenguard")
_keys = logging.getLogger("tokenguard.keys")
_introspection = logging.getLogger("tokenguard.introspection")
_audit = logging.getLogger("tokenguard.audit")
#: the level of what is done and of what is refused; what is let in all the same is an error
_AUDIT = logging.INFO
_issuers = logging.getLogger("tokenguard.issuers")
#: characters of any value that a caller or issuer chose
_MAX_VALUE = 128


def wants(error: Denied | Unavailable) -> bool:
    """Would a record of this refusal be kept? Asked first, since what goes into it costs time."""
    return _refusals.isEnabledFor(_level(error)) or (error.level is not None and _audit.isEnabledFor(_AUDIT))


def refused(error: Denied | Unavailable, *, token: str | None, request_id: str | None) -> None:
    """One request was not let in."""
    fields = {
        "reason": str(error.reason),
        "issuer": error.issuer,
        "client_id": _shown(error.client_id),
        "jti": _shown(error.token_id),
        "token": fingerprint(token),
        "request_id": _shown(request_id),
        "hint": error.hint,
    }
    text = " ".join(f"{name}={value}" for name, value in fields.items() if value and name not in {"reason", "hint"})
    _refusals.log(
        _level(error), "refused: %s: %s [%s]", error.reason, error.hint or error.description, text,
        extra={"tokenguard": fields},
    )  # fmt: skip
    if error.level is not None:
        names = ("issuer", "client_id", "jti", "token", "request_id")
        _record("revoked_token_refused", {name: fields[name] for name in names} | {"level": error.level})


def revoked(revocations: Iterable[Revocation]) -> None:
    """Revocations were made: each is an event of its own."""
    if not _audit.isEnabledFor(_AUDIT):
        return
    for revocation in revocations:
        named = revocation.value
        fields: dict[str, object] = {"issuer": revocation.issuer, "level": str(revocation.level)}
        if revocation.level is Level.CLIENT:
            fields["client_id"] = _shown(named)
        elif revocation.level is Level.TOKEN:
            fields["jti"] = _shown(named)
        elif named:
            fields["value"] = fingerprint(named)
        _record("revoked", fields | {"before": revocation.before, "until": revocation.until})


def let_in_unconfirmed(verified: Verified, failure: str) -> None:
    """Nobody could tell whether a token is revoked, and the policy is to let it in."""
    fields = {"issuer": verified.issuer, "client_id": _shown(verified.client_id), "jti": _shown(verified.id)}
    _record("let_in_unconfirmed", fields | {"failure": failure}, logging.ERROR)


def _record(event: str, fields: Mapping[str, object], level: int = _AUDIT) -> None:
    text = " ".join(f"{name}={value}" for name, value in fields.items() if value)
    _audit.log(level, "%s: %s", event, text, extra={"tokenguard": {"event": event, **fields}})


def keys_changed(issuer: str, keys: KeySet) -> None:
    """An issuer's keys are new, or others than before."""
    _keys.info("%s: %d usable keys", issuer, keys.count)
    for reason in keys.skipped:
        _keys.warning("%s: a published key is not used: %s", issuer, reason)


def keys_not_fetched(issuer: str, failure: str, *, serving: bool) -> None:
    """A refresh failed."""
    consequence = "the last good keys serve" if serving else "its tokens get 503"
    _keys.warning("%s: keys not fetched: %s; %s", issuer, failure, consequence)


def not_introspected(issuer: str, failure: str) -> None:
    """A question about a token got no answer."""
    _introspection.warning("%s: not asked about a token: %s; it gets 503", issuer, failure)


def circuit_opened(issuer: str, failures: int, cooldown: float) -> None:
    """Questions in a row got no answer."""
    _introspection.error("%s: %d questions in a row failed; not asked for %s s", issuer, failures, cooldown)


def circuit_closed(issuer: str) -> None:
    """The issuer answers again."""
    _introspection.warning("%s: answers again", issuer)


def issuer_added(issuer: str) -> None:
    """It is trusted from now on."""
    _issuers.info("%s: added", issuer)


def issuer_removed(issuer: str) -> None:
    """It is trusted no more, or looked up again."""
    _issuers.info("%s: removed", issuer)


def not_resolved(failure: str) -> None:
    """A look-up got no answer. Of which name is not said: it is out of a token that nobody has verified."""
    _issuers.warning("an issuer was not looked up: %s; its tokens get 503", failure)


def unforeseen(error: Exception) -> str:
    """What an operator is told of an error that nobody expected: its place; its text may hold anything."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"unforeseen {type(error).__name__} in {place.name} ({Path(place.filename).name}:{place.lineno})"


def fingerprint(token: str | None) -> str | None:
    """Enough of a token's SHA-256 to find it again, too little to be of use."""
    if token is None:
        return None
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _level(error: Denied | Unavailable) -> int:
    if isinstance(error, MissingToken):
        return logging.DEBUG
    return logging.INFO if isinstance(error, Denied) else logging.WARNING


def _shown(value: str | None) -> str | None:
    """Someone else's text, made safe for a log line: capped, and escaped, so that it starts no line and no field."""
    if value is None:
        return None
    return value[:_MAX_VALUE].encode("unicode_escape").decode("ascii").replace(" ", r"\x20")
