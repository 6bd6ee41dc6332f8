"""What can go wrong, and whose fault it is.

    TokenGuardError
    ├── ConfigurationError             raised for what is written, in settings or code, not for what is sent
    ├── Denied                         the caller's fault; has .status .error .reason .description
    │   ├── MissingToken               401, challenge without an error code
    │   ├── InvalidRequest             400 invalid_request
    │   ├── InvalidLogoutToken         400 invalid_request: an issuer's logout token, not a request with one of ours
    │   ├── InvalidToken               401 invalid_token
    │   ├── InvalidDPoPProof           401 invalid_dpop_proof
    │   ├── UseDPoPNonce               401 use_dpop_nonce
    │   ├── InsufficientAuthentication 401 insufficient_user_authentication
    │   ├── InsufficientScope          403 insufficient_scope
    │   └── TooManyFailures            429
    └── Unavailable                    503 and Retry-After: our fault or the issuer's, never a 401
        └── RevocationFailed           a revocation was not kept, and does not count

Nothing else leaves the library, whatever the input. `description` is a fixed sentence that may be shown to the
client; `hint` is for the operator's log: it names the setting that would change the outcome and holds configured
values only, never a value out of the token.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import ClassVar, Self


class Reason(StrEnum):
    """Why a request was not let in: a stable vocabulary for code, logs and metric labels. Only ever added to."""

    # the credential
    MISSING_TOKEN = "missing_token"
    MALFORMED_CREDENTIALS = "malformed_credentials"
    SEVERAL_CREDENTIALS = "several_credentials"
    # the token's form
    MALFORMED_TOKEN = "malformed_token"
    TOKEN_TOO_LARGE = "token_too_large"
    UNSUPPORTED_ALGORITHM = "unsupported_algorithm"
    WRONG_TYPE = "wrong_type"
    CRITICAL_HEADER = "critical_header"
    # who signed it
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    # what it says
    MALFORMED_CLAIMS = "malformed_claims"
    MISSING_CLAIM = "missing_claim"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_IN_FUTURE = "issued_in_future"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    WRONG_AUDIENCE = "wrong_audience"
    CLAIM_REFUSED = "claim_refused"
    # whether it still counts, and for this sender
    REVOKED = "revoked"
    INACTIVE = "inactive"
    NOT_BOUND = "not_bound"
    BINDING_MISMATCH = "binding_mismatch"
    BINDING_REQUIRED = "binding_required"
    MISSING_CERTIFICATE = "missing_certificate"
    WRONG_SCHEME = "wrong_scheme"
    # the proof that the sender holds the key (RFC 9449 4.3)
    MISSING_PROOF = "missing_proof"
    SEVERAL_PROOFS = "several_proofs"
    MALFORMED_PROOF = "malformed_proof"
    PROOF_TYPE = "proof_type"
    PROOF_ALGORITHM = "proof_algorithm"
    PROOF_KEY = "proof_key"
    PROOF_SIGNATURE = "proof_signature"
    PROOF_METHOD = "proof_method"
    PROOF_TARGET = "proof_target"
    PROOF_TIME = "proof_time"
    PROOF_NONCE = "proof_nonce"
    PROOF_TOKEN = "proof_token"
    PROOF_REPLAYED = "proof_replayed"
    # a logout token
    LOGOUT_REPLAYED = "logout_replayed"
    # what the route demands
    ISSUER_NOT_ALLOWED = "issuer_not_allowed"
    INSUFFICIENT_AUTHENTICATION = "insufficient_authentication"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    TOO_MANY_FAILURES = "too_many_failures"
    # our side, or the issuer's
    KEYS_UNAVAILABLE = "keys_unavailable"
    CHECK_FAILED = "check_failed"
    LIVE_CHECK_UNAVAILABLE = "live_check_unavailable"
    INTROSPECTION_UNAVAILABLE = "introspection_unavailable"
    REPLAYS_UNAVAILABLE = "replays_unavailable"
    REVOCATIONS_UNAVAILABLE = "revocations_unavailable"
    REVOCATION_FAILED = "revocation_failed"
    ISSUER_UNRESOLVED = "issuer_unresolved"


# Fixed sentences within the characters that RFC 6750 3 allows in error_description: no quote, no backslash.
DESCRIPTIONS: dict[Reason, str] = {
    Reason.MISSING_TOKEN: "An access token is required.",
    Reason.MALFORMED_CREDENTIALS: "The credentials are malformed.",
    Reason.SEVERAL_CREDENTIALS: "More than one credential was sent.",
    Reason.MALFORMED_TOKEN: "The token is malformed.",
    Reason.TOKEN_TOO_LARGE: "The token is too large.",
    Reason.UNSUPPORTED_ALGORITHM: "The token is signed with an algorithm that is not accepted here.",
    Reason.WRONG_TYPE: "The token is not an access token.",
    Reason.CRITICAL_HEADER: "The token demands an extension that is not supported here.",
    Reason.UNKNOWN_ISSUER: "The token comes from an issuer that is not accepted here.",
    Reason.UNKNOWN_KEY: "The token is signed with a key that its issuer does not publish.",
    Reason.BAD_SIGNATURE: "The signature of the token is not valid.",
    Reason.MALFORMED_CLAIMS: "The claims of the token are malformed.",
    Reason.MISSING_CLAIM: "The token lacks a required claim.",
    Reason.EXPIRED: "The token has expired.",
    Reason.NOT_YET_VALID: "The token is not valid yet.",
    Reason.ISSUED_IN_FUTURE: "The token was issued in the future.",
    Reason.LIFETIME_TOO_LONG: "The token lives longer than is accepted here.",
    Reason.WRONG_AUDIENCE: "The token is meant for another audience.",
    Reason.CLAIM_REFUSED: "A claim of the token is not accepted here.",
    Reason.REVOKED: "The token has been revoked.",
    Reason.INACTIVE: "The token is not active.",
    Reason.NOT_BOUND: "The token is bound to a sender in a way that cannot be confirmed here.",
    Reason.BINDING_MISMATCH: "The token is bound to another sender.",
    Reason.BINDING_REQUIRED: "The token is not bound to its sender as is required here.",
    Reason.MISSING_CERTIFICATE: "The token is bound to a client certificate, and none was sent.",
    Reason.WRONG_SCHEME: "The token is bound to a key and must be sent with the scheme DPoP.",
    Reason.MISSING_PROOF: "The DPoP proof is missing.",
    Reason.SEVERAL_PROOFS: "More than one DPoP proof was sent.",
    Reason.MALFORMED_PROOF: "The DPoP proof is malformed.",
    Reason.PROOF_TYPE: "The typ of the DPoP proof is not dpop+jwt.",
    Reason.PROOF_ALGORITHM: "The DPoP proof is signed with an algorithm that is not accepted here.",
    Reason.PROOF_KEY: "The key in the DPoP proof is not usable.",
    Reason.PROOF_SIGNATURE: "The signature of the DPoP proof is not valid.",
    Reason.PROOF_METHOD: "The htm of the DPoP proof is not the method of the request.",
    Reason.PROOF_TARGET: "The htu of the DPoP proof is not the URL of the request.",
    Reason.PROOF_TIME: "The DPoP proof was not made within the accepted time.",
    Reason.PROOF_NONCE: "The DPoP proof must hold the nonce in the DPoP-Nonce header.",
    Reason.PROOF_TOKEN: "The ath of the DPoP proof is not that of the token.",
    Reason.PROOF_REPLAYED: "The DPoP proof was used before.",
    Reason.LOGOUT_REPLAYED: "The logout token was received before.",
    Reason.ISSUER_NOT_ALLOWED: "The issuer of the token is not accepted for this resource.",
    Reason.INSUFFICIENT_AUTHENTICATION: "A different or more recent authentication of the user is required.",
    Reason.INSUFFICIENT_SCOPE: "The token does not cover what this resource requires.",
    Reason.TOO_MANY_FAILURES: "Too many refused requests.",
    Reason.KEYS_UNAVAILABLE: "The token cannot be checked at the moment.",
    Reason.CHECK_FAILED: "The token cannot be checked at the moment.",
    Reason.LIVE_CHECK_UNAVAILABLE: "The token cannot be checked at the moment.",
    Reason.INTROSPECTION_UNAVAILABLE: "The token cannot be checked at the moment.",
    Reason.REPLAYS_UNAVAILABLE: "The DPoP proof cannot be checked at the moment.",
    Reason.REVOCATIONS_UNAVAILABLE: "The token cannot be checked at the moment.",
    Reason.REVOCATION_FAILED: "The revocation was not kept.",
    Reason.ISSUER_UNRESOLVED: "The token cannot be checked at the moment.",
}


class TokenGuardError(Exception):
    """The root of every error of this package."""


class ConfigurationError(TokenGuardError, ValueError):
    """A setting is missing, unknown, of the wrong type or dangerous; the text names it.

    Raised where it is built or declared, before any request; where a framework hands it over with a request only
    (FastAPI's scopes), then.
    """


class _Refusal(TokenGuardError):
    """What `Denied` and `Unavailable` have in common; built as `kind(reason, hint)`.

    Reason and hint live in `args`: an __init__ in Python would double the cost of refusing a request.
    """

    status: ClassVar[int]
    error: ClassVar[str | None]
    default_reason: ClassVar[Reason]
    #: the configured issuer, once it is known; client_id and jti of the token once its signature held
    issuer: str | None = None
    client_id: str | None = None
    token_id: str | None = None
    #: of the revocation, where the token is revoked (`core/revocation.py`)
    level: str | None = None

    @property
    def reason(self) -> Reason:
        """Why, from a stable vocabulary."""
        return self.args[0] if self.args else self.default_reason

    @property
    def hint(self) -> str:
        """For the operator's log: the detail, and the setting that would change the outcome."""
        return self.args[1] if len(self.args) > 1 else ""

    @property
    def description(self) -> str:
        """A fixed sentence that may be shown to the client."""
        return DESCRIPTIONS[self.reason]

    def concerns(self, issuer: str, client_id: str | None, token_id: str | None) -> None:
        """Say, for the log, which verified token it was about."""
        self.issuer, self.client_id, self.token_id = issuer, client_id, token_id

    def __str__(self) -> str:
        return f"{self.reason}: {self.description}"


class Denied(_Refusal):
    """The caller is refused.

    `status`: the HTTP status; `error`: the code of RFC 6750 3.1 (or RFC 9449, 9470), None where the challenge
    carries none; `reason`: a `Reason`; `scope`, `acr_values`, `max_age`: what would have been enough, if known;
    `schemes`: the authentication schemes that the request used, whose challenges carry the error (RFC 9449 7.2).
    """

    status: ClassVar[int] = 401
    error: ClassVar[str | None] = "invalid_token"
    default_reason: ClassVar[Reason] = Reason.MALFORMED_TOKEN
    scope: str | None = None
    schemes: tuple[str, ...] = ("Bearer",)
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None


class MissingToken(Denied):
    """401: no usable credential; the challenge carries no error code (RFC 6750 3.1)."""

    error: ClassVar[str | None] = None
    default_reason = Reason.MISSING_TOKEN


class InvalidRequest(Denied):
    """400 invalid_request: the credential does not fit the grammar, or there are several (RFC 6750 3.1)."""

    status: ClassVar[int] = 400
    error: ClassVar[str | None] = "invalid_request"
    default_reason = Reason.MALFORMED_CREDENTIALS


class InvalidLogoutToken(Denied):
    """400: what came to the address for logout tokens is none to be believed (Back-Channel Logout 2.8)."""

    status: ClassVar[int] = 400
    error: ClassVar[str | None] = "invalid_request"
    default_reason = Reason.MALFORMED_TOKEN

    @property
    def description(self) -> str:
        """A fixed sentence that may be shown to the sender."""
        return _OF_LOGOUT_TOKENS.get(self.reason) or DESCRIPTIONS[self.reason]


# where the sentence for access tokens would say something else
_OF_LOGOUT_TOKENS = {
    Reason.MISSING_TOKEN: "A logout token is required, as logout_token in a form.",
    Reason.WRONG_TYPE: "The token is not a logout token.",
}


class InvalidToken(Denied):
    """401 invalid_token: malformed, expired, revoked or not for us (RFC 6750 3.1)."""


class InvalidDPoPProof(Denied):
    """401 invalid_dpop_proof (RFC 9449 7.1)."""

    error: ClassVar[str | None] = "invalid_dpop_proof"
    default_reason = Reason.MALFORMED_PROOF
    schemes = ("DPoP",)


class UseDPoPNonce(Denied):
    """401 use_dpop_nonce (RFC 9449 9). `nonce`: what the proof must hold, for the header DPoP-Nonce."""

    error: ClassVar[str | None] = "use_dpop_nonce"
    default_reason = Reason.PROOF_NONCE
    schemes = ("DPoP",)
    nonce: str | None = None


class InsufficientAuthentication(Denied):
    """401 insufficient_user_authentication: another or a more recent login is needed (RFC 9470 3)."""

    error: ClassVar[str | None] = "insufficient_user_authentication"
    default_reason = Reason.INSUFFICIENT_AUTHENTICATION


class InsufficientScope(Denied):
    """403 insufficient_scope (RFC 6750 3.1)."""

    status: ClassVar[int] = 403
    error: ClassVar[str | None] = "insufficient_scope"
    default_reason = Reason.INSUFFICIENT_SCOPE


class TooManyFailures(Denied):
    """429: the caller has been refused too often."""

    status: ClassVar[int] = 429
    error: ClassVar[str | None] = None
    default_reason = Reason.TOO_MANY_FAILURES


class Unavailable(_Refusal):
    """503: the token can't be checked now, which is our fault or the issuer's."""

    status: ClassVar[int] = 503
    error: ClassVar[str | None] = "temporarily_unavailable"
    default_reason = Reason.KEYS_UNAVAILABLE
    #: whole seconds until it may be worth another try
    retry_after: int = 1

    def after(self, seconds: float) -> Self:
        """Say when it may be worth another try."""
        self.retry_after = max(1, math.ceil(seconds))
        return self


class RevocationFailed(Unavailable):
    """A revocation was not kept: the store is full, or can't be reached. Nothing of it counts; try again."""

    default_reason = Reason.REVOCATION_FAILED
