"""The checks that `tools/mutants.py` takes away, one at a time."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """`old` becomes `new` in core/`module`.py, which loses what `loses` says."""

    module: str
    loses: str
    old: str
    new: str


#: which tests under tests/ are asked about a module's mutants
SUITES: dict[str, tuple[str, ...]] = {
    "claims": ("spec/test_rfc9068_2", "spec/test_rfc9068_4", "spec/test_rfc7519_4_1", "spec/test_rfc8725_3_12",
               "spec/test_rfc6749_3_3", "spec/test_misuse"),
    "forms": ("spec/test_rfc9068_2", "spec/test_rfc9068_4", "spec/test_rfc7519_4_1", "spec/test_rfc6749_3_3",
              "spec/test_misuse"),
    "plainjwt": ("spec/test_rfc8725_3_12",),
    "jws": ("spec/test_rfc7515_4_1", "spec/test_rfc7515_5_2", "spec/test_rfc7519_7_2", "spec/test_rfc9068_4",
            "spec/test_rfc8725"),
    "strict_json": ("spec/test_rfc7519_7_2", "spec/test_rfc7519_4_1", "spec/test_rfc7515_5_2", "spec/test_rfc7517",
                    "core/test_properties_json"),
    "jwk": ("spec/test_rfc7517", "spec/test_rfc7518_6", "spec/test_rfc8037", "spec/test_rfc9964"),
    "keys": ("spec/test_rfc7517", "spec/test_rfc7515_4_1", "spec/test_rfc7518_3", "spec/test_rfc8037"),
    "algorithms": ("spec/test_rfc7518_3", "spec/test_rfc8037", "spec/test_rfc9964"),
    "pipeline": ("spec/test_rfc9068_4", "spec/test_rfc7519_4_1", "spec/test_rfc7515_5_2", "spec/test_rfc7518_3",
                 "spec/test_misuse"),
    "trust": ("spec/test_rfc9068_4", "spec/test_rfc8725_3_12"),
    "credentials": ("spec/test_rfc6750_2",),
    "requirements": ("spec/test_rfc6749_3_3", "spec/test_rfc6750_3", "spec/test_rfc9068_4"),
    "challenge": ("spec/test_rfc6750_3", "core/test_properties"),
}  # fmt: skip

MUTANTS = [
    # claims
    Mutant("claims", "iss is the issuer's", 'if get("iss") != config.issuer:', "if False:"),
    Mutant("claims", "aud is ours", "if trusted.audiences.isdisjoint(audience):", "if False:"),
    Mutant("claims", "exp is a number", "if type(expires_at) not in NUMBERS:", "if expires_at is None:"),
    Mutant("claims", "iat is required", 'and (is_rfc9068 or "iat" in claims or', 'and ("iat" in claims or'),
    Mutant(
        "claims",
        "iat is there for a lifetime",
        'or "iat" in claims or config.max_lifetime is not None',
        'or "iat" in claims',
    ),
    Mutant("claims", "iat before exp", "if verified.issued_at > verified.expires_at:", "if False:"),
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
    Mutant("claims", "expiry", "if now >= verified.expires_at + leeway:", "if False:"),
    Mutant("claims", "expiry at the very moment", "now >= verified.expires_at", "now > verified.expires_at"),
    Mutant("claims", "nbf", "now < verified.not_before - leeway", "False"),
    Mutant("claims", "iat ahead", "now < verified.issued_at - leeway", "False"),
    Mutant("claims", "a bound token is no bearer token", "if verified.is_bound:", "if False:"),
    Mutant("claims", "only True is yes", "if accepted is not True:", "if not accepted:"),
    Mutant("claims", "a check that stumbles", "except Exception as cause:", "except ZeroDivisionError as cause:"),
    # forms and plain JWTs
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
    Mutant("plainjwt", "the separator's value", "or (value is not None and claims[name] != value)", ""),
    Mutant("plainjwt", "what only ID tokens have", "if not _ID_TOKEN_CLAIMS.isdisjoint(claims):", "if False:"),
    Mutant("plainjwt", "what access tokens have", "if _ACCESS_TOKEN_CLAIMS.isdisjoint(claims):", "if False:"),
    Mutant(
        "plainjwt",
        "scopes are strings",
        "isinstance(value, list) and all(isinstance(item, str) for item in value)",
        "isinstance(value, list)",
    ),
    # JWS
    Mutant("jws", "strict alphabet", 'byte if byte in _ALPHABET else ord("!")', "byte"),
    Mutant("jws", "no unused bits", "length == 1 or segment[-1] not in _LAST[length]", "length == 1"),
    Mutant("jws", "size of the token", "if len(token) > limits.token:", "if False:"),
    Mutant("jws", "size of the header", "if len(segment) * 3 // 4 > limits.header:", "if False:"),
    Mutant("jws", "size of the payload", "if len(segment) * 3 // 4 > limits.payload:", "if False:"),
    Mutant("jws", "three segments", "if dots != 2:", "if dots < 2:"),
    Mutant("jws", "no detached payload", "if not header or not payload:", "if not header:"),
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
    # JSON
    Mutant(
        "strict_json", "duplicates", "    if len(members) != len(pairs):\n        raise", "    if False:\n        raise"
    ),
    Mutant("strict_json", "duplicates in a document", "members if len(members) == len(pairs) else {}", "members"),
    Mutant(
        "strict_json",
        "NaN",
        "parse_constant=_refuse_constant, parse_float=_finite)\n_TOLERANT",
        "parse_float=_finite)\n_TOLERANT",
    ),
    Mutant("strict_json", "1e999", "    if not math.isfinite(value):", "    if False:"),
    Mutant("strict_json", "lone surrogates", 'if b"\\\\u" in text:', "if False:"),
    Mutant("strict_json", "bytes after the text", "if end != len(decoded):", "if False:"),
    Mutant("strict_json", "depth", "if containers > limits.depth and", "if False and"),
    Mutant("strict_json", "number of members", "if len(text) > limits.items and", "if False and"),
    Mutant("strict_json", "number of containers", "if containers > limits.containers:", "if False:"),
    Mutant("strict_json", "what the fast reader made of it", "if _write(value) != text:", "if False:"),
    # keys
    Mutant("jwk", "no symmetric keys", 'if kty == "oct":', "if False:"),
    Mutant("jwk", "no published private keys", "if not _PRIVATE_MEMBERS.isdisjoint(jwk):", "if False:"),
    Mutant("jwk", "use", 'if jwk.get("use", "sig") != "sig":', "if False:"),
    Mutant("jwk", "key_ops has verify", '"verify" not in operations or ', ""),
    Mutant("jwk", "key_ops has no duplicates", " or len(set(operations)) != len(operations)", ""),
    Mutant("jwk", "use and key_ops agree", "not _SIGNING_OPERATIONS.issuperset(operations)", "False"),
    Mutant("jwk", "long exponents", "len(exponent_octets) > _RSA_EXPONENT_OCTETS", "False"),
    Mutant("jwk", "RSA sizes", "if modulus.bit_length() not in _RSA_BITS:", "if False:"),
    Mutant("jwk", "short RSA keys", "_RSA_BITS = range(2048,", "_RSA_BITS = range(1024,"),
    Mutant("jwk", "degenerate RSA keys", "if exponent < 3 or exponent % 2 == 0 or modulus % 2 == 0:", "if False:"),
    Mutant("jwk", "ROCA", "if _has_roca_fingerprint(modulus):", "if False:"),
    Mutant("jwk", "length of coordinates", "if len(x) != length or len(y) != length:", "if False:"),
    Mutant("jwk", "points of small order", "% prime in small_order:", "% prime in ():"),
    Mutant("keys", "too many keys", "if len(entries) > max_keys:", "if False:"),
    Mutant("keys", "ambiguous kids", "clear = [\n", "clear = keys or [\n"),
    Mutant("keys", "few candidates", "tuple(verifiers[:MAX_CANDIDATES])", "tuple(verifiers)"),
    Mutant("keys", "a key's own alg", " and key.alg in (None, name)", ""),
    Mutant("keys", "the curve of an alg", " and algorithm.crv == key.crv", ""),
    Mutant("keys", "the type of an alg", ".kty == key.kty and", ".kty != '' and"),
    Mutant(
        "keys",
        "the kid",
        "return self._by_alg_and_kid.get((alg, kid), ())",
        "return self._by_alg_and_kid.get((alg, None), ())",
    ),
    # signatures
    Mutant("algorithms", "length of the PSS salt", "salt_length=digest.digest_size", "salt_length=padding.PSS.AUTO"),
    Mutant("algorithms", "length of an ECDSA signature", "if len(signature) != 2 * octets:", "if False:"),
    Mutant(
        "algorithms",
        "EdDSA is Ed25519",
        'Algorithm("EdDSA", "OKP", "Ed25519", _pure)',
        'Algorithm("EdDSA", "OKP", "Ed448", _pure)',
    ),
    Mutant("pipeline", "the signature", "            verifier(signature, signing_input)\n", "            pass\n"),
    Mutant(
        "pipeline",
        "whatever a backend raises",
        "except Exception:  # noqa: S112",
        "except ZeroDivisionError:  # noqa: S112",
    ),
    Mutant(
        "pipeline",
        "keys of another issuer's header",
        "if settled is None or settled.generation != snapshot.generation:",
        "if settled is None:",
    ),
    Mutant("pipeline", "times of a remembered token", "        check_now(remembered, now, setup.leeway)\n", ""),
    Mutant("pipeline", "times of a new token", "        check_now(verified, now, setup.leeway)\n", ""),
    Mutant(
        "pipeline", "checks of the issuer", "            run_checks(claims, trusted.config)\n", "            pass\n"
    ),
    Mutant(
        "pipeline",
        "no first fetch for a stranger's token",
        "                _check_worth_a_fetch(setup, payload_segment)\n            snapshot = yield from _usable_keys",
        "                pass\n            snapshot = yield from _usable_keys",
    ),
    Mutant(
        "pipeline",
        "no later fetch for a stranger's token",
        "            _check_worth_a_fetch(setup, payload_segment)\n            snapshot = yield from _newer_keys",
        "            snapshot = yield from _newer_keys",
    ),
    # trust
    Mutant("trust", "the issuer's own algorithms", "if header.alg not in config.algorithms:", "if False:"),
    Mutant("trust", "typ", "if header.typ not in TYPES[config.profile]:", "if False:"),
    Mutant("trust", "iss is a string", "if isinstance(issuer, str) else None", "if issuer else None"),
    # credentials, requirements, challenge
    Mutant("credentials", "one Authorization line", "if len(lines) > 1:", "if False:"),
    Mutant("credentials", "spaces only", 'strip(" \\t")', "strip()"),
    Mutant("credentials", "the token's alphabet", ' and not body.encode("ascii").translate(None, _B64TOKEN)', ""),
    Mutant("credentials", "a token of padding", ' and body != ""', ""),
    Mutant("credentials", "Bearer alone", 'if named is not None and named[0].lower() == "bearer":', "if False:"),
    Mutant("credentials", "folded lines", "if _FOLDED.search(value):", "if False:"),
    Mutant("credentials", "header or form", "            if token is not None:\n", "            if False:\n"),
    Mutant("credentials", "methods without a body", "method.upper() in _BODYLESS_METHODS or", ""),
    Mutant("credentials", "one Content-Type", " or len(content_types) != 1", ""),
    Mutant("credentials", "media type of a form", ".strip().lower() == _FORM_TYPE", '.strip().lower() != ""'),
    Mutant("credentials", "an ASCII body", "if not form.isascii():", "if False:"),
    Mutant("credentials", "one token in a form", "if len(tokens) > 1:", "if False:"),
    Mutant("credentials", "grammar of a token in a form", "if not _is_b64token(tokens[0]):", "if False:"),
    Mutant("requirements", "scopes", "and not scopes.is_met(token.scopes)", "and False"),
    Mutant(
        "requirements",
        "issuers of a route",
        "if requirement.issuers is not None and token.issuer not in requirement.issuers:",
        "if False:",
    ),
    Mutant("requirements", "names of scopes", "or not _SCOPE.fullmatch(part)", ""),
    Mutant("challenge", "escaped quotes", ".replace('\"', '\\\\\"')", ""),
    Mutant("challenge", "escaped backslashes", '.replace("\\\\", "\\\\\\\\")', ""),
    Mutant("challenge", "no line breaks", '_UNQUOTABLE.sub("", value)', "value"),
    Mutant("challenge", "characters of a description", '_FOREIGN.sub(" ", error.description)', "error.description"),
    Mutant(
        "challenge",
        "no error without a token",
        "if error.error is not None:\n        parameters",
        "if True:\n        parameters",
    ),
]
