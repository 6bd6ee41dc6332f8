"""RFC 9449 4.3: what is checked of a DPoP proof, in the order of its list."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.spec.possession import ISSUER, bound, client_key, denied, guard_with, proving, with_proof
from tests.spec.support import NOW, URL, guard_for, octets, signing_key

from tokenguard import DPoP
from tokenguard.errors import DESCRIPTIONS, ConfigurationError, Denied, InvalidToken, Reason
from tokenguard.testing import ALGORITHMS, DPoPKey, SigningKey
from tokenguard.testing.jws import b64url

GUARD = guard_with()
TOKEN = bound()


@pytest.mark.req("DP-02", "DP-12", "DP-16", "DP-18", "DP-19", "DP-20")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_and_a_proof_by_its_key_are_let_in(algorithm: str) -> None:
    """Under every algorithm that is allowed, and it can be seen afterwards how."""
    key = client_key(algorithm)
    token = guard_with(algorithms=(algorithm,)).check(proving(key=key))
    assert token.bound_by == {"dpop"}
    assert token.confirmation == {"jkt": key.thumbprint}


@pytest.mark.req("DP-02", "A-106")
def test_a_proof_must_be_there() -> None:
    """The scheme DPoP without the header is no proof."""
    denied(GUARD, with_proof(TOKEN), Reason.MISSING_PROOF)


@pytest.mark.req("DP-03", "A-107")
def test_one_proof_at_most() -> None:
    """Two lines, the same or not, or one that a server made of two."""
    one, other = (client_key().proof("GET", URL, TOKEN) for _ in range(2))
    for lines in ((one, one), (one, other), (f"{one}, {other}",), (f"{one},",), (one, "")):
        denied(GUARD, with_proof(TOKEN, *lines), Reason.SEVERAL_PROOFS)


@pytest.mark.req("DP-04", "A-125", "A-161")
@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda proof: proof + ".e30",
        lambda proof: proof.rpartition(".")[0],
        lambda proof: proof.replace(".", "..", 1),
        lambda proof: proof + "=",
        lambda proof: proof[:-2] + "!" + proof[-1],
        lambda proof: "é" + proof,
        lambda proof: proof + " " + proof,
        lambda proof: b64url(b"[]") + proof[proof.index(".") :],
        lambda proof: b64url(b'{"typ":') + proof[proof.index(".") :],
        lambda proof: b64url(b'{"a":1,"a":2}') + proof[proof.index(".") :],
        lambda _: "A" * 20_000,
    ],
)
def test_a_proof_is_one_well_formed_jwt(change: Callable[[str], str]) -> None:
    """Three segments of base64url, JSON objects in two of them, not too long."""
    denied(GUARD, with_proof(TOKEN, change(client_key().proof("GET", URL, TOKEN))), Reason.MALFORMED_PROOF)


@pytest.mark.req("DP-04", "A-125")
def test_a_proof_has_a_greatest_length() -> None:
    """However good it is."""
    denied(GUARD, proving(TOKEN, jti="x" * 17_000), Reason.MALFORMED_PROOF)
    short = guard_with(max_proof=1000)
    assert short.check(proving(TOKEN))
    error = denied(short, proving(TOKEN, jti="x" * 1000), Reason.MALFORMED_PROOF)
    assert "DPoP.max_proof" in error.hint


@pytest.mark.req("DP-05", "A-115", "A-124", "A-125")
@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat", "ath"])
@pytest.mark.parametrize("value", [..., None, "", 5, True, [], {}, "\u0000"])
def test_each_claim_is_there_in_its_form(name: str, value: Any) -> None:
    """Of the right type and not empty."""
    wrong = {"without": name} if value is ... else {name: value}
    by_value = {"htm": Reason.PROOF_METHOD, "htu": Reason.PROOF_TARGET, "ath": Reason.PROOF_TOKEN}
    if value == "\u0000" and name in by_value:
        denied(GUARD, proving(TOKEN, **wrong), by_value[name])
    elif name == "iat" and value == 5 and type(value) is int:
        denied(GUARD, proving(TOKEN, **wrong), Reason.PROOF_TIME)
    elif name == "jti" and value == "\u0000":
        assert GUARD.check(proving(TOKEN, **wrong))
    else:
        denied(GUARD, proving(TOKEN, **wrong), Reason.MALFORMED_PROOF)


@pytest.mark.req("A-123")
@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_a_time_is_a_number(text: str) -> None:
    """What JSON can't say is malformed."""
    key = client_key()
    payload = f'{{"jti":"1","htm":"GET","htu":"{URL}","ath":"x","iat":{text}}}'.encode()
    proof = key.signing_key.jws({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk}, payload)
    denied(GUARD, with_proof(TOKEN, proof), Reason.MALFORMED_PROOF)


@pytest.mark.req("A-123", "A-161")
@pytest.mark.parametrize("iat", [10**300, -(10**300), 1e300, 0, -1])
def test_a_time_far_off_is_only_that(iat: float) -> None:
    """Numbers that no clock shows, and that no float holds."""
    denied(GUARD, proving(TOKEN, iat=iat), Reason.PROOF_TIME)


@pytest.mark.req("DP-05", "DP-06", "A-100", "A-127")
@pytest.mark.parametrize("typ", [None, "", "JWT", "at+jwt", "DPoP+JWT", "application/dpop+jwt", 5])
def test_typ_is_that_of_a_proof_to_the_letter(typ: Any) -> None:
    """Any other kind of JWT is none, with the media type's prefix or in another case either."""
    denied(GUARD, proving(TOKEN, header={"typ": typ}), Reason.PROOF_TYPE)


@pytest.mark.req("A-100")
def test_an_access_token_is_no_proof() -> None:
    """Nor is one with a key in its header."""
    denied(GUARD, with_proof(TOKEN, TOKEN), Reason.PROOF_TYPE)


@pytest.mark.req("DP-07", "A-108")
@pytest.mark.parametrize("alg", [None, "none", "None", "HS256", "es256", "ES256K", "ES384", "RSA1_5", 5, ["ES256"]])
def test_alg_is_in_the_list(alg: Any) -> None:
    """Asymmetric, known, and allowed here; the same to the letter."""
    denied(GUARD, proving(TOKEN, header={"alg": alg}), Reason.PROOF_ALGORITHM)


@pytest.mark.req("DP-07", "A-108")
def test_unsigned_and_hmac_proofs_are_refused() -> None:
    """Whatever made them."""
    denied(GUARD, proving(TOKEN, algorithm="none"), Reason.PROOF_ALGORITHM)
    hmac = client_key().proof("GET", URL, TOKEN, key=b"secret", algorithm="HS256")
    denied(GUARD, with_proof(TOKEN, hmac), Reason.PROOF_ALGORITHM)


@pytest.mark.req("DP-07")
@pytest.mark.parametrize("name", ["none", "HS256", "unheard-of"])
def test_no_setting_allows_symmetric_proofs(name: str) -> None:
    """It is refused when it is built."""
    with pytest.raises(ConfigurationError, match=r"DPoP\.algorithms"):
        DPoP(algorithms=("ES256", name))


@pytest.mark.req("DP-08", "A-111")
def test_the_key_in_the_proof_made_its_signature() -> None:
    """Another's signature, or another text under it, is refused."""
    other = signing_key("ES256", "other")
    denied(GUARD, with_proof(TOKEN, client_key().proof("GET", URL, TOKEN, key=other)), Reason.PROOF_SIGNATURE)
    good, second = (client_key().proof("GET", URL, TOKEN) for _ in range(2))
    mixed = f"{good.rpartition('.')[0]}.{second.rpartition('.')[2]}"
    denied(GUARD, with_proof(TOKEN, mixed), Reason.PROOF_SIGNATURE)


@pytest.mark.req("DP-08", "DP-34")
def test_a_signature_is_checked_each_time() -> None:
    """Also under a key and a header that were seen with a good one."""
    guard = guard_with()
    assert guard.check(proving(TOKEN))
    proof = client_key().proof("GET", URL, TOKEN)
    head, _, signature = proof.rpartition(".")
    spoiled = bytearray(octets(signature))
    spoiled[5] ^= 1
    denied(guard, with_proof(TOKEN, f"{head}.{b64url(bytes(spoiled))}"), Reason.PROOF_SIGNATURE)
    denied(guard, with_proof(TOKEN, f"{head}."), Reason.PROOF_SIGNATURE)
    # which did not use it up
    assert guard.check(with_proof(TOKEN, proof))


@pytest.mark.req("DP-08", "A-110")
def test_no_other_key_is_looked_at() -> None:
    """kid, x5c and jku neither replace the jwk nor get in its way."""
    elsewhere = {
        "kid": ISSUER.signing_key.kid,
        "x5c": ["AA=="],
        "jku": "https://evil.test/",
        "x5u": "https://evil.test/",
    }
    assert GUARD.check(proving(TOKEN, header=elsewhere))
    denied(GUARD, proving(TOKEN, header={**elsewhere, "jwk": None}), Reason.MALFORMED_PROOF)
    denied(GUARD, proving(TOKEN, header={"jwk": "x"}), Reason.MALFORMED_PROOF)


@pytest.mark.req("DP-09", "A-109")
@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_a_proof_shows_no_private_key(member: str) -> None:
    """Whichever member it is in, and though the thumbprint is the right one."""
    jwk = client_key().jwk | {member: "AAAA"}
    denied(GUARD, proving(TOKEN, header={"jwk": jwk}), Reason.PROOF_KEY)


@pytest.mark.req("DP-09", "A-109")
def test_anybodys_private_key_is_called_one() -> None:
    """Also where the token is bound to another key."""
    jwk = client_key("ES256", "other").jwk | {"d": "AAAA"}
    denied(GUARD, proving(TOKEN, header={"jwk": jwk}), Reason.PROOF_KEY)


@pytest.mark.req("DP-07", "DP-10")
@pytest.mark.parametrize(
    ("algorithm", "alg"), [("Ed25519", "ES256"), ("ES384", "ES256"), ("RS256", "Ed25519"), ("ES256", "PS256")]
)
def test_a_key_serves_the_algorithms_of_its_type_and_curve(algorithm: str, alg: str) -> None:
    """Though the token is bound to it."""
    key = client_key(algorithm)
    denied(GUARD, proving(key=key, header={"alg": alg}), Reason.PROOF_KEY)


@pytest.mark.req("DP-09", "DP-10", "A-108", "A-109")
@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": ["EC"], "crv": "P-256"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": "P-256", "x": 5, "y": "AA"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    ],
)
def test_the_key_is_a_whole_one_for_its_alg(jwk: dict[str, Any]) -> None:
    """Of the type and curve that the algorithm has."""
    denied(GUARD, proving(TOKEN, header={"jwk": jwk}), Reason.PROOF_KEY)


@pytest.mark.req("DP-10")
@pytest.mark.parametrize(
    "wrong", [{"x": "A" * 43}, {"y": "AA"}, {"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES384"}]
)
def test_the_key_is_held_to_the_rules_for_keys(wrong: dict[str, Any]) -> None:
    """A token that is bound to such a thing does not make it better."""
    jwk = client_key().jwk | wrong
    members = ",".join(f'"{name}":"{jwk[name]}"' for name in ("crv", "kty", "x", "y"))
    token = ISSUER.mint(cnf={"jkt": b64url(hashlib.sha256(f"{{{members}}}".encode()).digest())})
    denied(GUARD, proving(token, header={"jwk": jwk}), Reason.PROOF_KEY)


@pytest.mark.req("DP-10", "A-128")
@pytest.mark.parametrize(
    ("octets_of_n", "e"), [(2048, "AQAB"), (1024, "AQAB"), (256, b64url(b"\x01" + b"\x00" * 30 + b"\x01"))]
)
def test_a_giant_key_costs_nothing(octets_of_n: int, e: str) -> None:
    """A modulus of 8192 bits and more, or a long exponent, is refused before anything is computed with it."""
    jwk = {"kty": "RSA", "n": urlsafe_b64encode(b"\xff" * octets_of_n).rstrip(b"=").decode(), "e": e}
    request = proving(TOKEN, header={"jwk": jwk, "alg": "RS256"})
    error = denied(GUARD, request, Reason.PROOF_KEY)
    assert "4096" in error.hint


@pytest.mark.req("DP-10", "A-128")
def test_a_short_rsa_key_is_refused() -> None:
    """Though the token is bound to it."""
    weak = SigningKey("RS256", rsa.generate_private_key(65537, 1024), "weak")  # noqa: S505 - that it is refused
    denied(GUARD, proving(key=DPoPKey(signing_key=weak, clock=lambda: NOW)), Reason.PROOF_KEY)


@pytest.mark.req("DP-11", "A-115")
@pytest.mark.parametrize("htm", ["get", "POST", "GET ", "HEAD", "GET\u0000"])
def test_htm_is_the_method(htm: str) -> None:
    """Letter by letter."""
    denied(GUARD, proving(TOKEN, htm=htm), Reason.PROOF_METHOD)


@pytest.mark.req("DP-11", "A-115")
def test_a_proof_for_get_is_none_for_post() -> None:
    """The method that counts is the request's."""
    proof = client_key().proof("GET", URL, TOKEN)
    denied(GUARD, with_proof(TOKEN, proof, method="POST"), Reason.PROOF_METHOD)
    assert GUARD.check(proving(TOKEN, method="PROPFIND"))


@pytest.mark.req("DP-16", "DP-17", "A-123")
@pytest.mark.parametrize(
    ("seconds", "is_let_in"),
    [(-3600, False), (-61, False), (-60, True), (0, True), (30, True), (31, False), (3600, False)],
)
def test_a_proof_is_new(seconds: int, is_let_in: bool) -> None:
    """Made within the window, or ahead by no more than clocks may differ."""
    request = proving(TOKEN, iat=NOW + seconds)
    if is_let_in:
        assert GUARD.check(request)
    else:
        denied(GUARD, request, Reason.PROOF_TIME)


@pytest.mark.req("DP-17")
def test_a_proof_is_not_ahead_by_more_than_the_window() -> None:
    """Whatever the guard forgives in tokens."""
    guard = guard_for(ISSUER, leeway=300, dpop=DPoP(window=20))
    denied(guard, proving(TOKEN, iat=NOW + 21), Reason.PROOF_TIME)
    assert guard.check(proving(TOKEN, iat=NOW + 20))


@pytest.mark.req("DP-18", "A-124")
@pytest.mark.parametrize(
    "ath",
    [
        hashlib.sha256(TOKEN.encode()).hexdigest(),
        b64url(hashlib.sha512(TOKEN.encode()).digest()),
        b64url(hashlib.sha256(TOKEN.encode()).digest()) + "=",
        b64url(hashlib.sha256(bound(jti="another").encode()).digest()),
        b64url(hashlib.sha256(f"DPoP {TOKEN}".encode()).digest()),
        "é" * 43,
    ],
)
def test_ath_is_the_hash_of_this_token(ath: str) -> None:
    """SHA-256 in base64url without padding, of the token alone."""
    denied(GUARD, proving(TOKEN, ath=ath), Reason.PROOF_TOKEN)


@pytest.mark.req("DP-18", "A-124")
def test_a_proof_goes_with_one_token() -> None:
    """The same key's proof for another of its tokens is refused."""
    proof = client_key().proof("GET", URL, TOKEN)
    denied(GUARD, with_proof(bound(jti="another"), proof), Reason.PROOF_TOKEN)


@pytest.mark.req("DP-19", "A-112")
def test_the_token_is_bound_to_the_proofs_key() -> None:
    """A good proof by any other key is refused as the token's fault."""
    for algorithm in ("ES256", "RS256", "Ed25519"):
        error = denied(GUARD, proving(TOKEN, key=client_key(algorithm, "other")), Reason.BINDING_MISMATCH, InvalidToken)
        assert error.token_id is not None


@pytest.mark.req("DP-19")
def test_a_remembered_key_serves_its_own_tokens_only() -> None:
    """A second key's token with the first key's proof."""
    guard = guard_with()
    assert guard.check(proving(TOKEN))
    token = bound(client_key("ES256", "other"))
    denied(guard, proving(token, key=client_key()), Reason.BINDING_MISMATCH, InvalidToken)
    assert guard.check(proving(key=client_key("ES256", "other")))


@pytest.mark.req("DP-37")
def test_what_is_not_known_is_ignored() -> None:
    """In header and claims; and a nonce, where none is asked for."""
    assert GUARD.check(proving(TOKEN, header={"x": {"y": 1}}, extra=["z"], nonce="the authorization server's"))


@pytest.mark.req("DP-37")
@pytest.mark.parametrize(
    "header", [{"crit": ["x"], "x": 1}, {"crit": []}, {"b64": False}, {"crit": ["b64"], "b64": False}]
)
def test_what_is_critical_is_refused(header: dict[str, Any]) -> None:
    """No extension is understood."""
    denied(GUARD, proving(TOKEN, header=header), Reason.MALFORMED_PROOF)


@pytest.mark.req("DP-20")
def test_a_guard_without_memories_checks_the_same() -> None:
    """The cache of tokens and keys is off."""
    guard = guard_with(token_cache=0)
    for _ in range(2):
        assert guard.check(proving(TOKEN))
    denied(guard, proving(TOKEN, ath="x" * 43), Reason.PROOF_TOKEN)


@pytest.mark.req("DP-42", "BT-25")
def test_a_refusal_shows_nothing_of_the_proof() -> None:
    """Neither to the client nor to the operator."""
    for wrong in ({"htu": "https://secret.test/"}, {"htm": "SECRET"}, {"jti": 5, "x": "secret"}, {"ath": "secret"}):
        with pytest.raises(Denied) as caught:
            GUARD.check(proving(TOKEN, **wrong))
        shown = f"{caught.value} {caught.value.hint} {GUARD.challenge(caught.value)}"
        assert "secret" not in shown.lower()


@pytest.mark.req("DP-42")
def test_each_check_has_a_sentence_of_its_own() -> None:
    """Which one failed, in fixed words."""
    reasons = [reason for reason in Reason if reason.startswith(("proof_", "missing_proof", "several_proofs"))]
    assert len({DESCRIPTIONS[reason] for reason in reasons}) == len(reasons)
