"""How we say who we are: each method as its standard writes it, and no credential where it could be seen."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runtime.asking import ISSUER_FAILS, asked_at, form_of, questions
from runtime.servers import issuer_over_tls
from runtime.support import Protect, verdict
from tokenguard import BearerToken, ClientSecret, Introspection, MutualTLS, PrivateKeyJWT, TokenGuard
from tokenguard.errors import ConfigurationError
from tokenguard.introspection import Authentication
from tokenguard.testing import LocalIssuer, SeenRequest, SigningKey

KEY = SigningKey.generate("ES256", "our-key")
PEM = KEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def question_by(issuer: LocalIssuer, protect: Protect, authentication: Authentication) -> SeenRequest:
    """The question that is asked with these credentials; the issuer takes whatever they are."""
    issuer.authenticates = lambda *_: True  # type: ignore[method-assign]
    guard = protect(issuer, introspection=asked_at(issuer, authentication=authentication))
    assert verdict(guard, issuer.mint_opaque()) == "user-1"
    (question,) = questions(issuer)
    return question


@pytest.mark.req("IN-02")
@pytest.mark.parametrize(
    ("form_encode", "pair"), [(True, "my%2Fapi:p%3Ass+w%C3%B6rd%25"), (False, "my/api:p:ss w\u00f6rd%")]
)
def test_basic_encodes_as_the_server_wants_it(
    issuer: LocalIssuer, protect: Protect, *, form_encode: bool, pair: str
) -> None:
    """Form-encoded as RFC 6749 2.3.1 says, or plain for servers that take it literally; nothing in the body."""
    question = question_by(issuer, protect, ClientSecret("my/api", "p:ss w\u00f6rd%", form_encode=form_encode))
    scheme, _, encoded = question.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", pair)
    assert form_of(question).keys() == {"token", "token_type_hint"}


@pytest.mark.req("IN-02")
def test_post_puts_both_into_the_body(issuer: LocalIssuer, protect: Protect) -> None:
    """And nothing into the headers."""
    question = question_by(issuer, protect, ClientSecret("my/api", "p:ss", method="client_secret_post"))
    form = form_of(question)
    assert (form["client_id"], form["client_secret"]) == ("my/api", "p:ss")
    assert "authorization" not in question.headers


@pytest.mark.req("IN-02")
@pytest.mark.parametrize("audience", [None, "https://token.example.com"])
def test_a_private_key_signs_an_assertion(issuer: LocalIssuer, protect: Protect, audience: str | None) -> None:
    """RFC 7523 3: by and about us, for the issuer, short-lived, and used once."""
    question = question_by(
        issuer, protect, PrivateKeyJWT("api", PEM, algorithm="ES256", key_id="our-key", audience=audience)
    )
    form = form_of(question)
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = form["client_assertion"]
    claims = jwt.decode(
        assertion,
        KEY.private.public_key(),
        algorithms=["ES256"],
        audience=audience or issuer.issuer,  # type: ignore[arg-type]
    )
    assert (claims["iss"], claims["sub"]) == ("api", "api")
    assert 0 < claims["exp"] - claims["iat"] <= 60
    assert jwt.get_unverified_header(assertion)["kid"] == "our-key"
    assert "authorization" not in question.headers


def test_no_two_assertions_are_the_same(issuer: LocalIssuer, protect: Protect) -> None:
    """A server may refuse to see a jti twice."""
    issuer.authenticates = lambda *_: True  # type: ignore[method-assign]
    authentication = PrivateKeyJWT("api", PEM.decode(), algorithm="ES256")
    guard = protect(issuer, introspection=asked_at(issuer, authentication=authentication, cache=0))
    for _ in range(2):
        verdict(guard, issuer.mint_opaque())
    ids = {jwt.decode(form_of(question)["client_assertion"], options={"verify_signature": False})["jti"]
           for question in questions(issuer)}  # fmt: skip
    assert len(ids) == 2


@pytest.mark.req("IN-02")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_callable_gives_a_bearer_token(issuer: LocalIssuer, protect: Protect, kind: str) -> None:
    """Asked each time, so that it may give a fresh one."""
    tokens = iter(["first", "second"])

    async def later() -> str:
        return next(tokens)

    authentication = BearerToken((lambda: next(tokens)) if kind == "sync" else later)
    issuer.authenticates = lambda *_: True  # type: ignore[method-assign]
    guard = protect(issuer, introspection=asked_at(issuer, authentication=authentication))
    for _ in range(2):
        verdict(guard, issuer.mint_opaque())
    assert [question.headers["authorization"] for question in questions(issuer)] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("answer", [None, "", "a\r\nb", "\u00fc", b"token", 7, "raise"], ids=repr)
def test_a_callable_that_gives_none_is_our_fault(issuer: LocalIssuer, protect: Protect, answer: Any) -> None:
    """503, and no request without credentials."""

    def token() -> Any:
        if answer == "raise":
            raise OSError("s3cret")
        return answer

    guard = protect(issuer, introspection=asked_at(issuer, authentication=BearerToken(token)))
    assert verdict(guard, issuer.mint_opaque()) == ISSUER_FAILS
    assert questions(issuer) == []
    assert "s3cret" not in guard.health().introspection[0].last_error


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_a_callable_that_wants_to_exit_ends_one_question(
    issuer: LocalIssuer, protect: Protect, raised: type[BaseException]
) -> None:
    """Not the thread that asks for everybody, and no circuit waits for its report for ever."""
    answers: list[Any] = [raised("s3cret"), raised("s3cret"), "token"]

    def token() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    issuer.authenticates = lambda *_: True  # type: ignore[method-assign]
    guard = protect(issuer, introspection=asked_at(issuer, authentication=BearerToken(token), failures=3))
    assert [verdict(guard, issuer.mint_opaque()) for _ in range(3)] == [ISSUER_FAILS, ISSUER_FAILS, "user-1"]
    assert guard.health().introspection[0].circuit == "closed"


@pytest.mark.req("IN-02", "AS-15")
def test_a_client_certificate_is_shown_to_the_mtls_alias(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8705 2, 5: over a connection of its own; without the certificate the server takes no connection."""
    ours = authority.issue_cert("api.example.com")
    certificate, key = tmp_path / "ours.pem", tmp_path / "ours.key"
    ours.private_key_and_cert_chain_pem.write_to_path(certificate)
    ours.private_key_pem.write_to_path(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    plain = issuer.issuer
    issuer.authenticates = lambda _, form: form.get("client_id") == "api"  # type: ignore[method-assign]
    token = issuer.mint_opaque(without="iss")
    with issuer_over_tls(issuer, context) as origin:
        aliased = {"issuer": plain, "introspection_endpoint": "https://unused.test/",
                   "mtls_endpoint_aliases": {"introspection_endpoint": f"{origin}/introspect"}}  # fmt: skip
        monkeypatch.setattr("tokenguard.testing.documents.metadata", lambda _: aliased)
        # the metadata is at the plain port, the alias behind TLS
        issuer.issuer = plain
        settings = {"mode": "opaque", "authentication": MutualTLS("api", str(certificate), str(key))}
        guard = protect(issuer, introspection=asked_at(issuer, **settings))
        assert verdict(guard, token) == "user-1"
        (question,) = questions(issuer)
        assert form_of(question)["client_id"] == "api"
        without = protect(issuer, introspection=asked_at(issuer, mode="opaque", endpoint=f"{origin}/introspect"))
        assert verdict(without, token) == ISSUER_FAILS
        assert len(questions(issuer)) == 1


def test_secrets_are_in_no_repr() -> None:
    """A settings object may end in a log."""
    secrets = [
        ClientSecret("api", "s3cret"),
        PrivateKeyJWT("api", PEM, algorithm="ES256"),
        BearerToken(lambda: "s3cret"),
    ]
    for authentication in secrets:
        shown = repr(Introspection(authentication))
        assert "s3cret" not in shown
        assert "PRIVATE" not in shown


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        (lambda: ClientSecret("", "s"), "ClientSecret.client_id"),
        (lambda: ClientSecret("api", ""), "ClientSecret.client_secret"),
        (lambda: ClientSecret("api", None), "ClientSecret.client_secret"),
        (lambda: ClientSecret("api", "s", method="basic"), "ClientSecret.method"),
        (lambda: ClientSecret("a:b", "s", form_encode=False), "ClientSecret.client_id"),
        (lambda: PrivateKeyJWT("api", 7), "PrivateKeyJWT.key"),
        (lambda: MutualTLS("api", "/nowhere.pem"), "MutualTLS.certificate"),
        (lambda: BearerToken("token"), "BearerToken.token"),
        (lambda: Introspection("api:secret"), "Introspection.authentication"),
        (lambda: Introspection(ClientSecret("a", "b"), mode="jwt"), "Introspection.mode"),
        (lambda: Introspection(ClientSecret("a", "b"), prefix="\u00fc"), "Introspection.prefix"),
        (lambda: Introspection(ClientSecret("a", "b"), signed="yes"), "Introspection.signed"),
        (lambda: Introspection(ClientSecret("a", "b"), cache=-1), "Introspection.cache"),
        (lambda: Introspection(ClientSecret("a", "b"), timeout=0), "Introspection.timeout"),
        (lambda: Introspection(ClientSecret("a", "b"), concurrency=0), "Introspection.concurrency"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_configured(wrong: Any, setting: str) -> None:
    """With the name of the setting."""
    with pytest.raises(ConfigurationError, match=setting.replace(".", r"\.")):
        wrong()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(PEM, "RS256"), (b"no key", "ES256"), (PEM, "none"), (PEM, "HS256"), (PEM, "ES999"), (KEY.public_pem, "ES256")],
)
def test_a_key_that_can_not_sign_is_found_when_the_guard_is_built(
    issuer: LocalIssuer, protect: Protect, key: bytes, algorithm: str
) -> None:
    """Not with the first request, and the text shows nothing of it."""
    authentication = PrivateKeyJWT("api", key, algorithm=algorithm)
    with pytest.raises(ConfigurationError, match=r"PrivateKeyJWT\.(key|algorithm)") as caught:
        protect(issuer, introspection=asked_at(issuer, authentication=authentication))
    assert key.decode() not in str(caught.value)


def test_settings_may_come_from_a_mapping(issuer: LocalIssuer) -> None:
    """The method's registered name says which kind of authentication it is."""

    def guard_with(**introspection: Any) -> TokenGuard:
        return TokenGuard.from_mapping(
            {"audience": "a", "issuers": [{"issuer": issuer.issuer, "introspection": introspection}]}
        )

    client = {"client_id": "api", "client_secret": "s3cret"}
    guard = guard_with(authentication={"method": "client_secret_post", **client}, cache=5)
    settings = guard._setup.issuers[issuer.issuer].config.introspection
    assert settings == Introspection(ClientSecret("api", "s3cret", method="client_secret_post"), cache=5)
    assert guard_with(authentication={"method": "private_key_jwt", "client_id": "a", "key": PEM, "algorithm": "ES256"})
    for authentication, complaint in (
        (None, r"introspection\.authentication is required"),
        ({"client_id": "api"}, r"authentication\.method must be one of client_secret_basic"),
        ({"method": "client_secret_basic", "client_id": "api"}, r"authentication\.client_secret is required"),
        ({"method": "client_secret_basic", **client, "secret": "x"}, r"unknown setting .*authentication\.secret"),
    ):
        given = {} if authentication is None else {"authentication": authentication}
        with pytest.raises(ConfigurationError, match=complaint):
            guard_with(**given)
    with pytest.raises(ConfigurationError, match=r"unknown setting issuers\[0\]\.introspection\.ttl"):
        guard_with(authentication={"method": "client_secret_post", **client}, ttl=5)
