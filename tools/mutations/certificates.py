"""Checks of client certificates, and of what proxies say."""

from __future__ import annotations

from tools.mutations.mutant import Mutant

SUITES: dict[str, tuple[str, ...]] = {
    "mtls": ("spec/test_rfc8705_3", "spec/test_rfc9440"),
    "certificate_headers": ("core/test_certificate_headers", "spec/test_rfc9440"),
    "header_lists": ("core/test_forwarded", "core/test_certificate_headers"),
    "forwarded": ("core/test_forwarded", "spec/test_rfc9449_htu"),
}  # fmt: skip

MUTANTS = [
    Mutant("mtls", "the certificate", "if not hmac.compare_digest(thumbprint, bound_to):", "if False:"),
    Mutant("mtls", "constant time", "if not hmac.compare_digest(thumbprint, bound_to):", "if thumbprint != bound_to:"),
    Mutant("mtls", "any certificate at all", "if der else None", "if der is not None else bound_to"),
    Mutant(
        "mtls",
        "the server's own TLS is the proxy's",
        "if mtls.format is None:",
        "if mtls.format is None or request.client_certificate:",
    ),
    Mutant("mtls", "who may write the header", " or not is_from_proxy(request, proxies)", ""),
    Mutant("mtls", "one line", "if len(values) != 1:", "if not values:"),
    # certificates in headers
    Mutant("certificate_headers", "size", "len(value) > MAX_FIELD or ", ""),
    Mutant("certificate_headers", "colons", 'if len(value) < 2 or value[0] != ":" or value[-1] != ":":', "if False:"),
    Mutant("certificate_headers", "nothing before PEM", "_PEM.match(value, position)", "_PEM.search(value, position)"),
    Mutant(
        "certificate_headers",
        "the whole PEM",
        "while position < len(value) or not certificates:",
        "while not certificates:",
    ),
    Mutant(
        "certificate_headers",
        "the first of a chain",
        "position = matched.end()\n    return certificates[0]",
        "position = matched.end()\n    return certificates[-1]",
    ),
    Mutant(
        "certificate_headers",
        "one spelling in base64",
        "binascii.b2a_base64(der, newline=False) != encoded or ",
        "",
    ),
    Mutant("certificate_headers", "the form of a certificate", " or not is_certificate(der)", ""),
    Mutant("certificate_headers", "nothing behind the certificate", "if end != len(der):", "if False:"),
    Mutant("certificate_headers", "nothing more in the certificate", "return start == end", "return True"),
    Mutant(
        "certificate_headers",
        "lengths in the fewest octets",
        "if length < 0x80 or length >> 8 * (octets - 1) == 0:",
        "if False:",
    ),
    Mutant("certificate_headers", "the form of a hash", "if not _HASH.fullmatch(given):", "if False:"),
    Mutant(
        "certificate_headers",
        "a hash and a certificate agree",
        "if thumbprint is not None and not hmac.compare_digest(hashed, thumbprint):",
        "if False:",
    ),
    # lists to which each proxy adds
    Mutant("header_lists", "size", "if len(field) > MAX_FIELD:", "if False:"),
    Mutant("header_lists", "all of it is read", "pair.match(field, position)", "pair.search(field, position)"),
    Mutant(
        "header_lists",
        "a pair behind a semicolon",
        'if position == len(field) or field[position] in ",;":',
        "if False:",
    ),
    Mutant("header_lists", "what stands behind a pair", 'elif after in {",", ""}:', "elif True:"),
    Mutant("header_lists", "names in any case", "name.lower()", "name"),
    Mutant("header_lists", "a name once", "if len(values) > 1:", "if False:"),
    Mutant("header_lists", "as many elements as proxies", "len(elements) < (hops or 1)", "not elements"),
    Mutant("header_lists", "one element where nothing is said", " or (hops is None and len(elements) > 1)", ""),
    Mutant("header_lists", "the proxy's own element", "elements[-(hops or 1)]", "elements[0]"),
    # the URL that the client addressed
    Mutant("forwarded", "whose word it is", " or not is_from_proxy(request, proxies)", ""),
    Mutant("forwarded", "only the headers named", "if name not in proxies.forwarded:", "if False:"),
    Mutant("forwarded", "size", "if sum(map(len, lines)) > MAX_FIELD:", "if False:"),
    Mutant(
        "forwarded",
        "the proxy's own value",
        "values[0] if len(values) == 1 else written_by_us(values, proxies.hops)",
        "values[0]",
    ),
    Mutant("forwarded", "schemes", "    if scheme is None:\n        raise", "    if False:\n        raise"),
    Mutant("forwarded", "the whole host", "_HOST.fullmatch(value)", "_HOST.match(value)"),
    Mutant("forwarded", "the port of a host", "    if matched[2] is not None:\n", "    if False:\n"),
    Mutant("forwarded", "ports", " or not 1 <= int(value) <= 65_535", ""),
    Mutant(
        "forwarded",
        "ports that differ",
        "if own is not None and own[2] not in {None, told.port}:",
        "if False:",
    ),
    Mutant("forwarded", "characters of a prefix", "not _PREFIX.fullmatch(path) or ", ""),
    Mutant("forwarded", "dots in a prefix", ' or not {".", ".."}.isdisjoint(plain.split("/"))', ""),
    Mutant("forwarded", "escaped dots in a prefix", '.replace("%2e", ".")', ""),
]
