"""The claims of a token whose signature held: their form (RFC 9068 2.2), then their meaning (RFC 9068 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from sys import intern
from typing import Any

from tokenguard.config import Issuer
from tokenguard.core.model import Verified
from tokenguard.core.trust import Trusted
from tokenguard.errors import Denied, InvalidToken, Reason, Unavailable

#: where plain JWTs carry the client, by how specific the name is; RFC 9068 tokens have client_id alone
_CLIENT_CLAIMS = ("client_id", "azp", "cid", "appid")
#: where plain JWTs carry scopes, as a string or an array
_SCOPE_CLAIMS = ("scope", "scp")
#: profile "jwt", by default: an access token has one of these, an ID token none of them ...
_ACCESS_TOKEN_CLAIMS = frozenset({"scope", "scp", "client_id", "cid", "appid"})
#: ... and these are an ID token's alone (OpenID Connect Core 2, 3.1.3.6, 3.3.2.11)
_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})

#: a NumericDate's types; not bool, which is an int to isinstance
_NUMBERS = frozenset({int, float})


def read_claims(claims: dict[str, Any], payload: bytes, trusted: Trusted, generation: int) -> Verified:
    """The claims in their right types, for us, from this issuer. Does not look at the clock."""
    config = trusted.config
    strict = config.profile == "rfc9068"
    # the key that verified the token is this issuer's, so the token must be too (RFC 9068 4, RFC 8725 3.8)
    if claims.get("iss") != config.issuer:
        raise InvalidToken(Reason.UNKNOWN_ISSUER, f"iss is not {config.issuer} (compared exactly)")
    if not strict:
        _check_separator(claims, config)
    audience = _audience(claims, trusted)
    expires_at = _time(claims, "exp")
    issued_at = _time(claims, "iat") if strict or config.max_lifetime is not None or "iat" in claims else None
    if issued_at is not None and issued_at > expires_at:
        raise _malformed("iat is after exp")
    if config.max_lifetime is not None and issued_at is not None and expires_at - issued_at > config.max_lifetime:
        raise InvalidToken(Reason.LIFETIME_TOO_LONG, f"Issuer.max_lifetime is {config.max_lifetime}")
    if not _OPTIONAL_FORMS.keys().isdisjoint(claims):
        _check_optional(claims)
    client_id = _text(claims, "client_id", required=True) if strict else _first_text(claims, _CLIENT_CLAIMS)
    # by position: by name it would cost more than the checks above
    return Verified(
        config.issuer,
        _text(claims, "sub", required=strict),
        client_id and intern(client_id),  # the cache holds many tokens of few clients
        audience,
        _scopes(claims, strict=strict),
        _text(claims, "jti", required=strict),
        expires_at,
        issued_at,
        _time(claims, "nbf") if "nbf" in claims else None,
        _time(claims, "auth_time") if "auth_time" in claims else None,
        _text(claims, "acr"),
        "cnf" in claims,
        payload,
        generation,
    )


def check_times(verified: Verified, now: float, leeway: float) -> None:
    """Is this the time to use the token? `now` in epoch seconds."""
    # now must be before exp (RFC 7519 4.1.4)
    if now >= verified.expires_at + leeway:
        raise InvalidToken(Reason.EXPIRED, f"exp has passed; leeway is {leeway}")
    # and not before nbf (RFC 7519 4.1.5)
    if verified.not_before is not None and now < verified.not_before - leeway:
        raise InvalidToken(Reason.NOT_YET_VALID, f"nbf is ahead of our clock; leeway is {leeway}")
    # no standard speaks of an iat to come; it means a clock is wrong
    if verified.issued_at is not None and now < verified.issued_at - leeway:
        raise InvalidToken(Reason.ISSUED_IN_FUTURE, f"iat is ahead of our clock; leeway is {leeway}")


def check_binding(verified: Verified) -> None:
    """A token with `cnf` is bound to a sender, and nothing here can tell who that is (RFC 7800 3.1)."""
    if verified.is_bound:
        raise InvalidToken(
            Reason.NOT_BOUND, "the token has cnf (DPoP or mutual TLS), and nothing is set up to confirm it"
        )


def run_checks(claims: Mapping[str, Any], config: Issuer) -> None:
    """The issuer's own checks; a check that stumbles is our fault, not the caller's."""
    for check in config.checks:
        name = getattr(check, "__name__", type(check).__name__)
        try:
            accepted = check(claims)
        except (Denied, Unavailable):
            raise
        except Exception as cause:  # the check is the deployment's code: anything may come
            raise Unavailable(
                Reason.CHECK_FAILED, f"the check {name} in Issuer.checks raised {type(cause).__name__}"
            ) from None
        if accepted is not True:
            raise InvalidToken(Reason.CLAIM_REFUSED, f"the check {name} in Issuer.checks did not answer True")


def _check_separator(claims: Mapping[str, Any], config: Issuer) -> None:
    """Tell an access token from an ID token where typ does not (RFC 8725 3.12)."""
    if config.separator is not None:
        for name, value in config.separator.items():
            if name not in claims or (value is not None and claims[name] != value):
                raise InvalidToken(Reason.WRONG_TYPE, f"Issuer.separator demands the claim {name}")
        return
    if _ACCESS_TOKEN_CLAIMS.isdisjoint(claims):
        raise InvalidToken(
            Reason.WRONG_TYPE,
            f"none of {', '.join(sorted(_ACCESS_TOKEN_CLAIMS))} is there: an ID token? (see Issuer.separator)",
        )
    if not _ID_TOKEN_CLAIMS.isdisjoint(claims):
        raise InvalidToken(
            Reason.WRONG_TYPE,
            f"one of {', '.join(sorted(_ID_TOKEN_CLAIMS))} is there: an ID token? (see Issuer.separator)",
        )


def _audience(claims: Mapping[str, Any], trusted: Trusted) -> tuple[str, ...]:
    # a string or an array of strings, one of them ours to the code point (RFC 7519 4.1.3, RFC 9068 4)
    if "aud" not in claims:
        raise _missing("aud")
    value = claims["aud"]
    if isinstance(value, str):
        audience = _one_audience(value)
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        audience = tuple(value)
    else:
        raise _malformed("aud must be a string or an array of strings")
    if trusted.audiences.isdisjoint(audience):
        raise InvalidToken(
            Reason.WRONG_AUDIENCE, f"aud names none of: {', '.join(sorted(trusted.audiences))} (compared exactly)"
        )
    return audience


def _scopes(claims: Mapping[str, Any], *, strict: bool) -> frozenset[str]:
    for name in ("scope",) if strict else _SCOPE_CLAIMS:
        if name not in claims:
            continue
        value = claims[name]
        if isinstance(value, str):
            return _split_scopes(value)
        if not strict and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return frozenset(value)
        raise _malformed(f"{name} must be a string of scopes" + ("" if strict else ", or an array of strings"))
    return frozenset()


# shared between the many tokens that have the same
@lru_cache(maxsize=1024)
def _split_scopes(scope: str) -> frozenset[str]:
    return frozenset(scope.split(" ")) - {""}


@lru_cache(maxsize=1024)
def _one_audience(value: str) -> tuple[str, ...]:
    return (value,)


def _check_optional(claims: Mapping[str, Any]) -> None:
    """Claims that may be absent, but not of another form: a wrong one could be read as none."""
    for name, (fits, form) in _OPTIONAL_FORMS.items():
        if name in claims and not fits(claims[name]):
            raise _malformed(f"{name} must be {form}")


def _is_details(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("type"), str) for entry in value
    )


_OPTIONAL_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "cnf": (lambda value: isinstance(value, dict), "an object"),  # RFC 7800 3.1
    "act": (lambda value: isinstance(value, dict), "an object"),  # RFC 8693 4.1
    "may_act": (lambda value: isinstance(value, dict), "an object"),  # RFC 8693 4.4
    "authorization_details": (_is_details, "an array of objects with a type"),  # RFC 9396 9.1
}


def _time(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate that must be there: a JSON number (RFC 7519 2)."""
    if name not in claims:
        raise _missing(name)
    value = claims[name]
    if type(value) not in _NUMBERS:
        raise _malformed(f"{name} must be a number")
    try:
        return float(value)
    except OverflowError:
        raise _malformed(f"{name} is out of range") from None


def _text(claims: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    """A claim that is a non-empty string, or absent where it is not required."""
    if name not in claims:
        if required:
            raise _missing(name)
        return None
    value = claims[name]
    if not isinstance(value, str) or not value:
        raise _malformed(f"{name} must be a non-empty string")
    return value


def _first_text(claims: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((_text(claims, name) for name in names if name in claims), None)


def _missing(name: str) -> InvalidToken:
    return InvalidToken(Reason.MISSING_CLAIM, f'{name} is missing (profile="jwt" requires fewer claims)')


def _malformed(hint: str) -> InvalidToken:
    return InvalidToken(Reason.MALFORMED_CLAIMS, hint)
