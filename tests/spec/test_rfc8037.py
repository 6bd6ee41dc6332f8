"""RFC 8037 and RFC 9864: Edwards curves, one a name, and signatures that RFC 8032 does not allow."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from tests.spec.support import (
    NOW,
    guard_for,
    local_issuer,
    octets,
    refused,
    signing_key,
    skipped,
    trust,
    with_signature,
    without_alg,
)

from tokenguard import TokenGuard
from tokenguard.errors import Reason
from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.jws import b64url

EDWARDS = ("EdDSA", "Ed25519", "Ed448")
#: orders of the groups (RFC 8032 5.1, 5.2), and octets of a half signature
L = {
    "Ed25519": (2**252 + 27742317777372353535851937790883648493, 32),
    "Ed448": (2**446 - 13818066809895115352007386748515426880336692474882178609894547503885, 57),
}
P25519 = 2**255 - 19
P448 = 2**448 - 2**224 - 1
ORDER_8 = (
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7,
)
#: every encoding of a point of small order: with both signs, and the non-canonical ones that still fit
SMALL_ORDER = [
    (y | sign << 255).to_bytes(32, "little")
    for y in (0, 1, P25519 - 1, P25519, P25519 + 1, *ORDER_8)
    for sign in (0, 1)
]


def trusting(issuer: LocalIssuer, **settings: Any) -> TokenGuard:
    """A guard that takes all three names."""
    return guard_for(trust(issuer, algorithms=(*EDWARDS, "ES256"), **settings))


def okp(crv: str, x: bytes, **members: Any) -> dict[str, Any]:
    """An OKP key of these octets."""
    return {"kty": "OKP", "kid": "wrong", "crv": crv, "x": b64url(x), **members}


@pytest.mark.req("AL-13", "AL-14", "AL-18")
@pytest.mark.parametrize("algorithm", EDWARDS)
def test_each_name_takes_keys_of_its_curve(algorithm: str) -> None:
    """EdDSA and Ed25519 are Ed25519 and defaults; Ed448 is Ed448 and opted in."""
    issuer = local_issuer(algorithm)
    token = issuer.mint()
    assert trusting(issuer).validate(token)
    if algorithm != "Ed448":
        assert guard_for(issuer).validate(token)


@pytest.mark.req("AL-14", "AL-15", "A-031", "JB-02")
@pytest.mark.parametrize("curve", ["Ed25519", "Ed448"])
@pytest.mark.parametrize("alg", EDWARDS)
def test_a_name_and_a_curve_agree(alg: str, curve: str) -> None:
    """A key of one curve does not verify under the other's name, nor Ed448 under EdDSA, though its JWK names no alg."""
    issuer = local_issuer(curve)
    guard = trusting(issuer, jwks={"keys": [without_alg(issuer.signing_key)]})
    token = issuer.mint(algorithm=alg)
    if (alg == "Ed448") == (curve == "Ed448"):
        assert guard.validate(token)
    else:
        refused(guard, token, Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("AL-14", "AL-15", "A-031", "JK-08")
@pytest.mark.parametrize(("curve", "alg"), [("Ed25519", "Ed448"), ("Ed448", "Ed25519"), ("Ed448", "EdDSA")])
def test_a_key_whose_alg_and_curve_disagree_is_skipped(curve: str, alg: str) -> None:
    """A JWK that names the other curve's algorithm serves none."""
    skipped({**signing_key(curve).jwk, "kid": "wrong", "alg": alg}, alg)


@pytest.mark.req("AL-14")
def test_eddsa_can_be_left_out() -> None:
    """A deployment that lists Ed25519 alone refuses the older name."""
    issuer = local_issuer("Ed25519")
    guard = guard_for(trust(issuer, jwks={"keys": [without_alg(issuer.signing_key)]}, algorithms=("Ed25519",)))
    assert guard.validate(issuer.mint())
    refused(guard, issuer.mint(algorithm="EdDSA"), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("AL-13", "A-031")
@pytest.mark.parametrize("crv", ["X25519", "X448", "ed25519", "Ed25519ph", "P-256", "", None, 1, ["Ed25519"]], ids=repr)
def test_a_curve_that_makes_no_signatures_is_skipped(crv: Any) -> None:
    """Keys for key agreement, and curves that nobody knows, verify nothing, even with an Ed25519 point in them."""
    skipped({**signing_key("Ed25519").jwk, "kid": "wrong", "crv": crv}, "Ed25519")


@pytest.mark.req("AL-13")
@pytest.mark.parametrize(("crv", "lengths"), [("Ed25519", [0, 1, 31, 33, 57, 64]), ("Ed448", [0, 32, 56, 58, 114])])
def test_a_key_has_the_length_of_its_curve(crv: str, lengths: list[int]) -> None:
    """One octet less or more and the key is skipped."""
    for length in lengths:
        skipped(okp(crv, secrets.token_bytes(length)), crv)


@pytest.mark.req("AL-13")
@pytest.mark.parametrize("x", [None, 1, [], "!", "A" * 43 + "=", "A" * 42 + "B"])
def test_a_key_is_written_in_one_way(x: Any) -> None:
    """x is canonical base64url."""
    skipped({"kty": "OKP", "kid": "wrong", "crv": "Ed25519", "x": x}, "Ed25519")


@pytest.mark.req("AL-13")
@pytest.mark.parametrize("algorithm", ["Ed25519", "Ed448"])
def test_an_edwards_signature_has_one_length(algorithm: str) -> None:
    """64 and 114 octets; a good signature cut or padded is refused."""
    issuer = local_issuer(algorithm)
    token = issuer.mint()
    good = octets(token.rpartition(".")[2])
    assert len(good) == 2 * L[algorithm][1]
    for wrong in (good[:-1], good[1:], good + b"\0", b"\0" + good, good + good, good[: len(good) // 2]):
        refused(trusting(issuer), with_signature(token, wrong), Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-16", "A-051")
@pytest.mark.parametrize("algorithm", ["Ed25519", "Ed448"])
@pytest.mark.parametrize("times", [1, 2])
def test_s_is_below_the_order_of_the_group(algorithm: str, times: int) -> None:
    """S plus a multiple of L would verify too; without the rule a token had many spellings."""
    issuer = local_issuer(algorithm)
    order, length = L[algorithm]
    token = issuer.mint()
    good = octets(token.rpartition(".")[2])
    s = int.from_bytes(good[length:], "little")
    assert s < order
    forged = good[:length] + (s + times * order).to_bytes(length, "little")
    refused(trusting(issuer), with_signature(token, forged), Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-16", "A-051", "JB-06")
@pytest.mark.parametrize("x", SMALL_ORDER, ids=bytes.hex)
def test_an_ed25519_key_of_small_order_is_skipped(x: bytes) -> None:
    """Under such a key anyone can make signatures; each spelling of the eight points is skipped."""
    skipped(okp("Ed25519", x, alg="Ed25519"), "Ed25519")


@pytest.mark.req("AL-16", "JB-06")
@pytest.mark.parametrize("y", [0, 1, P448 - 1, P448, P448 + 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_an_ed448_key_of_small_order_is_skipped(y: int, sign: int) -> None:
    """The same holds for the four points of the larger curve."""
    skipped(okp("Ed448", (y | sign << 455).to_bytes(57, "little")), "Ed448")


@pytest.mark.req("AL-16", "A-051")
@pytest.mark.parametrize("x", [bytes(32), b"\1" + bytes(31)], ids=["zero", "identity"])
def test_a_signature_that_anyone_could_make_is_refused(x: bytes) -> None:
    """R the identity and S zero verify any message under the identity; with the key skipped there is nothing to try."""
    issuer = local_issuer("ES256")
    jwks = {"keys": [okp("Ed25519", x, alg="Ed25519"), issuer.signing_key.jwk]}
    token = issuer.mint(header={"alg": "Ed25519", "kid": "wrong"})
    guard = trusting(issuer, jwks=jwks)
    for forged in (bytes(64), b"\1" + bytes(63), x + bytes(32)):
        refused(guard, with_signature(token, forged), Reason.UNKNOWN_KEY)


@pytest.mark.req("AL-16", "A-051", "AL-13")
@pytest.mark.parametrize("algorithm", ["Ed25519", "Ed448"])
def test_a_signature_of_constants_is_refused(algorithm: str) -> None:
    """Zeros, the identity and the order itself are no signature by a good key."""
    issuer = local_issuer(algorithm)
    order, length = L[algorithm]
    token = issuer.mint()
    for r in (0, 1, order):
        for s in (0, 1, order):
            forged = r.to_bytes(length, "little") + s.to_bytes(length, "little")
            refused(trusting(issuer), with_signature(token, forged), Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-15", "A-031", "JB-04")
def test_a_point_that_does_not_decode_verifies_nothing() -> None:
    """With an x that is no point of the curve no signature holds."""
    issuer = local_issuer("Ed25519")
    no_point = next(y for y in range(2, 100) if not is_on_curve(y))
    key = SigningKey("Ed25519", issuer.signing_key.private, "wrong")
    other = LocalIssuer(signing_key=key, clock=lambda: NOW)
    jwks = {"keys": [okp("Ed25519", no_point.to_bytes(32, "little")), signing_key("ES256").jwk]}
    guard = trusting(other, jwks=jwks)
    for forged in (bytes(64), octets(other.mint().rpartition(".")[2])):
        refused(guard, with_signature(other.mint(), forged), Reason.BAD_SIGNATURE)


def is_on_curve(y: int) -> bool:
    """Has -x² + y² = 1 + dx²y² a solution (RFC 8032 5.1)? By Euler's criterion."""
    d = -121665 * pow(121666, -1, P25519)
    x_squared = (y * y - 1) * pow(d * y * y + 1, -1, P25519) % P25519
    return pow(x_squared, (P25519 - 1) // 2, P25519) in {0, 1}
