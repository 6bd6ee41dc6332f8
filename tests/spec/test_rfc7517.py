"""RFC 7517 4 and 5: key sets, and which of their keys may verify what."""

from __future__ import annotations

import json
import secrets
from types import MappingProxyType
from typing import Any

import pytest
from tests.spec.support import AUDIENCE, NOW, guard_for, local_issuer, refused, signing_key, skipped, trust, without_alg

from tokenguard import Issuer, TokenGuard
from tokenguard.config import KeyPolicy
from tokenguard.errors import ConfigurationError, Reason
from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.documents import Response
from tokenguard.testing.jws import b64url
from tokenguard.testing.server import LoopbackServer

GOOD = signing_key("ES256", "wrong").jwk
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


def publishing(issuer: LocalIssuer, *jwks: dict[str, Any], **settings: Any) -> TokenGuard:
    """A guard that trusts the issuer with these keys."""
    return guard_for(trust(issuer, jwks={"keys": list(jwks)}, **settings))


# the set


@pytest.mark.req("JK-02")
@pytest.mark.parametrize(
    "jwks",
    [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"key": []}, {"Keys": [GOOD]}, {"keys": GOOD}, GOOD],
    ids=repr,
)
def test_a_key_set_is_an_object_with_an_array_of_keys(issuer: LocalIssuer, jwks: Any) -> None:
    """Anything else is no key set, and a wrong setting where it was configured."""
    with pytest.raises(ConfigurationError, match="not a JWK Set"):
        guard_for(trust(issuer, jwks=jwks))


@pytest.mark.req("JK-02")
@pytest.mark.parametrize("jwks", [[GOOD], json.dumps({"keys": [GOOD]}), b"{}", 1], ids=type)
def test_a_key_set_is_given_as_a_mapping(issuer: LocalIssuer, jwks: Any) -> None:
    """JSON text and bare arrays are wrong settings."""
    with pytest.raises(ConfigurationError, match=r"Issuer\.jwks"):
        Issuer(issuer.issuer, jwks=jwks)


@pytest.mark.req("JK-02", "JK-03")
def test_unknown_members_are_ignored(issuer: LocalIssuer) -> None:
    """Members that nobody knows, of the set and of a key, change nothing; any mapping will do."""
    jwk = {**issuer.signing_key.jwk, "x5t": 1, "ext": True, "https://example.com/x": []}
    guard = guard_for(trust(issuer, jwks=MappingProxyType({"keys": (jwk,), "version": 2})))
    assert guard.validate(issuer.mint())


@pytest.mark.req("JK-03", "JK-04")
@pytest.mark.parametrize(
    "jwk",
    [{}, None, 1, "RSA", [], [GOOD], {"kid": "wrong"}, *({**GOOD, "kty": kty} for kty in (None, 1, ["EC"], "ec")),
     *({**GOOD, "kty": kty} for kty in ("RSA", "OKP", "AKP", "oct")), {**GOOD, "kid": 1}, {**GOOD, "kid": ["wrong"]},
     {**GOOD, "alg": 1}, {**GOOD, "alg": ["ES256"]}],
    ids=lambda jwk: str(jwk)[:24],
)  # fmt: skip
def test_a_key_that_cannot_be_read_is_skipped(jwk: Any) -> None:
    """One odd entry costs itself, and the keys beside it serve."""
    skipped(jwk)


@pytest.mark.req("JK-02")
def test_an_empty_set_is_no_set(issuer: LocalIssuer) -> None:
    """Without a usable key nothing could ever be let in, which is said at once."""
    with pytest.raises(ConfigurationError, match="no usable key"):
        publishing(issuer)


@pytest.mark.req("JK-02", "A-073")
def test_a_set_has_no_more_keys_than_are_allowed(issuer: LocalIssuer) -> None:
    """A set beyond KeyPolicy.max_keys is refused as a whole."""
    other = signing_key("ES256", "key-2").jwk
    assert publishing(issuer, issuer.signing_key.jwk, other, keys=KeyPolicy(max_keys=2)).validate(issuer.mint())
    with pytest.raises(ConfigurationError, match="max_keys"):
        publishing(issuer, issuer.signing_key.jwk, other, keys=KeyPolicy(max_keys=1))


# use and key_ops


@pytest.mark.req("JK-05", "A-044", "AS-09")
@pytest.mark.parametrize("use", ["enc", "SIG", "Sig", "", "sig ", None, 1, True, ["sig"]], ids=repr)
def test_a_key_for_another_use_is_skipped(use: Any) -> None:
    """A key for encryption, or for something nobody knows, verifies nothing."""
    skipped({**GOOD, "use": use})


@pytest.mark.req("JK-06", "A-044")
@pytest.mark.parametrize(
    "key_ops",
    [
        ["encrypt"],
        ["sign"],
        [],
        ["verify", "verify"],
        ["Verify"],
        "verify",
        None,
        {"verify": 1},
        ["verify", 1],
        [["verify"]],
    ],
    ids=repr,
)
def test_a_key_whose_operations_lack_verify_is_skipped(key_ops: Any) -> None:
    """key_ops must name verify, once, in an array of strings."""
    skipped({name: value for name, value in GOOD.items() if name != "use"} | {"key_ops": key_ops})


@pytest.mark.req("JK-07")
@pytest.mark.parametrize("key_ops", [["verify", "encrypt"], ["verify", "deriveBits"], ["verify", "sign", "wrapKey"]])
def test_a_use_and_operations_that_disagree_make_a_key_doubtful(key_ops: list[str]) -> None:
    """use sig beside operations of encryption is skipped."""
    skipped({**GOOD, "use": "sig", "key_ops": key_ops})


@pytest.mark.req("JK-05", "JK-06", "JK-07")
@pytest.mark.parametrize(
    "members", [{}, {"use": "sig"}, {"key_ops": ["verify"]}, {"use": "sig", "key_ops": ["verify"]},
                {"use": "sig", "key_ops": ["sign", "verify"]}, {"key_ops": ["verify", "x-unheard-of"]}], ids=repr
)  # fmt: skip
def test_a_key_for_signatures_is_used(issuer: LocalIssuer, members: dict[str, Any]) -> None:
    """Absent use and key_ops leave a key free; present ones that say verify allow it."""
    jwk = {name: value for name, value in issuer.signing_key.jwk.items() if name not in {"use", "key_ops"}}
    assert publishing(issuer, jwk | members).validate(issuer.mint())


# alg


@pytest.mark.req("JK-08", "A-029", "JB-02", "AL-19")
@pytest.mark.parametrize("alg", [name for name in RSA_ALGORITHMS if name != "RS256"])
def test_a_key_that_names_an_alg_serves_that_one(alg: str) -> None:
    """An RSA key published for RS256 verifies nothing else, though the mathematics would."""
    issuer = local_issuer("RS256")
    guard = publishing(issuer, issuer.signing_key.jwk, algorithms=RSA_ALGORITHMS)
    assert guard.validate(issuer.mint())
    refused(guard, issuer.mint(algorithm=alg), Reason.UNSUPPORTED_ALGORITHM)
    refused(guard, issuer.mint(algorithm=alg, header={"kid": None}), Reason.UNKNOWN_KEY)
    refused(guard, issuer.mint(header={"alg": alg}), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("JK-08", "A-029")
@pytest.mark.parametrize("alg", ["rs256", "RS256 ", "PS256", "RSA-OAEP", "ES256", "none", "HS256", ""])
def test_a_key_that_names_another_alg_is_skipped(alg: str) -> None:
    """An alg that is not allowed, or not the type's, leaves the key without use."""
    skipped({**signing_key("RS256").jwk, "kid": "wrong", "alg": alg}, "RS256")


@pytest.mark.req("JK-09", "JB-02")
def test_without_alg_a_key_serves_the_allowed_ones_of_its_type() -> None:
    """Providers publish one RSA key for RS256 and PS256; it serves those of the two that are allowed, and no other."""
    issuer = local_issuer("RS256")
    key = without_alg(issuer.signing_key)
    both = publishing(issuer, key, algorithms=("RS256", "PS256", "ES256"))
    assert both.validate(issuer.mint())
    assert both.validate(issuer.mint(algorithm="PS256"))
    refused(both, issuer.mint(header={"alg": "ES256"}), Reason.UNSUPPORTED_ALGORITHM)
    refused(both, issuer.mint(header={"alg": "PS256"}), Reason.BAD_SIGNATURE)
    pinned = publishing(issuer, key, algorithms=("RS256",))
    assert pinned.validate(issuer.mint())
    refused(pinned, issuer.mint(algorithm="PS256"), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("JK-09", "A-028")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_without_alg_the_type_decides(algorithm: str) -> None:
    """A token whose alg is another type's than the named key's is refused."""
    issuer = local_issuer(algorithm)
    allowed = ("RS256", "ES256", "Ed25519", "ML-DSA-44")
    guard = publishing(issuer, without_alg(issuer.signing_key), algorithms=allowed)
    for alg in set(allowed) - {algorithm}:
        refused(guard, issuer.mint(header={"alg": alg}), Reason.UNSUPPORTED_ALGORITHM)


# kid


@pytest.mark.req("JK-12", "A-043")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
@pytest.mark.parametrize("published", ["with alg", "without alg", "mixed"])
def test_two_keys_under_one_kid_are_both_skipped(algorithm: str, published: str) -> None:
    """No guess is made which of two keys of a kind is meant; the set's other keys serve."""
    twins = [SigningKey(algorithm, signing_key(algorithm, f"twin-{number}").private, "twin") for number in (1, 2)]
    first, second = (key.jwk for key in twins)
    if published == "without alg":
        first, second = (without_alg(key) for key in twins)
    elif published == "mixed":
        second = without_alg(twins[1])
    beside = local_issuer("Ed25519")
    guard = publishing(beside, first, second, beside.signing_key.jwk, algorithms=(algorithm, "Ed25519"))
    assert guard.validate(beside.mint())
    for key in twins:
        refused(guard, beside.mint(key=key), Reason.UNKNOWN_KEY)
        refused(guard, beside.mint(key=key, header={"kid": None}), Reason.UNKNOWN_KEY)
    with pytest.raises(ConfigurationError, match="share their kid"):
        publishing(beside, first, second, algorithms=(algorithm,))


@pytest.mark.req("JK-12")
def test_one_kid_for_two_types_is_told_apart_by_alg() -> None:
    """Keys that differ in type may share a kid: the alg says which is meant."""
    issuer = local_issuer("ES256")
    keys = [signing_key(name) for name in ("ES256", "RS256", "Ed25519")]
    assert {key.kid for key in keys} == {"key-1"}
    guard = publishing(issuer, *(key.jwk for key in keys))
    for key in keys:
        assert guard.validate(issuer.mint(key=key))


@pytest.mark.req("JK-12")
def test_the_same_key_twice_is_one_key(issuer: LocalIssuer) -> None:
    """A set that repeats itself, with alg and without, is not ambiguous."""
    key = issuer.signing_key
    assert publishing(issuer, key.jwk, key.jwk, without_alg(key)).validate(issuer.mint())


@pytest.mark.req("JK-10")
def test_a_key_without_a_kid_is_for_tokens_without_one(issuer: LocalIssuer) -> None:
    """A token that names a kid is not tried with a key that has none."""
    unnamed = {name: value for name, value in issuer.signing_key.jwk.items() if name != "kid"}
    guard = publishing(issuer, unnamed)
    assert guard.validate(issuer.mint(header={"kid": None}))
    refused(guard, issuer.mint(), Reason.UNKNOWN_KEY)


# secrets in the set


@pytest.mark.req("JK-13", "A-036", "AL-11", "AL-12")
@pytest.mark.parametrize("length", [16, 32, 64])
def test_a_symmetric_key_is_never_used(length: int, caplog: pytest.LogCaptureFixture) -> None:
    """A secret in a key set verifies nothing, whatever signed with it, and a warning says so."""
    secret = secrets.token_bytes(length)
    jwk = {"kty": "oct", "kid": "wrong", "k": b64url(secret), "alg": "HS256", "use": "sig"}
    skipped(jwk)
    assert "a symmetric key has no place in a published key set" in caplog.text
    assert jwk["k"] not in caplog.text
    issuer = local_issuer("ES256")
    guard = publishing(issuer, jwk, issuer.signing_key.jwk)
    forged = issuer.mint(algorithm="HS256", key=secret, header={"kid": "wrong"})
    refused(guard, forged, Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("JK-14", "A-045")
@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
@pytest.mark.parametrize("value", ["AQAB", "", None, []])
def test_a_published_private_key_is_not_used(member: str, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever could read the set could sign, so the key is skipped, with a warning that shows none of it."""
    skipped({**GOOD, member: value})
    assert "its private part is published" in caplog.text
    assert GOOD["x"] not in caplog.text


@pytest.mark.req("JK-14", "A-045")
def test_tokens_of_a_published_private_key_are_refused() -> None:
    """The real private key of the issuer in its set makes its tokens worthless."""
    issuer = local_issuer("ES256", kid="leaked")
    private: Any = issuer.signing_key.private
    leaked = issuer.signing_key.jwk | {"d": b64url(private.private_numbers().private_value.to_bytes(32))}
    guard = publishing(issuer, leaked, signing_key("ES256").jwk)
    refused(guard, issuer.mint(), Reason.UNKNOWN_KEY)


# the text of a fetched set


@pytest.mark.req("JK-20", "A-070")
@pytest.mark.parametrize(
    "member", ['"kty":"EC"', '"alg":"ES256"', '"kid":"wrong"', '"\\u006bid":"x"', '"x":"AA"', '"z":0,"z":0']
)
def test_a_key_with_a_member_twice_is_skipped(issuer: LocalIssuer, member: str) -> None:
    """In the text of a served set, a repeated member costs the key that has it, and no other."""
    doubled = json.dumps(GOOD)[:-1] + f",{member}}}"
    text = f'{{"keys":[{doubled},{json.dumps(issuer.signing_key.jwk)}]}}'
    server = LoopbackServer(0, lambda _path, _etag: Response(200, text.encode()), [])
    try:
        trusted = trust(issuer, jwks=None, jwks_uri=f"http://127.0.0.1:{server.port}/jwks")
        with guard_for(trusted) as guard:
            assert guard.validate(issuer.mint())
            wrong = LocalIssuer(audience=AUDIENCE, signing_key=signing_key("ES256", "wrong"), clock=lambda: NOW)
            refused(guard, wrong.mint(), Reason.UNKNOWN_KEY)
    finally:
        server.close()
