"""A user at a browser, scripted: follows the redirects and fills in the forms between a client and its code."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser

import httpx

STEPS = 20  # pages and redirects; login and consent take seven


class Form(HTMLParser):
    """The one form of a page: where it posts, and its fields as the page fills them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = attributes["action"]
        elif tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")


def authorization_code(endpoint: str, request: Mapping[str, str], subject: str) -> str:
    """The code that the client gets after `subject` has logged in and consented to its authorization `request`."""
    with httpx.Client(trust_env=False) as browser:
        response = browser.get(endpoint, params=dict(request))
        for _ in range(STEPS):
            if response.next_request is None:
                form = Form(response.text)
                assert form.action, f"neither a redirect nor a form: {response.text}"
                answers = {"login": subject, "password": "any will do"}
                filled = {name: answers.get(name, value) for name, value in form.fields.items()}
                response = browser.post(form.action, data=filled)
            elif str(response.next_request.url).startswith(request["redirect_uri"]):
                returned = response.next_request.url.params
                assert "code" in returned, f"refused: {returned}"
                return returned["code"]
            else:
                response = browser.get(response.next_request.url)
    raise AssertionError(f"no code after {STEPS} pages; the last was {response.url}")
