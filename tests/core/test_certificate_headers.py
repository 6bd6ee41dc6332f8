"""Certificates as proxies write them into headers: the client's is read, and nothing else ever is."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import any_text, properties

from tokenguard.core.certificate_headers import is_certificate, read_thumbprint
from tokenguard.possession import CERTIFICATE_FORMATS
from tokenguard.testing import ClientCertificate

CLIENT, OTHER = ClientCertificate.generate("client"), ClientCertificate.generate("other")
FORMATS = sorted(CERTIFICATE_FORMATS)
HASH, OTHER_HASH = sha256(CLIENT.der).hexdigest(), sha256(OTHER.der).hexdigest()
BASE64, ESCAPED = b64encode(CLIENT.der).decode(), CLIENT.as_header("escaped-pem")
ONE_LINE = CLIENT.as_header("pem")


def certificate_in(value: str, form: str, hops: int | None = None) -> bytes | None:
    """The hash of what is read, if anything is."""
    try:
        return read_thumbprint(value, form, hops)
    except ValueError:
        return None


def is_client(value: str, form: str, hops: int | None = None) -> bool:
    """Is the client's certificate read?"""
    return certificate_in(value, form, hops) == sha256(CLIENT.der).digest()


@pytest.mark.req("CC-02", "MT-05")
@pytest.mark.parametrize("form", FORMATS)
def test_each_way_of_writing_gives_the_hash_of_the_der_as_sent(form: str) -> None:
    """Whichever format, with or without space around it."""
    assert is_client(CLIENT.as_header(form), form)
    assert is_client(f" {CLIENT.as_header(form)}\t", form)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("authority", ["RSA", "ECDSA"])
def test_certificates_of_authorities_are_read(form: str, authority: str) -> None:
    """Of other key types, sizes and extensions than those of the test kit."""
    issued = trustme.CA(key_type=trustme.KeyType[authority]).issue_cert("client@example.com")
    pem = issued.cert_chain_pems[0].bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    value = {
        "rfc9440": f":{b64encode(der).decode()}:",
        "escaped-pem": quote(pem),
        "pem": pem.decode().replace("\n", " "),
        "base64-der": b64encode(der).decode(),
        "xfcc": f'By=spiffe://a/b;Cert="{quote(pem, safe="")}"',
    }[form]
    assert certificate_in(value, form) == sha256(der).digest()


@pytest.mark.req("CC-14")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("written", FORMATS)
def test_one_way_of_writing_is_not_taken_for_another(form: str, written: str) -> None:
    """Only PEM, escaped or not, and base64, with or without a chain, contain each other."""
    alike = {("pem", "escaped-pem")}
    if form != written and (written, form) not in alike:
        assert certificate_in(CLIENT.as_header(written), form) is None


@pytest.mark.req("CC-02", "A-133")
@pytest.mark.parametrize(
    "value",
    [
        "",
        ":",
        "::",
        ":::",
        BASE64,
        f":{BASE64}",
        f"{BASE64}:",
        f'"{BASE64}"',
        f":{BASE64}:;a=1",
        f":{BASE64}:, :{BASE64}:",
        f":{BASE64}:,:{BASE64}:",
        f":{BASE64}: :{BASE64}:",
        f"::{BASE64}::",
        f": {BASE64}:",
        f":{BASE64[:40]} {BASE64[40:]}:",
        f":{BASE64[:40]}\n{BASE64[40:]}:",
        f":{BASE64[:-4]}:",
        f":{BASE64}AAAA:",
        f":{BASE64.replace('/', '_').replace('+', '-')}-:",
        f":{b64encode(b'no certificate').decode()}:",
        f":{b64encode(CLIENT.pem.encode()).decode()}:",
        f":{ONE_LINE}:",
        ONE_LINE,
        ESCAPED,
    ],
)
def test_client_cert_is_one_byte_sequence(value: str) -> None:
    """No list, no parameters, no other alphabet, no PEM, nothing too short or too long (RFC 9440 2.2)."""
    assert certificate_in(value, "rfc9440") is None


@pytest.mark.parametrize("written", [":{}:", "-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", "{}"])
@pytest.mark.parametrize(
    ("spelled", "other"),
    [
        ("MAkwAQAwAQADAQA=", "MAkwAQAwAQADAQB="),
        ("MAkwAQAwAQADAQA=", "MAkwAQAwAQADAQA=="),
        ("MAswAQAwAQADAwAAAA==", "MAswAQAwAQADAwAAAP=="),
        ("MAowAQAwAQADAgAA", "MAowAQAwAQADAgAA="),
        ("MAowAQAwAQADAgAA", "MAowAQAwAQADAgAA=="),
    ],
)
def test_base64_has_one_spelling(written: str, spelled: str, other: str) -> None:
    """No bits that are set and belong to nothing, and no such padding (RFC 4648 3.2, 3.5)."""
    form = {":": "rfc9440", "-": "pem", "{": "base64-der"}[written[0]]
    assert certificate_in(written.format(spelled), form) is not None
    assert certificate_in(written.format(other), form) is None


@pytest.mark.req("CC-02")
def test_a_byte_sequence_may_lack_its_padding() -> None:
    """As parsers of structured fields should allow (RFC 9651 4.2.7)."""
    assert is_client(f":{BASE64.rstrip('=')}:", "rfc9440")


@pytest.mark.parametrize(
    "value",
    [
        f"{ONE_LINE} {OTHER.as_header('pem')}",
        ONE_LINE.replace(" ", "\r\n").replace("BEGIN\r\n", "BEGIN ").replace("END\r\n", "END "),
        f"-----BEGIN CERTIFICATE-----{BASE64}-----END CERTIFICATE-----",
    ],
)
def test_of_a_chain_in_pem_the_first_is_the_clients(value: str) -> None:
    """As in TLS (RFC 8446 4.4.2); line breaks may be there, be spaces or be gone."""
    assert is_client(value, "pem")
    assert is_client(quote(value, safe="+=/"), "escaped-pem")


@pytest.mark.req("CC-14")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "(null)",
        "-",
        BASE64,
        ONE_LINE[1:],
        ONE_LINE[:-1],
        f"x{ONE_LINE}",
        f"{ONE_LINE}x",
        f"{ONE_LINE}, {ONE_LINE}",
        f"{ONE_LINE} -----BEGIN CERTIFICATE-----",
        ONE_LINE.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        ONE_LINE.replace("CERTIFICATE", "PUBLIC KEY"),
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
        f"-----BEGIN CERTIFICATE-----{b64encode(b'no certificate').decode()}-----END CERTIFICATE-----",
        ONE_LINE.replace(BASE64[:10], BASE64[:9] + "!"),
        ONE_LINE.replace(BASE64[:10], BASE64[:9] + "\xa0"),
    ],
)
def test_pem_has_nothing_around_it(value: str) -> None:
    """Neither text, nor another kind of PEM, nor a certificate that is none (RFC 7468 2)."""
    assert certificate_in(value, "pem") is None
    assert certificate_in(quote(value), "escaped-pem") is None


def test_escaped_pem_is_not_a_form() -> None:
    """A plus sign is a character of base64, as AWS sends it, and not a space; half an escape is none."""
    assert is_client(quote(CLIENT.pem, safe="+=/"), "escaped-pem")
    assert certificate_in(ESCAPED.replace("%20", "+"), "escaped-pem") is None
    assert certificate_in(ESCAPED + "%", "escaped-pem") is None
    assert certificate_in(ESCAPED + "%0", "escaped-pem") is None
    assert certificate_in(quote(ESCAPED), "escaped-pem") is None


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (BASE64, True),
        (f"{BASE64},{b64encode(OTHER.der).decode()}", True),
        (quote(BASE64, safe=""), True),
        (f"{BASE64},", False),
        (f",{BASE64}", False),
        (f"{BASE64},x", False),
        (BASE64 + "\n", False),
        (BASE64[:-4], False),
        (BASE64.rstrip("=") + "====", False),
    ],
)
def test_bare_base64_may_be_a_chain(value: str, read: bool) -> None:
    """With commas between, every one a certificate; Traefik sends them so, older ones URL-encoded."""
    assert is_client(value, "base64-der") is read


@pytest.mark.req("CC-09", "CC-10", "CC-11")
@pytest.mark.parametrize(
    "value",
    [
        f"Hash={HASH}",
        f"hash={HASH.upper()}",
        f"By=spiffe://cluster.local/a;Hash={HASH};URI=spiffe://cluster.local/b;URI=;DNS=a.test;DNS=b.test",
        f'Cert="{ESCAPED}"',
        f'CERT="{ESCAPED}";HASH={HASH}',
        f'Hash="{HASH}";Chain="{ESCAPED}{OTHER.as_header("escaped-pem")}"',
        rf'Subject="CN=\"x\\,O=Acme, Inc.;Hash={OTHER_HASH}";Hash={HASH}',
        f'Hash={HASH};Subject="/C=US/CN=a,Hash={OTHER_HASH}"',
        f'Subject="";Hash={HASH}',
    ],
)
def test_envoys_element_names_a_certificate_by_hash_or_in_full(value: str) -> None:
    """Keys in any case and order; commas, semicolons and quotation marks only within quotation marks (Envoy)."""
    assert is_client(value, "xfcc")


@pytest.mark.req("CC-11", "CC-14")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "By=spiffe://a;URI=spiffe://b",
        "Hash=",
        f"Hash={HASH[:-2]}",
        f"Hash={HASH}00",
        f"Hash={HASH[:-1]}g",
        f"Hash= {HASH}",
        f"Hash ={HASH}",
        f"Hash={HASH};Hash={HASH}",
        f"Hash={HASH};hash={OTHER_HASH}",
        f'Hash={HASH};Cert="{OTHER.as_header("escaped-pem")}"',
        f'Hash={OTHER_HASH};Cert="{ESCAPED}"',
        f'Hash={HASH};Cert=""',
        f'Hash={HASH};Cert="(null)"',
        f'Hash={HASH};Cert="{ESCAPED}',
        f'Hash={HASH};Cert="{ESCAPED}";Cert="{ESCAPED}"',
        f'Hash={HASH};Subject="CN=x',
        f'Hash={HASH};Subject="CN=x\\"',
        f'Hash={HASH};Subject="CN=x"y',
        f'Hash={HASH}"',
        f"Hash={HASH};Subject=CN=x",
        f"Hash={HASH};",
        f"Hash={HASH};;DNS=a",
        f"Chain={ESCAPED}",
    ],
)
def test_an_element_that_is_not_whole_names_none(value: str) -> None:
    """Hash and Cert must agree, each must stand once, and every other pair must be readable too."""
    assert certificate_in(value, "xfcc") is None


MINE, FORGED = f'Hash={HASH};Subject="CN=client"', f"Hash={OTHER_HASH}"


@pytest.mark.req("CC-12", "A-134")
@pytest.mark.parametrize(
    ("value", "hops", "read"),
    [
        (MINE, None, True),
        (f"{FORGED},{MINE}", None, False),
        (f"{MINE},{FORGED}", None, False),
        (f"{MINE},{MINE}", None, False),
        (f"{FORGED},{MINE}", 1, True),
        (f"{MINE},{FORGED}", 1, False),
        (f"{FORGED},{MINE},{FORGED}", 2, True),
        (MINE, 2, False),
        (f"{FORGED},x,{MINE}", 1, False),
    ],
)
def test_only_the_element_of_our_proxy_counts(value: str, hops: int | None, read: bool) -> None:
    """Exactly one, or counted from the end, where the proxies' are; what the client sent stands in front."""
    assert is_client(value, "xfcc", hops) is read


@pytest.mark.req("A-135")
@pytest.mark.parametrize(
    "subject",
    [
        f"x;Hash={OTHER_HASH}",
        f"x,Hash={OTHER_HASH}",
        f"x;Hash={OTHER_HASH};y=",
        f"x\\,Hash={OTHER_HASH}",
        f'x"\\;Hash={OTHER_HASH};y="',
        f'x\\",Hash={OTHER_HASH};y=\\"',
    ],
)
@pytest.mark.parametrize("hops", [None, 1])
def test_what_is_quoted_is_no_pair_and_no_element(subject: str, hops: int | None) -> None:
    """A name in the certificate changes nothing, however it is written, once Envoy has quoted it."""
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    assert is_client(f'Subject="{quoted}";Hash={HASH}', "xfcc", hops)
    assert is_client(f'Hash={HASH};Subject="{quoted}"', "xfcc", hops)


@pytest.mark.req("A-134", "A-135")
@pytest.mark.parametrize("sent", ['Subject="', f'Hash={OTHER_HASH};Subject="x', f'Hash={OTHER_HASH};Subject="\\', '"'])
def test_a_quotation_that_the_client_left_open_does_not_reach_into_the_proxys_element(sent: str) -> None:
    """The proxy's element is read, or none is: never what the client wrote."""
    for hops in (None, 1, 2):
        assert certificate_in(f"{sent},{MINE}", "xfcc", hops) in {None, sha256(CLIENT.der).digest()}


@pytest.mark.req("CC-14")
@pytest.mark.parametrize("form", FORMATS)
def test_a_header_beyond_the_cap_is_not_read(form: str) -> None:
    """32 KiB hold any client's certificate, and no more is looked at."""
    value = CLIENT.as_header(form)
    assert is_client(value + " " * (32 * 1024 - len(value)), form)
    assert certificate_in(value + " " * (32 * 1024 - len(value) + 1), form) is None


def der(tag: int, content: bytes) -> bytes:
    """One value in DER."""
    length = len(content)
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    size = bytes([length]) if length < 128 else bytes([128 + len(octets)]) + octets
    return bytes([tag]) + size + content


@pytest.mark.req("CC-14")
def test_only_what_has_a_certificates_form_is_one() -> None:
    """A sequence of two sequences and a bit string, lengths as DER has them, and nothing behind (RFC 5280 4.1)."""
    part, bits = der(0x30, b"x"), der(0x03, b"x")
    assert is_certificate(der(0x30, part + part + bits))
    assert is_certificate(der(0x30, der(0x30, b"x" * 300) + part + bits))
    assert not any(
        map(
            is_certificate,
            [
                b"",
                b"\x30",
                b"\x30\x00",
                b"\x30\x80" + part + part + bits + b"\x00\x00",
                b"\x30\x81",
                b"\x30\x81\x09" + part + part + bits,
                b"\x30\x82\x00\x80" + der(0x30, b"x" * 120) + part + bits,
                b"\x30\x82\x00\x80" + b"x" * 128,
                der(0x30, b"\x30\x81\xff" + part + bits),
                b"\x30\x84\x00\x00\x00\x09" + part + part + bits,
                der(0x31, part + part + bits),
                der(0x30, part + part),
                der(0x30, part + bits + bits),
                der(0x30, part + part + bits + bits),
                der(0x30, part + part + bits) + b"\x00",
                der(0x30, part + part + bits)[:-1],
                der(0x30, part + part + b"\x03\x02x"),
                der(0x30, part + part + b"\x03\x00"),
            ],
        )
    )


@pytest.mark.req("CC-14", "A-161")
@properties
@given(any_text | st.text('Hash=Cert";,\\:%0-+/ BEGIND'), st.sampled_from(FORMATS), st.sampled_from([None, 1, 2]))
def test_garbage_is_no_certificate_and_no_other_error(value: str, form: str, hops: int | None) -> None:
    """Whatever is sent: a ValueError and nothing else, unless Envoy's element really says 64 hexadecimal digits."""
    assert certificate_in(value, form, hops) is None


@pytest.mark.req("CC-14", "A-161")
@properties
@given(st.data(), st.sampled_from(FORMATS))
def test_a_header_with_a_fault_gives_no_other_certificate(data: st.DataObject, form: str) -> None:
    """One character replaced, left out or put in: the certificate that was sent, an altered one, or none."""
    value = CLIENT.as_header(form)
    place = data.draw(st.integers(0, len(value)))
    altered = value[:place] + data.draw(st.text(max_size=2)) + value[place + data.draw(st.integers(0, 2)) :]
    found = certificate_in(altered, form)
    assert found is None or len(found) == 32


@properties
@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda content: der(0x30, content)))
def test_octets_that_are_no_certificate_to_a_parser_are_seldom_one_here(octets: bytes) -> None:
    """Nothing that a parser of certificates accepts is missed, and no input ends in an error."""
    try:
        x509.load_der_x509_certificate(octets)
    except ValueError:
        assert is_certificate(octets) in {True, False}
    else:
        assert is_certificate(octets)
