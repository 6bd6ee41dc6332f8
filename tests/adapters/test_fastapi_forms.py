"""FastAPI: tokens in form bodies, and forms in which none can be looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import pytest
from fastapi import Body, Depends, FastAPI, Form, Request
from tests.adapters.in_process import Ask, CountingGuard, exchange, http_scope

from tokenguard.asgi import Message, Scope
from tokenguard.fastapi import Protect
from tokenguard.testing import Broken, LocalIssuer


def form_app(protect: Protect) -> FastAPI:
    """Endpoints that want the body in each of FastAPI's ways."""
    app = FastAPI()
    allowed = [Depends(protect)]

    @app.post("/fields", dependencies=allowed)
    async def fields(item: Annotated[str, Form()]) -> str:
        return item

    @app.post("/raw", dependencies=allowed)
    async def raw(request: Request) -> str:
        return (await request.body()).decode().partition("&")[0]

    @app.post("/json", dependencies=allowed)
    async def json(item: Annotated[str, Body(embed=True)]) -> str:
        return item

    return app


def untold_length() -> Scope:
    """A request whose form has no Content-Length."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return http_scope("/raw", method="POST", headers=headers, query_string=b"")


@pytest.mark.parametrize(("path", "answer"), [("/fields", "tea"), ("/raw", "item=tea")])
@pytest.mark.req("BT-06", "BT-08", "BT-10")
async def test_a_token_in_a_form_body_counts_where_the_guard_allows_it(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, ask: Ask, path: str, answer: str
) -> None:
    """Whether FastAPI has parsed the form already or the endpoint reads it later; one token, and in one place."""
    app = form_app(Protect(make_guard(form_body=True)))
    form = {"item": "tea", "access_token": issuer.mint()}
    response = await ask(app, path, "POST", data=form)
    assert (response.status_code, response.json()) == (200, answer)
    assert (await ask(app, path, "POST", data={"item": "tea"})).status_code == 401
    assert (await ask(app, path, "POST", data=form, token=issuer.mint())).status_code == 400
    twice = {**form, "access_token": [issuer.mint(), issuer.mint()]}
    assert (await ask(app, path, "POST", data=twice)).status_code == 400


@pytest.mark.parametrize("path", ["/fields", "/raw"])
async def test_a_form_too_long_to_be_searched_is_refused(
    make_guard: Callable[..., CountingGuard], ask: Ask, path: str
) -> None:
    """Also where a token is optional: a bad one may be in it."""
    app = form_app(Protect(make_guard(form_body=True), optional=True))
    short = await ask(app, path, "POST", data={"item": "tea"})
    assert short.status_code == 200
    long = await ask(app, path, "POST", data={"item": "x" * 70_000})
    assert (long.status_code, long.json()["detail"]["error"]) == (400, "invalid_request")


async def test_a_form_of_untold_length_is_not_read_beyond_the_cap(make_guard: Callable[..., CountingGuard]) -> None:
    """Nobody without a token makes us hold more than a form with one needs."""
    app = form_app(Protect(make_guard(form_body=True), optional=True))
    pieces: list[Message] = [{"type": "http.request", "body": b"x" * 40_000, "more_body": True} for _ in range(3)]
    sent: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(untold_length(), receive, send)
    assert sent[0]["status"] == 400
    assert len(pieces) == 1


async def test_a_client_that_leaves_while_sending_its_form_is_refused(
    make_guard: Callable[..., CountingGuard],
) -> None:
    """Half a form is none, and no error of ours or Starlette's."""
    app = form_app(Protect(make_guard(form_body=True), optional=True))
    half: Message = {"type": "http.request", "body": b"access_", "more_body": True}
    sent = await exchange(app, untold_length(), half, {"type": "http.disconnect"})
    assert sent[0]["status"] == 400


@pytest.mark.req("BT-07")
async def test_a_parsed_form_counts_only_if_it_is_ascii(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, ask: Ask
) -> None:
    """FastAPI does not tell how the rest was sent."""
    app = form_app(Protect(make_guard(form_body=True)))
    form = {"item": "th\u00e9", "access_token": issuer.mint()}
    assert (await ask(app, "/fields", "POST", data=form)).status_code == 401


async def test_a_form_that_somebody_has_read_is_refused(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, ask: Ask
) -> None:
    """And kept nowhere: whether a token was in it can't be known."""
    app = FastAPI()

    async def drains(request: Request) -> None:
        async for _ in request.stream():
            pass

    protect = Protect(make_guard(form_body=True), optional=True)

    @app.post("/", dependencies=[Depends(drains), Depends(protect)])
    async def endpoint() -> None: ...

    assert (await ask(app, "/", "POST", data={"access_token": issuer.broken(Broken.EXPIRED)})).status_code == 400


async def test_a_form_body_is_no_credential_by_default(guard: CountingGuard, issuer: LocalIssuer, ask: Ask) -> None:
    """Opt-in, at the guard."""
    form = {"item": "tea", "access_token": issuer.mint()}
    assert (await ask(form_app(Protect(guard)), "/fields", "POST", data=form)).status_code == 401


async def test_other_bodies_are_left_to_the_endpoint(
    make_guard: Callable[..., CountingGuard], issuer: LocalIssuer, ask: Ask
) -> None:
    """A JSON body is no place for a token (RFC 6750 2.2)."""
    app = form_app(Protect(make_guard(form_body=True)))
    body = {"item": "tea", "access_token": issuer.mint()}
    assert (await ask(app, "/json", "POST", json=body)).status_code == 401
    assert (await ask(app, "/json", "POST", json=body, token=issuer.mint())).json() == "tea"
