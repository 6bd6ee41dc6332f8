"""The address at which issuers tell of logouts, in every framework, beside routes that need a token."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import pytest
from django.test import AsyncClient, Client
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Route
from tests.adapters.in_process import NOW

from tokenguard import BackchannelLogout, Issuer, TokenGuard, fastapi, flask, starlette
from tokenguard.asgi import TokenGuardMiddleware
from tokenguard.core.credentials import MAX_FORM_BODY
from tokenguard.core.effects import AnswerFailed
from tokenguard.django import backchannel_logout
from tokenguard.errors import ConfigurationError, InvalidToken
from tokenguard.stores import MemoryRevocations
from tokenguard.testing import LocalIssuer

PATH = "/backchannel-logout"
FORM = "application/x-www-form-urlencoded"

Site = Callable[..., None]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str


#: sends a POST to the address of an application that trusts the guard: (body, content type)
Post = Callable[[bytes, str], Answer]


def _over_asgi(app: Any, method: str = "POST") -> Post:
    async def send(body: bytes, content_type: str) -> Answer:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            response = await client.request(method, PATH, content=body, headers={"Content-Type": content_type})
        return Answer(response.status_code, response.headers, response.text)

    return lambda body, content_type: asyncio.run(send(body, content_type))


def with_fastapi(guard: TokenGuard, _: Site) -> Post:
    """All but this address is behind the middleware."""
    app = FastAPI()
    app.post(PATH)(fastapi.backchannel_logout(guard))
    app.add_middleware(TokenGuardMiddleware, guard=guard, exempt_paths=[PATH])
    return _over_asgi(app)


def with_starlette(guard: TokenGuard, _: Site) -> Post:
    """A plain route."""
    return _over_asgi(Starlette(routes=[Route(PATH, starlette.backchannel_logout(guard), methods=["POST"])]))


def with_flask(guard: TokenGuard, _: Site) -> Post:
    """All views but this one are protected."""
    app = Flask(__name__)
    app.post(PATH)(flask.backchannel_logout(guard))
    flask.Protect(guard).all(app, except_=["backchannel_logout"])

    def post(body: bytes, content_type: str) -> Answer:
        response = app.test_client().post(PATH, data=body, content_type=content_type)
        return Answer(response.status_code, response.headers, response.text)

    return post


def with_django(guard: TokenGuard, site: Site) -> Post:
    """Behind our middleware and Django's against forged requests."""
    site({PATH[1:]: backchannel_logout}, {"GUARD": guard})

    def post(body: bytes, content_type: str) -> Answer:
        response = Client(enforce_csrf_checks=True).post(PATH, body, content_type=content_type)
        return Answer(response.status_code, response.headers, response.content.decode())

    return post


def with_async_django(guard: TokenGuard, site: Site) -> Post:
    """The same under ASGI."""
    site({PATH[1:]: backchannel_logout}, {"GUARD": guard})

    def post(body: bytes, content_type: str) -> Answer:
        sent = AsyncClient(enforce_csrf_checks=True).post(PATH, body, content_type=content_type)
        response = asyncio.run(sent)
        return Answer(response.status_code, response.headers, response.content.decode())

    return post


FRAMEWORKS = [with_fastapi, with_starlette, with_flask, with_django, with_async_django]


class FullStore(MemoryRevocations):
    """Keeps nothing while `full`."""

    full = False

    def add(self, revocations: Any, now: float) -> None:
        if self.full:
            raise AnswerFailed("it is full")
        super().add(revocations, now)


@pytest.fixture
def store() -> FullStore:
    """Where revocations are kept."""
    return FullStore()


@pytest.fixture
def guard(issuer: LocalIssuer, store: FullStore) -> TokenGuard:
    """Believes the issuer's logout tokens."""
    logout = BackchannelLogout("client-1", algorithms=(issuer.signing_key.algorithm,))
    trusted = Issuer(issuer.issuer, jwks=issuer.jwks, max_lifetime=3600, logout=logout)
    return TokenGuard(audience=issuer.audience, issuers=[trusted], clock=lambda: NOW, revocations=store)


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.__name__)
def post(request: pytest.FixtureRequest, guard: TokenGuard, site: Site) -> Post:
    """Each framework's address."""
    made: Post = request.param(guard, site)
    return made


def form(*pairs: tuple[str, str]) -> bytes:
    """As a form is sent."""
    return urlencode(pairs).encode()


@pytest.mark.req("BL-01", "BL-11")
def test_a_logout_is_carried_out(post: Post, guard: TokenGuard, issuer: LocalIssuer) -> None:
    """200, nothing to be stored, and the session's tokens are refused; other parameters are ignored."""
    token = issuer.mint(sid="s1")
    guard.validate(token)
    sent = form(("state", "x"), ("logout_token", issuer.logout_token(sid="s1")), ("access_token", "y"))
    answer = post(sent, f"{FORM}; charset=UTF-8")
    assert (answer.status, answer.body) == (200, "")
    assert answer.headers["cache-control"] == "no-store"
    with pytest.raises(InvalidToken, match="revoked"):
        guard.validate(token)


@pytest.mark.req("BL-11", "A-103")
def test_a_logout_token_that_is_not_believed_is_a_400_with_the_reason(post: Post, issuer: LocalIssuer) -> None:
    """In JSON, and not to be stored either."""
    answer = post(form(("logout_token", issuer.logout_token(nonce="n"))), FORM)
    assert answer.status == 400
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {
        "error": "invalid_request",
        "error_description": "The token is not a logout token.",
    }


@pytest.mark.req("BL-09", "BL-12")
def test_a_replay_is_refused_and_a_second_logout_is_not(post: Post, issuer: LocalIssuer) -> None:
    """The same token once, the same session as often as the issuer likes."""
    once = form(("logout_token", issuer.logout_token(sid="s1")))
    assert [post(once, FORM).status for _ in range(2)] == [200, 400]
    assert post(form(("logout_token", issuer.logout_token(sid="s1"))), FORM).status == 200


REQUIRED = "A logout token is required, as logout_token in a form."
#: body and content type, and how the answer describes what is wrong
BAD_FORMS: dict[str, tuple[bytes, str, str]] = {
    "a form by another type": (form(("logout_token", "a.b.c")), "text/plain", REQUIRED),
    "a form by no type": (form(("logout_token", "a.b.c")), "", REQUIRED),
    "JSON": (b'{"logout_token": "a.b.c"}', "application/json", REQUIRED),
    "another token": (form(("token", "a.b.c")), FORM, REQUIRED),
    "an empty form": (b"", FORM, REQUIRED),
    "an empty token": (form(("logout_token", "")), FORM, "The token is malformed."),
    "two": (form(("logout_token", "a.b.c"), ("logout_token", "a.b.c")), FORM, "More than one credential was sent."),
    "too long": (form(("logout_token", "a.b.c"), ("x", "x" * MAX_FORM_BODY)), FORM, "The token is too large."),
    "no text": (b"logout_token=%ff%fe\xff", FORM, "The token is malformed."),
}


@pytest.mark.req("BL-01")
@pytest.mark.parametrize("case", BAD_FORMS)
def test_a_post_without_one_logout_token_is_a_400(post: Post, case: str) -> None:
    """Whatever it holds instead."""
    body, content_type, description = BAD_FORMS[case]
    answer = post(body, content_type)
    assert answer.status == 400
    assert json.loads(answer.body) == {"error": "invalid_request", "error_description": description}


@pytest.mark.req("BL-11")
def test_a_logout_that_could_not_be_kept_is_no_success(post: Post, store: FullStore, issuer: LocalIssuer) -> None:
    """The issuer may send the very same token again, and it counts then."""
    sent = form(("logout_token", issuer.logout_token(sid="s1")))
    store.full = True
    answer = post(sent, FORM)
    assert answer.status == 400
    assert json.loads(answer.body)["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    store.full = False
    assert post(sent, FORM).status == 200
    assert len(list(store.held(NOW))) == 1


def test_a_refusal_is_in_the_log_and_the_token_is_not(
    post: Post, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    """With the setting that would change the outcome."""
    token = issuer.logout_token(aud="client-2")
    with caplog.at_level(logging.INFO, "tokenguard"):
        assert post(form(("logout_token", token)), FORM).status == 400
    assert "BackchannelLogout.client_ids: client-1" in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_guard_that_believes_no_logout_token_is_a_mistake(
    issuer: LocalIssuer, site: Site, framework: Callable[[TokenGuard, Site], Post]
) -> None:
    """It would refuse every one."""
    guard = TokenGuard(audience=issuer.audience, issuers=[Issuer(issuer.issuer, jwks=issuer.jwks)])
    with pytest.raises(ConfigurationError, match=r"Issuer\.logout"):
        framework(guard, site)(b"", FORM)


def test_the_guard_may_be_that_of_the_flask_apps_config(guard: TokenGuard, issuer: LocalIssuer) -> None:
    """As for `Protect`."""
    app = Flask(__name__)
    app.config["TOKENGUARD"] = {"GUARD": guard}
    flask.Protect().init_app(app)
    app.post(PATH)(flask.backchannel_logout())
    response = app.test_client().post(PATH, data={"logout_token": issuer.logout_token()})
    assert response.status_code == 200


def test_what_is_no_guard_is_refused() -> None:
    """When the route is made."""
    with pytest.raises(ConfigurationError, match="guard"):
        starlette.backchannel_logout("guard")  # type: ignore[arg-type]


def test_another_method_is_none_of_its(guard: TokenGuard, site: Site) -> None:
    """405, as each framework says it."""
    site({PATH[1:]: backchannel_logout}, {"GUARD": guard})
    assert Client().get(PATH).status_code == 405
    app = FastAPI()
    app.post(PATH)(fastapi.backchannel_logout(guard))
    assert _over_asgi(app, "GET")(b"", FORM).status == 405
