"""A person at a browser: FastAPI's documentation page gets a token and uses it, and so does a page's WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.adapters.serving import serving

from .apis import SERVERS
from .browser import Documentation, chromium, new_page
from .support import API, Provider

SUBPROTOCOL = "tokenguard.bearer"
# what happens to a WebSocket: the subprotocol that the server chose, the messages, the close code
WATCH = """([url, subprotocols]) => new Promise((resolve) => {
    const messages = [];
    const socket = new WebSocket(url, subprotocols);
    socket.onmessage = (event) => messages.push(event.data);
    socket.onclose = (event) => resolve([socket.protocol, messages, event.code]);
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests here."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """As a person finds it who never was here."""
    with new_page(browser) as page:
        yield page


@pytest.fixture(scope="module")
def browser_app(provider: Provider) -> Iterator[str]:
    """The base URL of browser_app.py."""
    metadata = provider.metadata
    environment = {
        "TOKENGUARD_AUDIENCE": API,
        "TOKENGUARD_ISSUERS": provider.issuer,
        "AUTHORIZATION_URL": metadata["authorization_endpoint"],
        "TOKEN_URL": metadata["token_endpoint"],
    }
    words = ["uvicorn", "tests.e2e.browser_app:app", "--fd", "{fd}", "--log-level", "warning"]
    with serving(*words, environment=environment) as base_url:
        yield base_url


def watch(page: Page, base_url: str, *subprotocols: str) -> Any:
    """See WATCH, for the WebSocket of browser_app.py, opened by a page of it."""
    page.goto(f"{base_url}/openapi.json")
    return page.evaluate(WATCH, [f"{base_url.replace('http', 'ws', 1)}/orders", subprotocols])


def test_documentation_calls_the_api_with_a_pasted_token(page: Page, provider: Provider) -> None:
    """The example's own page: refused before, admitted after, and no more is set up for it than Protect."""
    environment = {"TOKENGUARD_AUDIENCE": API, "TOKENGUARD_ISSUERS": provider.issuer}
    with serving(*SERVERS["fastapi-uvicorn"].split(), environment=environment) as base_url:
        documentation = Documentation(page, base_url)
        assert documentation.execute()[0] == 401
        documentation.paste(provider.client_credentials_token())
        status, body = documentation.execute()
    assert status == 200
    assert "coffee" in body


def test_documentation_gets_a_token_by_logging_in(page: Page, browser_app: str) -> None:
    """Authorization code with PKCE, from the button to the redirect back to /docs/oauth2-redirect."""
    documentation = Documentation(page, browser_app)
    assert documentation.execute()[0] == 401
    documentation.log_in("bob", "orders:read")
    assert documentation.execute() == (200, '"orders of bob"')


def test_page_opens_a_websocket_with_a_token_in_a_subprotocol(page: Page, browser_app: str, provider: Provider) -> None:
    """A page can set no header; what the server chose is the name, and never the token."""
    token = provider.user_tokens(subject="bob")["access_token"]
    assert watch(page, browser_app, SUBPROTOCOL, token) == [SUBPROTOCOL, ["orders of bob"], 1000]


@pytest.mark.parametrize("kind", ["no token", "ID token", "no scope"])
def test_page_opens_no_websocket_without_a_token_that_will_do(
    page: Page, browser_app: str, provider: Provider, kind: str
) -> None:
    """It is never opened, and the page learns no more than that."""
    tokens = provider.user_tokens(scope="orders:write")
    offered = {"no token": [], "ID token": [tokens["id_token"]], "no scope": [tokens["access_token"]]}[kind]
    assert watch(page, browser_app, SUBPROTOCOL, *offered) == ["", [], 1006]


def test_missing_browser_is_a_failure_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the tests fail, never skip."""
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    with pytest.raises(RuntimeError, match="run make test"), chromium():
        pass
