"""Checks of what a token is and says."""

from __future__ import annotations

from tools.mutations.mutant import Mutant

SUITES: dict[str, tuple[str, ...]] = {
    "claims": ("spec/test_rfc9068_2", "spec/test_rfc9068_4", "spec/test_rfc7519_4_1", "spec/test_rfc8725_3_12",
               "spec/test_rfc6749_3_3", "spec/test_misuse", "core/test_claim_names", "providers/test_refused"),
    "forms": ("spec/test_rfc9068_2", "spec/test_rfc9068_4", "spec/test_rfc7519_4_1", "spec/test_rfc6749_3_3",
              "spec/test_misuse"),
    "mapped": ("core/test_claim_names", "spec/test_rfc8693_4", "spec/test_rfc8725_3_12"),
    "plainjwt": ("spec/test_rfc8725_3_12",),
    "jws": ("spec/test_rfc7515_4_1", "spec/test_rfc7515_5_2", "spec/test_rfc7519_7_2", "spec/test_rfc9068_4",
            "spec/test_rfc8725", "core/test_properties_recall"),
    "strict_json": ("spec/test_rfc7519_7_2", "spec/test_rfc7519_4_1", "spec/test_rfc7515_5_2", "spec/test_rfc7517",
                    "core/test_properties_json"),
}  # fmt: skip

MUTANTS = [
    Mutant("claims", "iss is the issuer's", 'if issuer is None or get("iss") != issuer:', "if False:"),
    Mutant("claims", "a tenant's issuer without a tenant", "if issuer is None or get(", "if get("),
    Mutant("claims", "aud is ours", "if trusted.audiences.isdisjoint(audience):", "if False:"),
    Mutant("claims", "exp is a number", "if type(expires_at) not in NUMBERS:", "if expires_at is None:"),
    Mutant("claims", "iat is required", 'and (is_rfc9068 or "iat" in claims or', 'and ("iat" in claims or'),
    Mutant(
        "claims",
        "iat is there for a lifetime",
        'or "iat" in claims or config.max_lifetime is not None',
        'or "iat" in claims',
    ),
    Mutant("claims", "iat before exp", "if issued_at > expires_at:", "if False:"),
    Mutant("claims", "maximum lifetime", "expires_at - issued_at > config.max_lifetime", "False"),
    Mutant("claims", "huge times", "except OverflowError:", "except ZeroDivisionError:"),
    Mutant(
        "claims",
        "sub is required",
        'not subject) and (is_rfc9068 or "sub" in claims)',
        'not subject) and "sub" in claims',
    ),
    Mutant("claims", "jti is not empty", "type(token_id) is not str or not token_id", "type(token_id) is not str"),
    Mutant("claims", "client_id is required", "if type(client_id) is not str or not client_id:", "if False:"),
    Mutant("claims", "scope is a string", "if type(scope) is not str:", "if isinstance(scope, int | None):"),
    Mutant("claims", "optional claims have a form", "if not OPTIONAL.keys().isdisjoint(claims):", "if False:"),
    Mutant("claims", "separator of the lax profile", "        check_separator(claims, config)", "        pass"),
    Mutant("claims", "expiry", "if now >= expires_at + leeway:", "if False:"),
    Mutant("claims", "expiry at the very moment", "now >= expires_at", "now > expires_at"),
    Mutant("claims", "nbf", "now < not_before - leeway", "False"),
    Mutant("claims", "iat ahead", "now < issued_at - leeway", "False"),
    Mutant("claims", "a token with cnf is bound", 'read_binding(claims["cnf"]) if "cnf" in claims else None', "None"),
    Mutant("claims", "only True is yes", "if accepted is not True:", "if not accepted:"),
    Mutant("claims", "a check that stumbles", "except Exception as cause:", "except ZeroDivisionError as cause:"),
    Mutant(
        "forms",
        "a boolean is no number",
        "NUMBERS = frozenset({int, float})",
        "NUMBERS = frozenset({int, float, bool})",
    ),
    Mutant(
        "forms",
        "aud holds strings",
        "not isinstance(value, list) or not all(isinstance(item, str) for item in value)",
        "not isinstance(value, list)",
    ),
    Mutant("forms", "scopes are whole names", 'frozenset(scope.split(" ")) - {""}', "frozenset(scope.split())"),
    Mutant("forms", "cnf is an object", '"cnf": (_is_object, "an object"),', '"cnf": (bool, "an object"),'),
    Mutant("forms", "details are typed", 'and isinstance(entry.get("type"), str)', "and True"),
    Mutant(
        "mapped",
        "names are strings",
        "isinstance(value, list) and all(isinstance(item, str) for item in value)",
        "isinstance(value, list)",
    ),
    Mutant(
        "mapped", "a role of the wrong form", "    _all_names(claims, names.roles)\n    _all_names", "    _all_names"
    ),
    Mutant("mapped", "an empty name", "if not isinstance(value, str) or not value:", "if not isinstance(value, str):"),
    Mutant("mapped", "who acts now", ' if name != "act"', ""),
    Mutant("plainjwt", "the separator", "if not holds(claims, name, value):", "if False:"),
    Mutant("plainjwt", "the separator's value", "if not holds(claims, name, value):", "if name not in claims:"),
    Mutant("plainjwt", "what only ID tokens have", "if not claims.keys().isdisjoint(id_token_claims):", "if False:"),
    Mutant("plainjwt", "what access tokens have", "if _ACCESS_TOKEN_CLAIMS.isdisjoint(claims):", "if False:"),
    Mutant("jws", "strict alphabet", 'byte if byte in _ALPHABET else ord("!")', "byte"),
    Mutant("jws", "no unused bits", "length == 1 or segment[-1] not in _LAST[length]", "length == 1"),
    Mutant("jws", "size of the token", "if len(token) > limits.token:", "if False:"),
    Mutant("jws", "size of the header", "if len(segment) * 3 // 4 > limits.header:", "if False:"),
    Mutant("jws", "size of the payload", "if len(segment) * 3 // 4 > limits.payload:", "if False:"),
    Mutant("jws", "no fourth segment", " or _DOT in payload:", ":"),
    Mutant("jws", "no detached payload", "if not header or not payload or", "if not header or"),
    Mutant("jws", "a header", "if not header or not payload or", "if not payload or"),
    Mutant(
        "jws", "alg by list", "if not isinstance(alg, str) or alg not in algorithms:", "if not isinstance(alg, str):"
    ),
    Mutant("jws", "crit", 'if "crit" in members:', 'if members.get("crit"):'),
    Mutant("jws", "b64", 'if members.get("b64", True) is not True:', "if False:"),
    Mutant("jws", "zip", 'if "zip" in members:', "if False:"),
    Mutant(
        "jws",
        "kid is a string",
        "not isinstance(kid, str) or len(kid) > limits.key_id",
        "isinstance(kid, str) and len(kid) > limits.key_id",
    ),
    Mutant("jws", "kid is short", "not isinstance(kid, str) or len(kid) > limits.key_id", "not isinstance(kid, str)"),
    Mutant("jws", "no nested token", 'if "cty" in members and', "if False and"),
    Mutant("jws", "typ is a string", "    if typ is None:\n        raise", "    if False:\n        raise"),
    Mutant(
        "jws", "a typ of another tree", 'return lowered if "/" in short else short', 'return short.rpartition("/")[2]'
    ),
    Mutant("jws", "header is an object", "if not isinstance(members, dict):", "if isinstance(members, str):"),
    Mutant("jws", "payload is an object", "if not isinstance(claims, dict):", "if isinstance(claims, str):"),
    Mutant(
        "strict_json", "duplicates", "    if len(members) != len(pairs):\n        raise", "    if False:\n        raise"
    ),
    Mutant("strict_json", "duplicates in a document", "members if len(members) == len(pairs) else {}", "members"),
    Mutant(
        "strict_json",
        "NaN",
        "parse_constant=_refuse_constant, ",
        "",
    ),
    Mutant("strict_json", "long integers", "if len(digits) > _MAX_DIGITS:", "if False:"),
    Mutant("strict_json", "1e999", "    if not math.isfinite(value):", "    if False:"),
    Mutant("strict_json", "long integers for the faster parser", " and not has_long:", ":"),
    Mutant("strict_json", "long integers in a text of no more", "len(text) > _MAX_DIGITS and", "len(text) > 321 and"),
    Mutant("strict_json", "integers with a sign", 'b"0" * _MAX_DIGITS', 'b"0" * (_MAX_DIGITS + 1)'),
    Mutant("strict_json", "lone surrogates", 'if _BACKSLASH in text and b"\\\\u" in text:', "if False:"),
    Mutant("strict_json", "arrays in what is flat", "_BRACKET not in text and text.find", "text.find"),
    Mutant(
        "strict_json",
        "objects in what is flat",
        "_BRACKET not in text and text.find(_BRACE, 1) < 0",
        "_BRACKET not in text",
    ),
    Mutant("strict_json", "bytes after the text", "if end != len(decoded):", "if False:"),
    Mutant("strict_json", "depth", "if containers > limits.depth and", "if False and"),
    Mutant("strict_json", "number of members", "if len(text) > limits.items and", "if False and"),
    Mutant("strict_json", "number of containers", "if containers > limits.containers:", "if False:"),
    Mutant("strict_json", "what the fast reader made of it", "if _write(value) != text:", "if False:"),
]
