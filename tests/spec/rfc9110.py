"""A strict reader of one challenge, written from the grammar of RFC 9110 and RFC 6750 3, to judge ours by."""

from __future__ import annotations

import re

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[\t !\x23-\x5B\x5D-\x7E\x80-\xFF]|\\[\t \x21-\x7E\x80-\xFF])*"'
_PARAMETER = re.compile(rf"({_TOKEN})=({_TOKEN}|{_QUOTED})")  # RFC 9110 11.2, without the optional spaces
_SEPARATOR = re.compile(r"[ \t]*,[ \t]*")


def parse_challenge(line: str) -> tuple[str, dict[str, str]]:
    """The scheme and the parameters of a line that holds one challenge; ValueError for anything else.

    Names are given in lower case, values without quotes and escapes. A repeated parameter is an error (RFC 9110
    11.2), and so is a scheme without any (RFC 6750 3).
    """
    scheme = re.match(rf"({_TOKEN}) +", line)
    if scheme is None:
        raise ValueError("no scheme, or nothing after it")
    parameters: dict[str, str] = {}
    position = scheme.end()
    while True:
        parameter = _PARAMETER.match(line, position)
        if parameter is None:
            raise ValueError(f"no parameter at {position}")
        name, value = parameter[1].lower(), parameter[2]
        if name in parameters:
            raise ValueError(f"{name} occurs twice")
        parameters[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        if parameter.end() == len(line):
            return scheme[1], parameters
        separator = _SEPARATOR.match(line, parameter.end())
        if separator is None:
            raise ValueError(f"no comma at {parameter.end()}")
        position = separator.end()
