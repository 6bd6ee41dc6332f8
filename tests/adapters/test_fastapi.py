"""Protect as a dependency: who gets in, what adds up, what is asked once, what tests can replace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.security import SecurityScopes
from tests.adapters.in_process import NOW, Ask, CountingGuard

from tokenguard import AccessToken, Requirement, TokenGuard, all_of, any_of
from tokenguard.asgi import TokenGuardMiddleware
from tokenguard.errors import ConfigurationError
from tokenguard.fastapi import Protect
from tokenguard.testing import Broken, LocalIssuer


@pytest.fixture
def protect(guard: CountingGuard) -> Protect:
    """The dependency under test."""
    return Protect(guard)


def one_route(dependency: Any, **application: Any) -> FastAPI:
    """An application with GET /, which depends on this and tells whom the token is about."""
    app = FastAPI(**application)

    @app.get("/")
    async def root(token: Any = dependency) -> dict[str, Any]:
        return {"subject": token and token.subject}

    return app


async def test_a_dependency_gives_the_verified_token(protect: Protect, issuer: LocalIssuer, ask: Ask) -> None:
    """By Depends, where any token will do, and by Security with scopes."""
    token = issuer.mint(sub="alice", scope="orders:read")
    for dependency in (Depends(protect), Security(protect, scopes=["orders:read"])):
        response = await ask(one_route(dependency), token=token)
        assert (response.status_code, response.json()) == (200, {"subject": "alice"})


@pytest.mark.parametrize(
    ("wanted", "granted", "status"),
    [
        (["a"], "a", 200),
        (["a", "b"], "b a", 200),
        (["a", "b"], "a", 403),
        (["a"], "A", 403),
        (["a"], "ab", 403),
    ],
)
@pytest.mark.req("BT-26")
async def test_every_scope_that_security_lists_is_needed(
    *, protect: Protect, issuer: LocalIssuer, ask: Ask, wanted: list[str], granted: str, status: int
) -> None:
    """Whole names, in any order."""
    app = one_route(Security(protect, scopes=wanted))
    assert (await ask(app, token=issuer.mint(scope=granted))).status_code == status


@pytest.mark.parametrize(("granted", "status"), [("a b c", 200), ("a b", 403), ("a c", 403), ("b c", 403)])
async def test_scopes_of_application_router_and_route_add_up(
    protect: Protect, issuer: LocalIssuer, ask: Ask, granted: str, status: int
) -> None:
    """Each level only adds; and whatever asks, the request is authenticated once."""
    app = FastAPI(dependencies=[Security(protect, scopes=["a"])])
    router = APIRouter(dependencies=[Security(protect, scopes=["b"])])

    @router.get("/", dependencies=[Security(protect, scopes=["c"]), Depends(protect)])
    async def root() -> None: ...

    app.include_router(router, prefix="/api")
    assert (await ask(app, "/api/", token=issuer.mint(scope=granted))).status_code == status
    assert isinstance(protect.guard, CountingGuard)
    assert protect.guard.authenticated == 1


@pytest.mark.parametrize(("granted", "status"), [("a b", 200), ("a", 403), ("b", 403)])
async def test_scopes_of_nested_dependencies_add_up(
    protect: Protect, issuer: LocalIssuer, ask: Ask, granted: str, status: int
) -> None:
    """As FastAPI's SecurityScopes collect them on the way down."""

    below = Security(protect, scopes=["a"])

    async def user(token: Any = below) -> Any:
        return token

    app = one_route(Security(user, scopes=["b"]))
    assert (await ask(app, token=issuer.mint(scope=granted))).status_code == status


async def test_a_mount_behind_the_middleware_shares_what_it_verified(
    protect: Protect, issuer: LocalIssuer, ask: Ask
) -> None:
    """Middleware, mounted application and route: one look at the token."""
    inner = one_route(Security(protect, scopes=["orders:read"]))
    outer = FastAPI()
    outer.mount("/api", inner)
    outer.add_middleware(TokenGuardMiddleware, guard=protect.guard)
    assert (await ask(outer, "/api/", token=issuer.mint(scope="orders:read"))).status_code == 200
    assert (await ask(outer, "/api/", token=issuer.mint())).status_code == 403
    assert isinstance(protect.guard, CountingGuard)
    assert protect.guard.authenticated == 2


async def test_the_check_runs_on_the_event_loop(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, ask: Ask
) -> None:
    """A thread pool would cost more than the check."""
    threads: set[int] = set()

    def clock() -> float:
        threads.add(threading.get_ident())
        return NOW

    protect = Protect(make_guard(clock=clock))
    for dependency in (Security(protect, scopes=["a"]), Depends(protect.requires("a"))):
        assert (await ask(one_route(dependency), token=issuer.mint(scope="a"))).status_code == 200
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("none", 200), ("good", 200), ("scopeless", 403), ("expired", 401), ("malformed", 400)],
)
@pytest.mark.parametrize("way", ["Security", "requires"])
async def test_optional_forgives_only_a_missing_token(
    *, guard: CountingGuard, issuer: LocalIssuer, ask: Ask, kind: str, status: int, way: str
) -> None:
    """A token, if there is one, must be good and have the scopes."""
    headers = {
        "none": {},
        "good": {"Authorization": f"Bearer {issuer.mint(scope='a')}"},
        "scopeless": {"Authorization": f"Bearer {issuer.mint()}"},
        "expired": {"Authorization": f"Bearer {issuer.broken(Broken.EXPIRED, scope='a')}"},
        "malformed": {"Authorization": "Bearer"},
    }[kind]
    protect = Protect(guard, optional=True)
    dependency = Security(protect, scopes=["a"]) if way == "Security" else Depends(protect.requires("a"))
    response = await ask(one_route(dependency), headers=headers)
    assert response.status_code == status
    if kind == "none":
        assert response.json() == {"subject": None}


async def test_a_strict_router_is_not_softened_by_an_optional_route(guard: CountingGuard, ask: Ask) -> None:
    """Every dependency has its say."""
    app = one_route(Depends(Protect(guard, optional=True)), dependencies=[Depends(Protect(guard))])
    assert (await ask(app)).status_code == 401


@pytest.mark.parametrize(
    ("wanted", "granted", "status", "named"),
    [
        ("a", "a", 200, None),
        (["a", "b"], "a", 403, "a b"),
        (any_of("a", "b"), "b", 200, None),
        (any_of("a", "b"), "c", 403, "a"),
        (all_of("a", any_of("b", "c")), "a c", 200, None),
        (all_of("a", any_of("b", "c")), "b c", 403, "a"),
        (all_of("a", any_of("b", "c")), "a", 403, "a b"),
        (Requirement("a"), "b", 403, "a"),
    ],
)
async def test_requires_takes_scope_expressions_and_requirements(
    *, protect: Protect, issuer: LocalIssuer, ask: Ask, wanted: Any, granted: str, status: int, named: str | None
) -> None:
    """The challenge of a refusal names scopes that would do."""
    response = await ask(one_route(Depends(protect.requires(wanted))), token=issuer.mint(scope=granted))
    assert response.status_code == status
    if named:
        assert f'scope="{named}"' in response.headers["www-authenticate"]
    else:
        assert response.json() == {"subject": "user-1"}


@pytest.mark.parametrize(
    ("requirement", "claims", "error"),
    [
        (Requirement(issuers=["https://other.example.com"]), {}, "invalid_token"),
        (Requirement(acr_values=["gold"]), {"acr": "silver"}, "insufficient_user_authentication"),
        (Requirement(acr_values=["gold"]), {"acr": "gold"}, None),
        (Requirement(max_age=60), {"auth_time": int(NOW) - 600}, "insufficient_user_authentication"),
        (Requirement(live=True), {}, "temporarily_unavailable"),
    ],
)
async def test_requires_holds_to_everything_in_a_requirement(
    *, protect: Protect, issuer: LocalIssuer, ask: Ask, requirement: Requirement, claims: Any, error: str | None
) -> None:
    """Issuers, authentication, and what can't be checked yet."""
    response = await ask(one_route(Depends(protect.requires(requirement))), token=issuer.mint(**claims))
    assert response.json().get("detail", {}).get("error") == error


async def test_requires_adds_to_the_scopes_around_it(protect: Protect, issuer: LocalIssuer, ask: Ask) -> None:
    """Security may wrap what `requires` gives."""
    app = one_route(Security(protect.requires(any_of("a", "b")), scopes=["c"]))
    assert (await ask(app, token=issuer.mint(scope="b c"))).status_code == 200
    assert (await ask(app, token=issuer.mint(scope="a b"))).status_code == 403
    assert (await ask(app, token=issuer.mint(scope="c"))).status_code == 403


async def test_an_alternative_does_not_lend_its_scopes_to_another_dependency(
    protect: Protect, issuer: LocalIssuer, ask: Ask
) -> None:
    """FastAPI remembers dependencies by their scopes: what satisfied any_of(a, b) must not count as a check of a."""
    app = one_route(Depends(protect.requires(any_of("a", "b"))), dependencies=[Security(protect, scopes=["a"])])
    assert (await ask(app, token=issuer.mint(scope="b"))).status_code == 403


async def test_an_override_replaces_the_check_everywhere(protect: Protect, ask: Ask) -> None:
    """A test's stand-in comes through Security and requires alike, whatever it is."""
    for dependency in (Security(protect, scopes=["a"]), Depends(protect.requires(any_of("a", "b")))):
        app = one_route(dependency)
        app.dependency_overrides[protect] = lambda: SimpleNamespace(subject="stand-in")
        assert (await ask(app)).json() == {"subject": "stand-in"}
        app.dependency_overrides[protect] = lambda: None
        assert (await ask(app)).json() == {"subject": None}


async def test_an_access_token_from_an_override_still_has_to_meet_requires(
    protect: Protect, issuer: LocalIssuer, ask: Ask
) -> None:
    """Should an override ever reach production, it opens no more than it must."""
    app = one_route(Depends(protect.requires(any_of("a", "b"))))
    for scope, status in (("b", 200), ("c", 403)):
        token: AccessToken = protect.guard.validate(issuer.mint(scope=scope))
        app.dependency_overrides[protect] = lambda token=token: token
        assert (await ask(app)).status_code == status


async def test_an_override_may_look_at_the_scopes(protect: Protect, ask: Ask) -> None:
    """FastAPI hands it the SecurityScopes that Protect would have had."""
    app = one_route(Depends(protect.requires(all_of("a", any_of("b", "c")))), dependencies=[])

    def stand_in(scopes: SecurityScopes) -> SimpleNamespace:
        return SimpleNamespace(subject=scopes.scope_str)

    app.dependency_overrides[protect] = stand_in
    assert (await ask(app)).json() == {"subject": "a"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"guard": "guard"}, "guard"),
        ({"optional": 1}, "optional"),
        ({"authorization_url": "https://auth.example.com/authorize"}, "token_url"),
        ({"token_url": "https://auth.example.com/token"}, "authorization_url"),
    ],
)
def test_a_wrong_setting_is_named_when_built(guard: TokenGuard, settings: dict[str, Any], named: str) -> None:
    """No request has to come first."""
    with pytest.raises(ConfigurationError, match=named):
        Protect(**{"guard": guard, **settings})


@pytest.mark.parametrize("wanted", ["two words", any_of, 1])
def test_what_can_not_be_required_is_named_when_built(protect: Protect, wanted: Any) -> None:
    """A typing mistake in a route shows when the module is imported."""
    with pytest.raises(ConfigurationError):
        protect.requires(wanted)
