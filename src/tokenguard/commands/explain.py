"""`tokenguard explain`: a real guard's verdict on one token, told stage by stage.

The guard decides; a table says which stage each reason belongs to; what the stages saw comes from `sight`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tokenguard.commands.anatomy import dissect
from tokenguard.commands.published import PublishedKey, look_up, published_keys
from tokenguard.commands.sight import SIGHTS, Case
from tokenguard.config import HTTPSettings, Issuer, Limits
from tokenguard.core.challenge import Challenge
from tokenguard.core.model import Request
from tokenguard.core.requirements import Requirement
from tokenguard.errors import Denied, Reason, Unavailable
from tokenguard.guard import TokenGuard

#: the stages in the order in which they are told, and the reasons for which each refuses
STAGES: dict[str, tuple[Reason, ...]] = {
    "credential": (
        Reason.MISSING_TOKEN,
        Reason.MALFORMED_CREDENTIALS,
        Reason.SEVERAL_CREDENTIALS,
        Reason.TOKEN_TOO_LARGE,
        Reason.TOO_MANY_FAILURES,
    ),
    "form": (Reason.MALFORMED_TOKEN,),
    "header": (Reason.UNSUPPORTED_ALGORITHM, Reason.WRONG_TYPE, Reason.CRITICAL_HEADER),
    "key": (Reason.UNKNOWN_KEY, Reason.KEYS_UNAVAILABLE),
    "signature": (Reason.BAD_SIGNATURE,),
    # a guard with one issuer, as here, tries that issuer's keys before it believes iss
    "issuer": (Reason.UNKNOWN_ISSUER, Reason.ISSUER_UNRESOLVED),
    "claims": (Reason.MALFORMED_CLAIMS, Reason.MISSING_CLAIM, Reason.LIFETIME_TOO_LONG, Reason.WRONG_AUDIENCE),
    "times": (
        Reason.EXPIRED,
        Reason.NOT_YET_VALID,
        Reason.ISSUED_IN_FUTURE,
    ),
    "binding": (
        Reason.NOT_BOUND,
        Reason.BINDING_MISMATCH,
        Reason.BINDING_REQUIRED,
        Reason.MISSING_CERTIFICATE,
        Reason.WRONG_SCHEME,
        Reason.MISSING_PROOF,
        Reason.SEVERAL_PROOFS,
        Reason.MALFORMED_PROOF,
        Reason.PROOF_TYPE,
        Reason.PROOF_ALGORITHM,
        Reason.PROOF_KEY,
        Reason.PROOF_SIGNATURE,
        Reason.PROOF_METHOD,
        Reason.PROOF_TARGET,
        Reason.PROOF_TIME,
        Reason.PROOF_NONCE,
        Reason.PROOF_TOKEN,
        Reason.PROOF_REPLAYED,
        Reason.REPLAYS_UNAVAILABLE,
    ),
    "revocation": (
        Reason.REVOKED,
        Reason.REVOCATIONS_UNAVAILABLE,
        Reason.INACTIVE,
        Reason.INTROSPECTION_UNAVAILABLE,
        Reason.LIVE_CHECK_UNAVAILABLE,
    ),
    "scopes": (
        Reason.CLAIM_REFUSED,
        Reason.CHECK_FAILED,
        Reason.ISSUER_NOT_ALLOWED,
        Reason.INSUFFICIENT_AUTHENTICATION,
        Reason.INSUFFICIENT_SCOPE,
    ),
}
_STAGE_OF = {reason: stage for stage, reasons in STAGES.items() for reason in reasons}
_ORDER = list(STAGES)
_KEY, _SIGNATURE = _ORDER.index("key"), _ORDER.index("signature")
#: stages that show what the payload says
_FROM_PAYLOAD = frozenset({"issuer", "claims", "times", "binding", "revocation", "scopes"})
#: what the guard of this command can't know: it has a store of its own, in which there is nothing
_UNKNOWABLE = frozenset({"revocation"})


class Outcome(StrEnum):
    """How a stage ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_REACHED = "not reached"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `seen`: what was before it; `why`: of a failure, with the setting that would change it."""

    name: str
    outcome: Outcome
    seen: tuple[str, ...]
    unverified: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a token. `answer`: what an API answers to it; `keys_fault`: why there are no keys to show."""

    verdict: Literal["accepted", "refused", "unavailable"]
    reason: Reason | None
    description: str
    stages: tuple[Stage, ...]
    answer: Challenge | None
    keys: tuple[PublishedKey, ...]
    keys_fault: str


def explain(
    token: str,
    config: Issuer,
    *,
    audience: tuple[str, ...],
    scopes: tuple[str, ...] = (),
    leeway: float = 30,
    http: HTTPSettings = HTTPSettings(),  # noqa: B008 - frozen
    clock: Callable[[], float] = time.time,
) -> Explanation:
    """Have a guard with these settings judge the token. Raises `ConfigurationError`.

    Shows claim values, to the operator who holds the token anyway, but never the token or its signature.
    """
    now = clock()  # one moment for the verdict and for what is told of it
    limits = Limits()
    requirement = Requirement(scopes or None)
    guard = TokenGuard(audience=audience, issuers=[config], leeway=leeway, clock=lambda: now, limits=limits, http=http)
    with guard:
        refusal = _judge(guard, token, requirement)
        held = refusal is None or _signature_held(guard, token)
        keys_were_seen = guard.health().issuers[0].state != "cold"
        answer = guard.challenge(refusal) if refusal is not None else None
    anatomy = dissect(token[: limits.token])
    case = Case(token, anatomy, config, audience, scopes, limits, leeway, now)
    keys, keys_fault = _keys(config, http) if keys_were_seen else ((), "")
    return Explanation(
        verdict="accepted" if refusal is None else "refused" if isinstance(refusal, Denied) else "unavailable",
        reason=refusal.reason if refusal is not None else None,
        description=refusal.description if refusal is not None else "The token is accepted.",
        stages=_stages(case, refusal, held=held),
        answer=answer,
        keys=keys,
        keys_fault=keys_fault,
    )


def _judge(guard: TokenGuard, token: str, requirement: Requirement) -> Denied | Unavailable | None:
    request = Request("GET", "https://api.invalid/", [("Authorization", f"Bearer {token}")])
    try:
        guard.authorize(guard.authenticate(request), requirement)
    except (Denied, Unavailable) as refusal:
        return refusal
    return None


def _signature_held(guard: TokenGuard, token: str) -> bool:
    """Did it get past the signature? The guard, which has seen no other token, remembers a header only then."""
    header = token.partition(".")[0].encode("utf-8", "replace")
    return guard._setup.headers.get(header) is not None  # noqa: SLF001 - the refusal alone does not tell


def _stages(case: Case, refusal: Denied | Unavailable | None, *, held: bool) -> tuple[Stage, ...]:
    failing = _ORDER.index(_failing_stage(case, refusal, held=held)) if refusal is not None else len(_ORDER)
    # iss is looked at early where no key is known: then nothing is known of key and signature
    passed = failing if held or failing <= _SIGNATURE else _KEY
    stages = []
    for position, name in enumerate(_ORDER):
        outcome = Outcome.PASSED if position < passed else Outcome.NOT_REACHED
        why = ""
        if refusal is not None and position == failing:
            outcome, why = Outcome.FAILED, refusal.hint
        elif outcome is Outcome.PASSED and name in _UNKNOWABLE:
            outcome = Outcome.NOT_CHECKED
        unverified = not held and name in _FROM_PAYLOAD and case.anatomy.claims is not None
        stages.append(Stage(name, outcome, tuple(SIGHTS[name](case)), unverified, why))
    return tuple(stages)


def _failing_stage(case: Case, refusal: Denied | Unavailable, *, held: bool) -> str:
    """The stage that a refusal belongs to: the table's, where the signature does not say otherwise."""
    stage = _STAGE_OF[refusal.reason]
    before_signature = _ORDER.index(stage) <= _SIGNATURE
    # what the payload lacks to be an access token is found after the signature, whatever the name of the reason
    if held and before_signature:
        return "claims"
    # the payload is parsed early to see whether new keys are worth asking for
    if not held and not before_signature and stage != "issuer":
        return "form"
    # the algorithm itself is accepted, but not with the key that kid names
    if refusal.reason is Reason.UNSUPPORTED_ALGORITHM and case.header.get("alg") in case.config.algorithms:
        return "key"
    return stage


def _keys(config: Issuer, http: HTTPSettings) -> tuple[tuple[PublishedKey, ...], str]:
    """The keys as they are published now."""
    if config.jwks is not None:
        return published_keys(config.jwks, config)
    published = look_up(config, http)
    return published.keys, published.fault
