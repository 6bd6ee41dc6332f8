"""Revoking from a shell: what a guard elsewhere refuses from then on, and moving what a store holds."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.support import run, run_program
from stores.support import Valkey
from tokenguard import Issuer, TokenGuard
from tokenguard.errors import InvalidToken
from tokenguard.stores.redis import RedisRevocations
from tokenguard.testing import LocalIssuer, SigningKey

LIFETIME = 3_600


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    """A server that commands and guards share."""
    server = Valkey()
    yield server
    server.close()


@pytest.fixture
def store(valkey: Valkey) -> dict[str, Any]:
    """An empty store there, as settings have it."""
    valkey.client.flushall()
    return {"source": valkey.url, "create": True}


@pytest.fixture
def guard(issuer: LocalIssuer, store: dict[str, Any]) -> Iterator[TokenGuard]:
    """A guard of some process of the API."""
    config = Issuer(issuer.issuer, jwks=issuer.jwks, max_lifetime=LIFETIME)
    with TokenGuard(audience=issuer.audience, issuers=[config], revocations=RedisRevocations(**store)) as built:
        yield built


@pytest.fixture(autouse=True)
def environment(issuer: LocalIssuer, store: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same guard as the environment describes it."""
    config = {"issuer": issuer.issuer, "jwks": issuer.jwks, "max_lifetime": LIFETIME}
    monkeypatch.setenv("TOKENGUARD_AUDIENCE", issuer.audience)
    monkeypatch.setenv("TOKENGUARD_ISSUERS", json.dumps([config]))
    monkeypatch.setenv("TOKENGUARD_REVOCATIONS", json.dumps(store))


def is_revoked(guard: TokenGuard, token: str) -> bool:
    """Refused for that reason; for no other."""
    try:
        guard.validate(token)
    except InvalidToken as refusal:
        if refusal.reason == "revoked":
            return True
        raise
    return False


@pytest.mark.parametrize(
    "arguments",
    [("token", "--id", "t-1"), ("session", "s-1"), ("subject", "alice"), ("client", "c-1"), ("issuer", "ISSUER")],
    ids=lambda arguments: arguments[0],
)
def test_what_is_revoked_here_is_refused_there(
    guard: TokenGuard, issuer: LocalIssuer, arguments: tuple[str, ...]
) -> None:
    """In another process, at every level; nothing of whom it hits is printed."""
    token = issuer.mint(jti="t-1", sid="s-1", sub="alice", client_id="c-1")
    other = issuer.mint(jti="t-2", sid="s-2", sub="bob", client_id="c-2")
    assert not is_revoked(guard, token)
    ended = run("revoke", *(issuer.issuer if word == "ISSUER" else word for word in arguments))
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.startswith(f"Revoked: {arguments[0]} of {issuer.issuer}")
    assert "within 0 s" in ended.stdout
    assert not any(name in ended.output for name in ("t-1", "s-1", "alice", "c-1"))
    assert (is_revoked(guard, token), is_revoked(guard, other)) == (True, arguments[0] == "issuer")


def test_a_token_on_standard_input_is_revoked_and_never_echoed(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """As it is copied out of a request; one that is good for nothing revokes nothing."""
    token = issuer.mint()
    ended = run_program("revoke", "token", stdin=f"Authorization: Bearer {token}\n".encode())
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert all(part.encode() not in ended.stdout for part in token.split("."))
    assert is_revoked(guard, token)
    forged = issuer.mint(key=SigningKey.generate("ES256", issuer.signing_key.kid))
    refused = run("revoke", "token", "-", stdin=forged)
    assert refused.exit_code == 1
    assert "bad_signature" in refused.stderr
    assert forged not in refused.output


def test_times_are_epoch_seconds_or_iso_8601(guard: TokenGuard) -> None:
    """With an offset, since a time of day alone means another moment elsewhere."""
    for before in ("1900000000", "2030-03-17T17:46:40Z", "2030-03-17T18:46:40+01:00"):
        assert run("revoke", "subject", "alice", "--before", before).exit_code == 0
    (held,) = guard.revocations.held()
    assert held.before == 1_900_000_000
    for wrong in ("tomorrow", "2030-03-17T17:46:40"):
        ended = run("revoke", "subject", "alice", "--until", wrong)
        assert (ended.exit_code, "--until must" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("revoke", "token", "a.b.c", "--id", "t-1"), "the token or its --id, not both"),
        (("revoke", "token", "a.b.c", "--issuer", "https://x.test"), "--issuer goes with --id"),
        (("revoke", "token"), "there is no token"),
        (("revoke", "session", "s-1", "--issuer", "https://x.test"), "none of the configured issuers"),
        (("revoke", "session", "s-1", "--guard", "json:dumps"), "--guard json:dumps is no TokenGuard"),
        (("revocations", "import", "/nowhere/at/all"), "/nowhere/at/all can't be read"),
        (("revocations", "export", "/nowhere/at/all"), "/nowhere/at/all can't be written"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], complaint: str) -> None:
    """And exit code 2."""
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert complaint in ended.stderr


def test_a_store_in_memory_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that ends could revoke nothing there; it must not seem that it did."""
    monkeypatch.delenv("TOKENGUARD_REVOCATIONS")
    for command in (("revoke", "session", "s-1"), ("revocations", "count")):
        ended = run(*command)
        assert (ended.exit_code, "memory of its own process" in ended.stderr) == (2, True)


def test_a_store_that_is_away_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a code of its own, so that a script can try again."""
    monkeypatch.setenv("TOKENGUARD_REVOCATIONS", "redis://127.0.0.1:1/0")
    for command in (("revoke", "session", "s-1"), ("revocations", "list")):
        assert run(*command).exit_code == 3


def test_a_new_store_is_created_once(
    guard: TokenGuard, issuer: LocalIssuer, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then nobody can tell it from one that has lost everything."""
    monkeypatch.setenv("TOKENGUARD_REVOCATIONS", valkey.url)
    assert run("revocations", "create").exit_code == 0
    assert run("revoke", "session", "s-1").exit_code == 0
    assert is_revoked(guard, issuer.mint(sid="s-1"))


def test_a_store_can_be_listed_and_counted(guard: TokenGuard) -> None:
    """All levels or one; a table that ends where it should."""
    for number in range(3):
        guard.revoke(session=f"s-{number}")
    guard.revoke(subject="alice")
    listed = run("revocations", "list", "--level", "session", "--limit", "2").stdout
    assert listed.count("session") == 2
    assert "alice" not in listed
    assert "and 1 more" in listed
    assert "alice" in run("revocations", "list").stdout
    counted = run("revocations", "count").stdout.split()
    assert counted[counted.index("session") + 1] == "3"
    assert counted[counted.index("all") + 1] == "4"


def test_what_one_store_holds_another_takes_over(
    guard: TokenGuard, issuer: LocalIssuer, valkey: Valkey, tmp_path: Path
) -> None:
    """Through a file that only its owner can read, were it there or not, or a pipe; twice does no harm."""
    for number in range(1_200):
        guard.revoke(session=f"s-{number}")
    before = sorted(each.value for each in guard.revocations.held())
    file = tmp_path / "revocations.jsonl"
    for _ in range(2):
        assert run("revocations", "export", str(file)).exit_code == 0
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o644)
    piped = run("revocations", "export", "-").stdout
    assert sorted(piped.splitlines()) == sorted(file.read_text().splitlines())
    valkey.client.flushall()
    for words, stdin in ((("import", str(file)), ""), (("import", "-"), piped)):
        ended = run("revocations", *words, stdin=stdin)
        assert (ended.exit_code, ended.stderr) == (0, "1200 imported\n")
    assert sorted(each.value for each in guard.revocations.held()) == before
    assert is_revoked(guard, issuer.mint(sid="s-7"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("{", "line 2 is no JSON"), ("[1]", "line 2: a revocation has"), ('{"issuer": 5}', "line 2: a revocation has")],
)
def test_a_line_that_is_no_revocation_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    """Nothing of the file's text is repeated."""
    file = tmp_path / "broken.jsonl"
    file.write_text(f"\n{line}\n")
    ended = run("revocations", "import", str(file))
    assert ended.exit_code == 2
    assert complaint in ended.stderr
