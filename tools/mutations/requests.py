"""Checks of a request: its credential, the way through, what a route demands."""

from __future__ import annotations

from tools.mutations.mutant import Mutant

SUITES: dict[str, tuple[str, ...]] = {
    # the quick ones first, in which most fail
    "pipeline": ("runtime/test_remembered", "core/test_properties_recall", "core/test_pipeline", "spec/test_rfc9068_4",
                 "spec/test_rfc7519_4_1", "spec/test_rfc7515_5_2", "spec/test_rfc7518_3", "spec/test_misuse",
                 "spec/test_rfc7800", "spec/test_rfc8705_3", "spec/test_rfc9449_7", "spec/test_rfc9449_11",
                 "runtime/test_revocation", "runtime/test_revocation_stores", "runtime/test_keysource",
                 "runtime/test_unknown_keys", "runtime/test_issuer_changes", "runtime/test_tenants",
                 "runtime/test_keysource_outages", "runtime/test_introspector"),
    "trust": ("spec/test_rfc9068_4", "spec/test_rfc8725_3_12", "core/test_claim_names", "providers/test_refused",
              "spec/test_rfc9449_8"),
    "credentials": ("spec/test_rfc6750_2",),
    "requirements": ("core/test_requirements", "spec/test_rfc6749_3_3", "spec/test_rfc6750_3", "spec/test_rfc9068_4",
                     "spec/test_rfc9449_7", "runtime/test_revocation_stores", "runtime/test_remembered"),
    "challenge": ("spec/test_rfc6750_3", "core/test_properties", "spec/test_rfc9449_7"),
}  # fmt: skip

MUTANTS = [
    Mutant(
        "pipeline",
        "the signature",
        "if not is_signed(signing_input, signature, verifiers, header):",
        "if False:",
    ),
    Mutant(
        "pipeline",
        "no second fetch for one token",
        "            if renewed:\n                raise no_key(header, snapshot)\n",
        "",
    ),
    Mutant(
        "pipeline",
        "keys of another issuer's header",
        "if known_header is None or known_header.generation != snapshot.generation:",
        "if known_header is None:",
    ),
    Mutant(
        "pipeline",
        "times of a remembered token",
        "    check_now(verified, now, setup.leeway)\n    return received",
        "    return received",
    ),
    Mutant("pipeline", "times of a new token", "        check_now(verified, now, setup.leeway)\n", ""),
    Mutant(
        "pipeline", "checks of the issuer", "            run_checks(claims, trusted.config)\n", "            pass\n"
    ),
    Mutant(
        "pipeline",
        "no first fetch for a stranger's token",
        "                _check_worth_a_fetch(setup, payload_segment)\n            asking",
        "                pass\n            asking",
    ),
    Mutant(
        "pipeline",
        "no later fetch for a stranger's token",
        "            _check_worth_a_fetch(setup, payload_segment)\n            refuse_if_newest",
        "            refuse_if_newest",
    ),
    Mutant(
        "pipeline",
        "the sender of a token that is vouched for at once",
        'if vouched.binding is not None or credential.scheme != "Bearer" or senders.must_be_bound:',
        'if credential.scheme != "Bearer" or senders.must_be_bound:',
    ),
    Mutant(
        "pipeline",
        "a token that is vouched for at once where all must be bound",
        'credential.scheme != "Bearer" or senders.must_be_bound:',
        'credential.scheme != "Bearer":',
    ),
    Mutant(
        "pipeline",
        "a bound token without a request",
        "if vouched.binding is not None or setup.senders",
        "if setup.senders",
    ),
    Mutant(
        "pipeline",
        "the sender of a token for which something was asked",
        'verified.binding is not None or credential.scheme != "Bearer" or setup.senders.must_be_bound',
        "False",
    ),
    Mutant(
        "pipeline",
        "an unbound token where all must be bound",
        'credential.scheme != "Bearer" or setup.senders.must_be_bound',
        'credential.scheme != "Bearer"',
    ),
    Mutant(
        "pipeline",
        "an unbound token with the scheme DPoP",
        'vouched.binding is not None or credential.scheme != "Bearer" or senders',
        "vouched.binding is not None or senders",
    ),
    Mutant("pipeline", "a live question", "if live or not isinstance(vouched,", "if not isinstance(vouched,"),
    Mutant(
        "pipeline",
        "revocation of what goes on for longer",
        "    yield from admit(lookup, verified, now, live=False, when_unknown=None)\n",
        "    yield from ()\n",
    ),
    Mutant(
        "pipeline",
        "times of what goes on for longer",
        "    check_now(verified, now, setup.leeway)\n    yield",
        "    yield",
    ),
    Mutant(
        "pipeline",
        "the issuer of what goes on for longer",
        "    yield from check_trusted(setup, verified, monotonic)\n",
        "",
    ),
    Mutant(
        "pipeline", "a live question of the issuer", "if live and verified.generation != INTROSPECTED:", "if False:"
    ),
    Mutant(
        "pipeline",
        "first use of a proof",
        "yield from ask_first_use(question, verified)\n        if live",
        "pass\n        if live",
    ),
    Mutant(
        "pipeline",
        "first use of a proof with a token that is vouched for at once",
        "yield from ask_first_use(question, verified)\n        return",
        "pass\n        return",
    ),
    Mutant(
        "pipeline",
        "revocation of a token for which something was asked",
        "return (yield from admit(setup.revocations, verified, now, live=live, when_unknown=when_unknown))",
        "return AccessToken(verified)",
    ),
    Mutant(
        "pipeline",
        "revocation where a store must be asked",
        "return (yield from admit(setup.revocations, verified, now, live=False, when_unknown=when_unknown))",
        "return AccessToken(verified)",
    ),
    Mutant(
        "pipeline",
        "what a token without jti is revoked by",
        "verified = verified._replace(fingerprint=fingerprint(received))",
        "pass",
    ),
    Mutant("trust", "the issuer's own algorithms", "if header.alg not in config.algorithms:", "if False:"),
    Mutant(
        "trust",
        "typ",
        "if header.typ not in (TYPES[config.profile] if config.types is None else config.types):",
        "if False:",
    ),
    Mutant("trust", "iss is a string", "if not isinstance(issuer, str):", "if issuer is None:"),
    Mutant(
        "trust", "the form of a tenant", "if tenant is None or not _TENANT.fullmatch(tenant):", "if tenant is None:"
    ),
    Mutant("trust", "audiences that name no API", "        if others:", "        if False:"),
    Mutant("credentials", "one Authorization line", "if len(lines) > 1:", "if False:"),
    Mutant("credentials", "spaces only", 'lines[0].strip(" \\t")', "lines[0].strip()"),
    Mutant("credentials", "the token's alphabet", ' and not body.encode("ascii").translate(None, _B64TOKEN)', ""),
    Mutant("credentials", "a token of padding", ' and body != ""', ""),
    Mutant("credentials", "Bearer alone", "    if scheme is None:\n        return None\n", "    return None\n"),
    Mutant("credentials", "header or form", "            if credential is not None:\n", "            if False:\n"),
    Mutant("credentials", "methods without a body", "method.upper() in _BODYLESS_METHODS or", ""),
    Mutant("credentials", "one Content-Type", " or len(content_types) != 1", ""),
    Mutant("credentials", "media type of a form", ".strip().lower() == _FORM_TYPE", '.strip().lower() != ""'),
    Mutant("credentials", "an ASCII body", "if any(isinstance(text, str) and not text.isascii()", "if any(False"),
    Mutant("credentials", "one token in a form", "if len(tokens) > 1:", "if False:"),
    Mutant("credentials", "grammar of a token in a form", " or not _is_b64token(tokens[0]):", ":"),
    Mutant("credentials", "size of a form", "if len(form) > MAX_FORM_BODY:", "if False:"),
    Mutant("requirements", "scopes", "and not scopes.is_met(token.scopes)", "and False"),
    Mutant(
        "requirements",
        "issuers of a route",
        "if requirement.issuers is not None and token.issuer not in requirement.issuers:",
        "if False:",
    ),
    Mutant(
        "requirements",
        "how a token is bound",
        "if requirement.bound_by and token.bound_by.isdisjoint(requirement.bound_by):",
        "if False:",
    ),
    Mutant("requirements", "a live question was asked", "if requirement.live and not confirmed:", "if False:"),
    Mutant(
        "requirements",
        "a stricter policy than the one that let it in",
        "if token.is_unconfirmed and (",
        "if False and (",
    ),
    Mutant("requirements", "acr", "acr_met = not wanted or token.acr in wanted", "acr_met = True"),
    Mutant("requirements", "max_age", "now - token.auth_time <= requirement.max_age + leeway", "True"),
    Mutant(
        "requirements",
        "max_age without auth_time",
        "token.auth_time is not None and now",
        "token.auth_time is None or now",
    ),
    Mutant("requirements", "all of them", "if not self._names <= granted:", "if self._names.isdisjoint(granted):"),
    Mutant("requirements", "names of scopes", "or not _SCOPE.fullmatch(part)", ""),
    Mutant("challenge", "escaped quotes", ".replace('\"', '\\\\\"')", ""),
    Mutant("challenge", "escaped backslashes", '.replace("\\\\", "\\\\\\\\")', ""),
    Mutant("challenge", "no line breaks", '_UNQUOTABLE.sub("", value)', "value"),
    Mutant("challenge", "characters of a description", '_FOREIGN.sub(" ", error.description)', "error.description"),
    Mutant(
        "challenge",
        "no error without a token",
        "if error.error is not None and is_concerned:",
        "if is_concerned:",
    ),
    Mutant(
        "challenge",
        "an error of the scheme that was used",
        "is_concerned = error.error is None or scheme in error.schemes",
        "is_concerned = True",
    ),
]
