"""The memory is asked by the Authorization line alone: whatever is in it, nobody is judged otherwise for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import example, given
from hypothesis import strategies as st
from tests.core.strategies import any_text, properties
from tests.spec.support import NOW, URL, Clock, local_issuer, trust

from tokenguard import DPoP, Request, Requirement, TokenGuard, any_of
from tokenguard.core.effects import AnswerFailed, AskRemotely
from tokenguard.core.jws import not_three_segments, split
from tokenguard.errors import Denied, InvalidToken, Reason, Unavailable
from tokenguard.testing import DPoPKey

OURS, OTHER, STRANGER = (
    local_issuer(),
    local_issuer(issuer="https://second.test"),
    local_issuer(issuer="https://no.test"),
)
CLOCK = Clock()
TOKENS = [
    OURS.mint(sub="alice", scope="orders:read", exp=NOW + 100),
    OURS.mint(sub="bob", scope="orders:read orders:write", nbf=NOW, iat=NOW, exp=NOW + 100),
    OURS.mint(sub="carol", dpop_key=DPoPKey(clock=CLOCK)),
    OURS.mint(without="jti", auth_time=NOW - 30, acr="gold"),
    OTHER.mint(sub="alice", scope="orders:read"),
    STRANGER.mint(),
    OURS.mint(aud="https://other.example.com"),
]


class Moody:
    """A store of revocations that answers, or raises, what it was told to."""

    mood: object = None

    def find(self, *_: object) -> Any:
        """Anything."""
        if isinstance(self.mood, Exception):
            raise self.mood
        return self.mood


STORE = Moody()
SETTINGS: list[dict[str, Any]] = [
    {},
    {"form_body": True},
    {"dpop": DPoP()},
    {"dpop": DPoP(required=True)},
    {"leeway": 0},
    {"revocations": STORE},
    {"revocations": STORE, "when_revocations_unknown": "open"},
]


def guard_of(settings: dict[str, Any], *, several: bool, **memory: int) -> TokenGuard:
    """A guard for one issuer or for two."""
    issuers = [trust(each) for each in ((OURS, OTHER) if several else (OURS,))]
    return TokenGuard(
        audience="https://api.example.com", issuers=issuers, clock=CLOCK, monotonic=lambda: 0.0, **settings, **memory
    )


#: guards that remember, each with its like that does not
PAIRS = [
    (guard_of(settings, several=several), guard_of(settings, several=several, token_cache=0))
    for settings in SETTINGS
    for several in (False, True)
]
Ask: TypeAlias = Callable[[TokenGuard, Request, Requirement], Any]


def as_adapters(guard: TokenGuard, request: Request, requirement: Requirement) -> Any:
    """The memory first, where there is one line; then the whole way."""
    lines = request.header_values("authorization")
    token = guard.recall(lines[0]) if len(lines) == 1 else None
    if token is None:
        token = guard.authenticate(request, when_revocations_unknown=requirement.when_revocations_unknown)
    if requirement.live:
        return guard.confirm(request, requirement)
    guard.authorize(token, requirement)
    return token


def at_once(guard: TokenGuard, request: Request, requirement: Requirement) -> Any:
    """All in one call."""
    return guard.check(request, requirement=requirement)


def outcome(ask: Ask, guard: TokenGuard, request: Request, requirement: Requirement) -> object:
    """All that anybody learns of it: the token, or the refusal."""
    try:
        token = ask(guard, request, requirement)
    except (Denied, Unavailable) as refusal:
        return (
            type(refusal), refusal.reason, refusal.hint, getattr(refusal, "schemes", None), refusal.issuer,
            refusal.client_id, refusal.token_id,
        )  # fmt: skip
    return token.claims, token.is_unconfirmed, token.bound_by


tokens = st.sampled_from(TOKENS)
blanks = st.sampled_from(["", " ", "  ", "\t", " \t", "\xa0", ",", "=", "\x00", "\n"]) | any_text
lines = (
    st.builds("Bearer {}".format, tokens)
    | st.builds(
        "{}{}{}{}{}".format,
        blanks,
        st.sampled_from(["Bearer", "bearer", "BEARER", "DPoP", "Basic", ""]),
        st.just(" ") | blanks,
        tokens | st.sampled_from(["", "x", "a.b.c", "..", "a" * 20_000]),
        st.just("") | blanks,
    )
    | st.builds("Bearer {}, Bearer {}".format, tokens, tokens)
    | any_text
)
requirements = st.sampled_from(
    [
        Requirement(),
        Requirement("orders:read"),
        Requirement(["orders:read", "orders:write"]),
        Requirement(any_of("orders:write", "admin")),
        Requirement(issuers=[OTHER.issuer]),
        Requirement(acr_values=["gold"]),
        Requirement(max_age=60),
        Requirement(bound_by="dpop"),
        Requirement(live=True),
        Requirement(when_revocations_unknown="open"),
        Requirement("orders:read", when_revocations_unknown="closed"),
    ]
)
moods = st.sampled_from([None, None, None, False, 0, "", [], RuntimeError(), AnswerFailed("no"), AskRemotely("late")])


@properties
@given(
    pair=st.sampled_from(PAIRS),
    sent=st.lists(lines, min_size=1, max_size=2) | st.builds(lambda line: [line], lines),
    requirement=requirements,
    seconds=st.sampled_from([0, 0, 0, -1, -31, 99, 100, 129, 130]),
    mood=moods,
    method=st.sampled_from(["GET", "GET", "POST"]),
)
def test_nobody_is_judged_otherwise_for_being_remembered(
    *,
    pair: tuple[TokenGuard, TokenGuard],
    sent: list[str],
    requirement: Requirement,
    seconds: float,
    mood: object,
    method: str,
) -> None:
    """By a guard without a memory, by one that remembers, and by one that is asked as adapters ask it: the same."""
    remembering, forgetful = pair
    headers = [*(("Authorization", line) for line in sent), ("Content-Type", "application/x-www-form-urlencoded")]
    request = Request(method, URL, headers, form={"access_token": TOKENS[0]} if method == "POST" else None)
    CLOCK.now, STORE.mood = NOW, None
    for token in TOKENS:
        outcome(at_once, remembering, Request("GET", URL, {"Authorization": f"Bearer {token}"}), Requirement())
    CLOCK.now, STORE.mood = NOW + seconds, mood
    outcomes = {ask: outcome(ask, forgetful, request, requirement) for ask in (at_once, as_adapters)}
    assert {ask: outcome(ask, remembering, request, requirement) for ask in outcomes} == outcomes
    # where a store can't tell and the issuer can't be asked, the two don't begin with the same question
    assert requirement.live or outcomes[at_once] == outcomes[as_adapters]


def counting_dots(received: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """`jws.split`, as RFC 7515 7.1 has it: two dots, no more and no less, and what must not be empty is not."""
    segments = received.split(b".")
    if len(segments) != 3:
        raise not_three_segments(received)
    if not segments[0] or not segments[1]:
        raise InvalidToken(Reason.MALFORMED_TOKEN, "a segment of the token is empty")
    return segments[0] + b"." + segments[1], *segments


def told(cut: Callable[[bytes], object], received: bytes) -> object:
    """The segments, or why there are none."""
    try:
        return cut(received)
    except InvalidToken as refusal:
        return refusal.reason, refusal.hint


@properties
@given(st.lists(st.sampled_from([b".", b".", b"a", b"\x00", b"e30"]), max_size=8).map(b"".join))
@example(b"..")
@example(b"a..b.c")
@example(b".a.b.c")
@example(b"a.b.")
def test_a_token_has_the_segments_that_its_dots_make(received: bytes) -> None:
    """Three, of which the signature alone may be empty here; or the same refusal as by counting them."""
    assert told(split, received) == told(counting_dots, received)
