"""One table of requests and the answers they must get, whatever stands between them and the guard.

`SCENARIOS` is data; it is run by `guard.check` and `guard.acheck` (test_scenarios_core.py) and by every adapter over
real HTTP (tests/adapters), always against the same small orders API, which is each framework's example:

    GET /orders, GET /orders/{id}   scope orders:read         GET /me         any token
    POST /orders                    scope orders:write        GET /greeting   a token or none (optional)
    GET /health                     public
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tokenguard.errors import DESCRIPTIONS, Reason
from tokenguard.testing import Broken, LocalIssuer

AUDIENCE = "https://api.example.com"
AN_ORDER = {"item": "tea", "quantity": 2}
PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}


@dataclass(frozen=True)
class Route:
    """What a route of the orders API demands."""

    scopes: str | None = None
    optional: bool = False


ROUTES = {
    ("GET", "/orders"): Route("orders:read"),
    ("POST", "/orders"): Route("orders:write"),
    ("GET", "/me"): Route(),
    ("GET", "/greeting"): Route(optional=True),
}

#: the values of the Authorization header, a line each
Credentials = Callable[[LocalIssuer], list[str]]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One request, and the answer it must get.

    `authorization`: the values of the Authorization header, a line each. `statuses`: those that are right; more than
    one only where the framework decides and not the guard. `reason`: why the guard refuses; None where it does not.
    `error`: the code in challenge and body, `needs`: the scope in the challenge; None where there must be none.
    `body`: members of the JSON body of an admitted request. `issuer_down`: the keys were never fetched and can't be.
    """

    name: str
    statuses: tuple[int, ...]
    authorization: Credentials = lambda _: []
    method: str = "GET"
    path: str = "/orders"
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: Reason | None = None
    error: str | None = None
    needs: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    issuer_down: bool = False

    @property
    def route(self) -> Route | None:
        """What the route demands; None where the guard has no say: public and unknown URLs, preflights."""
        return ROUTES.get((self.method, self.path))

    @property
    def is_refused(self) -> bool:
        """Is it the guard that answers?"""
        return self.reason is not None


def bearer(scope: str = "orders:read", **claims: Any) -> Credentials:
    """A valid token."""
    return lambda issuer: [f"Bearer {issuer.mint(scope=scope, **claims)}"]


def broken(kind: Broken) -> Credentials:
    """A token that would do but for one thing."""
    return lambda issuer: [f"Bearer {issuer.broken(kind, scope='orders:read')}"]


def admitted(name: str, authorization: Credentials, *, status: int = 200, **rest: Any) -> Scenario:
    """The guard lets it in."""
    return Scenario(name=name, statuses=(status,), authorization=authorization, **rest)


def malformed(name: str, authorization: Credentials, reason: Reason = Reason.MALFORMED_CREDENTIALS) -> Scenario:
    """400: not one credential (RFC 6750 3.1)."""
    return Scenario(
        name=name,
        statuses=(400,),
        authorization=authorization,
        reason=reason,
        error="invalid_request",
    )


def invalid(name: str, authorization: Credentials, reason: Reason, **rest: Any) -> Scenario:
    """401: a token that does not count (RFC 6750 3.1)."""
    return Scenario(
        name=name,
        statuses=(401,),
        authorization=authorization,
        reason=reason,
        error="invalid_token",
        **rest,
    )


def missing(name: str, authorization: Credentials = lambda _: [], **rest: Any) -> Scenario:
    """401 without an error code: no credential at all (RFC 6750 3.1)."""
    return Scenario(name=name, statuses=(401,), authorization=authorization, reason=Reason.MISSING_TOKEN, **rest)


def insufficient(name: str, authorization: Credentials, **rest: Any) -> Scenario:
    """403: a good token that does not cover this (RFC 6750 3.1)."""
    return Scenario(
        name=name,
        statuses=(403,),
        authorization=authorization,
        reason=Reason.INSUFFICIENT_SCOPE,
        error="insufficient_scope",
        **rest,
    )


def unavailable(name: str, authorization: Credentials) -> Scenario:
    """503: the issuer's keys can't be had, which is not the caller's fault."""
    return Scenario(
        name=name,
        statuses=(503,),
        authorization=authorization,
        reason=Reason.KEYS_UNAVAILABLE,
        error="temporarily_unavailable",
        issuer_down=True,
    )


def beside(name: str, *statuses: int, **rest: Any) -> Scenario:
    """Not the guard's business."""
    return Scenario(name=name, statuses=statuses, **rest)


SCENARIOS = [
    # let in
    admitted("good token", bearer()),
    admitted("good token among other scopes", bearer("profile orders:read orders:write")),
    admitted("scheme in lower case", lambda issuer: [f"bearer {issuer.mint(scope='orders:read')}"]),
    admitted("scheme in odd case", lambda issuer: [f"bEaReR {issuer.mint(scope='orders:read')}"]),
    admitted("good token for writing", bearer("orders:write"), status=201, method="POST", body=AN_ORDER),
    admitted("good token without a scope where none is needed", bearer(""), path="/me", body={"subject": "user-1"}),
    # no credential, or none that we know
    missing("no token", needs="orders:read"),
    missing("no token where any would do", path="/me"),
    missing("Basic credentials", lambda _: ["Basic dXNlcjpwYXNz"], needs="orders:read"),
    # credentials that are not one token
    malformed("Bearer without a token", lambda _: ["Bearer"]),
    malformed("Bearer with two words", lambda issuer: [f"Bearer {issuer.mint(scope='orders:read')} more"]),
    malformed(
        "two Authorization lines",
        lambda issuer: [f"Bearer {issuer.mint(scope='orders:read')}", f"Bearer {issuer.mint(scope='orders:read')}"],
        Reason.SEVERAL_CREDENTIALS,
    ),
    malformed(
        "two credentials in one line",
        lambda issuer: [f"Bearer {issuer.mint(scope='orders:read')}, Bearer {issuer.mint(scope='orders:read')}"],
        Reason.SEVERAL_CREDENTIALS,
    ),
    # tokens that do not count
    invalid("no JWT at all", lambda _: ["Bearer opaque"], Reason.MALFORMED_TOKEN),
    invalid("over-size token", lambda _: [f"Bearer {'e30.' * 5_000}"], Reason.TOKEN_TOO_LARGE),
    invalid("expired", broken(Broken.EXPIRED), Reason.EXPIRED),
    invalid("not yet valid", broken(Broken.NOT_YET_VALID), Reason.NOT_YET_VALID),
    invalid("tampered", broken(Broken.TAMPERED), Reason.BAD_SIGNATURE),
    invalid("bad signature", broken(Broken.BAD_SIGNATURE), Reason.BAD_SIGNATURE),
    invalid("other audience", broken(Broken.OTHER_AUDIENCE), Reason.WRONG_AUDIENCE),
    invalid("other issuer", broken(Broken.OTHER_ISSUER), Reason.UNKNOWN_ISSUER),
    invalid("alg none", broken(Broken.ALG_NONE), Reason.UNSUPPORTED_ALGORITHM),
    invalid("HS256 with the public key", broken(Broken.HS256_PUBLIC_KEY), Reason.UNSUPPORTED_ALGORITHM),
    invalid("ID token", broken(Broken.ID_TOKEN), Reason.WRONG_TYPE),
    invalid("unknown key", broken(Broken.UNKNOWN_KEY), Reason.UNKNOWN_KEY),
    invalid("bound to a key that nobody proves", bearer(cnf={"jkt": "0" * 43}), Reason.NOT_BOUND),
    # tokens that do not suffice
    insufficient("missing scope", bearer("profile"), needs="orders:read"),
    insufficient("no scope at all", bearer(""), needs="orders:read"),
    insufficient("scope for reading only", bearer(), needs="orders:write", method="POST"),
    # where a token is optional, only its absence is forgiven
    admitted("optional, no token", lambda _: [], path="/greeting", body={"message": "Hello, stranger"}),
    admitted("optional, good token", bearer(sub="alice"), path="/greeting", body={"message": "Hello, alice"}),
    invalid("optional, bad token", broken(Broken.EXPIRED), Reason.EXPIRED, path="/greeting"),
    # our side
    unavailable("issuer down, no keys yet", bearer()),
    # what stands beside the protected routes
    beside("health, no token", 200, path="/health", body={"status": "ok"}),
    beside("health, bad token", 200, path="/health", authorization=broken(Broken.EXPIRED)),
    beside("health, issuer down", 200, path="/health", issuer_down=True),
    beside("unknown URL", 404, path="/nowhere"),
    beside("CORS preflight", 200, 204, 405, method="OPTIONS", headers=PREFLIGHT),
]


@dataclass(frozen=True)
class Answer:
    """What came back. `headers`: (lower-case name, value) pairs; `body`: of JSON."""

    status: int
    headers: list[tuple[str, str]]
    body: Any

    def values(self, name: str) -> list[str]:
        """Every value of a header; `name` in lower case."""
        return [value for key, value in self.headers if key == name]


def judge(scenario: Scenario, answer: Answer, unwrap: Callable[[Any], Any] = lambda body: body) -> None:
    """Assert that the answer is the scenario's; `unwrap` finds the error object in a framework's body."""
    assert answer.status in scenario.statuses, answer
    challenges = answer.values("www-authenticate")
    if scenario.reason is None:
        assert challenges == []
        assert {name: answer.body[name] for name in scenario.body} == scenario.body
        return
    described = {} if scenario.error is None else {"error": scenario.error}
    assert unwrap(answer.body) == {**described, "error_description": DESCRIPTIONS[scenario.reason]}
    assert answer.values("content-type") == ["application/json"]
    assert answer.values("cache-control") == ["no-store"]
    if answer.status == 503:
        assert challenges == []
        assert int(answer.values("retry-after")[0]) > 0
        return
    (challenge,) = challenges
    assert challenge.startswith("Bearer realm=")
    assert re.findall(r'\berror="([^"]*)"', challenge) == ([scenario.error] if scenario.error else [])
    assert re.findall(r'\bscope="([^"]*)"', challenge) == ([scenario.needs] if scenario.needs else [])


def send(base_url: str, scenario: Scenario, authorization: list[str]) -> Answer:
    """The request over real HTTP, each Authorization value in a line of its own."""
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=30)
    try:
        connection.putrequest(scenario.method, scenario.path)
        for value in authorization:
            connection.putheader("Authorization", value)
        for name, value in scenario.headers.items():
            connection.putheader(name, value)
        content = json.dumps(AN_ORDER).encode() if scenario.method == "POST" else b""
        if content:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        response = connection.getresponse()
        raw = response.read()
    finally:
        connection.close()
    headers = [(name.lower(), value) for name, value in response.getheaders()]
    is_json = ("content-type", "application/json") in headers
    return Answer(response.status, headers, json.loads(raw) if is_json else raw)


#: starts an orders API with these environment variables, and gives its base URL
Start = Callable[[Mapping[str, str]], AbstractContextManager[str]]


@dataclass(frozen=True)
class OrdersAPIs:
    """A framework's orders API twice: trusting an issuer that serves, and one that has never answered."""

    served: tuple[LocalIssuer, str]
    cold: tuple[LocalIssuer, str]

    def answers(self, scenario: Scenario) -> list[Answer]:
        """What the scenario's request gets, and what it gets again: a token may be remembered by then."""
        issuer, base_url = self.cold if scenario.issuer_down else self.served
        authorization = scenario.authorization(issuer)
        return [send(base_url, scenario, authorization) for _ in range(2)]


@contextmanager
def orders_apis(start: Start) -> Iterator[OrdersAPIs]:
    """Both APIs, started with the configuration in the environment."""
    up, down = LocalIssuer(audience=AUDIENCE, algorithm="ES256"), LocalIssuer(audience=AUDIENCE, algorithm="ES256")
    with up.serve(), down.serve(), start(environment(up)) as served, start(environment(down)) as cold:
        down.misbehave("down")
        yield OrdersAPIs((up, served), (down, cold))


def environment(issuer: LocalIssuer) -> dict[str, str]:
    """The configuration of an API that trusts this issuer."""
    return {"TOKENGUARD_ISSUERS": issuer.issuer, "TOKENGUARD_AUDIENCE": AUDIENCE}
