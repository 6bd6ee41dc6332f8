"""Does a token come from whom it is bound to (RFC 7800 3.1)? By DPoP proof, by client certificate, by both.

A token's `cnf` always binds: what nothing here can confirm is refused, and settings only ever add to what is demanded.
"""

from __future__ import annotations

from typing import NoReturn

from tokenguard.core.confirmation import Binding
from tokenguard.core.dpop import check_proof, record_use, replayed, token_hash
from tokenguard.core.effects import AnswerFailed, Flow, RecordProof
from tokenguard.core.forwarded import client_url
from tokenguard.core.model import AccessToken, Credential, Request, Verified
from tokenguard.core.mtls import check_certificate
from tokenguard.core.trust import Senders
from tokenguard.errors import Denied, InvalidDPoPProof, InvalidToken, Reason, Unavailable
from tokenguard.proxies import TrustedProxies

_UNBOUND = Binding(None, None)


def refuse_without_request(verified: Verified) -> NoReturn:
    """Nobody can prove to be the sender without a request: a bound token is no bearer token."""
    bound = verified.binding is not None
    why = "the token has cnf (DPoP or mTLS)" if bound else "DPoP.required or MTLS.required"
    refusal = InvalidToken(
        Reason.NOT_BOUND if bound else Reason.BINDING_REQUIRED,
        f"{why}, and validate() sees no request; use check or authenticate",
    )
    refusal.concerns(verified.issuer, verified.client_id, verified.id)
    raise refusal


def confirm_sender(
    senders: Senders, request: Request, credential: Credential, verified: Verified, now: float, *, seen: bool = False
) -> RecordProof | None:
    """Every binding of the token holds, and every one that the settings demand is there. `now` in epoch seconds.

    `seen`: this request was confirmed before, so that its proof counts as used already. Answers what is still to be
    asked: whether a proof that is good is used for the first time, where only a store outside of this process knows.
    """
    try:
        binding = verified.binding
        key, certificate = binding or _UNBOUND
        if binding is not None and key is certificate is None:
            # nothing in cnf that is known here, or nothing at all: the issuer meant to bind it (RFC 7800 3.1)
            raise InvalidToken(Reason.NOT_BOUND, "cnf has neither jkt nor x5t#S256")
        # each binding that is there must hold; the certificate first, since a proof counts once
        if certificate is not None:
            _check_certificate(senders, request, certificate)
        elif senders.mtls is not None and senders.mtls.required:
            raise InvalidToken(Reason.BINDING_REQUIRED, "MTLS.required: cnf has no x5t#S256")
        if key is not None:
            return _check_key(senders, request, credential, verified, key, now, seen)
        if credential.scheme == "DPoP":
            # a binding to a key that nobody can confirm (RFC 9449 7.1)
            raise InvalidToken(Reason.BINDING_REQUIRED, "sent with the scheme DPoP, but cnf has no jkt")
        if senders.dpop is not None and senders.dpop.settings.required:
            raise InvalidToken(Reason.BINDING_REQUIRED, "DPoP.required: cnf has no jkt")
    except (Denied, Unavailable) as refusal:
        refusal.concerns(verified.issuer, verified.client_id, verified.id)
        raise
    return None


def ask_first_use(question: RecordProof, verified: Verified) -> Flow[None]:
    """Refuse a proof unless the store for all workers says that this is its first use."""
    try:
        try:
            is_first = yield question
        except AnswerFailed as failure:
            unavailable = Unavailable(Reason.REPLAYS_UNAVAILABLE, f"DPoP.replays gave no answer: {failure}")
            raise unavailable.after(failure.retry_after) from None
        if is_first is not True:
            raise replayed()
    except (Denied, Unavailable) as refusal:
        refusal.concerns(verified.issuer, verified.client_id, verified.id)
        raise


def _check_certificate(senders: Senders, request: Request, bound_to: bytes) -> None:
    if senders.mtls is None:
        raise InvalidToken(Reason.NOT_BOUND, "the token is bound to a certificate, and the guard has no mtls=MTLS(...)")
    check_certificate(request, bound_to, senders.mtls, senders.proxies)


def _check_key(  # noqa: PLR0917 - who sent what, and when
    senders: Senders, request: Request, credential: Credential, verified: Verified, bound_to: bytes, now: float,
    seen: bool,
) -> RecordProof | None:  # fmt: skip
    proofs = senders.dpop
    if proofs is None:
        raise InvalidToken(Reason.NOT_BOUND, "the token is bound to a key, and the guard has no dpop=DPoP(...)")
    # the scheme says that a proof is wanted: no downgrade (RFC 9449 7.2)
    if credential.scheme != "DPoP":
        raise InvalidToken(Reason.WRONG_SCHEME, "a token with cnf.jkt came with the scheme Bearer")
    base_url, proxies = proofs.settings.base_url, senders.proxies
    url = request.url if base_url is None and proxies is None else _addressed(request, base_url, proxies)
    ath = verified.hash or token_hash(credential.token.encode("ascii"))
    use = check_proof(proofs, credential, bound_to, ath, request.method, url, now)
    return None if seen else record_use(proofs, use, now)


def _addressed(request: Request, base_url: str | None, proxies: TrustedProxies | None) -> str:
    """The URL that the client addressed; it is for the comparison to leave out query and fragment."""
    if base_url is None:
        try:
            return client_url(request, proxies)
        except ValueError as cause:
            raise InvalidDPoPProof(Reason.PROOF_TARGET, f"the URL that the client addressed: {cause}") from None
    # what the caller wrote into Host counts for nothing where the base is known (RFC 9700 4.13)
    _, separator, rest = request.url.partition("://")
    if not separator:
        raise InvalidDPoPProof(Reason.PROOF_TARGET, "the request has no absolute URL")
    _, slash, path = rest.partition("/")
    return base_url.removesuffix("/") + slash + path


def next_nonce(senders: Senders, token: AccessToken | None, now: float) -> list[tuple[str, str]]:
    """Headers for the answer to a request that this token let in; none where no nonce is wanted (RFC 9449 8.2)."""
    nonces = senders.dpop.nonces if senders.dpop is not None and senders.gives_nonces else None
    if token is None or nonces is None or "dpop" not in token.bound_by:
        return []
    return [("DPoP-Nonce", nonces.make(now)), ("Cache-Control", "no-store")]
