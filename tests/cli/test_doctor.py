"""`doctor` says what an issuer publishes, where a guard would stumble, and stays calm whatever it is told."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from cli.support import AUDIENCE, run
from runtime.servers import canned, http_answer, issuer_over_tls
from tokenguard import HTTPSettings, Issuer, KeyPolicy
from tokenguard.commands.doctor import Diagnosis, Finding, Level, diagnose
from tokenguard.testing import Fault, LocalIssuer, SigningKey

Diagnose = Callable[..., Diagnosis]
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


@pytest.fixture
def examine(ca_file: str) -> Diagnose:
    """Diagnose an issuer by its identifier; settings are those of `Issuer`, or its audience."""

    def examine(issuer: str, *, audience: str | None = None, timeout: float = 5.0, **settings: Any) -> Diagnosis:
        config = Issuer(issuer, keys=KeyPolicy(timeout=timeout), **settings)
        return diagnose(config, audience=audience, http=HTTPSettings(ca_file=ca_file))

    return examine


@contextmanager
def publishing(**members: Any) -> Iterator[str]:
    """An issuer whose one document is metadata, with these members, and key set at once; its identifier."""
    with canned() as server:
        issuer = f"http://127.0.0.1:{server.port}"
        document = {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", **LocalIssuer(algorithm="ES256").jwks, **members}
        server.answer = http_answer(json.dumps(document).encode(), "Connection: close")
        yield issuer


def about(diagnosis: Diagnosis, subject: str) -> list[Finding]:
    """The findings on one subject."""
    return [finding for finding in diagnosis.findings if finding.subject == subject]


def levels(diagnosis: Diagnosis, subject: str) -> list[Level]:
    """How bad the findings on one subject are."""
    return [finding.level for finding in about(diagnosis, subject)]


def test_an_issuer_in_order_has_no_problem(served: LocalIssuer, examine: Diagnose) -> None:
    """Every subject is fine, but for plain http on loopback."""
    served.cache_control = "max-age=600"
    diagnosis = examine(served.issuer)
    assert not diagnosis.has_problem
    assert [finding.subject for finding in diagnosis.findings if finding.level is not Level.OK] == ["issuer"]
    assert about(diagnosis, "guard")[0].seen.startswith("ready with 1 usable keys; next refresh in ")
    assert about(diagnosis, "caching")[0].seen == "Cache-Control: max-age=600; ETag: yes"
    assert about(diagnosis, "algorithms")[0].seen == "advertised for ID tokens: ES256"


def test_a_form_of_metadata_that_is_not_there_is_no_harm(served: LocalIssuer, examine: Diagnose) -> None:
    """One well-known form is enough."""
    served.discovery = ("openid",)
    diagnosis = examine(served.issuer)
    assert levels(diagnosis, "metadata") == [Level.OK, Level.OK]
    assert not diagnosis.has_problem


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda issuer: f"{issuer}/", "only the slash at the end differs"),
        (lambda issuer: issuer.replace("127.0.0.1", "localhost"), "only the host differs"),
    ],
)
def test_an_issuer_that_is_named_a_little_differently_is_told_how(
    served: LocalIssuer, examine: Diagnose, change: Callable[[str], str], difference: str
) -> None:
    """The commonest mistake: the identifier is compared to the character."""
    diagnosis = examine(change(served.issuer))
    finding = next(finding for finding in about(diagnosis, "issuer") if finding.level is Level.PROBLEM)
    assert finding.seen == f"the metadata names {served.issuer}: {difference}"
    assert levels(diagnosis, "guard") == [Level.PROBLEM]


@pytest.mark.parametrize("fault", set(Fault) - {Fault.SLOW})
def test_whatever_an_issuer_does_wrong_is_a_problem_and_no_crash(
    served: LocalIssuer, examine: Diagnose, fault: Fault
) -> None:
    """Within the time that is given to it, though it hangs, drips, floods, or lies."""
    served.misbehave(fault)
    began = time.monotonic()
    diagnosis = examine(served.issuer, timeout=0.3)
    assert diagnosis.has_problem
    assert levels(diagnosis, "guard") == [Level.PROBLEM]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("fault", {Fault.HANG, Fault.ERROR, Fault.GARBAGE, Fault.REDIRECT, Fault.EMPTY, Fault.HUGE})
def test_keys_that_can_not_be_had_are_a_problem(served: LocalIssuer, examine: Diagnose, fault: Fault) -> None:
    """Though the metadata is in order."""
    served.misbehave(fault, path="/jwks")
    diagnosis = examine(served.issuer, timeout=0.3)
    assert (levels(diagnosis, "keys"), levels(diagnosis, "guard")) == ([Level.PROBLEM], [Level.PROBLEM])


def test_a_slow_answer_is_told(served: LocalIssuer, examine: Diagnose) -> None:
    """Since the first request after a start waits for it."""
    served.misbehave("slow", path="/jwks", seconds=1.05)
    diagnosis = examine(served.issuer)
    assert levels(diagnosis, "speed") == [Level.WARNING]
    assert served.jwks_uri in about(diagnosis, "speed")[0].seen


def test_a_redirect_is_told_with_what_to_do(served: LocalIssuer, examine: Diagnose) -> None:
    """The guard follows none."""
    served.misbehave("redirect", path="/jwks")
    (finding,) = about(examine(served.issuer), "keys")
    assert "answered 302" in finding.seen
    assert "give the final address" in finding.advice


def test_a_failing_form_before_a_good_one_is_told(served: LocalIssuer, examine: Diagnose) -> None:
    """A guard stops at a server error, so the good form does not help; the doctor says both."""
    served.misbehave("error", path=OAUTH)
    diagnosis = examine(served.issuer)
    assert levels(diagnosis, "metadata") == [Level.WARNING, Level.OK]
    assert "a guard stops here" in about(diagnosis, "metadata")[0].advice
    assert levels(diagnosis, "guard") == [Level.PROBLEM]


def test_metadata_under_another_media_type_is_told(examine: Diagnose) -> None:
    """A guard takes it for something else than metadata."""
    with canned() as server:
        issuer = f"http://127.0.0.1:{server.port}"
        body = b'{"issuer": "%s", "jwks_uri": "%s/jwks"}' % (issuer.encode(), issuer.encode())
        server.answer = http_answer(body, "Connection: close", media_type="text/html")
        diagnosis = examine(issuer)
    assert Level.WARNING in levels(diagnosis, "metadata")
    assert "application/json" in about(diagnosis, "metadata")[0].advice
    assert levels(diagnosis, "guard") == [Level.PROBLEM]


@pytest.mark.parametrize(
    "document",
    [
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b'{"issuer": 1}',
        b'{"issuer": ["x"], "keys": {}}',
        b'{"keys": [1, null, {}, {"kty": []}]}',
    ],
)
@pytest.mark.parametrize("has_uri", [True, False])
def test_documents_of_any_shape_are_a_problem_and_no_crash(examine: Diagnose, document: bytes, has_uri: bool) -> None:
    """As metadata, and as a key set."""
    with canned(http_answer(document, "Connection: close")) as server:
        issuer = f"http://127.0.0.1:{server.port}"
        diagnosis = examine(issuer, jwks_uri=f"{issuer}/jwks" if has_uri else None)
    assert diagnosis.has_problem


@pytest.mark.parametrize(
    "member",
    [
        {"id_token_signing_alg_values_supported": "ES256"},
        {"id_token_signing_alg_values_supported": [1, None, {}]},
        {"protected_resources": "https://api.example.com"},
        {"protected_resources": [1, {}]},
    ],
)
def test_members_of_any_shape_are_no_crash(examine: Diagnose, member: dict[str, Any]) -> None:
    """What is only looked at may be anything."""
    with publishing(**member) as issuer:
        assert not examine(issuer, audience=AUDIENCE).has_problem


def test_where_and_how_the_issuer_can_be_asked_is_told(served: LocalIssuer, examine: Diagnose) -> None:
    """With the ways to authenticate there; an endpoint that can't be used costs opaque tokens, and nothing else."""
    (found,) = about(examine(served.issuer), "introspection")
    assert (found.level, served.introspection_endpoint in found.seen) == (Level.OK, True)
    methods = {"introspection_endpoint_auth_methods_supported": ["client_secret_basic", 7, "private_key_jwt"]}
    with publishing(introspection_endpoint="http://127.0.0.1/introspect", **methods) as issuer:
        (found,) = about(examine(issuer), "introspection")
        assert found.seen.endswith("; authenticates by client_secret_basic, private_key_jwt")
    with publishing(introspection_endpoint="http://auth.example.com/introspect") as issuer:
        diagnosis = examine(issuer)
        assert levels(diagnosis, "introspection") == [Level.WARNING]
        assert not diagnosis.has_problem
    with publishing() as issuer:
        assert about(examine(issuer), "introspection") == []


def test_a_published_secret_is_a_problem(served: LocalIssuer, examine: Diagnose) -> None:
    """Though the guard works: whoever reads the key set can sign."""
    served.extra_keys = [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        served.signing_key.jwk | {"d": "AAAA", "kid": "d"},
    ]
    diagnosis = examine(served.issuer)
    assert levels(diagnosis, "guard") == [Level.OK]
    assert levels(diagnosis, "keys") == [Level.OK, Level.PROBLEM, Level.PROBLEM]
    assert diagnosis.has_problem
    assert "c2VjcmV0" not in repr(diagnosis)


def test_keys_that_are_not_used_are_warned_of_unless_they_are_for_something_else(
    served: LocalIssuer, examine: Diagnose
) -> None:
    """A key for encryption stands in many key sets; one that tokens may be signed with should be usable."""
    encrypts = SigningKey.generate("ES256", "encrypts").jwk | {"use": "enc"}
    served.extra_keys = [encrypts, SigningKey.generate("ES384", "other").jwk]
    findings = about(examine(served.issuer), "keys")
    assert [(finding.level, finding.seen[:9]) for finding in findings] == [
        (Level.OK, "3 publish"),
        (Level.WARNING, "kid other"),
    ]


def test_keys_of_one_name_are_told(served: LocalIssuer, examine: Diagnose) -> None:
    """The guard uses neither, since it would have to guess."""
    served.extra_keys = [SigningKey.generate("ES256", kid).jwk for kid in ("twin", "twin")]
    diagnosis = examine(served.issuer)
    assert [key.skipped for key in diagnosis.keys] == ["", *["another key of its kind has the same kid"] * 2]
    assert levels(diagnosis, "keys") == [Level.OK, Level.WARNING]


def test_one_key_published_twice_is_one_key(served: LocalIssuer, examine: Diagnose) -> None:
    """It is the same, so there is nothing to guess."""
    served.extra_keys = [served.signing_key.jwk]
    assert [key.skipped for key in examine(served.issuer).keys] == ["", ""]


def test_keys_without_a_name_are_told(served: LocalIssuer, examine: Diagnose) -> None:
    """If there are several: a token then may be by any of them."""
    nameless = [SigningKey.generate("ES256").jwk for _ in range(2)]
    for jwk in nameless:
        del jwk["kid"]
    served.extra_keys = nameless
    assert about(examine(served.issuer), "keys")[-1].seen == "2 have no kid"


def test_a_key_set_that_must_be_fetched_all_the_time_is_told(served: LocalIssuer, examine: Diagnose) -> None:
    """By Cache-Control, which the guard honours down to its cool-down."""
    served.cache_control = "no-store"
    (finding,) = about(examine(served.issuer), "caching")
    assert (finding.level, finding.seen) == (Level.WARNING, "Cache-Control: no-store; ETag: yes")


def test_an_algorithm_that_is_not_accepted_is_told_with_the_setting(examine: Diagnose) -> None:
    """What is advertised is a hint only, so it is a warning."""
    with LocalIssuer(algorithm="ES384").serve() as issuer:
        (finding,) = about(examine(issuer.issuer), "algorithms")
        assert (finding.level, finding.advice) == (
            Level.WARNING,
            "if access tokens are signed so too: algorithms=('ES384',)",
        )
        accepted = examine(issuer.issuer, algorithms=("ES384",))
        assert levels(accepted, "algorithms") == [Level.OK]
        assert not accepted.has_problem


def test_keys_by_their_address_need_no_metadata(served: LocalIssuer, examine: Diagnose) -> None:
    """Then its absence is no problem."""
    served.discovery = ()
    assert not examine(served.issuer, jwks_uri=served.jwks_uri).has_problem
    assert examine(served.issuer).has_problem


def test_an_address_of_keys_that_the_metadata_does_not_name_is_told(served: LocalIssuer, examine: Diagnose) -> None:
    """It may be on purpose, so it is a warning."""
    diagnosis = examine(served.issuer, jwks_uri=f"{served.jwks_uri}?v=2")
    assert set(levels(diagnosis, "jwks_uri")) == {Level.WARNING}


def test_an_audience_that_the_issuer_lists_is_compared(examine: Diagnose) -> None:
    """Where the issuer says for whom it issues tokens (RFC 9728 4)."""
    with publishing(protected_resources=[AUDIENCE]) as issuer:
        assert levels(examine(issuer, audience=AUDIENCE), "audience") == [Level.OK]
        assert levels(examine(issuer, audience=f"{AUDIENCE}/"), "audience") == [Level.WARNING]
        assert levels(examine(issuer), "audience") == []


def test_a_private_authority_is_told_and_can_be_given(
    served: LocalIssuer, examine: Diagnose, authority: trustme.CA, tmp_path: Path
) -> None:
    """A certificate that is not trusted is told from a server that is not there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with issuer_over_tls(served, context) as issuer:
        assert not examine(issuer).has_problem
        distrusted = diagnose(Issuer(issuer), audience=None, http=HTTPSettings(ca_file=str(stranger)))
    assert "--ca-file" in about(distrusted, "metadata")[0].advice


def test_a_host_that_does_not_exist_is_told(examine: Diagnose) -> None:
    """In the words of the operating system, which the log of a guard leaves out."""
    (first, *_) = about(examine("https://issuer.invalid"), "metadata")
    assert "ConnectError, gaierror (" in first.seen


def test_exit_codes_and_page(served: LocalIssuer, ca_file: str) -> None:
    """0 without a problem, 1 with one, 2 for wrong usage; plain text within 100 columns."""
    settings = ["--audience", AUDIENCE, "--ca-file", ca_file]
    fine = run("doctor", "--issuer", served.issuer, *settings)
    assert (fine.exit_code, fine.stdout.splitlines()[-1]) == (0, "Problems: 0, warnings: 1")
    served.misbehave("html")
    bad = run("doctor", "--issuer", served.issuer, *settings)
    assert (bad.exit_code, bad.stdout.splitlines()[-1]) == (1, "Problems: 3, warnings: 1")
    assert "\x1b" not in bad.stdout
    assert all(len(line) <= 100 for line in bad.stdout.splitlines())
    wrong = run("doctor", "--issuer", "issuer.example")
    assert (wrong.exit_code, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
