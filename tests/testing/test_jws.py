"""The compact serialisation, as written."""

from __future__ import annotations

from functools import partial

from testing.judge import decode
from tokenguard.testing.jws import compact, mac, unsigned

# The example of RFC 7515 A.1
HEADER = b'{"typ":"JWT",\r\n "alg":"HS256"}'
PAYLOAD = b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
SECRET = decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
TOKEN = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)


def test_the_example_of_rfc_7515_comes_out_byte_for_byte() -> None:
    """Bytes are signed as they are, with HMAC SHA-256 and base64url without padding."""
    assert compact(HEADER, PAYLOAD, partial(mac, "HS256", SECRET)) == TOKEN


def test_mappings_are_written_as_json_in_their_order() -> None:
    """A mapping becomes JSON without spaces."""
    header, payload, _ = compact({"alg": "none", "typ": "JWT"}, {"b": 1, "a": [2]}, unsigned).split(".")
    assert decode(header) == b'{"alg":"none","typ":"JWT"}'
    assert decode(payload) == b'{"b":1,"a":[2]}'


def test_unsigned_leaves_the_third_part_empty() -> None:
    """The dot stays where the signature is empty (RFC 7515 A.5)."""
    assert compact({}, {}, unsigned).endswith(".e30.")
