"""Whatever goes in, only the library's own errors come out; and what must agree with an independent judge, does."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.core.strategies import any_text, json_values, properties
from tests.spec.rfc9110 import parse_challenge
from tests.spec.support import (
    claims_for,
    guard_for,
    header_for,
    local_issuer,
    trust,
    with_header,
    with_payload,
)

from tokenguard import Request, TokenGuard
from tokenguard.core.challenge import write_challenge
from tokenguard.errors import InvalidRequest, InvalidToken, MissingToken, Reason
from tokenguard.testing.jws import b64url

pytestmark = pytest.mark.req("A-161")

ISSUER = local_issuer()
GUARDS = [
    guard_for(ISSUER),
    guard_for(trust(ISSUER, profile="jwt"), token_cache=0),
    guard_for(ISSUER, local_issuer(issuer="https://second.test"), form_body=True),
]

guards = st.sampled_from(GUARDS)
HEADER_MEMBERS = ["alg", "kid", "typ", "cty", "crit", "b64", "zip", "jwk", "jku", "x5c", "enc"]
CLAIMS = [
    *claims_for(ISSUER),
    "scope",
    "scp",
    "nbf",
    "auth_time",
    "acr",
    "cnf",
    "act",
    "authorization_details",
    "nonce",
]


@pytest.fixture(scope="module", autouse=True)
def _logging() -> Iterator[None]:
    """Write every log record, so that writing one can fail too."""

    class Formatting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert "\n" not in self.format(record)

    logger, handler = logging.getLogger("tokenguard"), Formatting()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def ends_well(guard: TokenGuard, token: str) -> None:
    """The token is let in, and what it says can be read; or it is refused as an invalid one."""
    with contextlib.suppress(InvalidToken):
        assert guard.validate(token).claims["exp"] is not None


# tokens


@properties
@given(guards, any_text)
@example(GUARDS[0], "..")
@example(GUARDS[0], "\ud800.\udfff.x")
def test_any_text_is_a_token_or_refused(guard: TokenGuard, raw: str) -> None:
    """No text makes `validate` raise anything but a refusal."""
    ends_well(guard, raw)


@properties
@given(guards, st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_any_octets_in_any_number_of_segments_are_refused(guard: TokenGuard, segments: list[bytes]) -> None:
    """Well-encoded rubbish gets further, and no further than that."""
    with pytest.raises(InvalidToken):
        guard.validate(".".join(map(b64url, segments)))


@properties
@given(guards, st.dictionaries(st.sampled_from(HEADER_MEMBERS) | st.text(), json_values, max_size=6))
def test_any_header_ends_well(guard: TokenGuard, members: dict[str, Any]) -> None:
    """Whatever the header's members are, the token is let in or refused."""
    ends_well(guard, with_header(ISSUER, {**header_for(ISSUER), **members}))
    ends_well(guard, with_header(ISSUER, members))


@properties
@given(guards, st.dictionaries(st.sampled_from(CLAIMS) | st.text(), json_values, max_size=6))
def test_any_claims_end_well(guard: TokenGuard, claims: dict[str, Any]) -> None:
    """Whatever the issuer signed, the token is let in or refused."""
    ends_well(guard, with_payload(ISSUER, {**claims_for(ISSUER), **claims}))
    ends_well(guard, with_payload(ISSUER, claims))


@properties
@given(guards, st.sampled_from([with_header, with_payload]), st.binary(max_size=200))
def test_any_octets_signed_end_well(guard: TokenGuard, write: Any, content: bytes) -> None:
    """A signature that holds does not make octets a header, or claims."""
    ends_well(guard, write(ISSUER, content))


@properties
@given(guards, st.data())
def test_a_token_changed_anywhere_is_refused(guard: TokenGuard, data: st.DataObject) -> None:
    """Any piece of a good token replaced by any other text makes it a bad one."""
    token = ISSUER.mint(jti="id-1", scope="orders:read")
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 20)))
    changed = token[:start] + data.draw(any_text) + token[end:]
    if changed == token:
        assert guard.validate(token).id == "id-1"
    else:
        with pytest.raises(InvalidToken):
            guard.validate(changed)


# requests

names = st.sampled_from(["Authorization", "authorization", "Content-Type", "X-Request-Id", "Cookie"]) | any_text
values = any_text | st.builds("{} {}".format, st.sampled_from(["Bearer", "bearer", "DPoP", "Basic"]), any_text)
pairs = st.lists(
    st.tuples(names, values) | st.tuples(st.binary(), st.binary()) | st.tuples(st.just(b"authorization"), st.binary()),
    max_size=4,
)
forms = st.none() | st.binary() | st.dictionaries(st.text(), st.text(), max_size=3) | st.just(b"access_token=%ff&%")


@properties
@given(guards, st.sampled_from(["GET", "POST", ""]), any_text, pairs, forms)
@example(GUARDS[2], "POST", "", [("content-type", "application/x-www-form-urlencoded")], b"access_token=\x00&&=;%%")
def test_any_request_is_refused_in_http_terms(
    guard: TokenGuard, method: str, url: str, headers: list[tuple[str, str]], form: Any
) -> None:
    """Whatever the headers and the form are, the answer is a well-formed challenge."""
    with pytest.raises((MissingToken, InvalidRequest, InvalidToken)) as caught:
        guard.check(Request(method, url, headers, form=form), "orders:read")
    answer = guard.challenge(caught.value)
    assert answer.status in {400, 401}
    parse_challenge(dict(answer.headers)["WWW-Authenticate"])


# the challenge writer


class Chatty(InvalidToken):
    """A refusal with a description of its own."""

    text = ""

    @property
    def description(self) -> str:
        """Anything."""
        return self.text


@properties
@given(any_text, st.none() | any_text, any_text, st.lists(any_text, max_size=3), st.none() | st.integers())
@example('"\\', "a\r\nb", '\\"\0', ['"'], -1)
def test_a_challenge_is_well_formed_whatever_goes_in(
    realm: str, scope: str | None, description: str, acr_values: list[str], max_age: int | None
) -> None:
    """One challenge by the grammar of RFC 9110, all of it printable ASCII, each parameter once."""
    error = Chatty(Reason.EXPIRED)
    error.text, error.scope, error.acr_values, error.max_age = description, scope, tuple(acr_values), max_age
    line = dict(write_challenge(error, realm).headers)["WWW-Authenticate"]
    assert all(" " <= character <= "~" for character in line)
    scheme, parameters = parse_challenge(line)
    assert (scheme, parameters["error"]) == ("Bearer", "invalid_token")
    assert not set(parameters["error_description"]) & {'"', "\\"}
    assert parameters.keys() <= {"realm", "error", "error_description", "scope", "acr_values", "max_age"}
    if all(" " <= character <= "~" for character in realm):
        assert parameters["realm"] == realm
