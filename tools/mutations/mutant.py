"""What a mutant is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """`old` becomes `new` in the file of `module`, which loses what `loses` says."""

    module: str
    loses: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        """The file, from the root of the repository: "jws" is in core/, "stores/book" and "./asgi" where they say."""
        module = self.module if "/" in self.module else f"core/{self.module}"
        return Path("src") / "tokenguard" / f"{module}.py"

    def applied(self, text: str) -> str:
        """The file without the check; ValueError unless what is taken away stands in it once."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"stale: found {found} times")
        return text.replace(self.old, self.new)
