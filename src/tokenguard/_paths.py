"""Which paths a setting means: prefixes, by whole segments."""

from __future__ import annotations

import re

from tokenguard._checks import string_tuple
from tokenguard.errors import ConfigurationError


class ProtectedPaths:
    """Paths, and all below them, in any letter case: some routes ignore case, and what protects may catch too much.

    >>> api = ProtectedPaths("PATHS", ["/api"])
    >>> [path in api for path in ("/api", "/API/orders", "/apis")]
    [True, True, False]
    """

    __slots__ = ("_prefix",)

    def __init__(self, setting: str, paths: object) -> None:
        prefixes = (re.escape(f"{path}/") for path in _without_last_slash(setting, paths))
        # as such routes are matched: str.lower and casefold know fewer spellings of one letter
        self._prefix = re.compile("|".join(prefixes), re.IGNORECASE)

    def __contains__(self, path: str) -> bool:
        return self._prefix.match(f"{path}/") is not None


class ExemptPaths:
    """Paths, and all below them, to the letter; "/" is the root page alone, since everything is never meant.

    >>> exempt = ExemptPaths("EXEMPT_PATHS", ["/docs", "/"])
    >>> [path in exempt for path in ("/docs/a.css", "/", "/orders", "/docs/../orders")]
    [True, True, False, False]
    """

    __slots__ = ("_paths", "_prefixes")

    def __init__(self, setting: str, paths: object) -> None:
        bare = _without_last_slash(setting, paths)
        self._paths = frozenset(path or "/" for path in bare)
        self._prefixes = tuple(f"{path}/" for path in bare if path)

    def __contains__(self, path: str) -> bool:
        if path not in self._paths and not path.startswith(self._prefixes):
            return False
        # whoever normalises a path later would see another one than this
        return not {".", ".."} & set(path.split("/"))


def _without_last_slash(setting: str, paths: object) -> list[str]:
    listed = string_tuple(setting, paths, one_string=False)
    for path in listed:
        if not path.startswith("/"):
            raise ConfigurationError(f"{setting}: {path} must begin with a slash")
    return [path.rstrip("/") for path in listed]
