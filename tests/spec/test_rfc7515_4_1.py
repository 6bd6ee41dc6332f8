"""RFC 7515 4.1: the header's members, which choose a key and never bring one (with RFC 7797 and RFC 8725 3.10)."""

from __future__ import annotations

import contextlib
import sys
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from tests.spec.support import (
    AUDIENCE,
    NOW,
    claims_for,
    guard_for,
    header_for,
    local_issuer,
    refused,
    signing_key,
    trust,
    with_header,
)

from tokenguard import TokenGuard
from tokenguard.config import Limits
from tokenguard.core.keys import MAX_CANDIDATES
from tokenguard.errors import InvalidToken, Reason
from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.jws import b64url

OUTSIDE = ("open", "socket.", "subprocess.", "os.", "sqlite3.", "urllib.", "ctypes.", "exec", "compile", "import")


class Watch:
    """What Python's audit hooks (PEP 578) see of the outside world inside `with watch:`."""

    def __init__(self) -> None:
        self.is_on = False
        self.events: list[str] = []
        sys.addaudithook(self._see)  # for good: a hook can't be taken back

    def _see(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if self.is_on and event.startswith(OUTSIDE):
            self.events.append(event)

    def __enter__(self) -> None:
        self.events.clear()
        self.is_on = True

    def __exit__(self, *_: object) -> None:
        self.is_on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    """Watches files, sockets, processes and imports."""
    return Watch()


# alg


@pytest.mark.req("JW-07", "A-023")
@pytest.mark.parametrize("alg", [None, 0, 1, [], ["ES256"], {}, {"ES256": 1}, True, ""], ids=repr)
def test_alg_is_a_string(guard: TokenGuard, issuer: LocalIssuer, alg: Any) -> None:
    """An alg of another type is on no list."""
    refused(guard, with_header(issuer, header_for(issuer, alg=alg)), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("JW-07", "A-023")
def test_alg_must_be_there(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A header without alg does not leave the choice to us."""
    refused(guard, issuer.mint(header={"alg": None}), Reason.UNSUPPORTED_ALGORITHM)


@pytest.mark.req("JW-07", "JB-01", "JW-13")
@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", None])
def test_alg_is_judged_before_the_payload_is_read(issuer: LocalIssuer, other: LocalIssuer, alg: Any) -> None:
    """Where iss must choose among issuers, a token under an algorithm of none of them does not get so far."""
    header = with_header(issuer, header_for(issuer, alg=alg)).partition(".")[0]
    refused(guard_for(issuer, other), f"{header}.{b64url(b'junk')}.AAAA", Reason.UNSUPPORTED_ALGORITHM)


# kid


HOSTILE_KIDS = [
    "../../dev/null", "/etc/passwd", "file:///dev/null", "' OR 1=1--", "|id", "$(id)", "`id`", "key-1\x00", "key-1 ",
    "KEY-1", "key-1\n", "", "\u043aey-1", "*", "%", "https://attacker.test/jwks", "__class__", "0", "None", "k" * 256,
]  # fmt: skip


@pytest.mark.req("JK-10", "JW-15", "JB-12", "A-040")
@pytest.mark.parametrize("kid", HOSTILE_KIDS)
def test_a_kid_is_a_key_into_a_dictionary(guard: TokenGuard, issuer: LocalIssuer, kid: str, watch: Watch) -> None:
    """A kid that is not published finds nothing, and is used for nothing else: no file, query, process or socket."""
    token = issuer.mint(header={"kid": kid})
    refused(guard, token, Reason.UNKNOWN_KEY)
    with watch, contextlib.suppress(InvalidToken):
        guard.validate(token)
    assert watch.events == []


@pytest.mark.req("JW-15", "A-040")
@pytest.mark.parametrize("kid", [1, 0, True, [], ["key-1"], {}, {"key-1": 1}, 1.5], ids=repr)
def test_a_kid_is_a_string(guard: TokenGuard, issuer: LocalIssuer, kid: Any) -> None:
    """A kid of another type is malformed."""
    refused(guard, issuer.mint(header={"kid": kid}), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-15", "A-040")
def test_a_kid_of_null_is_not_an_absent_one(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """null is no string, so it does not mean that any key may be tried."""
    refused(guard, with_header(issuer, header_for(issuer, kid=None)), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-15", "A-040")
def test_a_kid_is_short(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Beyond its limit a kid is malformed, or the header too large."""
    refused(guard, issuer.mint(header={"kid": "k" * 257}), Reason.MALFORMED_TOKEN)
    refused(guard, issuer.mint(header={"kid": "k" * 10_000}), Reason.TOKEN_TOO_LARGE)
    short = guard_for(issuer, limits=Limits(key_id=5))
    assert short.validate(issuer.mint())
    refused(guard_for(issuer, limits=Limits(key_id=4)), issuer.mint(), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JK-10", "A-040")
def test_with_a_kid_no_other_key_is_tried(issuer: LocalIssuer) -> None:
    """A token that names one published key is not verified with another, though it would hold."""
    second = signing_key("ES256", "key-2")
    guard = guard_for(trust(issuer, jwks={"keys": [*issuer.jwks["keys"], second.jwk]}))
    assert guard.validate(issuer.mint(key=second))
    refused(guard, issuer.mint(key=second, header={"kid": "key-1"}), Reason.BAD_SIGNATURE)
    refused(guard, issuer.mint(key=second, header={"kid": "key-3"}), Reason.UNKNOWN_KEY)


@pytest.mark.req("JK-11", "A-041")
def test_without_a_kid_the_only_key_is_tried(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """An issuer with one key need not name it; what that key did not sign is refused."""
    assert guard.validate(issuer.mint(header={"kid": None}))
    unnamed = issuer.mint(key=signing_key("ES256", "stranger"), header={"kid": None})
    refused(guard, unnamed, Reason.BAD_SIGNATURE)


@pytest.mark.req("JK-11", "A-041")
def test_without_a_kid_few_keys_are_tried(issuer: LocalIssuer) -> None:
    """Of many keys that fit the alg the first few are tried, so that one token can't cost a hundred checks."""
    keys = [signing_key("ES256", f"many-{number}") for number in range(MAX_CANDIDATES + 1)]
    others = [signing_key("RS256").jwk, signing_key("Ed25519").jwk]
    guard = guard_for(trust(issuer, jwks={"keys": [*others, *(key.jwk for key in keys)]}))
    for key in keys[:MAX_CANDIDATES]:
        assert guard.validate(issuer.mint(key=key, header={"kid": None}))
    refused(guard, issuer.mint(key=keys[-1], header={"kid": None}), Reason.BAD_SIGNATURE)
    assert guard.validate(issuer.mint(key=keys[-1]))


# typ, cty, crit, b64, zip


@pytest.mark.req("JW-16", "A-079")
@pytest.mark.parametrize("typ", [1, None, True, [], ["at+jwt"], {"at+jwt": 1}], ids=repr)
def test_typ_is_a_string(guard: TokenGuard, issuer: LocalIssuer, typ: Any) -> None:
    """A typ of another type is malformed."""
    refused(guard, with_header(issuer, header_for(issuer, typ=typ)), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-17", "A-059")
@pytest.mark.parametrize("cty", ["JWT", "jwt", "application/jwt", "Application/JWT"])
def test_a_token_within_a_token_is_refused(guard: TokenGuard, issuer: LocalIssuer, cty: str) -> None:
    """A nested token is refused where it says so, and where it does not."""
    inner = issuer.mint().encode()
    refused(guard, issuer.signing_key.jws(header_for(issuer, cty=cty), inner), Reason.WRONG_TYPE)
    refused(guard, issuer.signing_key.jws(header_for(issuer), inner), Reason.MALFORMED_CLAIMS)
    refused(guard, issuer.mint(header={"cty": cty}), Reason.WRONG_TYPE)


@pytest.mark.req("JW-08", "JW-09", "A-074")
@pytest.mark.parametrize(
    "members",
    [
        {"crit": ["foo"], "foo": 1}, {"crit": ["foo"]}, {"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": None},
        {"crit": "b64"}, {"crit": {"b64": 1}}, {"crit": ["alg"]}, {"crit": ["kid", "typ"]}, {"crit": [1]},
        {"crit": ["b64"], "b64": True}, {"crit": ["foo", "foo"], "foo": 1}, {"crit": [""]}, {"crit": False},
        {"crit": ["jwk"], "jwk": {}},
    ],
    ids=repr,
)  # fmt: skip
def test_whatever_is_critical_is_refused(guard: TokenGuard, issuer: LocalIssuer, members: dict[str, Any]) -> None:
    """No extension is understood, so crit is refused in every form, well made or not."""
    refused(guard, with_header(issuer, header_for(issuer, **members)), Reason.CRITICAL_HEADER)


@pytest.mark.req("JW-10", "A-075")
@pytest.mark.parametrize(
    "members", [{"b64": False, "crit": ["b64"]}, {"b64": False}, {"b64": 0}, {"b64": None}, {"b64": "true"}]
)
def test_an_unencoded_payload_is_refused(guard: TokenGuard, issuer: LocalIssuer, members: dict[str, Any]) -> None:
    """b64 false is refused with crit and without, whether or not the payload is encoded."""
    refused(guard, with_header(issuer, header_for(issuer, **members)), Reason.CRITICAL_HEADER)
    header = with_header(issuer, header_for(issuer, **members)).partition(".")[0]
    refused(guard, f"{header}.{{}}.AAAA", Reason.CRITICAL_HEADER)


@pytest.mark.req("JW-10")
def test_an_encoded_payload_may_be_called_so(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """b64 true says what is the case anyway."""
    assert guard.validate(issuer.mint(header={"b64": True}))


@pytest.mark.req("A-076", "JB-17")
@pytest.mark.parametrize("value", ["DEF", "GZ", None, 1])
def test_compression_is_refused(guard: TokenGuard, issuer: LocalIssuer, value: Any) -> None:
    """A signed token has no zip, and nothing is ever decompressed."""
    refused(guard, with_header(issuer, header_for(issuer, zip=value)), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-27")
def test_unknown_members_are_ignored(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Members that nobody knows, and that are not critical, change nothing."""
    assert guard.validate(issuer.mint(header={"nonce": "x", "ver": 2, "https://example.com/x": [{}]}))


# jwk, jku, x5u, x5c: the attacker's own key


@pytest.mark.req("JW-14", "A-037")
@pytest.mark.parametrize(
    ("kid", "reason"),
    [("key-1", Reason.BAD_SIGNATURE), ("stranger", Reason.UNKNOWN_KEY), (None, Reason.BAD_SIGNATURE)],
)
def test_an_embedded_key_is_not_believed(
    guard: TokenGuard, issuer: LocalIssuer, kid: str | None, reason: Reason
) -> None:
    """A token that brings its own key is verified with the issuer's, or with none."""
    stranger = signing_key("ES256", "stranger")
    refused(guard, issuer.mint(key=stranger, header={"jwk": stranger.jwk, "kid": kid}), reason)


@pytest.mark.req("JW-14", "A-037")
def test_an_embedded_key_does_no_harm_to_a_good_token(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Key material in the header is not looked at, whatever it is."""
    assert guard.validate(issuer.mint(header={"jwk": "junk", "x5c": [1], "jku": None}))


def certificate_of(key: SigningKey) -> str:
    """A certificate that the key made for itself, as x5c has it (RFC 7515 4.1.6)."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer.test")])
    day = datetime.fromtimestamp(NOW, UTC)
    builder = x509.CertificateBuilder(name, name, key.private.public_key(), x509.random_serial_number(), day, day)
    signed = builder.sign(key.private, hashes.SHA256())  # type: ignore[arg-type]
    return b64encode(signed.public_bytes(Encoding.DER)).decode()


@pytest.mark.req("JW-14", "JB-13", "A-038", "A-039")
@pytest.mark.parametrize("member", ["jku", "x5u", "x5c", "x5t", "x5t#S256", "jwks_uri", "iss"])
@pytest.mark.parametrize("kid", ["key-1", "attacker", None])
def test_an_address_in_the_header_is_not_visited(issuer: LocalIssuer, member: str, kid: str | None) -> None:
    """An attacker who serves the key that verifies the token gets no visitor, also where keys are fetched."""
    attacker = LocalIssuer(audience=AUDIENCE, signing_key=SigningKey.generate("ES256", "attacker"), clock=lambda: NOW)
    ours = LocalIssuer(audience=AUDIENCE, signing_key=issuer.signing_key, clock=lambda: NOW)
    with attacker.serve(), ours.serve(), guard_for(trust(ours, jwks=None)) as guard:
        address = [certificate_of(attacker.signing_key)] if member == "x5c" else attacker.jwks_uri
        header = header_for(attacker, **{member: address}, kid=kid)
        token = attacker.signing_key.jws({k: v for k, v in header.items() if v is not None}, claims_for(ours))
        with pytest.raises(InvalidToken) as caught:
            guard.validate(token)
        assert caught.value.reason in {Reason.BAD_SIGNATURE, Reason.UNKNOWN_KEY}
        assert attacker.requests == []
        assert {request.path for request in ours.requests} == {"/.well-known/oauth-authorization-server", "/jwks"}


@pytest.mark.req("JW-14", "JB-13", "A-038")
@pytest.mark.parametrize("url", ["https://attacker.test/jwks", "http://169.254.169.254/", "file:///dev/null", "//x", 1])
@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_an_address_in_the_header_of_a_good_token_is_ignored(
    issuer: LocalIssuer, member: str, url: Any, watch: Watch
) -> None:
    """Nothing is opened or connected to for it."""
    guard, token = guard_for(issuer), issuer.mint(header={member: url})
    with watch:
        guard.validate(token)
    assert watch.events == []


@pytest.mark.req("JK-10", "A-037")
def test_a_remembered_header_is_not_trusted_with_another_key(issuer: LocalIssuer) -> None:
    """A header under which a signature held before does not help a token that somebody else signed."""
    guard = guard_for(issuer)
    good = issuer.mint()
    assert guard.validate(good)
    forged = local_issuer(kid="stranger").signing_key.jws(header_for(issuer), claims_for(issuer))
    assert forged.partition(".")[0] == good.partition(".")[0]
    refused(guard, forged, Reason.BAD_SIGNATURE)
