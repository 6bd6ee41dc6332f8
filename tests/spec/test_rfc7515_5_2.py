"""RFC 7515 5.2, 7.1: the compact form, its base64url, and the signature over what was received."""

from __future__ import annotations

import json

import pytest
from tests.spec.support import (
    asking,
    claims_for,
    guard_for,
    header_for,
    local_issuer,
    octets,
    refused,
    request_refused,
    signed_text,
    with_header,
    with_signature,
)

from tokenguard import TokenGuard
from tokenguard.errors import InvalidRequest, InvalidToken, Reason
from tokenguard.testing import Broken, LocalIssuer
from tokenguard.testing.jws import b64url

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def segment_of(value: object, *, over: int = 0) -> str:
    """A value as JSON in base64url, with so many octets over a multiple of three."""
    text = json.dumps(value).encode()
    return b64url(text + b" " * ((over - len(text)) % 3))


def respelled(segment: str) -> list[str]:
    """The other spellings of a segment, which lax decoders read as the same octets."""
    position = ALPHABET.index(segment[-1])
    unused = {2: 16, 3: 4}[len(segment) % 4]  # values of the last character that say the same
    first = position - position % unused
    return [segment[:-1] + ALPHABET[other] for other in range(first, first + unused) if other != position]


# the shape


@pytest.mark.req("JW-01", "A-057")
@pytest.mark.parametrize(
    "template",
    ["", ".", "..", "...", "....", "{h}", "{h}.", ".{p}", "{h}.{p}", "{h}.{p}.{s}.", ".{h}.{p}.{s}", "{h}..{p}.{s}",
     "{h}.{p}..{s}", "{h}.{p}.{s}.{s}", ".{p}.{s}", "{h}.{p}.{s}.{s}.{s}", "{h}.{p}.{s}.{s}.{s}.{s}", "{h}{p}{s}"],
)  # fmt: skip
def test_a_token_has_three_segments(guard: TokenGuard, issuer: LocalIssuer, template: str) -> None:
    """Fewer, more or empty segments are no signed token."""
    header, payload, signature = issuer.mint().split(".")
    refused(guard, template.format(h=header, p=payload, s=signature), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-33", "A-078")
def test_a_detached_payload_is_refused(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """A token whose payload is left out is refused, though its signature holds for what is there."""
    header, _, signature = issuer.mint().split(".")
    refused(guard, f"{header}..{signature}", Reason.MALFORMED_TOKEN)
    refused(guard, signed_text(issuer, header, ""), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-32", "A-060")
@pytest.mark.parametrize("form", ["flattened", "general"])
def test_json_serializations_are_refused(guard: TokenGuard, issuer: LocalIssuer, form: str) -> None:
    """A JWS in JSON is no token: malformed credentials in a request, a malformed token without one."""
    header, payload, signature = issuer.mint().split(".")
    signed = {"protected": header, "signature": signature}
    whole = {"payload": payload, **(signed if form == "flattened" else {"signatures": [signed]})}
    refused(guard, json.dumps(whole), Reason.MALFORMED_TOKEN)
    request = asking(("Authorization", "Bearer " + json.dumps(whole, separators=(",", ":"))))
    request_refused(guard, request, InvalidRequest, Reason.MALFORMED_CREDENTIALS)


# the encoding: each token here is signed as it stands, so that only its encoding is wrong


@pytest.mark.req("JW-02", "JB-16", "A-061", "A-062", "A-063")
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("foreign", ["=", "==", "+", "/", "?", " ", "\n", "\r\n", "\t", "%20", "\x00", "$", "'", '"'])
@pytest.mark.parametrize("place", ["front", "middle", "end"])
def test_a_foreign_character_is_refused(
    guard: TokenGuard, issuer: LocalIssuer, which: int, foreign: str, place: str
) -> None:
    """Padding, standard base64, white space and what lax decoders drop are refused, though the signature holds."""
    segments = issuer.mint().split(".")[:2]
    position = {"front": 0, "middle": 8, "end": len(segments[which])}[place]
    segments[which] = segments[which][:position] + foreign + segments[which][position:]
    refused(guard, signed_text(issuer, *segments), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-02", "JB-16", "A-063")
@pytest.mark.parametrize("foreign", ["\u00ad", "\u00e9", "\uff21", "\u200b", "\U0001f600", "\ud800"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_character_beyond_ascii_is_refused(guard: TokenGuard, issuer: LocalIssuer, which: int, foreign: str) -> None:
    """Soft hyphens, look-alikes and halves of characters are in no token."""
    segments = issuer.mint().split(".")
    segments[which] = segments[which][:8] + foreign + segments[which][8:]
    refused(guard, ".".join(segments), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-02", "A-061", "A-062", "A-063")
@pytest.mark.parametrize("foreign", ["=", "==", "+", "/", "?", " ", "\n", "\x00"])
def test_a_foreign_character_in_the_signature_is_refused(guard: TokenGuard, issuer: LocalIssuer, foreign: str) -> None:
    """The signature's segment is read as strictly as the others."""
    token = issuer.mint()
    for spelling in (token + foreign, token[:-8] + foreign + token[-8:]):
        refused(guard, spelling, Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-11", "JB-16", "A-063")
@pytest.mark.parametrize("which", [0, 1])
def test_a_signature_over_the_text_without_a_foreign_character_does_not_help(
    guard: TokenGuard, issuer: LocalIssuer, which: int
) -> None:
    """Wycheproof's two tokens with a question mark, valid to decoders that drop it, are refused on purpose."""
    segments = issuer.mint().split(".")
    segments[which] = segments[which][:8] + "?" + segments[which][8:]
    reason = Reason.MALFORMED_TOKEN if which == 0 else Reason.BAD_SIGNATURE
    refused(guard, ".".join(segments), reason)


@pytest.mark.req("JW-03", "A-064")
@pytest.mark.parametrize("over", [1, 2])
@pytest.mark.parametrize("which", [0, 1])
def test_unused_bits_are_zero(guard: TokenGuard, issuer: LocalIssuer, which: int, over: int) -> None:
    """Header and payload have one spelling; the others are refused, though the signature holds."""
    segments = [segment_of(header_for(issuer), over=over), segment_of(claims_for(issuer), over=over)]
    assert guard.validate(signed_text(issuer, *segments))
    for other in respelled(segments[which]):
        assert octets(other) == octets(segments[which])
        spelled = [*segments[:which], other, *segments[which + 1 :]]
        refused(guard, signed_text(issuer, *spelled), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-03", "A-064")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_unused_bits_of_the_signature_are_zero(algorithm: str) -> None:
    """A good signature has one spelling."""
    issuer = local_issuer(algorithm)
    guard = guard_for(issuer)
    token = issuer.mint()
    assert guard.validate(token)
    content, _, signature = token.rpartition(".")
    for other in respelled(signature):
        assert octets(other) == octets(signature)
        refused(guard, f"{content}.{other}", Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-03", "A-065")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_no_octets_have_that_length(guard: TokenGuard, issuer: LocalIssuer, which: int) -> None:
    """A segment of one character over a multiple of four is impossible."""
    segments = [segment_of(header_for(issuer)), segment_of(claims_for(issuer)), "A" * 88]
    segments[which] += "A" * ((1 - len(segments[which])) % 4)
    token = signed_text(issuer, *segments[:2]) if which < 2 else ".".join(segments)
    refused(guard, token, Reason.MALFORMED_TOKEN)


# the header as JSON


@pytest.mark.req("JW-04", "A-066")
@pytest.mark.parametrize(
    "header", [b"[]", b'["alg"]', b'"x"', b"1", b"null", b"true", b" ", b"ES256", b"{", b"{,}", b"{'alg':1}"]
)
def test_the_header_is_an_object(guard: TokenGuard, issuer: LocalIssuer, header: bytes) -> None:
    """Arrays, strings, numbers and text are no header."""
    refused(guard, with_header(issuer, header), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-04", "A-069", "A-068")
@pytest.mark.parametrize("rest", [b"x", b"{}", b",", b"\x00", b"\x0c", b"\xef\xbb\xbf", b"\xc2\xa0"])
def test_nothing_stands_around_the_header(guard: TokenGuard, issuer: LocalIssuer, rest: bytes) -> None:
    """Bytes before or after the object are refused, a byte order mark among them."""
    header = json.dumps(header_for(issuer)).encode()
    refused(guard, with_header(issuer, header + rest), Reason.MALFORMED_TOKEN)
    refused(guard, with_header(issuer, rest + header), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-04", "JB-08", "A-068")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be", "utf-8-sig"])
def test_the_header_is_utf8(guard: TokenGuard, issuer: LocalIssuer, encoding: str) -> None:
    """Other encodings are refused though Python would guess them."""
    refused(guard, with_header(issuer, json.dumps(header_for(issuer)).encode(encoding)), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-04", "JB-08", "A-068")
@pytest.mark.parametrize("octets_", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\\ud800", b"\\udc00\\ud800"])
def test_the_header_holds_whole_characters(guard: TokenGuard, issuer: LocalIssuer, octets_: bytes) -> None:
    """Broken UTF-8 and lone surrogates are refused, in a member that nobody reads too."""
    header = json.dumps(header_for(issuer)).encode()[:-1] + b',"x":"' + octets_ + b'"}'
    refused(guard, with_header(issuer, header), Reason.MALFORMED_TOKEN)


@pytest.mark.req("JW-05", "A-070")
@pytest.mark.parametrize(
    "members",
    ['"alg":"none","alg":"ES256"', '"alg":"ES256","alg":"none"', '"alg":"ES256","\\u0061lg":"ES256"',
     '"alg":"ES256","kid":"key-1","kid":"key-2"', '"alg":"ES256","x":{"y":1,"y":1}', '"alg":"ES256","typ":"JWT"'],
)  # fmt: skip
def test_a_header_member_twice_is_refused(guard: TokenGuard, issuer: LocalIssuer, members: str) -> None:
    """Two members of one name are refused, escaped or deep, good one first or last."""
    refused(guard, with_header(issuer, f'{{{members},"typ":"at+jwt"}}'.encode()), Reason.MALFORMED_TOKEN)


@pytest.mark.req("A-080", "JW-04", "JW-20")
@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999", "9" * 4301])
def test_the_header_holds_finite_numbers(guard: TokenGuard, issuer: LocalIssuer, literal: str) -> None:
    """What is no JSON number is none in a header either."""
    header = json.dumps(header_for(issuer))[:-1] + f',"x":{literal}}}'
    refused(guard_for(issuer), with_header(issuer, header.encode()),
            Reason.TOKEN_TOO_LARGE if len(header) > 4096 else Reason.MALFORMED_TOKEN)  # fmt: skip


# the signature


@pytest.mark.req("A-053", "A-054", "JW-11", "JB-04")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519"])
@pytest.mark.parametrize("signature", ["none", "another token's", "zeros", "over the payload alone", "over text"])
def test_only_a_signature_over_this_very_token_holds(algorithm: str, signature: str) -> None:
    """Empty, borrowed or misplaced signatures by the right key are refused."""
    issuer = local_issuer(algorithm)
    token = issuer.mint()
    good = octets(token.rpartition(".")[2])
    payload = token.split(".")[1]
    octets_ = {
        "none": b"",
        "another token's": octets(issuer.mint().rpartition(".")[2]),
        "zeros": bytes(len(good)),
        "over the payload alone": issuer.signing_key.sign(payload.encode()),
        "over text": issuer.signing_key.sign(octets(payload)),
    }[signature]
    refused(guard_for(issuer), with_signature(token, octets_), Reason.BAD_SIGNATURE)


@pytest.mark.req("A-055", "JB-04", "JW-13")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_any_flipped_bit_of_the_content_is_refused(algorithm: str) -> None:
    """Each bit of payload and signature is covered by the signature; each bit of the header breaks something."""
    issuer = local_issuer(algorithm)
    guard = guard_for(issuer)
    segments = [octets(segment) for segment in issuer.mint().split(".")]
    for which, content in enumerate(segments):
        for bit in range(len(content) * 8):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            token = ".".join(b64url(part) for part in [*segments[:which], bytes(changed), *segments[which + 1 :]])
            if which > 0:
                refused_for(guard, token, Reason.BAD_SIGNATURE)
            else:
                with pytest.raises(InvalidToken):
                    guard.validate(token)


@pytest.mark.req("A-055", "JW-02", "JW-03")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_any_flipped_bit_of_the_text_is_refused(algorithm: str) -> None:
    """A token has one spelling, so that no bit of its text can change unnoticed."""
    issuer = local_issuer(algorithm)
    guard = guard_for(issuer)
    token = issuer.mint()
    for position, character in enumerate(token):
        for bit in range(8):
            changed = chr(ord(character) ^ 1 << bit)
            with pytest.raises(InvalidToken):
                guard.validate(token[:position] + changed + token[position + 1 :])


def refused_for(guard: TokenGuard, token: str, reason: Reason) -> None:
    """`refused` without a look at the answer, for the thousands."""
    with pytest.raises(InvalidToken) as caught:
        guard.validate(token)
    assert caught.value.reason is reason


@pytest.mark.req("JW-13", "JW-11")
@pytest.mark.parametrize("kind", [Broken.TAMPERED, Broken.BAD_SIGNATURE, Broken.NO_SIGNATURE])
def test_a_claim_changed_after_signing_has_no_effect(guard: TokenGuard, issuer: LocalIssuer, kind: Broken) -> None:
    """An expired token with a broken signature is refused for the signature: nothing in it was believed."""
    refused(guard, issuer.broken(kind, exp=1, iat=0), Reason.BAD_SIGNATURE)
