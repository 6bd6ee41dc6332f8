"""The checks that `tools/mutants.py` takes away, one at a time, and the tests that must notice."""

from __future__ import annotations

from tools.mutations import answers, certificates, keys, requests, revocations, senders, shortcuts, tenants, tokens
from tools.mutations.mutant import Mutant

__all__ = ["MUTANTS", "SUITES", "Mutant"]

_GROUPS = (tokens, keys, answers, requests, senders, certificates, revocations, tenants, shortcuts)

#: which tests under tests/ are asked about a module's mutants
SUITES: dict[str, tuple[str, ...]] = {module: suites for group in _GROUPS for module, suites in group.SUITES.items()}
MUTANTS: list[Mutant] = [mutant for group in _GROUPS for mutant in group.MUTANTS]
