"""`doctor --guard` says how a guard confirms senders, and what only its server can see to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.support import AUDIENCE, run
from tokenguard import MTLS, DPoP, TokenGuard, TrustedProxies
from tokenguard.commands.doctor import Finding, Level
from tokenguard.commands.senders import of_senders
from tokenguard.errors import ConfigurationError
from tokenguard.stores.redis_replays import RedisReplays
from tokenguard.testing import LocalIssuer

NETWORK = TrustedProxies(networks="10.0.0.0/8")
SECRET = TrustedProxies(secret_header="X-Proxy-Secret", secrets="correct horse battery")


def findings(**settings: Any) -> list[Finding]:
    """What is said of a guard with these settings."""
    with TokenGuard(audience=AUDIENCE, issuers=["https://auth.example.com"], **settings) as guard:
        return list(of_senders(guard))


def warnings(**settings: Any) -> list[tuple[str, str]]:
    """Subject and text of each warning."""
    return [(each.subject, each.seen) for each in findings(**settings) if each.level is Level.WARNING]


def test_a_guard_that_confirms_nobody_is_fine() -> None:
    """Bound tokens are refused, and that is said."""
    assert [(each.level, each.subject) for each in findings()] == [(Level.OK, "bound tokens")]


@pytest.mark.req("CC-04")
@pytest.mark.parametrize(("format", "header"), [("rfc9440", "client-cert"), ("xfcc", "x-forwarded-client-cert")])
def test_names_that_wsgi_can_not_tell_apart_are_warned_of(format: str, header: str) -> None:  # noqa: A002
    """Client_Cert and Client-Cert are one there, and the proxy removes only one of them."""
    seen = f"under WSGI {header.replace('-', '_')} is the same header as {header}"
    assert warnings(mtls=MTLS(format=format), proxies=SECRET) == [("mtls", seen)]  # type: ignore[arg-type]


def test_a_name_without_a_hyphen_is_none_of_them() -> None:
    """There is nothing that it could be mixed up with."""
    assert warnings(mtls=MTLS(format="pem", header="certificate"), proxies=SECRET) == []
    assert warnings(mtls=MTLS()) == []


def test_proxies_known_by_address_alone_are_warned_of() -> None:
    """Servers may put what a header says in its place."""
    assert warnings(mtls=MTLS(), proxies=NETWORK) == [("proxies", "they are known by address alone")]
    assert warnings(proxies=TrustedProxies(unix_socket=True)) == [
        ("proxies", "they are known by the Unix socket alone")
    ]


def test_proofs_remembered_in_one_process_are_warned_of() -> None:
    """Another worker would let the same proof in."""
    assert [subject for subject, _ in warnings(dpop=DPoP())] == ["dpop"]
    assert warnings(dpop=DPoP(replays=RedisReplays("redis://127.0.0.1"))) == []


def test_what_is_no_guard_is_told() -> None:
    """Such as the application itself."""
    with pytest.raises(ConfigurationError, match="--guard"):
        list(of_senders(object()))


def test_the_command_prints_them(served: LocalIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the findings on the issuer, and without a say in the exit code, since they may all be in order."""
    module = "from tokenguard import *\nguard = TokenGuard(audience='a', issuers=['https://a.test'], dpop=DPoP())\n"
    (tmp_path / "application_with_guard.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run("doctor", "--issuer", served.issuer, "--guard", "application_with_guard:guard")
    assert result.exit_code == 0, result.output
    assert "used proofs are remembered in each process alone" in " ".join(result.output.split())
    assert run("doctor", "--issuer", served.issuer, "--guard", "application_with_guard:nothing").exit_code == 2
