"""From an issuer's identifier to its keys: RFC 8414, OpenID Connect Discovery, and what is not believed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from runtime.servers import canned, http_answer
from runtime.support import JWKS, OAUTH, OPENID, UNAVAILABLE, Clock, Protect, key_state, until, verdict
from tokenguard import Issuer, TokenGuard, errors
from tokenguard.core.discovery import MetadataError, jwks_uri_of, metadata_urls
from tokenguard.errors import ConfigurationError
from tokenguard.testing import LocalIssuer, SigningKey


def asked(issuer: LocalIssuer) -> list[str]:
    """The paths that were asked for, in order."""
    return [urlsplit(request.path).path for request in issuer.requests]


@pytest.mark.req("AS-02", "AS-03", "AS-04")
@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        ("https://h", ["https://h/.well-known/oauth-authorization-server", "https://h/.well-known/openid-configuration"]),
        ("https://h/", ["https://h/.well-known/oauth-authorization-server", "https://h/.well-known/openid-configuration"]),
        (
            "https://h:8443/t1",
            [
                "https://h:8443/.well-known/oauth-authorization-server/t1",
                "https://h:8443/t1/.well-known/openid-configuration",
                "https://h:8443/.well-known/openid-configuration/t1",
            ],
        ),
        (
            "https://h/t1/",
            [
                "https://h/.well-known/oauth-authorization-server/t1",
                "https://h/t1/.well-known/openid-configuration",
                "https://h/.well-known/openid-configuration/t1",
            ],
        ),
        (
            "https://h/a/b",
            [
                "https://h/.well-known/oauth-authorization-server/a/b",
                "https://h/a/b/.well-known/openid-configuration",
                "https://h/.well-known/openid-configuration/a/b",
            ],
        ),
    ],
)  # fmt: skip
def test_the_well_known_forms_in_order(issuer: str, urls: list[str]) -> None:
    """RFC 8414 puts its name before the path, OpenID after it, and some servers OpenID's name before it."""
    assert metadata_urls(issuer) == urls


@pytest.mark.req("AS-02", "AS-03", "AS-04", "AS-06")
@pytest.mark.parametrize("path", ["", "/", "/tenant", "/tenant/", "/a/b"])
@pytest.mark.parametrize("form", ["oauth", "openid", "openid_inserted"])
def test_keys_are_found_by_every_form(signing_key: SigningKey, protect: Protect, form: Any, path: str) -> None:
    """Whichever one form the issuer serves, its tokens are accepted, a slash at the end of its name included."""
    with LocalIssuer(signing_key=signing_key).serve(path=path) as issuer:
        issuer.discovery = (form,)
        assert protect(issuer).validate(issuer.mint()).issuer == issuer.issuer


def test_the_first_form_that_answers_is_enough(issuer: LocalIssuer, protect: Protect) -> None:
    """One request for the metadata, one for the keys."""
    protect(issuer).validate(issuer.mint())
    assert asked(issuer) == [OAUTH, JWKS]


@pytest.mark.req("AS-05")
@pytest.mark.parametrize("fault", ["not_found", "garbage", "html"])
def test_a_form_that_is_not_there_lets_the_next_be_tried(issuer: LocalIssuer, protect: Protect, fault: str) -> None:
    """404, and what is no JSON, is how servers without that form answer."""
    issuer.misbehave(fault, path=OAUTH)
    protect(issuer).validate(issuer.mint())
    assert asked(issuer) == [OAUTH, OPENID, JWKS]


@pytest.mark.req("AS-05")
@pytest.mark.parametrize(("status", "forms"), [(400, 2), (403, 2), (410, 2), (302, 1), (201, 1), (500, 1), (503, 1)])
def test_the_status_tells_not_there_from_not_well(protect: Protect, status: int, forms: int) -> None:
    """Some servers say 403 of what does not exist; what is no refusal of ours lets no other form be tried."""
    with canned(http_answer(b"{}", "Connection: close", status=f"{status} Status")) as server:
        name = server.url.removesuffix("/keys")
        assert verdict(protect(name), LocalIssuer(name, algorithm="ES256").mint()) == UNAVAILABLE
        assert len(server.requests) == forms


@pytest.mark.req("AS-05")
def test_json_under_another_media_type_is_not_metadata(issuer: LocalIssuer, protect: Protect) -> None:
    """RFC 8414 3.2 wants application/json: a page that some user wrote does not speak for the server."""
    with canned() as server:
        name = server.url.removesuffix("/keys")
        document = {"issuer": name, "jwks_uri": issuer.jwks_uri}
        server.answer = http_answer(json.dumps(document).encode(), "Connection: close", media_type="text/plain")
        issuer.issuer = name
        assert verdict(protect(name), issuer.mint()) == UNAVAILABLE
        assert len(server.requests) == 2
        body, media_type = json.dumps(document).encode(), "Application/JSON; charset=utf-8"
        server.answer = http_answer(body, "Connection: close", media_type=media_type)
        assert verdict(protect(name), issuer.mint()) == "user-1"


@pytest.mark.req("AS-05", "AS-13")
@pytest.mark.parametrize(
    "fault", ["error", "disconnect", "redirect", "wrong_issuer", "wrong_jwks_uri", "huge", "gzip_bomb"]
)
def test_a_form_that_fails_or_lies_is_the_last_one_tried(issuer: LocalIssuer, protect: Protect, fault: str) -> None:
    """Who can break one form must not be able to choose another; and nothing of it is used."""
    issuer.misbehave(fault, path=OAUTH, url="http://elsewhere.test/")
    assert verdict(protect(issuer), issuer.mint()) == UNAVAILABLE
    assert asked(issuer) == [OAUTH]


@pytest.mark.req("AS-13")
def test_a_form_that_hangs_is_the_last_one_tried(issuer: LocalIssuer, protect: Protect) -> None:
    """A time-out says nothing about where the metadata is."""
    issuer.misbehave("hang", path=OAUTH)
    assert verdict(protect(issuer, timeout=0.2), issuer.mint()) == UNAVAILABLE
    assert asked(issuer) == [OAUTH]


def test_without_any_form_the_hint_names_the_setting(issuer: LocalIssuer, protect: Protect) -> None:
    """An issuer without metadata needs its jwks_uri configured."""
    issuer.discovery = ()
    with pytest.raises(errors.Unavailable) as refusal:
        protect(issuer).validate(issuer.mint())
    assert "Issuer.jwks_uri" in refusal.value.hint
    assert protect(issuer, jwks_uri=issuer.jwks_uri).validate(issuer.mint()).subject == "user-1"


@pytest.mark.req("AS-06", "A-142")
@pytest.mark.parametrize(
    "change",
    [
        lambda name: name + "/",
        lambda name: name.removesuffix("/tenant"),
        lambda name: name.replace("/tenant", "/Tenant"),
        lambda name: name.replace("/tenant", "/%74enant"),
        lambda name: name.replace("127.0.0.1", "localhost"),
        lambda name: name.replace("http:", "https:"),
        lambda name: name.replace("http:", "HTTP:"),
        lambda name: name + " ",
        lambda name: name.replace("e", "\N{CYRILLIC SMALL LETTER IE}"),
    ],
)  # fmt: skip
def test_metadata_of_nearly_the_same_issuer_is_not_used(signing_key: SigningKey, protect: Protect, change: Any) -> None:
    """Identical to the code point, or no keys are loaded and no other form is asked (RFC 8414 3.3)."""
    with LocalIssuer(signing_key=signing_key).serve(path="/tenant") as issuer:
        issuer.misbehave("wrong_issuer", url=change(issuer.issuer))
        guard = protect(issuer)
        assert verdict(guard, issuer.mint()) == UNAVAILABLE
        assert asked(issuer) == [OAUTH + "/tenant"]
        assert "exactly as it is there" in key_state(guard).last_error


@pytest.mark.req("A-144")
def test_an_issuer_with_a_path_never_asks_its_hosts_root(signing_key: SigningKey, protect: Protect) -> None:
    """What the host says of itself says nothing of its tenants."""
    with LocalIssuer(signing_key=signing_key).serve() as root:
        tenant = root.issuer + "/tenant"
        assert verdict(protect(tenant), root.mint(iss=tenant)) == UNAVAILABLE
        assert asked(root) == [OAUTH + "/tenant", "/tenant" + OPENID, OPENID + "/tenant"]


@pytest.mark.req("A-144", "AS-06")
def test_a_tenants_metadata_does_not_serve_its_host(signing_key: SigningKey, protect: Protect) -> None:
    """The root's form, answered with a tenant's document, loads nothing."""
    with LocalIssuer(signing_key=signing_key).serve() as root:
        root.misbehave("wrong_issuer", url=root.issuer + "/tenant")
        assert verdict(protect(root), root.mint()) == UNAVAILABLE
        assert root.count(JWKS) == 0


BELIEVED = {"issuer": "https://auth.test/t", "jwks_uri": "https://keys.test/jwks"}
CONFIG = Issuer("https://auth.test/t")


@pytest.mark.req("AS-08")
def test_keys_may_be_on_another_host() -> None:
    """Many providers publish them elsewhere; only https counts."""
    assert jwks_uri_of(BELIEVED, CONFIG) == "https://keys.test/jwks"


@pytest.mark.req("AS-08", "AS-14", "A-143")
@pytest.mark.parametrize(
    "uri",
    [
        "http://keys.test/jwks", "http://127.0.0.1/jwks", "http://localhost:8080/jwks", "file:///etc/jwks.json",
        "data:application/json,{}", "ftp://keys.test/jwks", "/jwks", "jwks", "//keys.test/jwks", "https:///jwks",
        "https://user:secret@keys.test/jwks", "https://keys.test:port/jwks", "https://[::1/jwks", "https://ke ys.test/",
        "https://keys.test/\n", "https://\N{CYRILLIC SMALL LETTER KA}eys.test/", "\ud800", "", None, 7, True, [], {},
        ["https://keys.test/jwks"],
    ],
)  # fmt: skip
def test_a_jwks_uri_that_is_no_https_url_is_a_fault(uri: object) -> None:
    """The document is not used; for an https issuer not even loopback may be plain http."""
    with pytest.raises(MetadataError):
        jwks_uri_of(BELIEVED | {"jwks_uri": uri}, CONFIG)
    with pytest.raises(MetadataError):
        jwks_uri_of({"issuer": "https://auth.test/t"}, CONFIG)


@pytest.mark.req("A-143", "AS-08")
@pytest.mark.parametrize("uri", ["http://keys.test/jwks", "file:///etc/passwd", "data:,{}", "/jwks", "https://xn--/"])
def test_a_bad_jwks_uri_is_never_fetched(issuer: LocalIssuer, protect: Protect, uri: str) -> None:
    """Nothing but the library's own error comes of it, and nothing more is asked of the issuer."""
    issuer.misbehave("wrong_jwks_uri", url=uri)
    assert verdict(protect(issuer), issuer.mint()) == UNAVAILABLE
    assert asked(issuer) == [OAUTH]


@pytest.mark.req("AS-08")
def test_the_keys_of_another_server_serve_if_the_metadata_says_so(issuer: LocalIssuer, protect: Protect) -> None:
    """The published keys count, wherever they are."""
    with LocalIssuer(algorithm="ES256").serve() as elsewhere:
        issuer.misbehave("wrong_jwks_uri", url=elsewhere.jwks_uri)
        guard = protect(issuer)
        assert guard.validate(issuer.mint(key=elsewhere.signing_key)).issuer == issuer.issuer
        assert verdict(guard, issuer.mint()) == "unknown_key"


@pytest.mark.req("AS-10")
@pytest.mark.parametrize(
    "name",
    ["https://auth.test/%74", "https://auth.test/t\u0301", "https://AUTH.test/t", None, 1, ["https://auth.test/t"]],
)
def test_issuers_compare_by_code_point(name: object) -> None:
    """No decoding, no normalisation, no case folding (RFC 8414 4)."""
    with pytest.raises(MetadataError):
        jwks_uri_of(BELIEVED | {"issuer": name}, CONFIG)


@pytest.mark.req("AS-12", "AS-14")
def test_signed_metadata_and_unknown_members_are_ignored() -> None:
    """Nothing here supports them, so the plain values count (RFC 8414 2.1, 3.2)."""
    document = BELIEVED | {"signed_metadata": "e30.e30.e30", "x": {"jwks_uri": 1}, "scopes_supported": 5}
    assert jwks_uri_of(document, CONFIG) == "https://keys.test/jwks"


@pytest.mark.req("AS-05", "AS-14")
@pytest.mark.parametrize("document", [b"[]", b'"https://auth.test"', b"7", b'[{"issuer": 1}]'])
def test_metadata_that_is_no_object_is_a_fault(protect: Protect, document: bytes) -> None:
    """It is JSON, so it is the answer, and no other form is asked."""
    with canned(http_answer(document)) as server:
        name = server.url.removesuffix("/keys")
        guard = protect(name)
        assert verdict(guard, LocalIssuer(name, algorithm="ES256").mint()) == UNAVAILABLE
        assert len(server.requests) == 1
        assert "not a JSON object" in key_state(guard).last_error


@pytest.mark.req("AS-06")
def test_metadata_that_names_two_issuers_is_not_used(issuer: LocalIssuer, protect: Protect) -> None:
    """Of a repeated member neither the first nor the last is believed."""
    with canned() as server:
        name = server.url.removesuffix("/keys")
        members = f'"jwks_uri": "{issuer.jwks_uri}", "issuer": "{name}"'
        server.answer = http_answer(b'{"issuer": "https://other.test", %b}' % members.encode())
        assert verdict(protect(name), LocalIssuer(name, algorithm="ES256").mint()) == UNAVAILABLE
        assert issuer.requests == []


@pytest.mark.req("AS-01")
@pytest.mark.parametrize(
    "name",
    [
        "http://auth.test", "https://auth.test?x=1", "https://auth.test/?", "https://auth.test#f", "https://auth.test/#",
        "auth.test", "ftp://auth.test", "",
    ],
)  # fmt: skip
def test_an_issuer_is_an_https_url_without_query_and_fragment(name: str) -> None:
    """Said when it is configured (RFC 8414 2)."""
    with pytest.raises(ConfigurationError):
        Issuer(name)


@pytest.mark.req("AS-07")
def test_iss_must_be_the_very_identifier_that_was_discovered(issuer: LocalIssuer, protect: Protect) -> None:
    """A token that names a variant of it is from nobody we know."""
    guard = protect(issuer)
    for variant in (issuer.issuer + "/", issuer.issuer.replace("127.0.0.1", "localhost"), issuer.issuer.upper()):
        assert verdict(guard, issuer.mint(iss=variant)) == "unknown_issuer"
    assert verdict(guard, issuer.mint()) == "user-1"


@pytest.mark.req("AS-09")
def test_an_encryption_key_verifies_nothing(issuer: LocalIssuer, protect: Protect) -> None:
    """`use` tells the published keys apart."""
    encryption = SigningKey.generate("ES256", "encryption")
    issuer.extra_keys = [encryption.jwk | {"use": "enc"}]
    guard = protect(issuer)
    assert verdict(guard, issuer.mint(key=encryption)) == "unknown_key"
    assert verdict(guard, issuer.mint()) == "user-1"
    assert "use is not sig" in key_state(guard).skipped_keys[0]


@pytest.mark.req("AS-16")
def test_nothing_is_asked_before_the_first_need(issuer: LocalIssuer, protect: Protect) -> None:
    """A guard is built without I/O, and what can't be a token of this issuer causes none."""
    guard = protect(issuer)
    assert verdict(guard, "no token") == "malformed_token"
    assert verdict(guard, issuer.broken("alg_none")) == "unsupported_algorithm"
    assert verdict(guard, issuer.mint(iss="https://evil.test")) == "unknown_issuer"
    assert issuer.requests == []


@pytest.mark.req("AS-16")
def test_warm_fetches_at_start(issuer: LocalIssuer, protect: Protect) -> None:
    """And then the first request asks nothing."""
    guard = protect(issuer)
    guard.warm()
    assert asked(issuer) == [OAUTH, JWKS]
    issuer.misbehave("down")
    assert guard.validate(issuer.mint()).subject == "user-1"


@pytest.mark.req("AS-16")
@pytest.mark.parametrize("fault", ["down", "error", "wrong_issuer", "empty"])
async def test_a_failure_at_start_shows(issuer: LocalIssuer, protect: Protect, fault: str) -> None:
    """`warm` raises, sync and async, and health tells why."""
    issuer.misbehave(fault)
    guard = protect(issuer)
    with pytest.raises(errors.Unavailable) as refusal:
        guard.warm()
    assert refusal.value.issuer == issuer.issuer
    assert refusal.value.hint == f"no keys of {issuer.issuer}: {key_state(guard).last_error}"
    with pytest.raises(errors.Unavailable):
        await protect(issuer).awarm()
    assert not guard.health().ready


async def test_awarm_fetches_every_issuer(issuer: LocalIssuer) -> None:
    """Not only the first."""
    with LocalIssuer(algorithm="ES256").serve() as other:
        async with TokenGuard(audience=issuer.audience, issuers=[issuer.issuer, other.issuer]) as guard:
            await guard.awarm()
            assert guard.health().ready
            assert issuer.count(JWKS) == other.count(JWKS) == 1


@pytest.mark.req("AS-16")
def test_metadata_is_remembered_while_it_works(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """A refresh asks for the keys alone, for a day."""
    guard = protect(issuer)
    guard.warm()
    for _ in range(3):
        clock.advance(600)
        guard.warm()
    assert asked(issuer) == [OAUTH, JWKS, JWKS, JWKS, JWKS]
    clock.advance(86_400)
    guard.warm()
    assert asked(issuer)[5:] == [OAUTH, JWKS]


def test_keys_that_moved_are_found_after_a_failure(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """Metadata that led nowhere is asked for again."""
    guard = protect(issuer)
    guard.warm()
    issuer.rotate(keep=0)
    with LocalIssuer(signing_key=issuer.signing_key).serve() as new_home:
        issuer.misbehave("not_found", path=JWKS)
        issuer.misbehave("wrong_jwks_uri", path=OAUTH, url=new_home.jwks_uri)
        clock.advance(30)
        assert verdict(guard, issuer.mint()) == UNAVAILABLE
        clock.advance(30)
        assert verdict(guard, issuer.mint()) == "user-1"


def test_a_hanging_discovery_counts_against_the_whole_deadline(issuer: LocalIssuer, protect: Protect) -> None:
    """One deadline for metadata and keys together."""
    issuer.misbehave("slow", seconds=0.15)
    guard = protect(issuer, timeout=0.25)
    assert verdict(guard, issuer.mint()) == UNAVAILABLE
    until(lambda: "within 0.25 s" in key_state(guard).last_error)
