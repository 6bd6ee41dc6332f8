"""Checks of what issuers answer: introspection, and where their endpoints are."""

from __future__ import annotations

from tools.mutations.mutant import Mutant

SUITES: dict[str, tuple[str, ...]] = {
    "introspection": ("core/test_introspection", "runtime/test_introspection_answers"),
    "remote": ("core/test_introspection", "runtime/test_introspection_answers", "runtime/test_introspector",
               "runtime/test_introspection_faults", "runtime/test_revocation"),
    "signed_answer": ("spec/test_rfc9701", "core/test_introspection"),
    "discovery": ("runtime/test_discovery",),
}  # fmt: skip

MUTANTS = [
    Mutant("introspection", "the media type", "if media_type(content_type) != PLAIN:", "if False:"),
    Mutant("introspection", "an object", "if not isinstance(members, dict):", "if False:"),
    Mutant("introspection", "active is a boolean", "if type(active) is not bool:", "if active is None:"),
    Mutant("introspection", "active", "    if not active:\n", "    if False:\n"),
    Mutant("introspection", "no refresh tokens", "    _check_kind(members)\n", ""),
    Mutant("introspection", "token_type", "token_type.lower() not in _ACCESS_TOKEN_TYPES", "False"),
    Mutant(
        "introspection",
        "a key for a bound token",
        'if token_type.lower() == "dpop" and "cnf" not in',
        "if False and 0 in",
    ),
    Mutant(
        "introspection",
        "what servers call an access token",
        "if isinstance(kind, str) and kind.lower() not in kinds:",
        "if False:",
    ),
    Mutant(
        "introspection",
        "an audience is believed only where one may be missing",
        '"aud" not in members and settings is not None and settings.without_audience',
        "settings is not None and settings.without_audience",
    ),
    Mutant("remote", "characters of a token", "if not _TOKEN.fullmatch(received):", "if False:"),
    Mutant("remote", "whose token it is", "if received.startswith(prefix):", "if True:"),
    Mutant("remote", "longest prefix first", "key=lambda item: -len(item[0])", "key=lambda item: len(item[0])"),
    Mutant("remote", "prefixes that differ", "if prefix in by_prefix:", "if False:"),
    Mutant("remote", "opaque tokens only", 'if mode == "opaque":', "if False:"),
    Mutant("remote", "what the issuer says", "    if verified is None:\n        ", "    if False:\n        "),
    Mutant("remote", "times", "        check_now(verified, now, setup.leeway)\n", ""),
    Mutant("remote", "the issuer's own checks", "        if trusted.config.checks:\n", "        if False:\n"),
    Mutant("remote", "a live answer", "if not outcome.active:", "if False:"),
    Mutant("remote", "a live question", "    if not live:\n        known", "    if True:\n        known"),
    Mutant("signed_answer", "the media type", "if media_type(content_type) != SIGNED:", "if False:"),
    Mutant("signed_answer", "typ", 'if header.typ != "token-introspection+jwt":', "if False:"),
    Mutant(
        "signed_answer",
        "the signature",
        "    yield from verify_signature(trusted, header, signing_input, signature, monotonic)\n",
        "    yield from ()\n",
    ),
    Mutant("signed_answer", "iss", 'if claims.get("iss") != trusted.config.issuer:', "if False:"),
    Mutant("signed_answer", "aud", "isinstance(name, str) and name in ours", "True"),
    Mutant("signed_answer", "iat", "if type(issued_at) not in NUMBERS or not now", "if False and not now"),
    Mutant("signed_answer", "an old answer", "now - _MAX_AGE - leeway <= issued_at <=", "issued_at <="),
    Mutant("signed_answer", "an answer to come", "<= issued_at <= now + leeway", "<= issued_at"),
    Mutant("signed_answer", "no token", 'if not {"sub", "exp"}.isdisjoint(claims):', "if False:"),
    Mutant("signed_answer", "an object inside", "if not isinstance(members, dict):", "if False:"),
    Mutant("discovery", "the issuer's own metadata", 'if metadata.get("issuer") != config.issuer:', "if False:"),
    Mutant("discovery", "an object", "if not isinstance(metadata, Mapping):", "if False:"),
    Mutant("discovery", "an acceptable URL", "require_url(name, uri, insecure_http=config.insecure_http)", "pass"),
    Mutant(
        "discovery",
        "from https to http",
        'if urlsplit(config.issuer).scheme == "https" and urlsplit(uri).scheme != "https":',
        "if False:",
    ),
]
