"""Flows run for a guard's callers, and their refusals reported with the request that they were about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeAlias, TypeVar

from tokenguard.core.credentials import read_credential
from tokenguard.core.effects import Flow
from tokenguard.core.model import Request
from tokenguard.errors import Denied, Unavailable
from tokenguard.runtime import observe
from tokenguard.runtime.drivers import Ask, arun, run

_T = TypeVar("_T")
#: what a refusal was about: a request, a bare token, or nothing that could be named
Source: TypeAlias = Request | str | None


class Reporting:
    """`ask` answers flows; `form_body`, `dpop`: where a request's token may be; `request_id_header`: a name."""

    def __init__(self, ask: Ask, *, form_body: bool, dpop: bool, request_id_header: str) -> None:
        self._ask = ask
        self._form_body = form_body
        self._dpop = dpop
        self._request_id_header = request_id_header.lower()

    def run(self, flow: Flow[_T], source: Source) -> _T:
        """The flow's result."""
        with self.refusals(source):
            return run(flow, self._ask)

    async def arun(self, flow: Flow[_T], source: Source) -> _T:
        """`run`, for async code."""
        with self.refusals(source):
            return await arun(flow, self._ask)

    @contextlib.contextmanager
    def refusals(self, source: Source = None) -> Iterator[None]:
        """Those that are raised in this block are reported; where every request passes, `report` costs less."""
        try:
            yield
        except (Denied, Unavailable) as error:
            self.report(error, source)
            raise

    def report(self, error: Denied | Unavailable, source: Source = None) -> None:
        """Tell the operator, who may not want to know."""
        if not observe.wants(error):
            return
        token = request_id = None
        if isinstance(source, Request):
            request_id = next(iter(source.header_values(self._request_id_header)), None)
            with contextlib.suppress(Denied):
                token = read_credential(source, form_body=self._form_body, dpop=self._dpop).token
        elif isinstance(source, str):
            token = source
        observe.refused(error, token=token, request_id=request_id)
