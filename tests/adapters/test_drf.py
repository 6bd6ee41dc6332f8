"""Django REST framework: authentication, permissions, and whose exceptions they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path as route
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from tests.adapters.recording import RecordingGuard, bearer

from tokenguard import DPoP, Requirement, TokenGuard, any_of
from tokenguard.django import public
from tokenguard.django.drf import HasScopes, TokenAuthentication, TokenUser
from tokenguard.errors import ConfigurationError, Denied, InsufficientScope
from tokenguard.testing import Broken, DPoPKey, LocalIssuer

Site = Callable[..., None]
WITHOUT_MIDDLEWARE: dict[str, Any] = {"MIDDLEWARE": []}


class Whoami(APIView):
    """Who asks."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        """User and token."""
        return Response([str(request.user), request.user.pk, getattr(request.auth, "issuer", None)])


def view_with(*permissions: Any, **attributes: Any) -> Callable[..., HttpResponse]:
    """A view with these permissions."""
    made: Callable[..., HttpResponse] = type(
        "Made", (Whoami,), {"permission_classes": permissions, **attributes}
    ).as_view()
    return made


def header(response: Any) -> Any:
    """The challenge."""
    return response.headers.get("WWW-Authenticate")


# Authentication


@pytest.mark.parametrize("settings", [{}, WITHOUT_MIDDLEWARE], ids=["middleware", "alone"])
def test_a_good_token_is_authenticated_once(
    site: Site, issuer: LocalIssuer, recording_guard: RecordingGuard, settings: dict[str, Any]
) -> None:
    """With the middleware or without: `IsAuthenticated` admits it, `request.auth` is the token."""
    site({"me": Whoami.as_view(), "scoped": view_with(HasScopes("orders"))}, **settings)
    response = Client().get("/me", headers=bearer(issuer, sub="alice"))
    assert response.json() == ["alice", f"{issuer.issuer}#alice", issuer.issuer]
    assert len(recording_guard.asked) == 1
    assert Client().get("/scoped", headers=bearer(issuer, "orders")).status_code == 200
    assert len(recording_guard.asked) == 2


def test_a_missing_token_is_401(site: Site) -> None:
    """With the challenge; REST framework would make it 403 for a class that has none."""
    site({"me": Whoami.as_view()}, **WITHOUT_MIDDLEWARE)
    response = Client().get("/me")
    assert response.status_code == 401
    assert header(response) == 'Bearer realm="api.example.com"'


def test_a_bad_token_is_refused_as_everywhere(site: Site, issuer: LocalIssuer) -> None:
    """Status, challenge and body are the guard's."""
    site({"me": Whoami.as_view()}, **WITHOUT_MIDDLEWARE)
    expired = {"Authorization": f"Bearer {issuer.broken(Broken.EXPIRED)}"}
    response = Client().get("/me", headers=expired)
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_token", "error_description": "The token has expired."}
    assert 'error="invalid_token"' in header(response)
    assert response["Cache-Control"] == "no-store"
    assert Client().get("/me", headers={"Authorization": "Bearer"}).status_code == 400


def test_an_issuer_that_is_down_is_503(site: Site, served_issuer: LocalIssuer) -> None:
    """Never a 401."""
    served_issuer.misbehave("down")
    with TokenGuard(audience=served_issuer.audience, issuers=[served_issuer.issuer]) as guard:
        site({"me": Whoami.as_view()}, {"GUARD": guard}, **WITHOUT_MIDDLEWARE)
        response = Client().get("/me", headers=bearer(served_issuer))
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert header(response) is None


class Staff(BaseAuthentication):  # type: ignore[misc] # ships no types
    """Another way to log in."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """By a header."""
        return (TokenUser.__new__(TokenUser), None) if request.headers.get("X-Staff") else None


def test_other_authentication_classes_have_their_turn(site: Site, issuer: LocalIssuer) -> None:
    """A missing token is not the end; a bad one is. Scopes are for tokens only."""
    classes = (TokenAuthentication, Staff)
    by_any = type("ByAny", (Whoami,), {"authentication_classes": classes, "get": lambda *_: Response("in")})
    by_token = type("ByToken", (by_any,), {"permission_classes": [HasScopes("orders")]})
    site({"any": by_any.as_view(), "token": by_token.as_view()}, **WITHOUT_MIDDLEWARE)
    assert Client().get("/any", headers={"X-Staff": "yes"}).status_code == 200
    assert Client().get("/any", headers={"X-Staff": "yes", "Authorization": "Bearer bad"}).status_code == 401
    response = Client().get("/token", headers={"X-Staff": "yes"})
    assert (response.status_code, header(response)) == (401, 'Bearer realm="api.example.com", scope="orders"')


class Account:
    """A user as the project has them."""

    is_authenticated = True

    def __init__(self, name: str) -> None:
        self.pk = name

    def __str__(self) -> str:
        return f"account {self.pk}"


def test_the_project_can_map_tokens_to_its_users(site: Site, issuer: LocalIssuer) -> None:
    """USER gives `request.user`; a token for which it knows nobody is refused."""
    accounts = {"alice": Account("alice")}
    user = {"USER": lambda token: accounts.get(token.subject)}
    site({"me": Whoami.as_view()}, user, **WITHOUT_MIDDLEWARE)
    assert Client().get("/me", headers=bearer(issuer, sub="alice")).json()[:2] == ["account alice", "alice"]
    response = Client().get("/me", headers=bearer(issuer, sub="bob"))
    assert response.status_code == 401
    assert response.json()["error"] == "invalid_token"


@pytest.mark.req("DP-24", "DP-25")
def test_a_user_unknown_is_told_in_the_scheme_of_the_token(
    make_guard: Callable[..., TokenGuard], issuer: LocalIssuer
) -> None:
    """The error stands in the challenge of DPoP for a token that came by DPoP (RFC 9449 7.2)."""
    key = DPoPKey(clock=issuer.clock)
    headers = key.headers("GET", "https://api.example.com/me", issuer.mint(dpop_key=key))
    settings = {"GUARD": make_guard(dpop=DPoP()), "USER": lambda _token: None}
    with override_settings(ROOT_URLCONF=(route("me", Whoami.as_view()),), TOKENGUARD=settings, **WITHOUT_MIDDLEWARE):
        response = Client().get("/me", secure=True, headers={"Host": "api.example.com", **headers})
    dpop, bearer_challenge = header(response).split(", Bearer ")
    assert dpop.startswith("DPoP ")
    assert 'error="invalid_token"' in dpop
    assert "error" not in bearer_challenge


def test_a_token_user_is_nobody_else(issuer: LocalIssuer) -> None:
    """Subjects are told apart by issuer; no subject is no identity; Django's permissions are not theirs."""
    guard = RecordingGuard(issuer)
    user = TokenUser(guard.validate(issuer.mint(sub="alice")))
    assert user.pk == f"{issuer.issuer}#alice"
    assert (user.is_authenticated, user.is_staff, user.is_superuser, user.has_perms(["x"])) == (
        True,
        False,
        False,
        False,
    )
    other = LocalIssuer("https://other.test", signing_key=issuer.signing_key, clock=issuer.clock)
    assert TokenUser(RecordingGuard(other).validate(other.mint(sub="alice"))).pk != user.pk


def test_throttling_goes_by_the_tokens_subject(site: Site, issuer: LocalIssuer) -> None:
    """REST framework counts by the user's `pk`."""

    class Once(UserRateThrottle):  # type: ignore[misc] # ships no types
        rate = "1/day"

    site({"me": view_with(throttle_classes=[Once])})
    answers = [Client().get("/me", headers=bearer(issuer, sub=name)).status_code for name in ("alice", "bob", "alice")]
    assert answers == [200, 200, 429]


# Permissions


@pytest.mark.parametrize(
    ("wanted", "answers"),
    [
        ("orders", {"orders": 200, "": 403}),
        (["orders", "eu"], {"orders": 403, "eu orders": 200}),
        (any_of("orders", "admin"), {"admin": 200, "": 403}),
        (Requirement(issuers=["https://other.test"]), {"": 401}),
    ],
)
def test_scopes_are_demanded_by_permission_or_attribute(
    site: Site, issuer: LocalIssuer, wanted: Any, answers: dict[str, int]
) -> None:
    """HasScopes("orders"), or HasScopes beside `required_scopes`."""
    site({"made": view_with(HasScopes(wanted)), "attribute": view_with(HasScopes, required_scopes=wanted)})
    for scope, status in answers.items():
        for path in ("/made", "/attribute"):
            assert Client().get(path, headers=bearer(issuer, scope)).status_code == status


def test_a_missing_scope_is_403_with_its_challenge(site: Site, issuer: LocalIssuer) -> None:
    """Which REST framework by itself sends with 401 only."""
    site({"orders": view_with(HasScopes("orders"))})
    response = Client().get("/orders", headers=bearer(issuer))
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in header(response)
    assert 'scope="orders"' in header(response)
    assert response["Cache-Control"] == "no-store"
    assert response.json()["error"] == "insufficient_scope"


def test_a_missing_token_is_told_which_scope(site: Site) -> None:
    """The permission knows what the authentication class does not."""
    site({"orders": view_with(HasScopes("orders"))}, **WITHOUT_MIDDLEWARE)
    response = Client().get("/orders")
    assert (response.status_code, header(response)) == (401, 'Bearer realm="api.example.com", scope="orders"')


class Never(BasePermission):  # type: ignore[misc] # ships no types
    """Refuses."""

    def has_permission(self, *_: Any) -> bool:
        """False."""
        return False


def test_permissions_combine(site: Site, issuer: LocalIssuer) -> None:
    """`&`, `|` and `~` as with REST framework's own; a refused part does not speak for the whole."""
    site(
        {
            "either": view_with(HasScopes("a") | HasScopes("b")),
            "or-never": view_with(Never | HasScopes("a")),
            "both": view_with(HasScopes("a") & IsAuthenticated),
            "not": view_with(~HasScopes("a")),
            "attribute": view_with(HasScopes | HasScopes("b"), required_scopes="a"),
        }
    )
    expected = {
        "/either": {"a": 200, "b": 200, "": 403},
        "/or-never": {"a": 200, "": 403},
        "/both": {"a": 200, "": 403},
        "/not": {"a": 403, "": 200},
        "/attribute": {"a": 200, "b": 200, "": 403},
    }
    for path, answers in expected.items():
        for scope, status in answers.items():
            assert Client().get(path, headers=bearer(issuer, scope)).status_code == status


def test_one_permission_serves_all_requests(site: Site, issuer: LocalIssuer) -> None:
    """A refusal stays with its request, though the permission stands in a class attribute."""
    site({})
    request = Request(HttpRequest())
    request.auth = RecordingGuard(issuer).validate(issuer.mint())
    listed = HasScopes("orders")
    first, second = listed(), listed()
    assert not first.has_permission(request, None)
    assert second.message is None


def test_a_view_without_required_scopes_is_a_mistake(site: Site, issuer: LocalIssuer) -> None:
    """It answers nobody; an empty list says that any token will do."""
    site({"forgotten": view_with(HasScopes), "any": view_with(HasScopes, required_scopes=[])})
    with pytest.raises(ConfigurationError, match="Made has the permission HasScopes, but no required_scopes"):
        Client().get("/forgotten", headers=bearer(issuer))
    assert Client().get("/any", headers=bearer(issuer)).status_code == 200


def test_tests_may_force_a_token(site: Site, issuer: LocalIssuer) -> None:
    """REST framework's own way to test: `force_authenticate`."""
    site({"orders": public(view_with(HasScopes("orders")))})
    token = RecordingGuard(issuer).validate(issuer.mint(scope="orders"))
    client = APIClient()
    client.force_authenticate(user=TokenUser(token), token=token)
    assert client.get("/orders").status_code == 200
    client.force_authenticate(user=TokenUser(token))
    assert client.get("/orders").status_code == 401


# Whose exceptions


def handler(error: Exception, _context: dict[str, Any]) -> Response:
    """A project's own."""
    assert isinstance(error, Denied)
    assert isinstance(error, APIException)
    return Response({"why": error.reason, "codes": error.get_codes()}, status=error.status_code)


def test_the_projects_exception_handler_gets_both(site: Site, issuer: LocalIssuer) -> None:
    """An APIException that is a `Denied`, with everything either says."""
    site({"orders": view_with(HasScopes("orders"))})
    with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": f"{__name__}.handler"}):
        response = Client().get("/orders", headers=bearer(issuer))
    assert response.status_code == 403
    assert response.json() == {
        "why": "insufficient_scope",
        "codes": {"error": "insufficient_scope", "error_description": "insufficient_scope"},
    }


def test_a_view_may_raise_and_catch_ours(site: Site, issuer: LocalIssuer) -> None:
    """What a permission raises is the plain error, too."""
    permission = HasScopes("orders")()
    site({})
    request = Request(HttpRequest())
    request.auth = RecordingGuard(issuer).validate(issuer.mint())
    assert not permission.has_permission(request, None)
    with pytest.raises(InsufficientScope):
        permission.message  # noqa: B018 - reading it is what raises
