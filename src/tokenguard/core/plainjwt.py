"""Profile "jwt": how the access tokens of issuers that do not mark them (RFC 9068) are told from ID tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tokenguard.config import ID_TOKEN_CLAIMS, Issuer
from tokenguard.core.mapped import holds
from tokenguard.errors import InvalidToken, Reason

#: by default: an access token has one of these, an ID token none of them
_ACCESS_TOKEN_CLAIMS = frozenset({"scope", "scp", "client_id", "cid", "appid"})


def check_separator(claims: Mapping[str, Any], config: Issuer) -> None:
    """Tell an access token from an ID token where typ does not (RFC 8725 3.12)."""
    if config.separator is not None:
        for name, value in config.separator.items():
            if not holds(claims, name, value):
                raise InvalidToken(Reason.WRONG_TYPE, f"Issuer.separator demands the claim {name}")
    elif _ACCESS_TOKEN_CLAIMS.isdisjoint(claims):
        raise InvalidToken(Reason.WRONG_TYPE, _looks_like_id_token("none", _ACCESS_TOKEN_CLAIMS))
    id_token_claims = config.id_token_claims
    if id_token_claims is None:
        id_token_claims = ID_TOKEN_CLAIMS if config.separator is None else frozenset()
    if not claims.keys().isdisjoint(id_token_claims):
        raise InvalidToken(Reason.WRONG_TYPE, _looks_like_id_token("one", id_token_claims))


def _looks_like_id_token(how_many: str, names: Collection[str]) -> str:
    return f"{how_many} of {', '.join(sorted(names))} is there: an ID token? (see Issuer.separator)"
