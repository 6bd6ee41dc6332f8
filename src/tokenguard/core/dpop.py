"""Is a request sent by the holder of the key that its token is bound to? The checks of RFC 9449 4.3, by its numbers.

Cheap ones come before the signature, and what proves to be good is recorded as used at the very end, so that nobody
without the key can fill the store. The proof is the caller's choice throughout: the key in it counts for nothing but
as the one whose thumbprint the issuer put into the token.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any, TypeAlias

from tokenguard.config import Limits
from tokenguard.core import jws, strict_json
from tokenguard.core.algorithms import ALGORITHMS, Verifier
from tokenguard.core.effects import RecordProof
from tokenguard.core.jwk import PRIVATE_MEMBERS, SkipKey, import_key
from tokenguard.core.model import Credential
from tokenguard.core.target_uri import same_target
from tokenguard.core.thumbprint import thumbprint
from tokenguard.core.trust import ProofKey, Proofs
from tokenguard.errors import Denied, InvalidDPoPProof, InvalidToken, Reason, Unavailable, UseDPoPNonce

#: a header holds one key, the claims a handful of values
_SHAPE = Limits(items=64, containers=16)
#: characters of n and e: 4096 bits and 8 octets. The sender chooses the key, and whoever checks pays for its size
_RSA_CHARACTERS = {"n": 683, "e": 11}
#: seconds that a request may wait for its issuer and go on with the time at which it came: what it replays must still
#: be remembered then, however short the window
_LONGEST_WAIT = 60
_NUMBERS = frozenset({int, float})  # and not bool, which is an int to isinstance
_TO_BASE64URL = bytes.maketrans(b"+/", b"-_")
_USE_OCTETS = 32


#: a proof that is good if this is its first use: so many octets, and the epoch seconds from when it is good no more
Use: TypeAlias = tuple[bytes, float]


def token_hash(received: bytes) -> bytes:
    """What a proof says in `ath` of the token that it goes along with (RFC 9449 4.2)."""
    digest = hashlib.sha256(received).digest()
    return binascii.b2a_base64(digest, newline=False).rstrip(b"=").translate(_TO_BASE64URL)


def check_proof(  # noqa: PLR0917 - what a proof must be about
    proofs: Proofs, credential: Credential, bound_to: bytes, ath: bytes, method: str, url: str, now: float
) -> Use:
    """Every check of a proof but whether it was used before: that is for `record_use`.

    `bound_to`: thumbprint of the key that the token is bound to; `ath`: its `token_hash`; `now` in epoch seconds.
    Raises `InvalidDPoPProof`, `UseDPoPNonce`, or `InvalidToken` where the token is bound to another key.
    """
    signing_input, header_segment, payload_segment, signature = _split(credential.proofs, proofs.settings.max_proof)
    known = proofs.keys.get(bound_to) if proofs.keys is not None else None
    if known is not None and known.header == header_segment:
        verifier = known.verifier
    else:
        known, verifier = None, _read_header(header_segment, proofs, bound_to)
    claims = _read_object(payload_segment)
    jti = _check_claims(claims, ath, method, url)
    until = _check_time(claims, proofs, now)
    # jti is unique for a key only as far as its holder wants; of the length that anybody likes, so a hash is kept.
    # BLAKE2b, and before the signature: the code is still in the caches from the token's digest (2 µs less)
    use = hashlib.blake2b(bound_to + jti.encode("utf-8"), digest_size=_USE_OCTETS).digest()
    # (6) the signature holds under the key in the header, and no other key is looked at
    try:
        verifier(signature, signing_input)
    except Exception:  # InvalidSignature, and whatever else hostile bytes may bring about
        raise InvalidDPoPProof(Reason.PROOF_SIGNATURE, "the key in the proof did not make its signature") from None
    if known is None and proofs.keys is not None:
        # under the thumbprint, so that whoever holds one key takes up the room of one
        proofs.keys.put(bound_to, ProofKey(header_segment, verifier))
    return use, until


def record_use(proofs: Proofs, use: Use, now: float) -> RecordProof | None:
    """Let a proof count once (RFC 9449 11.1): remembered for as long as it is good, in one check-and-set.

    Answers what is still to be asked where the store is outside of this process; any answer to it but True is a replay.
    """
    proof, until = use
    until = max(until, now + _LONGEST_WAIT)
    if proofs.record is None:
        return RecordProof(proof, now, until)
    try:
        is_first = proofs.record(proof, now, until)
    except Unavailable:
        raise
    except Exception as cause:  # the store may be the deployment's code: anything may come
        raise Unavailable(Reason.REPLAYS_UNAVAILABLE, f"DPoP.replays raised {type(cause).__name__}") from None
    if is_first is not True:
        raise replayed()
    return None


def replayed() -> InvalidDPoPProof:
    """The refusal where a store's answer is not True, for a first use, or merely looks so."""
    return InvalidDPoPProof(Reason.PROOF_REPLAYED, "the same key used the same jti before")


def _split(lines: tuple[str, ...], most: int) -> tuple[bytes, bytes, bytes, bytes]:
    # (1) not more than one DPoP field; some servers join repeated lines with a comma (RFC 9110 5.3)
    if not lines:
        raise InvalidDPoPProof(Reason.MISSING_PROOF, "there is no DPoP header")
    proof = lines[0]
    if len(lines) > 1 or "," in proof:
        raise InvalidDPoPProof(Reason.SEVERAL_PROOFS, "there are several DPoP headers, or one with a comma")
    # (2) one well-formed compact JWT
    if len(proof) > most:
        raise _malformed(f"DPoP.max_proof is {most}")
    try:
        signing_input, header, payload, signature = jws.split(proof.strip(" \t").encode("ascii"))
        return signing_input, header, payload, jws.decode_base64url(signature)
    except (Denied, ValueError):
        raise _malformed("the proof is not three segments of base64url") from None


def _read_header(segment: bytes, proofs: Proofs, bound_to: bytes) -> Verifier:
    members = _read_object(segment)
    # (3) typ, alg and jwk are there; what else is there is ignored, kid, x5c and jku too
    alg, jwk = members.get("alg"), members.get("jwk")
    # (4) to the letter: no other kind of JWT is a proof
    if members.get("typ") != "dpop+jwt":
        raise InvalidDPoPProof(Reason.PROOF_TYPE, "typ must be dpop+jwt")
    # (5) an asymmetric algorithm, from our list; neither none nor HS* can be in that
    if not isinstance(alg, str) or alg not in proofs.settings.algorithms:
        raise InvalidDPoPProof(Reason.PROOF_ALGORITHM, f"DPoP.algorithms: {', '.join(proofs.settings.algorithms)}")
    # no extension is understood here (RFC 7515 4.1.11, RFC 7797 6)
    if "crit" in members or members.get("b64", True) is not True:
        raise _malformed("the header has crit, or b64 that is not true")
    if not isinstance(jwk, dict):
        raise _malformed("jwk must be an object")
    return _read_key(jwk, alg, bound_to)


def _read_key(jwk: Mapping[str, Any], alg: str, bound_to: bytes) -> Verifier:
    algorithm = ALGORITHMS[alg]
    if jwk.get("kty") != algorithm.kty or (algorithm.crv is not None and jwk.get("crv") != algorithm.crv):
        raise _unusable("the key in the proof is not one for its alg")
    # (7) no private key
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise _unusable("the proof shows a private key")
    if algorithm.kty == "RSA" and any(len(str(jwk.get(name))) > most for name, most in _RSA_CHARACTERS.items()):
        raise _unusable("an RSA key in a proof may have 4096 bits, its exponent 64")
    # (12) the key that the token is bound to; any other is not worth the work of reading it
    try:
        is_bound_to = compare_digest(thumbprint(jwk), bound_to)
    except ValueError:
        raise _unusable("a member of the key is missing") from None
    if not is_bound_to:
        raise InvalidToken(Reason.BINDING_MISMATCH, "the thumbprint of the proof's key is not cnf.jkt")
    try:
        key = import_key(jwk)
    except SkipKey as reason:
        raise _unusable(str(reason)) from None
    if key.alg not in {None, alg}:
        raise _unusable("the key in the proof names another alg")
    return algorithm.verifier(key.key)


def _check_claims(claims: Mapping[str, Any], ath: bytes, method: str, url: str) -> str:
    """The claims but for time and nonce; answers the jti."""
    get = claims.get
    jti, htm, htu, hashed = get("jti"), get("htm"), get("htu"), get("ath")
    # (3) each is there, of its type and not empty
    if not (type(jti) is type(htm) is type(htu) is type(hashed) is str and jti and htm and htu and hashed):
        raise _malformed("jti, htm, htu and ath must be non-empty strings")
    if type(get("iat")) not in _NUMBERS:
        raise _malformed("iat must be a number")
    # (8) the method, which is case-sensitive (RFC 9110 9.1)
    if htm != method:
        raise InvalidDPoPProof(Reason.PROOF_METHOD, "htm is not the method of the request")
    # (9) the URL, without query and fragment
    if not same_target(htu, url):
        raise InvalidDPoPProof(
            Reason.PROOF_TARGET, "htu is not the URL of the request (see DPoP.base_url and TrustedProxies.forwarded)"
        )
    # (12) the hash of the token as it was received, in constant time
    if not compare_digest(hashed.encode("utf-8"), ath):
        raise InvalidDPoPProof(Reason.PROOF_TOKEN, "ath is not the hash of this token")
    return jti


def _check_time(claims: Mapping[str, Any], proofs: Proofs, now: float) -> float:
    """(10) and (11), which go together: a nonce of ours tells the time better than the client does.

    Answers when the proof will be good no more, a clock that is behind by the leeway considered.
    """
    settings, nonces, iat = proofs.settings, proofs.nonces, claims["iat"]
    is_recent = now - settings.window <= iat <= now + proofs.ahead
    if nonces is not None and (settings.nonces == "always" or not is_recent or "nonce" in claims):
        made_at = nonces.made_at(claims.get("nonce"), now, proofs.leeway)
        if made_at is None:
            refusal = UseDPoPNonce(
                Reason.PROOF_NONCE, f'no good nonce in the proof; DPoP.nonces is "{settings.nonces}"'
            )
            refusal.nonce = nonces.make(now)
            raise refusal
        return made_at + nonces.lifetime + proofs.leeway
    if not is_recent:
        raise InvalidDPoPProof(
            Reason.PROOF_TIME, f"iat is too long ago (DPoP.window is {settings.window}) or ahead of our clock"
        )
    until: float = iat + settings.window + proofs.leeway
    return until


def _read_object(segment: bytes) -> dict[str, Any]:
    try:
        members = strict_json.parse(jws.decode_base64url(segment), _SHAPE)
    except ValueError:
        raise _malformed("a segment of the proof is no strict JSON in base64url") from None
    if not isinstance(members, dict):
        raise _malformed("a segment of the proof is no JSON object")
    return members


def _malformed(hint: str) -> InvalidDPoPProof:
    return InvalidDPoPProof(Reason.MALFORMED_PROOF, hint)


def _unusable(hint: str) -> InvalidDPoPProof:
    return InvalidDPoPProof(Reason.PROOF_KEY, hint)
