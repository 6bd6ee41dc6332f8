"""Whatever goes wrong at the introspection endpoint: 503 for the request, nothing let in, and recovery by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from runtime.asking import INTROSPECT, ISSUER_FAILS, asked_at, questions
from runtime.servers import canned, http_answer, issuer_over_tls
from runtime.support import OAUTH, Clock, Protect, averdict, until, verdict
from tokenguard import ClientSecret, Issuer, TokenGuard, errors
from tokenguard.testing import LocalIssuer

ACTIVE = b'{"active": true, "aud": "https://api.example.com", "sub": "mallory", "scope": "admin"}'
HOSTILE = {
    "garbage": http_answer(b"\x00\xff{active"),
    "nothing": b"",
    "no http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "active as a string": http_answer(ACTIVE.replace(b"true", b'"true"')),
    "active as a number": http_answer(ACTIVE.replace(b"true", b"1")),
    "active as null": http_answer(ACTIVE.replace(b"true", b"null")),
    "no active": http_answer(ACTIVE.replace(b'"active": true, ', b"")),
    "active twice": http_answer(ACTIVE.replace(b'"active": true', b'"active": false, "active": true')),
    "an array": http_answer(b"[" + ACTIVE + b"]"),
    "html": http_answer(ACTIVE, media_type="text/html"),
    "no media type": http_answer(ACTIVE, media_type=""),
    "a jwt": http_answer(ACTIVE, media_type="application/token-introspection+jwt"),
    "10 MB": http_answer(ACTIVE + b" " * 10_000_000),
    "compressed": http_answer(ACTIVE, "Content-Encoding: gzip"),
    "redirect": http_answer(ACTIVE, "Location: https://elsewhere.test/", status="307 Temporary Redirect"),
    "redirect to get": http_answer(ACTIVE, "Location: /", status="303 See Other"),
    "not modified": http_answer(b"", status="304 Not Modified"),
    "created": http_answer(ACTIVE, status="201 Created"),
    "partial": http_answer(ACTIVE, status="206 Partial Content"),
    "bad request": http_answer(ACTIVE, status="400 Bad Request"),
    "we are unauthorized": http_answer(ACTIVE, 'WWW-Authenticate: Basic realm="as"', status="401 Unauthorized"),
    "we are forbidden": http_answer(ACTIVE, status="403 Forbidden"),
    "not found": http_answer(ACTIVE, status="404 Not Found"),
    "too many requests": http_answer(ACTIVE, "Retry-After: 1", status="429 Too Many Requests"),
    "server error": http_answer(ACTIVE, status="500 Internal Server Error"),
    "bad gateway": http_answer(ACTIVE, status="502 Bad Gateway"),
}


@pytest.mark.req("IN-04", "IN-06", "IN-07", "IN-16", "A-145")
@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_no_hostile_answer_lets_anybody_in(protect: Protect, answer: bytes) -> None:
    """Nor does it make the caller throw a good token away: 503, with a Retry-After and no challenge."""
    with canned(answer) as server:
        issuer = LocalIssuer(f"http://127.0.0.1:{server.port}", algorithm="ES256")
        guard = protect(issuer, introspection=asked_at(issuer, endpoint=server.url, mode="opaque"))
        with pytest.raises(errors.Unavailable) as caught:
            guard.validate("token")
        challenge = guard.challenge(caught.value)
        assert (challenge.status, str(caught.value.reason)) == (503, ISSUER_FAILS)
        assert {name for name, _ in challenge.headers} >= {"Retry-After"}
        assert "WWW-Authenticate" not in {name for name, _ in challenge.headers}
        assert b"elsewhere" not in b"".join(server.requests)


@pytest.mark.req("IN-06")
def test_the_log_says_that_our_credentials_are_refused(
    issuer: LocalIssuer, protect: Protect, caplog: pytest.LogCaptureFixture
) -> None:
    """And shows neither them nor the token."""
    wrong = ClientSecret("api", "not-the-secret")
    guard = protect(issuer, introspection=asked_at(issuer, authentication=wrong))
    token = issuer.mint_opaque()
    with caplog.at_level(logging.DEBUG, logger="tokenguard"):
        assert verdict(guard, token) == ISSUER_FAILS
    assert "answered 401: it refuses Introspection.authentication" in caplog.text
    assert "not-the-secret" not in caplog.text
    assert token not in caplog.text
    assert "not-the-secret" not in repr(guard._setup.issuers[issuer.issuer].config.introspection)


@pytest.mark.req("IN-07", "A-145")
@pytest.mark.parametrize(
    "fault",
    ["error", "unauthorized", "html", "gzip_bomb", "redirect", "disconnect", "down", "hang", "drip"],
)
async def test_under_load_there_are_only_503s_the_loop_runs_on_and_it_recovers(
    issuer: LocalIssuer, protect: Protect, clock: Clock, fault: str
) -> None:
    """Three hundred requests with as many tokens, while an event loop notices every pause of its own."""
    endpoint = issuer.introspection_endpoint
    guard = protect(issuer, introspection=asked_at(issuer, endpoint=endpoint, mode="opaque", timeout=3, cooldown=10))
    tokens = [issuer.mint_opaque(sub=f"user-{number}") for number in range(300)]
    issuer.misbehave(fault, path=None if fault == "down" else INTROSPECT)
    pauses: list[float] = []
    beating = asyncio.create_task(beat(pauses))
    verdicts = await asyncio.gather(*(averdict(guard, token) for token in tokens))
    beating.cancel()
    assert set(verdicts) == {ISSUER_FAILS}
    assert max(pauses) < 3  # one that waited for the issuer would wait as long as that
    # an open circuit: no request waits, none is sent
    assert guard.health().introspection[0].circuit == "open"
    assert not guard.health().ready
    asked = len(questions(issuer))
    assert await averdict(guard, tokens[0]) == ISSUER_FAILS
    assert len(questions(issuer)) == asked
    # the issuer is well again: the first request after the cool-down finds out
    issuer.behave()
    clock.advance(10)
    assert await averdict(guard, tokens[0]) == "user-0"
    assert (guard.health().introspection[0].circuit, guard.health().ready) == ("closed", True)
    # no more at once than a small server answers in the time that hanging may take here
    assert await asyncio.gather(*(averdict(guard, token) for token in tokens[1:9])) == [
        f"user-{number}" for number in range(1, 9)
    ]


async def beat(pauses: list[float]) -> None:
    """Note how long the event loop takes for nothing."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.005)
        pauses.append(time.monotonic() - began)


def test_known_tokens_outlive_an_outage(issuer: LocalIssuer, protect: Protect) -> None:
    """As long as their answers are remembered; JWTs are not touched by it at all."""
    guard = protect(issuer, introspection=asked_at(issuer, failures=1))
    known, jwt = issuer.mint_opaque(), issuer.mint()
    assert [verdict(guard, token) for token in (known, jwt)] == ["user-1", "user-1"]
    issuer.misbehave("error", path=INTROSPECT)
    assert verdict(guard, issuer.mint_opaque()) == ISSUER_FAILS
    assert [verdict(guard, token) for token in (known, jwt, issuer.mint())] == ["user-1"] * 3


def test_the_first_question_after_a_cooldown_goes_alone(issuer: LocalIssuer, protect: Protect, clock: Clock) -> None:
    """The others get 503 until it is answered."""
    guard = protect(issuer, introspection=asked_at(issuer, failures=2, cooldown=10))
    issuer.misbehave("error", path=INTROSPECT)
    for _ in range(2):
        verdict(guard, issuer.mint_opaque())
    issuer.behave()
    issuer.misbehave("hang", path=INTROSPECT)
    clock.advance(10)
    asked = len(questions(issuer))
    probe = guard._issuers.introspectors[issuer.issuer]
    waiting = asyncio.run(_probe_and_others(guard, issuer))
    assert waiting == ["user-1", ISSUER_FAILS]
    assert len(questions(issuer)) == asked + 1
    assert probe.state().circuit == "closed"


async def _probe_and_others(guard: object, issuer: LocalIssuer) -> list[str]:
    first = asyncio.create_task(averdict(guard, issuer.mint_opaque()))  # type: ignore[arg-type]
    asked = len(questions(issuer))
    await asyncio.to_thread(until, lambda: len(questions(issuer)) > asked)
    second = await averdict(guard, issuer.mint_opaque())  # type: ignore[arg-type]
    issuer.behave()
    return [await first, second]


def test_a_token_that_the_issuer_chokes_on_opens_no_circuit(protect: Protect) -> None:
    """Or anyone could keep the issuer from being asked."""
    with canned(http_answer(b'{"error": "unsupported_token_type"}', status="400 Bad Request")) as server:
        issuer = LocalIssuer(f"http://127.0.0.1:{server.port}", algorithm="ES256")
        guard = protect(issuer, introspection=asked_at(issuer, endpoint=server.url, mode="opaque", failures=2))
        assert [verdict(guard, f"token-{number}") for number in range(5)] == [ISSUER_FAILS] * 5
        assert len(server.requests) == 5
        assert guard.health().introspection[0].circuit == "closed"


@pytest.mark.parametrize(
    "answer",
    [
        ACTIVE[:-1] + b', "groups": [' + b",".join(b'"%d"' % number for number in range(600)) + b"]}",
        ACTIVE[:-1] + b', "groups": "' + b"x" * 70_000 + b'"}',
        ACTIVE[:-1] + b', "plan": {}, "plan": {}}',
        ACTIVE[:-1] + b', "score": NaN}',
        ACTIVE.replace(b"true", b'"true"'),
    ],
    ids=["many members", "too long", "a member twice", "not JSON", "active as a string"],
)
def test_an_answer_that_can_not_be_read_opens_no_circuit(protect: Protect, answer: bytes) -> None:
    """It is about one token: a user in a thousand groups must not shut everybody else out."""
    with canned(http_answer(answer)) as server:
        issuer = LocalIssuer(f"http://127.0.0.1:{server.port}", algorithm="ES256")
        guard = protect(issuer, introspection=asked_at(issuer, endpoint=server.url, mode="opaque", failures=2))
        assert [verdict(guard, f"token-{number}") for number in range(5)] == [ISSUER_FAILS] * 5
        assert len(server.requests) == 5
        assert guard.health().introspection[0].circuit == "closed"


async def test_tokens_that_wait_too_long_for_their_turn_open_no_circuit(issuer: LocalIssuer, protect: Protect) -> None:
    """That says how many were sent here, and nothing of the issuer, which would have answered."""
    settings = asked_at(issuer, endpoint=issuer.introspection_endpoint, mode="opaque", timeout=0.2, concurrency=1)
    guard = protect(issuer, introspection=dataclasses.replace(settings, failures=2))
    issuer.misbehave("hang", path=INTROSPECT)
    verdicts = await asyncio.gather(*(averdict(guard, f"made-up-{number}") for number in range(20)))
    assert set(verdicts) == {ISSUER_FAILS}
    assert guard.health().introspection[0].circuit == "closed"
    # the one that had its turn does say something: with another it is two in a row
    assert await averdict(guard, "made-up") == ISSUER_FAILS
    assert guard.health().introspection[0].circuit == "open"


def test_an_issuer_that_hangs_takes_no_connections_from_another(issuer: LocalIssuer, protect: Protect) -> None:
    """However many questions each may have on its way: nobody shares a limit."""
    with LocalIssuer(algorithm="ES256").serve() as other:
        configs = [
            Issuer(each.issuer, introspection=asked_at(each, endpoint=each.introspection_endpoint, prefix=prefix,
                                                       mode="opaque", concurrency=150))
            for each, prefix in ((issuer, "one_"), (other, "two_"))
        ]  # fmt: skip
        with TokenGuard(audience=issuer.audience, issuers=configs) as guard:
            issuer.misbehave("hang", path=INTROSPECT)
            with ThreadPoolExecutor(120) as pool:
                waiting = [pool.submit(verdict, guard, f"one_{number}") for number in range(120)]
                until(lambda: len(questions(issuer)) == 120)
                assert verdict(guard, other.mint_opaque(prefix="two_")) == "user-1"
                issuer.behave()
                assert {answer.result() for answer in waiting} == {"inactive"}


def test_a_token_that_the_issuer_chokes_on_causes_no_discovery(issuer: LocalIssuer, protect: Protect) -> None:
    """Where to ask is forgotten only when asking there fails: or each such token would cost two fetches."""
    guard = protect(issuer, introspection=asked_at(issuer, mode="opaque", max_bytes=64))
    assert [verdict(guard, issuer.mint_opaque(sub="x" * 64)) for _ in range(3)] == [ISSUER_FAILS] * 3
    assert (len(questions(issuer)), issuer.count(OAUTH)) == (3, 1)


async def test_a_cold_start_discovers_once_for_all_tokens(issuer: LocalIssuer, protect: Protect) -> None:
    """Twenty questions need the endpoint at the same time."""
    guard = protect(issuer, introspection=asked_at(issuer, mode="opaque"))
    issuer.misbehave("hang", path=OAUTH)
    tasks = [asyncio.create_task(averdict(guard, issuer.mint_opaque())) for _ in range(20)]
    await asyncio.to_thread(until, lambda: guard.health().introspection[0].running == 20)
    await asyncio.to_thread(until, lambda: issuer.count(OAUTH))
    issuer.behave()
    assert await asyncio.gather(*tasks) == ["user-1"] * 20
    assert issuer.count(OAUTH) == 1


def test_retry_after_is_when_the_circuit_may_close(issuer: LocalIssuer, protect: Protect) -> None:
    """What the client is told is true."""
    guard = protect(issuer, introspection=asked_at(issuer, failures=1, cooldown=42))
    issuer.misbehave("error", path=INTROSPECT)
    verdict(guard, issuer.mint_opaque())
    with pytest.raises(errors.Unavailable) as caught:
        guard.validate(issuer.mint_opaque())
    assert caught.value.retry_after == 42


# Where it is


@pytest.mark.parametrize(
    "endpoint", ["http://auth.example.com/introspect", "/introspect", "", None, 7, "file:///etc/passwd"]
)
def test_metadata_may_not_send_tokens_just_anywhere(
    issuer: LocalIssuer, protect: Protect, monkeypatch: pytest.MonkeyPatch, endpoint: object
) -> None:
    """An endpoint that is no acceptable URL is no endpoint."""
    metadata = issuer.metadata | {"introspection_endpoint": endpoint}
    monkeypatch.setattr("tokenguard.testing.documents.metadata", lambda _: metadata)
    guard = protect(issuer, introspection=asked_at(issuer, mode="opaque"))
    assert verdict(guard, issuer.mint_opaque()) == ISSUER_FAILS
    assert questions(issuer) == []


@pytest.mark.parametrize("fault", ["wrong_issuer", "down", "error", "not_found", "garbage"])
def test_without_metadata_nobody_is_asked(issuer: LocalIssuer, protect: Protect, clock: Clock, fault: str) -> None:
    """And as soon as it is there again, the issuer is."""
    guard = protect(issuer, introspection=asked_at(issuer, mode="opaque"))
    issuer.misbehave(fault)
    token = issuer.mint_opaque()
    assert verdict(guard, token) == ISSUER_FAILS
    assert questions(issuer) == []
    issuer.behave()
    assert verdict(guard, token) == "user-1"


@pytest.mark.req("IN-03", "A-149")
@pytest.mark.parametrize("fault", ["other authority", "other host"])
def test_the_issuers_certificate_is_checked(
    issuer: LocalIssuer, protect: Protect, authority: trustme.CA, fault: str
) -> None:
    """Tokens go to nobody who can't show that he is the issuer."""
    signer, name = (trustme.CA(), "localhost") if fault == "other authority" else (authority, "elsewhere.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(name).configure_cert(context)
    with issuer_over_tls(issuer, context):
        guard = protect(issuer, introspection=asked_at(issuer, endpoint=issuer.introspection_endpoint, mode="opaque"))
        assert verdict(guard, issuer.mint_opaque()) == ISSUER_FAILS
        assert questions(issuer) == []
