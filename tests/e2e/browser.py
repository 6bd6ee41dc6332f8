"""A real browser, and FastAPI's documentation page in it, used as a person would."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fastapi_offline
from playwright.sync_api import Browser, Locator, Page, Route, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")  # where it is not named by the variable CHROMIUM
SWAGGER_UI = Path(fastapi_offline.__file__).parent / "static"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Until the block ends no other event loop can run in this thread."""
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else NAMES
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise RuntimeError("these tests need Chromium: run make test, which says how to get it")
    with sync_playwright() as playwright:
        # root has no sandbox, and the pages are our own
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """A page with no past. What FastAPI's documentation takes from a CDN comes from a package instead."""
    with browser.new_context() as context:
        context.route(re.compile("^https:"), _asset)
        yield context.new_page()


def _asset(route: Route) -> None:
    path = SWAGGER_UI / route.request.url.rpartition("/")[2]
    if path.is_file():
        route.fulfill(path=path)
    else:
        route.abort()


class Documentation:
    """The documentation page of an API that has the operation GET /orders."""

    def __init__(self, page: Page, base_url: str) -> None:
        self._page = page
        page.goto(f"{base_url}/docs")
        operation = page.locator(".opblock-get", has=page.locator("[data-path='/orders']"))
        operation.locator(".opblock-summary").click()
        operation.get_by_role("button", name="Try it out").click()
        self._operation = operation

    def paste(self, token: str) -> None:
        """Authorize with a token that one has."""
        dialog = self._authorize()
        dialog.get_by_label("auth-bearer-value").fill(token)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").click()

    def log_in(self, subject: str, scope: str) -> None:
        """Authorize by logging in at the authorization server, in the window that opens, and consenting there."""
        dialog = self._authorize()
        dialog.locator(f"input[data-value='{scope}'] + label").click()
        with self._page.expect_popup() as opened:
            dialog.get_by_role("button", name="Apply given OAuth2 credentials").click()
        window = opened.value
        window.locator("[name=login]").fill(subject)
        window.locator("[name=password]").fill("any will do")
        window.locator("[type=submit]").click()
        with window.expect_event("close"):
            window.get_by_role("button", name="Continue").click()
        dialog.get_by_text("Logout", exact=True).wait_for()
        dialog.get_by_role("button", name="Close").click()

    def _authorize(self) -> Locator:
        self._page.get_by_role("button", name="Authorize", exact=True).click()
        return self._page.locator(".dialog-ux")

    def execute(self) -> tuple[int, str]:
        """Send GET /orders, and read status and body of the answer off the page."""
        self._operation.get_by_role("button", name="Execute").click()
        answer = self._operation.locator(".live-responses-table .response")
        status = answer.locator(".response-col_status").inner_text()  # "401 Undocumented", say
        body = answer.locator(".response-col_description pre").first.inner_text()
        self._operation.get_by_role("button", name="Clear").click()  # so that the next answer can't be this one
        return int(status.split()[0]), body
