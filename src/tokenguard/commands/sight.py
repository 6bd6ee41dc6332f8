"""What each stage of the pipeline has before it, in words. Decides nothing: the guard does that."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tokenguard.commands.anatomy import Anatomy
from tokenguard.commands.wording import difference, from_now, moment, shown
from tokenguard.config import Issuer, Limits


@dataclass(frozen=True, slots=True)
class Case:
    """A token and what it is judged by. `leeway`: seconds; `now`: epoch seconds."""

    token: str
    anatomy: Anatomy
    config: Issuer
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    limits: Limits
    leeway: float
    now: float

    @property
    def header(self) -> Mapping[str, Any]:
        """The header as far as it can be read."""
        return self.anatomy.header or {}

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims as far as they can be read, whoever wrote them."""
        return self.anatomy.claims or {}


_WHO = ("sub", "client_id", "azp", "cid", "appid", "jti", "acr")
#: seconds, about the age of the universe: beyond it nothing can be said
_END_OF_TIME = 4e17
#: what a time that is past means, and one that is to come
_TENSES = {
    "exp": ("expired", "expires"),
    "nbf": ("valid since", "not valid until"),
    "iat": ("issued", "issued"),
    "auth_time": ("user logged in", "user logged in"),
}
_SCOPE_CLAIMS = ("scope", "scp")
_SHOWN_ELSEWHERE = {"iss", "aud", "cnf", *_TENSES, *_SCOPE_CLAIMS}


def _credential(case: Case) -> list[str]:
    lines = [f"one Bearer token of {len(case.token):,} characters (at most {case.limits.token:,})"]
    if re.search(r"\s", case.token):
        lines.append("white space is in the midst of it: a line break from copying?")
    return lines


def _form(case: Case) -> list[str]:
    lengths = case.anatomy.lengths
    if len(lengths) == 1:
        return ["no dots: an opaque token, which only its issuer can read"]
    if len(lengths) == 5:
        return ["five segments: an encrypted token (JWE)"]
    if len(lengths) != 3:
        return [f"{len(lengths)} segments, where a signed JWT has three"]
    lines = ["three segments, as a signed JWT has, of {:,}, {:,} and {:,} characters".format(*lengths)]
    if case.anatomy.header is None:
        lines.append("the header does not decode to a JSON object")
    if case.anatomy.claims is None:
        lines.append("the payload does not decode to a JSON object")
    return lines


def _header(case: Case) -> list[str]:
    if case.anatomy.header is None:
        return []
    lines = [
        f"alg {_member(case.header, 'alg')} (accepted: {', '.join(case.config.algorithms)})",
        f"typ {_member(case.header, 'typ')} (profile {case.config.profile})",
    ]
    if "crit" in case.header:
        lines.append(f"crit {_member(case.header, 'crit')}: extensions that must be understood, and none is")
    return lines + _others(case.header, {"alg", "typ", "kid", "crit"}, "also there, and not looked at")


def _issuer(case: Case) -> list[str]:
    if case.anatomy.claims is None:
        return []
    lines = [f"iss {_member(case.claims, 'iss')}"]
    iss = case.claims.get("iss")
    if iss != case.config.issuer:
        lines.append(_expected(case.config.issuer, iss))
    return lines


def _key(case: Case) -> list[str]:
    if case.anatomy.header is None:
        return []
    if "kid" in case.header:
        return [f"kid {_member(case.header, 'kid')}"]
    return ["no kid: the issuer's keys for this alg are tried in turn"]


def _signature(case: Case) -> list[str]:
    if len(case.anatomy.lengths) != 3:
        return []
    octets = case.anatomy.lengths[2] * 3 // 4
    return [f"{octets:,} octets, over header and payload as received"]


def _claims(case: Case) -> list[str]:
    if case.anatomy.claims is None:
        return []
    aud = case.claims.get("aud")
    lines = [f"aud {_member(case.claims, 'aud')}"]
    named = aud if isinstance(aud, list) else [aud]
    if not any(name in named for name in case.audiences):
        lines += [_expected(audience, named[0] if named else None) for audience in case.audiences]
    who = [f"{name} {shown(case.claims[name])}" for name in _WHO if name in case.claims]
    return lines + who + _others(case.claims, {*_WHO, *_SHOWN_ELSEWHERE}, "also there")


def _times(case: Case) -> list[str]:
    clock = f"our clock says {moment(case.now, case.now)}; {case.leeway:g} s of difference are forgiven (leeway)"
    return [_time(name, case.claims[name], case.now) for name in _TENSES if name in case.claims] + [clock]


def _time(name: str, value: Any, now: float) -> str:
    # true is an int to isinstance; NaN is below nothing
    if type(value) not in (int, float) or not abs(value) < _END_OF_TIME:
        return f"{name}: {shown(value)} is no time in seconds"
    past, future = _TENSES[name]
    return f"{name}: {past if value <= now else future} {from_now(value, now)}"


def _binding(case: Case) -> list[str]:
    if case.anatomy.claims is None:
        return []
    if "cnf" not in case.claims:
        return ["no cnf: whoever holds the token may use it (a bearer token)"]
    confirmation = case.claims["cnf"]
    members = ", ".join(map(shown, confirmation)) if isinstance(confirmation, dict) else "not an object"
    return [
        f"cnf ({members}): only the holder of a key may use it (jkt: DPoP; x5t#S256: mutual TLS)",
        "judged here as a Bearer token, since there is no request with a proof or a certificate",
    ]


def _revocation(case: Case) -> list[str]:
    if case.anatomy.claims is None:
        return []
    lines = ["known to your guard's store alone, which is not asked here (tokenguard revocations list)"]
    if "sid" not in case.claims:
        lines.append("no sid: to end its session will not end it, unless ClaimNames.session names another claim")
    return lines


def _scopes(case: Case) -> list[str]:
    if case.anatomy.claims is None:
        return []
    granted = [f"{name} {shown(case.claims[name])}" for name in _SCOPE_CLAIMS if name in case.claims]
    demanded = f"demanded: {' '.join(case.scopes)}" if case.scopes else "nothing demanded; --scope demands one"
    return [*(granted or ["no scope granted"]), demanded]


#: by stage
SIGHTS: dict[str, Callable[[Case], list[str]]] = {
    "credential": _credential,
    "form": _form,
    "header": _header,
    "key": _key,
    "signature": _signature,
    "issuer": _issuer,
    "claims": _claims,
    "times": _times,
    "binding": _binding,
    "revocation": _revocation,
    "scopes": _scopes,
}


def _member(members: Mapping[str, Any], name: str) -> str:
    return shown(members[name]) if name in members else "is absent"


def _others(members: Mapping[str, Any], known: set[str], introduction: str) -> list[str]:
    names = [shown(name) for name in members if name not in known]
    return [f"{introduction}: {', '.join(names)}"] if names else []


def _expected(ours: str, theirs: object) -> str:
    why = difference(ours, theirs) if isinstance(theirs, str) else ""
    return f"expected {ours}" + (f" ({why})" if why else "")
