"""Profile "jwt": what many issuers send instead of RFC 9068, and how their access tokens are told from ID tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenguard.config import Issuer
from tokenguard.core.forms import claim_text, malformed, split_scopes
from tokenguard.errors import InvalidToken, Reason

#: where such tokens carry the client, by how specific the name is
_CLIENT_CLAIMS = ("client_id", "azp", "cid", "appid")
#: where they carry scopes
_SCOPE_CLAIMS = ("scope", "scp")
#: by default: an access token has one of these, an ID token none of them ...
_ACCESS_TOKEN_CLAIMS = frozenset({"scope", "scp", "client_id", "cid", "appid"})
#: ... and these are an ID token's alone (OpenID Connect Core 2, 3.1.3.6, 3.3.2.11)
_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})


def check_separator(claims: Mapping[str, Any], config: Issuer) -> None:
    """Tell an access token from an ID token where typ does not (RFC 8725 3.12)."""
    if config.separator is not None:
        for name, value in config.separator.items():
            if name not in claims or (value is not None and claims[name] != value):
                raise InvalidToken(Reason.WRONG_TYPE, f"Issuer.separator demands the claim {name}")
        return
    if _ACCESS_TOKEN_CLAIMS.isdisjoint(claims):
        raise InvalidToken(Reason.WRONG_TYPE, _looks_like_id_token("none", _ACCESS_TOKEN_CLAIMS))
    if not _ID_TOKEN_CLAIMS.isdisjoint(claims):
        raise InvalidToken(Reason.WRONG_TYPE, _looks_like_id_token("one", _ID_TOKEN_CLAIMS))


def client_of(claims: Mapping[str, Any]) -> str | None:
    """The client, under whichever name."""
    return next((claim_text(claims, name) for name in _CLIENT_CLAIMS if name in claims), None)


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes: a string or an array, under either name."""
    for name in _SCOPE_CLAIMS:
        value = claims.get(name)
        if isinstance(value, str):
            return split_scopes(value)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return frozenset(value)
        if name in claims:
            raise malformed(f"{name} must be a string of scopes, or an array of strings")
    return frozenset()


def _looks_like_id_token(how_many: str, names: frozenset[str]) -> str:
    return f"{how_many} of {', '.join(sorted(names))} is there: an ID token? (see Issuer.separator)"
