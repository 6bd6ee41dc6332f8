"""Checks of keys and signatures."""

from __future__ import annotations

from tools.mutations.mutant import Mutant

SUITES: dict[str, tuple[str, ...]] = {
    "jwk": ("spec/test_rfc7517", "spec/test_rfc7518_6", "spec/test_rfc8037", "spec/test_rfc9964"),
    "keys": ("spec/test_rfc7517", "spec/test_rfc7515_4_1", "spec/test_rfc7518_3", "spec/test_rfc8037"),
    "keyuse": ("spec/test_rfc7515_5_2", "spec/test_rfc7518_3", "spec/test_backchannel_logout",
               "runtime/test_unknown_keys", "runtime/test_keysource_outages"),
    "algorithms": ("spec/test_rfc7518_3", "spec/test_rfc8037", "spec/test_rfc9964"),
    "thumbprint": ("spec/test_rfc7638",),
}  # fmt: skip

MUTANTS = [
    Mutant("jwk", "no symmetric keys", 'if kty == "oct":', "if False:"),
    Mutant("jwk", "no published private keys", "if not PRIVATE_MEMBERS.isdisjoint(jwk):", "if False:"),
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
    Mutant("algorithms", "length of the PSS salt", "salt_length=digest.digest_size", "salt_length=padding.PSS.AUTO"),
    Mutant("algorithms", "length of an ECDSA signature", "if len(signature) != 2 * octets:", "if False:"),
    Mutant("algorithms", "R's leading zeros in DER", "if is_framed and r[0] and s[0]:", "if is_framed and s[0]:"),
    Mutant("algorithms", "S's leading zeros in DER", "if is_framed and r[0] and s[0]:", "if is_framed and r[0]:"),
    Mutant("algorithms", "long curves in DER", "_FRAMED = 120", "_FRAMED = 200"),
    Mutant("algorithms", "an R that would be negative", "before_r[r[0] >> 7][", "before_r[0]["),
    Mutant("algorithms", "an S that would be negative", "before_s[s[0] >> 7]", "before_s[0]"),
    Mutant(
        "algorithms",
        "EdDSA is Ed25519",
        'Algorithm("EdDSA", "OKP", "Ed25519", _pure)',
        'Algorithm("EdDSA", "OKP", "Ed448", _pure)',
    ),
    # from a header to a signature that holds
    Mutant("keyuse", "the signature", "            verifier(signature, signing_input)\n", "            pass\n"),
    Mutant(
        "keyuse",
        "whatever a backend raises",
        "except Exception:  # noqa: S112",
        "except ZeroDivisionError:  # noqa: S112",
    ),
    Mutant("keyuse", "no fetch for a bad signature", "if verifiers and header.kid is not None:", "if False:"),
    Mutant("keyuse", "a key that no kid tells of", "if verifiers and header.kid is not None:", "if verifiers:"),
    Mutant(
        "keyuse",
        "the signature of an issuer's other answers",
        "        if not is_signed(signing_input, signature, candidates(header, snapshot), header):\n            raise",
        "        if False:\n            raise",
    ),
    Mutant("keyuse", "keys that are too old", "must_wait = monotonic >= snapshot.stale_at", "must_wait = False"),
    Mutant(
        "keyuse",
        "a cool-down after a fetch",
        "if monotonic < snapshot.fetched_at + trusted.config.keys.cooldown:",
        "if False:",
    ),
    Mutant("keyuse", "a cool-down after a fetch that failed", "    if wait > 0:", "    if False:"),
    Mutant("thumbprint", "required members alone", "{name: jwk[name] for name in members}", "dict(jwk)"),
]
