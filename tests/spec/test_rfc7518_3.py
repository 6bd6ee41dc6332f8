"""RFC 7518 3: RSA and ECDSA signatures (RFC 8017 8.2.2, RFC 8812 3.2), and forgeries of them."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from tests.spec.support import guard_for, local_issuer, octets, refused, signing_key, trust, with_signature, without_alg

from tokenguard import Issuer, TokenGuard
from tokenguard.config import KNOWN_ALGORITHMS
from tokenguard.core.algorithms import ALGORITHMS
from tokenguard.errors import InvalidToken, Reason
from tokenguard.testing import LocalIssuer, SigningKey

# orders of the groups (SEC 2, FIPS 186) and octets of one half of a signature
CURVES = {
    "ES256": (0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, 32),
    "ES384": (
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        48,
    ),
    "ES512": (2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7, 66),
    "ES256K": (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141, 32),
}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
# the start of a DigestInfo (RFC 8017 9.2 note 1)
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")


def trusting(issuer: LocalIssuer) -> TokenGuard:
    """A guard that takes its algorithm, opted in where it is not a default."""
    return guard_for(trust(issuer, algorithms=(issuer.signing_key.algorithm,)))


def tokens_of(issuer: LocalIssuer) -> Iterator[str]:
    """Good tokens without end, from which to choose one whose signature has a rare form."""
    while True:
        yield issuer.mint()


def signed(token: str) -> tuple[bytes, bytes]:
    """A token's signing input and signature."""
    content, _, signature = token.rpartition(".")
    return content.encode(), octets(signature)


@pytest.mark.req("AT-03", "AL-18", "AL-06", "AL-05")
@pytest.mark.parametrize("algorithm", sorted(KNOWN_ALGORITHMS))
def test_every_known_algorithm_verifies(algorithm: str) -> None:
    """Where it is opted in, each algorithm takes its own signatures and no others."""
    issuer = local_issuer(algorithm)
    guard = trusting(issuer)
    token = issuer.mint()
    assert guard.validate(token)
    _, signature = signed(token)
    refused(guard, with_signature(token, signature[:-1] + bytes([signature[-1] ^ 1])), Reason.BAD_SIGNATURE)


# ECDSA (RFC 7518 3.4)


@pytest.mark.req("AL-07", "A-047")
@pytest.mark.parametrize("algorithm", CURVES)
@pytest.mark.parametrize(
    ("r", "s"),
    [("0", "0"), ("0", "1"), ("1", "0"), ("n", "n"), ("n", "1"), ("1", "n"), ("n", "0"), ("0", "n"), ("n+1", "1"),
     ("1", "n+1"), ("1", "1"), ("n-1", "n-1"), ("n-1", "1"), ("max", "max"), ("r", "0"), ("0", "s"), ("r", "n"),
     ("n", "s"), ("r+n", "s"), ("r", "s+n"), ("s", "r")],
)  # fmt: skip
def test_r_and_s_are_in_range(algorithm: str, r: str, s: str) -> None:
    """Zero, the order and more are no halves of a signature: the psychic signature is refused."""
    issuer = local_issuer(algorithm)
    order, length = CURVES[algorithm]
    token = issuer.mint()
    good = signed(token)[1]
    known = {"0": 0, "1": 1, "n": order, "n+1": order + 1, "n-1": order - 1, "max": 256**length - 1}
    known |= {"r": int.from_bytes(good[:length]), "s": int.from_bytes(good[length:])}
    known |= {"r+n": (known["r"] + order) % 256**length, "s+n": (known["s"] + order) % 256**length}
    forged = known[r].to_bytes(length) + known[s].to_bytes(length)
    refused(trusting(issuer), with_signature(token, forged), Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-06", "A-048")
@pytest.mark.parametrize("algorithm", CURVES)
def test_der_is_no_jws_signature(algorithm: str) -> None:
    """A good signature in DER, as most libraries write it, is refused."""
    issuer = local_issuer(algorithm)
    _, length = CURVES[algorithm]
    token = issuer.mint()
    good = signed(token)[1]
    der = encode_dss_signature(int.from_bytes(good[:length]), int.from_bytes(good[length:]))
    refused(trusting(issuer), with_signature(token, der), Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-06", "A-049")
@pytest.mark.parametrize("algorithm", CURVES)
def test_an_ecdsa_signature_has_one_length(algorithm: str) -> None:
    """Cut, padded in front, between or behind, doubled: a good signature of another length is refused."""
    issuer = local_issuer(algorithm)
    guard = trusting(issuer)
    _, length = CURVES[algorithm]
    token = issuer.mint()
    good = signed(token)[1]
    r, s = good[:length], good[length:]
    spellings = [
        good[:-1], good[1:], b"\0" + good, good + b"\0", b"\0" + r + b"\0" + s, r + b"\0\0" + s, r + b"\0" + s + b"\0",
        good + good, r, b"\0" * 200 + good, r[:-1] + s[:-1], r.lstrip(r[:1]) + s,
    ]  # fmt: skip
    assert guard.validate(token)
    for spelling in spellings:
        refused(guard, with_signature(token, spelling), Reason.BAD_SIGNATURE)


@pytest.mark.req("A-050")
@pytest.mark.parametrize("algorithm", CURVES)
def test_the_other_spelling_of_an_ecdsa_signature_verifies(algorithm: str) -> None:
    """(r, n-s) is as good as (r, s) by the standard, so that the text of a token identifies nothing."""
    issuer = local_issuer(algorithm)
    order, length = CURVES[algorithm]
    token = issuer.mint(sub="alice")
    good = signed(token)[1]
    other = good[:length] + (order - int.from_bytes(good[length:])).to_bytes(length)
    assert other != good
    assert trusting(issuer).validate(with_signature(token, other)).subject == "alice"


class KeptDER:
    """In place of a public key: keeps the signature that it is asked about."""

    def verify(self, signature: bytes, _message: bytes, _scheme: ec.ECDSA) -> None:
        """Every signature will do."""
        self.signature = signature


@pytest.mark.req("AL-06", "AL-07")
@pytest.mark.parametrize("algorithm", CURVES)
def test_r_and_s_become_the_der_that_cryptography_writes(algorithm: str) -> None:
    """Whatever the first octets of R and S are, leading zeros and set first bits included."""
    length = CURVES[algorithm][1]
    firsts = [b"\0", b"\0\0", b"\0\x7f", b"\0\x80", b"\1", b"\x7f", b"\x80", b"\xff", b"\0" * length, b"\xff" * length]
    halves = [first + os.urandom(length - len(first)) for first in firsts]
    key = KeptDER()
    verify = ALGORITHMS[algorithm].verifier(key)
    for r, s in itertools.product(halves, halves):
        verify(r + s, b"a message")
        assert key.signature == encode_dss_signature(int.from_bytes(r), int.from_bytes(s))


@pytest.mark.req("AL-06")
@pytest.mark.parametrize("algorithm", CURVES)
@pytest.mark.parametrize("bits", HASHES)
def test_an_ecdsa_algorithm_has_one_hash(algorithm: str, bits: str) -> None:
    """A signature over another hash is another algorithm's."""
    issuer = local_issuer(algorithm)
    _, length = CURVES[algorithm]
    token = issuer.mint()
    private = issuer.signing_key.private
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(private.sign(signed(token)[0], ec.ECDSA(HASHES[bits])))
    forged = with_signature(token, r.to_bytes(length) + s.to_bytes(length))
    if algorithm.startswith(f"ES{bits}"):
        assert trusting(issuer).validate(forged)
    else:
        refused(trusting(issuer), forged, Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-08", "A-030", "JB-02")
@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("alg", CURVES)
def test_the_algorithm_and_the_curve_agree(curve: str, alg: str) -> None:
    """A key on one curve does not verify under the algorithm of another, though its JWK names no algorithm."""
    key = signing_key(curve)
    issuer = LocalIssuer(signing_key=key, clock=local_issuer().clock)
    guard = guard_for(trust(issuer, jwks={"keys": [without_alg(key)]}, algorithms=tuple(CURVES)))
    token = issuer.mint(header={"alg": alg})
    if alg == curve:
        assert guard.validate(token)
    else:
        refused(guard, token, Reason.UNSUPPORTED_ALGORITHM)


# RSA (RFC 7518 3.3, 3.5; RFC 8017 8)


@pytest.mark.req("AL-05", "A-035")
@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
@pytest.mark.parametrize("salt", [0, 1, 20, -1, +1, "max"])
def test_a_pss_salt_is_as_long_as_the_hash(algorithm: str, salt: int | str) -> None:
    """Any other length of salt is refused, and so is none."""
    issuer = local_issuer(algorithm)
    hash_ = HASHES[algorithm[2:]]
    length = {"max": 256 - hash_.digest_size - 2, -1: hash_.digest_size - 1, 1: hash_.digest_size + 1}.get(salt, salt)
    forged = pss_signed(issuer, padding.PSS(padding.MGF1(hash_), int(length)), hash_)
    refused(guard_for(trust(issuer, algorithms=(algorithm,))), forged, Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-05", "A-035")
@pytest.mark.parametrize("mask", [hashes.SHA384(), hashes.SHA1(), hashes.SHA256()], ids=lambda h: h.name)  # noqa: S303
def test_a_pss_mask_uses_the_same_hash(mask: hashes.HashAlgorithm) -> None:
    """MGF1 with another hash is refused; with the same it is what PS256 means."""
    issuer = local_issuer("PS256")
    token = pss_signed(issuer, padding.PSS(padding.MGF1(mask), 32), hashes.SHA256())
    if mask.name == "sha256":
        assert guard_for(issuer).validate(token)
    else:
        refused(guard_for(issuer), token, Reason.BAD_SIGNATURE)


def pss_signed(issuer: LocalIssuer, pss: padding.PSS, hash_: hashes.HashAlgorithm) -> str:
    """A token with a PSS signature made in this way."""
    token = issuer.mint()
    private = issuer.signing_key.private
    assert isinstance(private, rsa.RSAPrivateKey)
    return with_signature(token, private.sign(signed(token)[0], pss, hash_))


def power(key: rsa.RSAPrivateKey, encoded: bytes) -> bytes:
    """The RSA signature whose padded message is exactly this, well padded or not."""
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    return pow(int.from_bytes(encoded), numbers.d, modulus).to_bytes((modulus.bit_length() + 7) // 8)


def padded(digest_info: bytes, *, head: bytes = b"\0\1", fill: bytes = b"\xff", rest: bytes = b"") -> bytes:
    """PKCS#1 v1.5 padding for 2048 bits (RFC 8017 9.2), with room for mistakes."""
    return head + fill * (256 - len(head) - 1 - len(digest_info) - len(rest)) + b"\0" + digest_info + rest


@pytest.mark.req("A-034", "AL-04")
@pytest.mark.parametrize(
    "fault", ["none", "SHA-1", "no DigestInfo", "block type 2", "zero fill", "short fill", "rest after the hash",
              "no NULL", "other hash"]
)  # fmt: skip
def test_pkcs1_padding_is_exact(fault: str) -> None:
    """A signature by the right key over a padding that is nearly right is refused; over the right one it holds."""
    issuer = local_issuer("RS256")
    token = issuer.mint()
    message = signed(token)[0]
    sha256 = SHA256_INFO + hashlib.sha256(message).digest()
    encoded = {
        "none": padded(sha256),
        "SHA-1": padded(SHA1_INFO + hashlib.sha1(message).digest()),  # noqa: S324 - the attack
        "no DigestInfo": padded(hashlib.sha256(message).digest()),
        "block type 2": padded(sha256, head=b"\0\2"),
        "zero fill": padded(sha256, fill=b"\0"),
        "short fill": b"\0\1" + b"\xff" * 8 + b"\0" + sha256 + b"\xaa" * (256 - 11 - len(sha256)),
        "rest after the hash": padded(sha256, rest=b"\0" * 16),
        "no NULL": padded(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + sha256[-32:]),
        "other hash": padded(SHA256_INFO + hashlib.sha256(message + b".").digest()),
    }[fault]
    private = issuer.signing_key.private
    assert isinstance(private, rsa.RSAPrivateKey)
    forged = with_signature(token, power(private, encoded))
    if fault == "none":
        assert guard_for(issuer).validate(forged)
    else:
        refused(guard_for(issuer), forged, Reason.BAD_SIGNATURE)


@pytest.mark.req("A-034", "AL-02")
def test_a_signature_forged_for_exponent_three_is_refused() -> None:
    """Bleichenbacher's forgery of 2006: a cube that begins like a padded hash, made without the private key."""
    key = SigningKey("RS256", rsa.generate_private_key(public_exponent=3, key_size=2048), "cube")
    issuer = LocalIssuer(signing_key=key, clock=local_issuer().clock)
    guard = guard_for(issuer)
    token = issuer.mint()
    assert guard.validate(token)
    info = SHA256_INFO + hashlib.sha256(signed(token)[0]).digest()
    begin = b"\0\1" + b"\xff" * 8 + b"\0" + info
    lowest = int.from_bytes(begin + b"\0" * (256 - len(begin)))
    root = cube_root(lowest) + 1
    assert (root**3).to_bytes(256).startswith(begin)
    refused(guard, with_signature(token, root.to_bytes(256)), Reason.BAD_SIGNATURE)


def cube_root(number: int) -> int:
    """The largest integer whose cube is not above the number."""
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


@pytest.mark.req("AL-04", "A-056")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_an_rsa_signature_is_as_long_as_its_key(algorithm: str) -> None:
    """Cut, padded or doubled, a good signature is refused."""
    issuer = local_issuer(algorithm)
    guard = guard_for(issuer)
    token = next(token for token in tokens_of(issuer) if signed(token)[1][-1] != 0)
    good = signed(token)[1]
    assert guard.validate(token)
    for spelling in (good[:-1], good[1:], b"\0" + good, good + b"\0", good + good, b"\0" * 256 + good, b"\0", b""):
        refused(guard, with_signature(token, spelling), Reason.BAD_SIGNATURE)


@pytest.mark.req("AL-04", "A-056")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_an_rsa_signature_is_below_its_modulus(algorithm: str) -> None:
    """The same number plus the modulus is refused, in the same number of octets and in one more."""
    issuer = local_issuer(algorithm)
    guard = guard_for(issuer)
    modulus = int.from_bytes(octets(str(issuer.signing_key.jwk["n"])))
    small = next(token for token in tokens_of(issuer) if int.from_bytes(signed(token)[1]) + modulus < 256**256)
    number = int.from_bytes(signed(small)[1])
    assert guard.validate(small)
    for value, length in ((number + modulus, 256), (number + modulus, 257), (modulus, 256), (256**256 - 1, 256)):
        refused(guard, with_signature(small, value.to_bytes(length)), Reason.BAD_SIGNATURE)


@pytest.mark.req("A-034", "AL-18", "AL-17")
@pytest.mark.parametrize("alg", ["RS1", "HS1", "ESP256", "ESB256", "ESP384", "RS256 ", "RSA", "SHA256withRSA"])
def test_names_of_other_registries_are_no_algorithms_here(alg: str) -> None:
    """SHA-1 and COSE's names are on no list, and can't be put on one."""
    issuer: LocalIssuer = local_issuer("RS256")
    refused(guard_for(issuer), issuer.mint(header={"alg": alg}), Reason.UNSUPPORTED_ALGORITHM)
    with pytest.raises(ValueError, match=r"unknown|never accepted"):
        Issuer(issuer.issuer, algorithms=(alg,))


@pytest.mark.req("JB-04")
@pytest.mark.parametrize("algorithm", sorted(KNOWN_ALGORITHMS))
@pytest.mark.parametrize("length", [0, 1, 2, 31, 32, 64, 65, 114, 256, 5000])
def test_no_octets_of_any_length_pass_for_a_signature(algorithm: str, length: int) -> None:
    """Whatever a library may think of such octets, the token is refused and nothing else is raised."""
    issuer = local_issuer(algorithm)
    guard = trusting(issuer)
    for octet in (b"\x00", b"\xff", b"\x30"):
        with pytest.raises(InvalidToken) as caught:
            guard.validate(with_signature(issuer.mint(), octet * length))
        assert caught.value.reason is Reason.BAD_SIGNATURE
