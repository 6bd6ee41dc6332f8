"""The claims of a token whose signature held: their form (RFC 9068 2.2), then their meaning (RFC 9068 4)."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from tokenguard.config import DEFAULT_NAMES, TENANT_PLACE, Issuer
from tokenguard.core.confirmation import read_binding
from tokenguard.core.forms import (
    NUMBERS,
    OPTIONAL,
    check_optional,
    list_of_text,
    malformed,
    one_audience,
    split_scopes,
    unfit,
)
from tokenguard.core.mapped import audience_of, check_mapped, client_of, one_text, scopes_of
from tokenguard.core.model import Verified
from tokenguard.core.plainjwt import check_separator
from tokenguard.core.trust import Trusted, tenants_issuer
from tokenguard.errors import InvalidToken, Reason, Unavailable

_new = tuple.__new__


def read_claims(  # noqa: PLR0912 - a branch a claim
    claims: dict[str, Any], payload: bytes, trusted: Trusted, generation: int, *, introspected: bool = False
) -> Verified:
    """The claims in their right types, for us, from this issuer. Does not look at the clock.

    `introspected`: the issuer said them when asked, so that no profile of JWTs holds (RFC 7662 2.2).

    What every token has is checked in place, not in a function a claim: right after a signature check the processor's
    caches hold other code, and each call costs three times what it does elsewhere (benchmarks/README.md).
    """
    config, get = trusted.config, claims.get
    names = config.claims
    issuer: str | None = config.issuer
    has_own_names = names is not DEFAULT_NAMES
    is_rfc9068 = config.profile == "rfc9068" and not introspected
    # the key that verified the token is this issuer's, so the token must be too (RFC 9068 4, RFC 8725 3.8)
    if has_own_names and TENANT_PLACE in config.issuer:
        issuer = intern(tenants_issuer(config, claims) or "") or None  # the cache holds many tokens of few tenants
    if issuer is None or get("iss") != issuer:
        raise InvalidToken(Reason.UNKNOWN_ISSUER, f"iss is not {config.issuer} (compared exactly)")
    if not is_rfc9068 and not introspected:
        check_separator(claims, config)
    # a string or an array of strings, one of them ours to the code point (RFC 7519 4.1.3, RFC 9068 4)
    audience = get("aud")
    if has_own_names and names.audience is not None and not introspected:
        audience = audience_of(claims, names.audience)
    else:
        audience = one_audience(audience) if type(audience) is str else list_of_text(claims, "aud")
    if trusted.audiences.isdisjoint(audience):
        raise InvalidToken(
            Reason.WRONG_AUDIENCE, f"aud names none of: {', '.join(sorted(trusted.audiences))} (compared exactly)"
        )
    # numbers, and not booleans (RFC 7519 2, 4.1.4, 4.1.6); a JSON integer may be larger than any float
    expires_at: Any = get("exp")
    issued_at: Any = get("iat")
    if type(expires_at) not in NUMBERS:
        raise unfit(claims, "exp", "a number")
    if type(issued_at) not in NUMBERS and (is_rfc9068 or "iat" in claims or config.max_lifetime is not None):
        raise unfit(claims, "iat", "a number")
    try:
        expires_at = float(expires_at)
        issued_at = None if issued_at is None else float(issued_at)
    except OverflowError:
        raise malformed("exp or iat is out of range") from None
    if config.max_lifetime is not None and issued_at is not None and expires_at - issued_at > config.max_lifetime:
        raise InvalidToken(Reason.LIFETIME_TOO_LONG, f"Issuer.max_lifetime is {config.max_lifetime}")
    # non-empty strings; RFC 9068 2.2 requires them
    subject, token_id, client_id = get("sub"), get("jti"), get("client_id")
    if (type(subject) is not str or not subject) and (is_rfc9068 or "sub" in claims):
        raise unfit(claims, "sub", "a non-empty string")
    if (type(token_id) is not str or not token_id) and (is_rfc9068 or "jti" in claims):
        raise unfit(claims, "jti", "a non-empty string")
    if is_rfc9068:
        if type(client_id) is not str or not client_id:
            raise unfit(claims, "client_id", "a non-empty string")
        scope = get("scope", "")
        if type(scope) is not str:
            raise malformed("scope must be a string of scopes")
        scopes = split_scopes(scope)
    else:
        client_id, scopes = (
            client_of(claims, names, introspected=introspected),
            scopes_of(claims, names, introspected=introspected),
        )
    if has_own_names:
        check_mapped(claims, names)
    if not OPTIONAL.keys().isdisjoint(claims):
        check_optional(claims)
    return _new(  # a third of the cost of Verified(...)
        Verified,
        (
            issuer,
            subject,
            client_id and intern(client_id),  # the cache holds many tokens of few clients
            audience,
            scopes,
            token_id,
            expires_at,
            issued_at,
            get("nbf"),
            get("auth_time"),
            get("acr"),
            read_binding(claims["cnf"]) if "cnf" in claims else None,
            payload,
            generation,
            config.issuer,
            names,
            get("sid") if not has_own_names or names.session is None else one_text(claims, names.session),
            None,
            None,
        ),
    )


def check_now(verified: Verified, now: float, leeway: float) -> None:
    """What can change between two requests with the same token. `now` in epoch seconds."""
    expires_at, issued_at, not_before = verified.expires_at, verified.issued_at, verified.not_before
    # now must be before exp (RFC 7519 4.1.4)
    if now >= expires_at + leeway:
        raise _refusal(verified, Reason.EXPIRED, f"exp has passed; leeway is {leeway}")
    # and not before nbf (RFC 7519 4.1.5)
    if not_before is not None and now < not_before - leeway:
        raise _refusal(verified, Reason.NOT_YET_VALID, f"nbf is ahead of our clock; leeway is {leeway}")
    if issued_at is not None:
        # no standard speaks of an iat to come; it means a clock is wrong
        if now < issued_at - leeway:
            raise _refusal(verified, Reason.ISSUED_IN_FUTURE, f"iat is ahead of our clock; leeway is {leeway}")
        # here and not where claims are read, so that a token expired before it was issued is called expired
        if issued_at > expires_at:
            raise _refusal(verified, Reason.MALFORMED_CLAIMS, "iat is after exp")


def _refusal(verified: Verified, reason: Reason, hint: str) -> InvalidToken:
    refusal = InvalidToken(reason, hint)
    refusal.concerns(verified.issuer, verified.client_id, verified.id)
    return refusal


def run_checks(claims: Mapping[str, Any], config: Issuer) -> None:
    """The issuer's own checks; a check that stumbles is our fault, not the caller's."""
    for check in config.checks:
        name = getattr(check, "__name__", type(check).__name__)
        try:
            accepted = check(claims)
        except Exception as cause:  # the check is the deployment's code: anything may come
            raise Unavailable(
                Reason.CHECK_FAILED, f"the check {name} in Issuer.checks raised {type(cause).__name__}"
            ) from None
        if accepted is not True:
            raise InvalidToken(Reason.CLAIM_REFUSED, f"the check {name} in Issuer.checks did not answer True")
