"""How a guard of an application confirms the senders of bound tokens, and what its server must do for that to hold."""

from __future__ import annotations

from collections.abc import Iterator

from tokenguard.commands.doctor import Finding, Level
from tokenguard.errors import ConfigurationError
from tokenguard.guard import TokenGuard
from tokenguard.possession import MTLS
from tokenguard.proxies import TrustedProxies


def of_senders(guard: object) -> Iterator[Finding]:
    """What is set up, and what no setting can see to. Raises `ConfigurationError` for what is no guard."""
    if not isinstance(guard, TokenGuard):
        raise ConfigurationError("--guard must name a TokenGuard, such as examples.fastapi_orders:guard")
    senders = guard.senders
    if senders.dpop is None and senders.mtls is None:
        yield Finding(Level.OK, "bound tokens", "refused: neither dpop nor mtls is set up")
    if senders.dpop is not None:
        yield _of_replays(shared=senders.dpop.settings.is_shared)
    if senders.mtls is not None:
        yield from _of_certificates(senders.mtls)
    if senders.proxies is not None:
        yield _of_proxies(senders.proxies)


def _of_replays(*, shared: bool) -> Finding:
    if shared:
        return Finding(Level.OK, "dpop", "used proofs are remembered for all workers")
    advice = "with several workers a proof counts once in each: DPoP(replays=RedisReplays(...))"
    return Finding(Level.WARNING, "dpop", "used proofs are remembered in each process alone", advice)


def _of_certificates(mtls: MTLS) -> Iterator[Finding]:
    if mtls.header is None:
        advice = "uvicorn tells none, so it would refuse every bound token; gunicorn, mod_wsgi and Werkzeug tell it"
        yield Finding(Level.OK, "mtls", "the certificate is the one that the server received", advice)
        return
    advice = f"the proxy must remove or replace {mtls.header} in every request"
    yield Finding(Level.OK, "mtls", f"the certificate is read from {mtls.header}, as {mtls.format}", advice)
    # CGI's names, which WSGI has, know no hyphen (RFC 3875 4.1.18): an attacker's header then reads like the proxy's
    if "-" in mtls.header:
        other = mtls.header.replace("-", "_")
        advice = "gunicorn 22 and newer and Werkzeug drop such names; elsewhere have the proxy drop them, as nginx does"
        yield Finding(Level.WARNING, "mtls", f"under WSGI {other} is the same header as {mtls.header}", advice)


def _of_proxies(proxies: TrustedProxies) -> Finding:
    if proxies.secret_header is not None:
        return Finding(Level.OK, "proxies", f"they are known by a secret in {proxies.secret_header}")
    advice = "use secret_header and secrets, or keep others away; uvicorn needs --no-proxy-headers"
    known = "address" if proxies.networks else "the Unix socket"
    return Finding(Level.WARNING, "proxies", f"they are known by {known} alone", advice)
