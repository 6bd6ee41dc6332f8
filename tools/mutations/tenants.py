"""Checks of issuers that are looked up."""

from __future__ import annotations

from tools.mutations.mutant import Mutant

SUITES: dict[str, tuple[str, ...]] = {
    "tenants": ("core/test_tenants", "runtime/test_tenants"),
    "runtime/tenants": ("runtime/test_tenants", "runtime/test_tenants_bounds", "runtime/test_issuer_changes"),
}  # fmt: skip

MUTANTS = [
    Mutant("tenants", "what may be looked up", " or not _NAME.fullmatch(name)", ""),
    Mutant(
        "tenants",
        "an issuer that nobody knows",
        "    if trusted is None:\n        raise",
        "    if False:\n        raise",
    ),
    Mutant(
        "tenants",
        "what can't be told is no refusal",
        "raise unavailable.after(failure.retry_after) from None",
        "raise unknown_issuer(setup) from None",
    ),
    Mutant("tenants", "what is no answer", "if not isinstance(answer, Issuer | str):", "if False:"),
    Mutant(
        "tenants",
        "an issuer of that very name",
        "if (answer if isinstance(answer, str) else answer.issuer) != name:",
        "if False:",
    ),
    Mutant("tenants", "no question in place of a local check", 'config.introspection.mode != "live"', "False"),
    Mutant("tenants", "settings that changed", "return one is other or all(", "return one is other or any("),
    Mutant(
        "runtime/tenants",
        "how long an answer is believed",
        "place.value if place is not None and monotonic < place.until else None",
        "place.value if place is not None else None",
    ),
    Mutant(
        "runtime/tenants",
        "how long remembered tokens are",
        "return place.value if monotonic < place.until else None",
        "return place.value",
    ),
    Mutant(
        "runtime/tenants", "one look-up for all", "            if running is not None:\n", "            if False:\n"
    ),
    Mutant("runtime/tenants", "names that are unknown", "if refused is not None and now < refused.until:", "if False:"),
    Mutant(
        "runtime/tenants", "how long they are", "refused is not None and now < refused.until", "refused is not None"
    ),
    Mutant(
        "runtime/tenants",
        "a queue with an end",
        "if known is None and self._newcomers >=",
        "if False and self._newcomers >=",
    ),
    Mutant(
        "runtime/tenants", "room for unknown names", "if len(self._refused) > self._resolver.max_issuers:", "if False:"
    ),
    Mutant(
        "runtime/tenants",
        "an issuer that was taken out of the table",
        "self._memory.drop(issuer) if self._running.get(issuer) is done else None",
        "None",
    ),
    Mutant(
        "runtime/tenants",
        "an answer that was on its way when the issuer was removed",
        "if self._running.get(issuer) is done:\n                gone",
        "if True:\n                gone",
    ),
    Mutant(
        "runtime/tenants",
        "settings that changed",
        "is_new = known is None or not same_settings(known.value.config, config)",
        "is_new = known is None",
    ),
]
