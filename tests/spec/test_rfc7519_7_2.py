"""RFC 7519 7.2: the payload is one JSON object, read strictly and within bounds (RFC 8259, RFC 8725 3.7)."""

from __future__ import annotations

import json

import pytest
from tests.spec.support import (
    NOW,
    claims_for,
    guard_for,
    header_for,
    refused,
    signed_text,
    trust,
    with_header,
    with_payload,
)

from tokenguard import TokenGuard
from tokenguard.config import Limits
from tokenguard.errors import ConfigurationError, Denied, Reason
from tokenguard.testing import Broken, LocalIssuer
from tokenguard.testing.jws import b64url

ROOMY = Limits(token=4_000_000, payload=2_000_000, header=2_000_000)


def payload_of(issuer: LocalIssuer) -> bytes:
    """Good claims, as JSON."""
    return json.dumps(claims_for(issuer)).encode()


def adding(issuer: LocalIssuer, members: str) -> bytes:
    """Good claims with more members, written exactly so."""
    return payload_of(issuer)[:-1] + b"," + members.encode() + b"}"


@pytest.mark.req("JW-12", "A-067")
@pytest.mark.parametrize(
    "payload", [b"[]", b"[{}]", b'"x"', b"1", b"null", b"true", b" ", b"text", b"{", b"{]", b"{'a':1}"]
)
def test_the_payload_is_an_object(guard: TokenGuard, issuer: LocalIssuer, payload: bytes) -> None:
    """Arrays, strings, numbers, plain text and nothing are no claims, though the signature holds."""
    refused(guard, with_payload(issuer, payload), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JW-12")
@pytest.mark.parametrize("template", ["{}", " {} ", "\t\r\n{}\n"])
def test_white_space_around_the_payload_is_json(guard: TokenGuard, issuer: LocalIssuer, template: str) -> None:
    """What RFC 8259 calls white space may stand around the object."""
    assert guard.validate(with_payload(issuer, template.replace("{}", payload_of(issuer).decode()).encode()))


@pytest.mark.req("A-069")
@pytest.mark.parametrize("rest", [b"x", b"{}", b",", b"\x00", b"\x0b", b"\xc2\xa0", b"\xe2\x80\xa8", b"]", b"//x"])
def test_nothing_follows_the_payload(guard: TokenGuard, issuer: LocalIssuer, rest: bytes) -> None:
    """Bytes after the object are refused."""
    refused(guard, with_payload(issuer, payload_of(issuer) + rest), Reason.MALFORMED_CLAIMS)
    refused(guard, with_payload(issuer, rest + payload_of(issuer)), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JB-08", "A-068")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_the_payload_is_utf8(guard: TokenGuard, issuer: LocalIssuer, encoding: str) -> None:
    """Other encodings, and a byte order mark, are refused though Python would guess them."""
    refused(guard, with_payload(issuer, payload_of(issuer).decode().encode(encoding)), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JB-08", "A-068")
@pytest.mark.parametrize(
    "octets", [b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3", b"\xe9"]
)
def test_broken_utf8_is_refused(guard: TokenGuard, issuer: LocalIssuer, octets: bytes) -> None:
    """Overlong forms, surrogates, cut sequences and Latin-1 are no UTF-8."""
    payload = payload_of(issuer)[:-1] + b',"name":"' + octets + b'"}'
    refused(guard, with_payload(issuer, payload), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-068")
@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\uD83Dx"])
@pytest.mark.parametrize("member", ['"sub2":"{}"', '"{}":1', '"deep":[{{"x":["{}"]}}]'])
def test_half_a_character_is_refused(guard: TokenGuard, issuer: LocalIssuer, escape: str, member: str) -> None:
    """A lone surrogate would fail later, wherever the text is first written."""
    refused(guard, with_payload(issuer, adding(issuer, member.format(escape))), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-068", "JW-27")
def test_escaped_characters_are_read(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A pair of escapes is one character, as JSON has it."""
    token = guard.validate(with_payload(issuer, adding(issuer, '"name":"\\ud83d\\ude00 \\u00e9"')))
    assert token.claims["name"] == "\U0001f600 \u00e9"


@pytest.mark.req("JW-06", "A-070")
@pytest.mark.parametrize("name", ["exp", "aud", "sub", "scope", "iss", "anything"])
@pytest.mark.parametrize("first", [True, False])
def test_a_claim_twice_is_refused(guard: TokenGuard, issuer: LocalIssuer, name: str, first: bool) -> None:
    """Two members of one name are refused, the good one first or last."""
    good = f'"{name}":{json.dumps(claims_for(issuer, scope="a", anything=1)[name])}'
    others = json.dumps({key: value for key, value in claims_for(issuer).items() if key != name})[1:-1]
    bad = f'"{name}":"admin"'
    pair = f"{good},{bad}" if first else f"{bad},{good}"
    refused(guard, with_payload(issuer, f"{{{pair},{others}}}".encode()), Reason.MALFORMED_CLAIMS)
    assert guard.validate(with_payload(issuer, f"{{{good},{others}}}".encode()))


@pytest.mark.req("JW-06", "A-070")
@pytest.mark.parametrize(
    "members",
    ['"\\u0061ud":"x"', '"a\\u0075d":"x"', '"a":{"b":1,"b":1}', '"a":[[{"b":1,"\\u0062":2}]]', '"":1,"":2'],
)
def test_a_hidden_duplicate_is_found(guard: TokenGuard, issuer: LocalIssuer, members: str) -> None:
    """Escapes and depth hide no second member."""
    refused(guard, with_payload(issuer, adding(issuer, members)), Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JW-27")
def test_unknown_claims_are_ignored(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Claims that nobody knows change nothing, and can be read."""
    assert guard.validate(issuer.mint(**{"https://example.com/tenant": {"id": 7}})).claims["https://example.com/tenant"]


# bounds (RFC 7515 10.12, RFC 8259 9)


@pytest.mark.req("JW-31", "A-071")
@pytest.mark.parametrize("depth", [17, 500, 990, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(
    guard: TokenGuard, issuer: LocalIssuer, depth: int, opening: str, closing: str
) -> None:
    """However deep, in payload or header, nesting ends as a refusal and in no crash."""
    nested = opening * depth + "0" + closing * depth
    for which in (guard, guard_for(issuer, limits=ROOMY)):
        in_payload = with_payload(issuer, adding(issuer, f'"deep":{nested}'))
        in_header = with_header(issuer, json.dumps(header_for(issuer)).encode()[:-1] + f',"deep":{nested}}}'.encode())
        too_large = which is guard and depth > 10_000
        refused(which, in_payload, Reason.TOKEN_TOO_LARGE if too_large else Reason.MALFORMED_CLAIMS)
        header_too_large = which is guard and len(nested) > 4_000
        refused(which, in_header, Reason.TOKEN_TOO_LARGE if header_too_large else Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-31")
def test_nesting_up_to_the_limit_is_read(issuer: LocalIssuer) -> None:
    """The object itself is one level, so four arrays in a claim make five."""
    token = with_payload(issuer, adding(issuer, '"deep":[[[[]]]]'))
    assert guard_for(issuer, limits=Limits(depth=5)).validate(token)
    refused(guard_for(issuer, limits=Limits(depth=4)), token, Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JW-31")
def test_brackets_in_text_are_no_nesting(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A claim may speak of more brackets than may be nested."""
    assert guard.validate(issuer.mint(name="[{" * 50))


@pytest.mark.req("A-072", "A-073", "JW-31")
@pytest.mark.parametrize("count", [1001, 10_000])
def test_very_many_claims_are_refused(guard: TokenGuard, issuer: LocalIssuer, count: int) -> None:
    """Members, objects and arrays are limited in number, whatever the size may be."""
    members = ",".join(f'"{"k" * 40}{number}":0' for number in range(count))
    refused(guard, with_payload(issuer, adding(issuer, members)), Reason.TOKEN_TOO_LARGE)
    roomy = guard_for(issuer, limits=ROOMY)
    refused(roomy, with_payload(issuer, adding(issuer, members)), Reason.MALFORMED_CLAIMS)
    refused(roomy, with_payload(issuer, adding(issuer, f'"a":[{"{}," * count}0]')), Reason.MALFORMED_CLAIMS)
    header = json.dumps(header_for(issuer))[:-1] + f",{members}}}"
    refused(roomy, with_header(issuer, header.encode()), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-31")
def test_members_up_to_the_limit_are_read(issuer: LocalIssuer) -> None:
    """Commas are what is counted, since that takes one pass."""
    token = with_payload(issuer, claims_for(issuer, many=list(range(50))))
    commas = json.dumps(claims_for(issuer, many=list(range(50)))).count(",")
    assert guard_for(issuer, limits=Limits(items=commas)).validate(token)
    refused(guard_for(issuer, limits=Limits(items=commas - 1)), token, Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JW-31")
def test_objects_and_arrays_are_counted_too(issuer: LocalIssuer) -> None:
    """Containers within containers need no commas, so they have a count of their own."""
    text = adding(issuer, '"deep":[[[[[[[[[]]]]]]]],[[[[[[]]]]]]]')
    token, containers = with_payload(issuer, text), text.count(b"[") + text.count(b"{")
    assert containers > text.count(b",")
    assert guard_for(issuer, limits=Limits(containers=containers)).validate(token)
    refused(guard_for(issuer, limits=Limits(containers=containers - 1)), token, Reason.MALFORMED_CLAIMS)


@pytest.mark.req("A-072", "JW-31")
def test_a_very_long_string_is_refused(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A claim of 100 KB is too large a token; with room for it, it is text like any other."""
    token = issuer.mint(name="x" * 100_000)
    refused(guard, token, Reason.TOKEN_TOO_LARGE)
    assert len(guard_for(issuer, limits=ROOMY).validate(token).claims["name"]) == 100_000


@pytest.mark.req("A-072")
@pytest.mark.parametrize("number", ["9" * 5000, "-" + "1" * 4301, "9" * 4301 + "e-4300"])
def test_a_number_of_thousands_of_digits_does_no_harm(guard: TokenGuard, issuer: LocalIssuer, number: str) -> None:
    """An integer that Python declines to read is malformed; a long fraction is a fraction."""
    token = with_payload(issuer, adding(issuer, f'"n":{number}'))
    if "e" in number:
        assert guard.validate(token).claims["n"] == pytest.approx(10)
    else:
        refused(guard, token, Reason.MALFORMED_CLAIMS)


@pytest.mark.req("JW-31")
def test_each_size_is_held_to_its_limit(issuer: LocalIssuer) -> None:
    """Token, header and payload may have exactly the configured octets, and not one more."""
    token = issuer.mint(pad="x")
    header, payload, _ = token.split(".")
    sizes = {"token": len(token), "header": len(header) * 3 // 4, "payload": len(payload) * 3 // 4}
    for name, size in sizes.items():
        assert guard_for(issuer, limits=Limits(**{name: size})).validate(token)
        refused(guard_for(issuer, limits=Limits(**{name: size - 1})), token, Reason.TOKEN_TOO_LARGE)


@pytest.mark.req("JW-31", "A-164")
@pytest.mark.parametrize("name", ["token", "header", "payload", "depth", "items", "containers", "key_id"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), None, "16384", True])
def test_a_limit_cannot_be_switched_off(name: str, value: object) -> None:
    """A limit is a positive number; there is no value for none."""
    with pytest.raises(ConfigurationError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]


@pytest.mark.req("JW-13")
@pytest.mark.parametrize("payload", [b"not json", b"[]", b'{"exp":0}', b'{"iss":"https://evil.test"}'])
def test_nothing_in_the_payload_counts_before_the_signature(
    guard: TokenGuard, issuer: LocalIssuer, payload: bytes
) -> None:
    """Under a signature that does not hold, the signature is what is refused, whatever the payload says."""
    header, _, signature = issuer.mint().split(".")
    refused(guard, f"{header}.{b64url(payload)}.{signature}", Reason.BAD_SIGNATURE)


@pytest.mark.req("JW-13")
def test_the_issuers_own_checks_see_verified_claims_only(issuer: LocalIssuer, other: LocalIssuer) -> None:
    """A check is not even called for a token that is wrong in any other way."""

    seen: list[object] = []
    guard = guard_for(trust(issuer, checks=(lambda claims: seen.append(claims["jti"]) is None,)), other)
    for kind in Broken:
        with pytest.raises(Denied):
            guard.validate(issuer.broken(kind))
    assert seen == []
    guard.validate(issuer.mint(jti="id-1", exp=int(NOW) + 5))
    assert seen == ["id-1"]


@pytest.mark.req("JW-11")
def test_the_signing_input_is_what_was_received(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """Unusual but valid JSON verifies as it was sent; written out again it would not."""
    header = b64url(b'{ "kid" : "key-1" ,\n"typ":"at+jwt", "alg":"ES256" }')
    payload = b64url(b" " + payload_of(issuer).replace(b'"sub"', b'"\\u0073ub"') + b"\n")
    assert guard.validate(signed_text(issuer, header, payload)).subject == "user-1"


@pytest.mark.req("A-072", "JW-31")
def test_a_number_of_many_digits_is_refused(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """In header and payload: reading it takes time that grows with the square of its length."""
    digits = "9" * 321
    refused(guard, with_payload(issuer, adding(issuer, f'"n":{digits}')), Reason.MALFORMED_CLAIMS)
    assert guard.validate(with_payload(issuer, adding(issuer, f'"n":{digits[1:]}')))
    header = json.dumps(header_for(issuer))[:-1] + f',"n":{digits}}}'
    refused(guard, with_header(issuer, header.encode()), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-31")
@pytest.mark.parametrize("value", ["[" + "0," * 40 + "0]", "[" + "{}," * 10 + "0]"])
def test_a_header_has_a_handful_of_members(guard: TokenGuard, issuer: LocalIssuer, value: str) -> None:
    """It is read before any signature, so it gets less room than the claims."""
    assert guard.validate(with_payload(issuer, adding(issuer, f'"x":{value}')))
    header = json.dumps(header_for(issuer))[:-1] + f',"x":{value}}}'
    refused(guard, with_header(issuer, header.encode()), Reason.MALFORMED_TOKEN)
