"""What a remembered token skips, and what no memory ever spares it: the two lists of SECURITY.md.

The guards here can verify no token from a moment on, so that whatever is decided after it is decided of what they
remember; and where it must not be, they are seen to try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Never, TypeAlias

import pytest

from runtime.support import Clock, Protect
from tokenguard import MTLS, AccessToken, DPoP, Issuer, IssuerResolver, Request, Requirement, TokenGuard
from tokenguard.core import pipeline
from tokenguard.core.effects import AnswerFailed, AskRemotely
from tokenguard.errors import Denied, Reason, Unavailable
from tokenguard.testing import ClientCertificate, DPoPKey, LocalIssuer, SigningKey

NOW = 1_800_000_000
URL = "https://api.example.com/orders"

#: shows a guard a token, in one of the ways that have a short cut for remembered ones
Show: TypeAlias = Callable[[TokenGuard, str], object]


class VerifiedAgain(Exception):
    """The token went the whole way."""


def bearing(token: str) -> Request:
    """A request with the token, as whoever holds it sends it."""
    return Request("GET", URL, {"Authorization": f"Bearer {token}"})


def validated(guard: TokenGuard, token: str) -> object:
    """The token alone."""
    return guard.validate(token)


def checked(guard: TokenGuard, token: str) -> object:
    """The token with a request around it."""
    return guard.check(bearing(token))


def recalled(guard: TokenGuard, token: str) -> object:
    """The line with the token, as adapters show it before they make a request of it; then the request."""
    return guard.recall(f"Bearer {token}") or guard.authenticate(bearing(token))


each_way = pytest.mark.parametrize("show", [validated, checked, recalled])


@contextmanager
def nothing_verified() -> Iterator[None]:
    """In this block no guard can verify a token: it raises `VerifiedAgain`."""

    def verify(*_: object) -> Never:
        raise VerifiedAgain

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "verify", verify)
        yield


def reason_of(attempt: Callable[[], object]) -> Reason:
    """For which it is refused."""
    with pytest.raises((Denied, Unavailable)) as refusal:
        attempt()
    return refusal.value.reason  # type: ignore[no-any-return]


@pytest.fixture
def wall() -> Clock:
    """The time by which tokens are judged."""
    return Clock(NOW)


@pytest.fixture
def local(signing_key: SigningKey, wall: Clock) -> LocalIssuer:
    """An issuer without a server."""
    return LocalIssuer(signing_key=signing_key, clock=wall)


@pytest.fixture
def guard(local: LocalIssuer, wall: Clock) -> TokenGuard:
    """Of its tokens, with their binding to keys and to certificates."""
    return guard_of(local, wall)


def guard_of(local: LocalIssuer, wall: Clock, **settings: Any) -> TokenGuard:
    """A guard for its tokens; the settings are those of `Issuer`."""
    config = Issuer(local.issuer, jwks=local.jwks, **settings)
    return TokenGuard(audience=str(local.audience), issuers=[config], clock=wall, dpop=DPoP(), mtls=MTLS())


# What is skipped


@each_way
def test_the_token_is_not_verified_again(guard: TokenGuard, local: LocalIssuer, show: Show) -> None:
    """Neither read nor its signature checked; another one, as good, is."""
    token = local.mint()
    show(guard, token)
    with nothing_verified():
        show(guard, token)
        with pytest.raises(VerifiedAgain):
            show(guard, local.mint())


def test_checks_of_the_issuer_are_not_run_again(local: LocalIssuer, wall: Clock) -> None:
    """They are asked once a token, and their verdict is remembered with it."""
    seen: list[object] = []

    def check(claims: Mapping[str, Any]) -> bool:
        seen.append(claims["jti"])
        return True

    guard = guard_of(local, wall, checks=(check,))
    token = local.mint(jti="one")
    for _ in range(3):
        guard.validate(token)
    assert seen == ["one"]


def test_another_spelling_of_a_remembered_token_is_another_token(guard: TokenGuard, local: LocalIssuer) -> None:
    """What is remembered is known by all its bytes: no signature but the one that held is spared the check."""
    token = local.mint()
    guard.validate(token)
    unsigned = token[: token.rindex(".") + 1]
    with nothing_verified():
        for other in (unsigned, token[:-1], token + "A", unsigned + "A" * 86):
            with pytest.raises(VerifiedAgain):
                guard.validate(other)


# What is never skipped


@each_way
@pytest.mark.parametrize(
    ("times", "moved", "reason"),
    [
        ({"exp": NOW + 100}, 130, Reason.EXPIRED),
        ({"nbf": NOW}, -31, Reason.NOT_YET_VALID),
        ({"iat": NOW}, -31, Reason.ISSUED_IN_FUTURE),
    ],
)
def test_the_times_are_looked_at_each_time(
    local: LocalIssuer, show: Show, times: dict[str, int], moved: float, reason: Reason
) -> None:
    """By the clock of that moment, which may have been set back; with the leeway of 30 s."""
    wall = Clock(NOW)
    guard, token = guard_of(local, wall), local.mint(**times)
    show(guard, token)
    with nothing_verified():
        wall.advance(moved)
        assert reason_of(lambda: show(guard, token)) is reason


@each_way
@pytest.mark.parametrize("level", ["id", "session", "subject", "client", "everything"])
def test_revocation_is_asked_about_each_time(guard: TokenGuard, local: LocalIssuer, show: Show, level: str) -> None:
    """From the return of `revoke` on, whatever is named."""
    names: dict[str, Any] = {"id": "j", "session": "s", "subject": "u", "client": "c", "everything": True}
    token = local.mint(jti="j", sid="s", sub="u", client_id="c")
    show(guard, token)
    with nothing_verified():
        show(guard, token)
        guard.revoke(until=NOW + 3600, **{level: names[level]})
        assert reason_of(lambda: show(guard, token)) is Reason.REVOKED


def test_a_proof_is_demanded_each_time(guard: TokenGuard, local: LocalIssuer, wall: Clock) -> None:
    """A new one: not the old one again, not another key's, and none is not enough."""
    key, other = DPoPKey(clock=wall), DPoPKey(clock=wall)
    token = local.mint(dpop_key=key)
    first = Request("GET", URL, key.headers("GET", URL, token))
    guard.check(first)
    with nothing_verified():
        assert guard.check(Request("GET", URL, key.headers("GET", URL, token))).bound_by == {"dpop"}
        assert reason_of(lambda: guard.check(first)) is Reason.PROOF_REPLAYED
        foreign = Request("GET", URL, other.headers("GET", URL, token))
        assert reason_of(lambda: guard.check(foreign)) is Reason.BINDING_MISMATCH
        assert reason_of(lambda: guard.check(bearing(token))) is Reason.WRONG_SCHEME
        assert reason_of(lambda: recalled(guard, token)) is Reason.WRONG_SCHEME
        assert reason_of(lambda: guard.validate(token)) is Reason.NOT_BOUND


def test_a_certificate_is_demanded_each_time(guard: TokenGuard, local: LocalIssuer) -> None:
    """That of the connection on which the token came."""
    client, other = ClientCertificate.generate(), ClientCertificate.generate()
    token = local.mint(certificate=client.der)

    def shown(certificate: bytes | None) -> Request:
        return Request("GET", URL, {"Authorization": f"Bearer {token}"}, client_certificate=certificate)

    guard.check(shown(client.der))
    with nothing_verified():
        assert guard.check(shown(client.der)).bound_by == {"mtls"}
        assert reason_of(lambda: guard.check(shown(other.der))) is Reason.BINDING_MISMATCH
        assert reason_of(lambda: guard.check(shown(None))) is Reason.MISSING_CERTIFICATE
        assert reason_of(lambda: recalled(guard, token)) is Reason.MISSING_CERTIFICATE
        assert reason_of(lambda: guard.validate(token)) is Reason.NOT_BOUND


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        (Requirement("orders:write"), Reason.INSUFFICIENT_SCOPE),
        (Requirement(issuers=("https://other.test",)), Reason.ISSUER_NOT_ALLOWED),
        (Requirement(acr_values=("gold",)), Reason.INSUFFICIENT_AUTHENTICATION),
        (Requirement(max_age=60), Reason.INSUFFICIENT_AUTHENTICATION),
        (Requirement(bound_by="dpop"), Reason.BINDING_REQUIRED),
        (Requirement(live=True), Reason.LIVE_CHECK_UNAVAILABLE),
    ],
    ids=["scopes", "issuers", "acr_values", "max_age", "bound_by", "live"],
)
def test_what_the_route_demands_is_looked_at_each_time(
    guard: TokenGuard, local: LocalIssuer, requirement: Requirement, reason: Reason
) -> None:
    """Each of it: that one route let the token in says nothing to another."""
    token = local.mint(scope="orders:read", auth_time=NOW - 600)
    guard.check(bearing(token), "orders:read")
    with nothing_verified():
        assert reason_of(lambda: guard.check(bearing(token), requirement=requirement)) is reason
        guard.check(bearing(token), "orders:read")


@each_way
def test_other_keys_of_the_issuer_end_it(issuer: LocalIssuer, protect: Protect, clock: Clock, show: Show) -> None:
    """Any change of what it publishes: the token goes the whole way again, once."""
    guard = protect(issuer)
    token = issuer.mint(exp=2**40)
    show(guard, token)
    issuer.rotate()
    clock.advance(31)
    guard.warm()
    with nothing_verified(), pytest.raises(VerifiedAgain):
        show(guard, token)
    show(guard, token)
    with nothing_verified():
        show(guard, token)


@each_way
def test_a_refresh_that_is_due_ends_it(issuer: LocalIssuer, protect: Protect, clock: Clock, show: Show) -> None:
    """However often the token came before: what is published may have changed meanwhile."""
    guard = protect(issuer)
    token = issuer.mint(exp=2**40)
    show(guard, token)
    clock.advance(600)
    with nothing_verified(), pytest.raises(VerifiedAgain):
        show(guard, token)


@each_way
def test_an_issuer_that_is_removed_ends_it(guard: TokenGuard, local: LocalIssuer, show: Show) -> None:
    """And if it comes back, its tokens are verified anew."""
    token = local.mint()
    show(guard, token)
    guard.remove_issuer(local.issuer)
    assert reason_of(lambda: show(guard, token)) is Reason.UNKNOWN_ISSUER
    guard.add_issuer(Issuer(local.issuer, jwks=local.jwks))
    with nothing_verified(), pytest.raises(VerifiedAgain):
        show(guard, token)


@each_way
def test_an_issuer_that_is_looked_up_no_more_ends_it(local: LocalIssuer, wall: Clock, clock: Clock, show: Show) -> None:
    """It is asked for again when what the table said is old, and its tokens are then nobody's."""
    table = {local.issuer: Issuer(local.issuer, jwks=local.jwks)}
    guard = TokenGuard(
        audience=str(local.audience), issuers=[IssuerResolver(table.get, ttl=300)], clock=wall, monotonic=clock
    )
    token = local.mint(exp=NOW + 10_000)
    show(guard, token)
    with nothing_verified():
        show(guard, token)
    table.clear()
    clock.advance(301)
    assert reason_of(lambda: show(guard, token)) is Reason.UNKNOWN_ISSUER


@each_way
@pytest.mark.parametrize(
    "required", [{"dpop": DPoP(required=True)}, {"mtls": MTLS(required=True)}], ids=["dpop", "mtls"]
)
def test_that_a_token_must_be_bound_is_looked_at_each_time(
    local: LocalIssuer, wall: Clock, show: Show, required: dict[str, Any]
) -> None:
    """A token that nobody need prove to hold is remembered as good, and is not enough."""
    config = Issuer(local.issuer, jwks=local.jwks)
    guard = TokenGuard(audience=str(local.audience), issuers=[config], clock=wall, **required)
    token = local.mint()
    assert reason_of(lambda: show(guard, token)) is Reason.BINDING_REQUIRED
    with nothing_verified():
        assert reason_of(lambda: show(guard, token)) is Reason.BINDING_REQUIRED


class Moody:
    """A store of revocations that answers with its mood, or raises it."""

    def __init__(self) -> None:
        self.mood: object = None

    def find(self, *_: object) -> Any:
        """What it was told to say."""
        if isinstance(self.mood, Exception):
            raise self.mood
        return self.mood


@each_way
@pytest.mark.parametrize("mood", [False, 0, "", RuntimeError(), AnswerFailed("no"), AskRemotely("late")], ids=repr)
@pytest.mark.parametrize("policy", ["closed", "open"])
def test_a_store_that_can_not_tell_is_heard_each_time(  # noqa: PLR0917
    local: LocalIssuer, wall: Clock, show: Show, mood: object, policy: Literal["closed", "open"],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Only None says that a token is not revoked: all else is for the policy, which lets nobody in without an alarm."""
    store, config = Moody(), Issuer(local.issuer, jwks=local.jwks)
    guard = TokenGuard(
        audience=str(local.audience), issuers=[config], clock=wall, revocations=store, when_revocations_unknown=policy
    )
    token = local.mint()
    show(guard, token)
    store.mood = mood
    with nothing_verified():
        if policy == "closed":
            assert reason_of(lambda: show(guard, token)) is Reason.REVOCATIONS_UNAVAILABLE
        else:
            shown = show(guard, token)
            assert isinstance(shown, AccessToken)
            assert shown.is_unconfirmed
            assert [record.levelname for record in caplog.records if record.name == "tokenguard.audit"] == ["ERROR"]
