"""Checks on the ways that most requests go, where each stands for one that is written down elsewhere."""

from __future__ import annotations

from tools.mutations.mutant import Mutant

SUITES: dict[str, tuple[str, ...]] = {
    "./guard": ("adapters/test_recall", "runtime/test_remembered", "core/test_properties_recall"),
    "./asgi": ("adapters/test_recall", "adapters/test_asgi", "adapters/test_asgi_connection"),
    "./fastapi": ("adapters/test_recall", "adapters/test_fastapi"),
    "./flask": ("adapters/test_recall", "adapters/test_flask"),
    "django/admission": ("adapters/test_recall", "adapters/test_django", "adapters/test_django_csrf"),
}


MUTANTS = [
    # a remembered token is let in where it is found
    Mutant(
        "pipeline",
        "remembered tokens of an issuer that is gone",
        "    if trusted is None:\n        return received, digest, None\n",
        "",
    ),
    Mutant(
        "pipeline",
        "remembered tokens of a key that is withdrawn",
        " or verified.generation != snapshot.generation:\n        return",
        ":\n        return",
    ),
    Mutant(
        "pipeline",
        "remembered tokens when keys are due",
        "if monotonic >= snapshot.refresh_at or verified",
        "if verified",
    ),
    Mutant(
        "pipeline",
        "a remembered token that came with the scheme DPoP",
        'credential.scheme == "Bearer" and not live)',
        "not live)",
    ),
    Mutant(
        "pipeline",
        "a live question about a remembered token",
        'credential.scheme == "Bearer" and not live)',
        'credential.scheme == "Bearer")',
    ),
    Mutant("pipeline", "how a remembered token came", "if is_bare and verified", "if verified"),
    Mutant(
        "pipeline",
        "the sender of a remembered token",
        "if is_bare and verified.binding is None and not",
        "if is_bare and not",
    ),
    Mutant(
        "pipeline",
        "remembered tokens where all must be bound",
        "verified.binding is None and not setup.senders.must_be_bound:",
        "verified.binding is None:",
    ),
    Mutant(
        "pipeline",
        "expiry of a remembered token",
        "            now < verified.expires_at + leeway\n",
        "            True\n",
    ),
    Mutant(
        "pipeline",
        "expiry of a remembered token at the very moment",
        "now < verified.expires_at",
        "now <= verified.expires_at",
    ),
    Mutant(
        "pipeline",
        "iat of a remembered token",
        "            and (issued_at is None or now >= issued_at - leeway)\n",
        "",
    ),
    Mutant(
        "pipeline",
        "nbf of a remembered token",
        "            and (not_before is None or now >= not_before - leeway)\n",
        "",
    ),
    Mutant(
        "pipeline",
        "what a store says of a remembered token",
        "if setup.revocations.find(verified, now) is None:",
        "if setup.revocations.find(verified, now) or True:",
    ),
    Mutant(
        "pipeline",
        "a store's answer that is none, about a remembered token",
        "if setup.revocations.find(verified, now) is None:",
        "if not setup.revocations.find(verified, now):",
    ),
    Mutant(
        "pipeline",
        "what a store raises about a remembered token",
        "anything may come\n                pass",
        "anything may come\n                return AccessToken(verified)",
    ),
    # a token is checked locally at once
    Mutant(
        "pipeline",
        "revocation of a token that is vouched for at once",
        "token = admit_known(setup.revocations, vouched, now)\n",
        "token = AccessToken(vouched)\n",
    ),
    Mutant(
        "pipeline",
        "revocation of a bare token",
        "return admit_known(setup.revocations, vouched, now) or _admit",
        "return AccessToken(vouched) or _admit",
    ),
    Mutant(
        "pipeline",
        "revocation of a bare token where a store must be asked",
        "return (yield from admit(setup.revocations, verified, now, live=False, when_unknown=None))",
        "yield from ()\n    return AccessToken(verified)",
    ),
    Mutant(
        "pipeline",
        "a bare token where all must be bound",
        "if vouched.binding is not None or setup.senders.must_be_bound:",
        "if vouched.binding is not None:",
    ),
    Mutant(
        "pipeline",
        "a bound bare token for which something was asked",
        "if verified.binding is not None or setup.senders.must_be_bound:\n        refuse",
        "if setup.senders.must_be_bound:\n        refuse",
    ),
    Mutant(
        "pipeline",
        "a bare token for which something was asked, where all must be bound",
        "if verified.binding is not None or setup.senders.must_be_bound:\n        refuse",
        "if verified.binding is not None:\n        refuse",
    ),
    Mutant("pipeline", "keys that are due", "if monotonic >= snapshot.refresh_at and not refreshed:", "if False:"),
    Mutant(
        "pipeline",
        "one refresh a token",
        "presented, now, monotonic, trusted, True, renewed",
        "presented, now, monotonic, trusted, False, renewed",
    ),
    Mutant(
        "pipeline",
        "no fetch that would tell nothing new",
        "            refuse_if_newest(trusted, snapshot, header, monotonic)\n",
        "",
    ),
    Mutant(
        "pipeline", "the issuer that a request began with", "trusted = trusted or setup.only", "trusted = setup.only"
    ),
    Mutant(
        "pipeline",
        "whose keys could not be had",
        "        refusal.issuer = trusted.config.issuer\n        raise\n    return (yield",
        "        raise\n    return (yield",
    ),
    # what most routes demand
    Mutant("pipeline", "what a route demands", "    if not is_plainly_met(begun, requirement):\n", "    if False:\n"),
    Mutant(
        "requirements",
        "a plain demand: issuers",
        "if self.issuers is not None or self.live or self.acr",
        "if self.live or self.acr",
    ),
    Mutant("requirements", "a plain demand: live", "or self.live or", "or"),
    Mutant("requirements", "a plain demand: acr_values", "or self.acr_values or", "or"),
    Mutant(
        "requirements", "a plain demand: max_age", "or self.max_age is not None or self.bound_by:", "or self.bound_by:"
    ),
    Mutant(
        "requirements",
        "a plain demand: bound_by",
        " or self.bound_by:\n            return None",
        ":\n            return None",
    ),
    Mutant("requirements", "a plain demand: parts", "None if self._expressions else self._names", "self._names"),
    Mutant(
        "requirements",
        "a plain demand: one of them",
        "self.scopes.names if isinstance(self.scopes, AllOf) else None",
        'getattr(self.scopes, "names", frozenset())',
    ),
    Mutant("requirements", "a plain demand is met", "names <= token._verified.scopes and not", "not"),
    Mutant("requirements", "a plain demand of who was let in untold", " and not token._unconfirmed", ""),
    Mutant(
        "requirements",
        "what is no plain demand",
        "return names is not None and names <=",
        "return names is None or names <=",
    ),
    Mutant(
        "trust", "nonces that no answer gives", 'gives_nonces", nonces == "always"', 'gives_nonces", nonces is not None'
    ),
    Mutant("trust", "the nonces that answers give", 'gives_nonces", nonces == "always"', 'gives_nonces", False'),
    # adapters ask the memory first
    Mutant("./guard", "a second token in a form", "self._recalls = not form_body and all(", "self._recalls = all("),
    Mutant(
        "./guard", "a class with a way of its own", "getattr(type(self), name) is getattr(TokenGuard, name)", "name"
    ),
    Mutant("./guard", "a class with an async way of its own", '("authenticate", "aauthenticate")', '("authenticate",)'),
    Mutant("./guard", "the scheme", 'if not self._recalls or authorization[:7] != "Bearer ":', "if not self._recalls:"),
    Mutant(
        "./guard",
        "what is remembered and not admitted",
        "return known if isinstance(known, AccessToken) else None",
        "return known",
    ),
    Mutant(
        "./asgi",
        "a second Authorization line",
        "                if line is not None:\n                    return None\n",
        "",
    ),
    Mutant(
        "./asgi",
        "tokens of each guard",
        "    token = tokens.get(guard)\n    if token is None:\n        line",
        "    token = next(iter(tokens.values()), None)\n    if token is None:\n        line",
    ),
    Mutant(
        "./asgi", "what a route demands", "return token if is_plainly_met(token, requirement) else None", "return token"
    ),
    Mutant(
        "./asgi",
        "a token among the subprotocols",
        "self.requirement) if self._subprotocol is None else None",
        "self.requirement)",
    ),
    Mutant(
        "./fastapi", "a token among the subprotocols", "        if self._subprotocol is None:\n", "        if True:\n"
    ),
    Mutant("./flask", "tokens of each guard", "token = tokens.get(guard)", "token = next(iter(tokens.values()), None)"),
    Mutant(
        "./flask",
        "what a route demands",
        "if token is not None and is_plainly_met(token, requirement):",
        "if token is not None:",
    ),
    Mutant(
        "django/admission",
        "a preflight is none of the view's",
        "    if line is None:\n        return None  # first",
        "    if False:\n        return None  # first",
    ),
    Mutant(
        "django/admission",
        "what a route demands",
        "return token if is_plainly_met(token, requirement) else None",
        "return token",
    ),
    Mutant(
        "django/admission",
        "a token of our own",
        "if not isinstance(token, AccessToken):\n        token = guard",
        "if token is None:\n        token = guard",
    ),
    Mutant(
        "django/admission",
        "no CSRF check of what is in the header",
        "        request._dont_enforce_csrf_checks = True  # noqa: SLF001 - as in `_keep`: it is in the header\n",
        "",
    ),
]
