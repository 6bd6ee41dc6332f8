"""Which paths a setting means: prefixes, by whole segments."""

from __future__ import annotations

from tokenguard.config import string_tuple
from tokenguard.errors import ConfigurationError


def path_prefixes(setting: str, value: object) -> tuple[str, ...]:
    """The setting's prefixes as `is_under` takes them. "/" stands for every path."""
    prefixes = string_tuple(setting, value, one_string=False)
    for prefix in prefixes:
        if not prefix.startswith("/"):
            raise ConfigurationError(f"{setting}: {prefix} must begin with a slash")
    return tuple(prefix.rstrip("/") + "/" for prefix in prefixes)


def is_under(path: str, prefixes: tuple[str, ...]) -> bool:
    """Does the path begin with the segments of one of the prefixes?

    >>> api = path_prefixes("PATHS", ["/api"])
    >>> is_under("/api/orders", api), is_under("/api", api), is_under("/apis", api)
    (True, True, False)
    """
    return f"{path}/".startswith(prefixes)
