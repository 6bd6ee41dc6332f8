"""A user at a browser, scripted: follows the redirects and fills in the forms between a client and its code."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Self

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


class Browser:
    """A user's browser, with the session that the authorization server keeps by its cookies."""

    def __init__(self) -> None:
        self._http = httpx.Client(trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def authorization_code(self, endpoint: str, request: Mapping[str, str], subject: str) -> str:
        """The code that the client gets after `subject` has logged in and consented to its `request`."""
        response = self._http.get(endpoint, params=dict(request))
        for _ in range(STEPS):
            if response.next_request is None:
                response = self._fill_in(response, {"login": subject, "password": "any will do"})
            elif str(response.next_request.url).startswith(request["redirect_uri"]):
                returned = response.next_request.url.params
                assert "code" in returned, f"refused: {returned}"
                return returned["code"]
            else:
                response = self._http.get(response.next_request.url)
        raise AssertionError(f"no code after {STEPS} pages; the last was {response.url}")

    def log_out(self, endpoint: str) -> None:
        """End the session at the server; it has told its clients when this returns."""
        response = self._fill_in(self._http.get(endpoint), {}, logout="yes")
        assert response.status_code == 303, f"{response.status_code}: {response.text}"

    def _fill_in(self, page: httpx.Response, answers: Mapping[str, str], **pressed: str) -> httpx.Response:
        form = Form(page.text)
        assert form.action, f"neither a redirect nor a form: {page.text}"
        filled = {name: answers.get(name, value) for name, value in form.fields.items()}
        return self._http.post(form.action, data=filled | pressed)
