"""Properties of the normal form of URIs, by which proofs are compared with requests."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.core.strategies import any_text, properties

from tokenguard.core.target_uri import MAX_URI, below_root, escaped_path, normal_form, request_url, same_target

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
hosts = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]{1,8}){0,2}", fullmatch=True) | st.ip_addresses(
    v=6
).map(lambda address: f"[{address}]")
ports = st.none() | st.integers(0, 65_535)
segments = st.lists(
    st.sampled_from([*"aZ0-._~!$&'()*+,;=:@", "%2F", "%2f", "%41", "%2e", "%C3%A9", "%25", "%00"]), max_size=4
).map("".join)
paths = st.lists(segments, max_size=5).map(lambda parts: "".join("/" + part for part in parts))


@st.composite
def uris(draw: st.DrawFn) -> str:
    """Absolute http(s) URIs without query, in whatever spelling."""
    scheme, host, port = draw(st.sampled_from(["http", "https"])), draw(hosts), draw(ports)
    return f"{scheme}://{host}{'' if port is None else f':{port}'}{draw(paths)}"


@properties
@given(any_text)
def test_any_text_has_a_normal_form_or_none(text: str) -> None:
    """And no exception; what has one is plain, and short."""
    for uri in (text, f"https://{text}", f"https://a/{text}", f"https://a:{text}/", f"https://[{text}]/"):
        form = normal_form(uri)
        assert form is None or (form.isascii() and form.isprintable() and " " not in form and len(uri) <= MAX_URI)


@properties
@given(uris())
def test_a_normal_form_is_its_own(uri: str) -> None:
    """Once normalised, always normalised."""
    form = normal_form(uri)
    assert form is not None
    assert normal_form(form) == form
    assert "/./" not in form
    assert "/../" not in form
    assert same_target(uri, form)


@properties
@given(uris(), st.text(st.characters(codec="ascii"), max_size=8))
def test_query_and_fragment_make_no_difference(uri: str, text: str) -> None:
    """Whatever is printable in them; a proof may bring them along."""
    assume(text.isprintable() and " " not in text)
    assert normal_form(f"{uri}?{text}") == normal_form(f"{uri}#{text}") == normal_form(uri)


@properties
@given(uris())
def test_spelling_makes_no_difference(uri: str) -> None:
    """Case of scheme and host, the case of escapes, and the default port."""
    scheme, _, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    shouted = f"{scheme.upper()}://{authority.upper()}{slash}{path}"
    assert same_target(shouted, uri)
    assert same_target(uri.replace("%2F", "%2f").replace("%C3", "%c3"), uri)
    if urlsplit(uri).port is None:
        assert same_target(f"{scheme}://{authority}:{443 if scheme == 'https' else 80}{slash}{path}", uri)


@properties
@given(uris(), st.sampled_from(UNRESERVED))
def test_an_unreserved_character_may_be_escaped(uri: str, character: str) -> None:
    """Anywhere in the path, and in no way that makes it another one (RFC 3986 6.2.2.2)."""
    assert same_target(f"{uri}/x{character}y", f"{uri}/x%{ord(character):02x}y")


@properties
@given(uris(), st.sampled_from("/?#[]@!$&'()*+,;=:%"))
def test_a_reserved_character_is_not_what_it_escapes(uri: str, character: str) -> None:
    """An escaped slash is part of a name, and no border between two (RFC 3986 2.2)."""
    escaped = f"{uri}/x%{ord(character):02X}y"
    form = normal_form(escaped)
    assert form is not None
    assert form.endswith(f"/x%{ord(character):02X}y")
    if character not in "[]":  # in no path at all, so that bare ones can only mean the escape
        assert not same_target(escaped, f"{uri}/x{character}y")


@properties
@given(uris(), uris())
def test_what_is_the_same_leads_to_the_same_place(one: str, other: str) -> None:
    """Two URIs with one normal form have one scheme, host and port, and one path once decoded and resolved."""
    if not same_target(one, other):
        return
    left, right = urlsplit(normal_form(one) or ""), urlsplit(normal_form(other) or "")
    assert (left.scheme, left.hostname, left.port) == (right.scheme, right.hostname, right.port)
    assert unquote_to_bytes(left.path) == unquote_to_bytes(right.path)


@properties
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), max_size=4))
def test_a_path_survives(parts: list[str]) -> None:
    """Whatever a path's segments are, their escaped form is that of these segments and of no others."""
    assume(not {".", ".."}.intersection(parts))
    path = "".join("/" + quote(part, safe="") for part in parts)
    form = normal_form(f"https://a{path}")
    assert form is not None
    assert [unquote_to_bytes(part).decode() for part in urlsplit(form).path.split("/")[1:]] == (parts or [""])


@properties
@given(uris())
def test_user_information_is_refused(uri: str) -> None:
    """On either side of the comparison."""
    scheme, _, rest = uri.partition("://")
    for user in ("user@", "user:secret@", "@", "api.example.com@"):
        assert normal_form(f"{scheme}://{user}{rest}") is None


@properties
@given(st.text("ab.:/?#@[]\\ %"), paths, st.text("a/?"))
def test_nothing_in_host_gets_into_the_path(host: str, path: str, query: str) -> None:
    """The path is that of the request line alone, or there is no URL."""
    form = normal_form(request_url("https", host, f"/{path}?{query}"))
    if form is not None:
        assert form.split("/", 3)[3] == (normal_form(f"https://h/{path}") or "").split("/", 3)[3]


@pytest.mark.parametrize(
    ("host", "target", "url"),
    [
        ("api.test:8443", "/a?b/c", "https://api.test:8443/a?b/c"),
        ("[::1]", "//a", "https://[::1]//a"),
        ("", "/a", "https:///a"),
        ("api.test/a?", "/b", "https:///b"),
        ("api.test#", "/b", "https:///b"),
        ("api.test\n", "/b", "https:///b"),
        ("api.test", "/b#/c", ""),
        ("api.test", "*", ""),
        ("api.test", "http://api.test/b", ""),
        ("api.test", "", ""),
    ],
)
def test_a_url_is_made_of_a_host_and_a_target_in_origin_form(host: str, target: str, url: str) -> None:
    """A host that is none counts for nothing; a target that is none makes no URL (RFC 9112 3.2.1)."""
    assert request_url("https", host, target) == url


@pytest.mark.parametrize(
    ("path", "root", "whole"),
    [
        ("/a", "", "/a"),
        ("/a", "/", "/a"),
        ("/a", "/v1", "/v1/a"),
        ("/a", "/v1/", "/v1/a"),
        ("/v1/a", "/v1", "/v1/a"),
        ("/v1", "/v1/", "/v1"),
        ("/v10/a", "/v1", "/v1/v10/a"),
        ("/t%C3%A4nt/a%2Fb", "/t\u00e4nt", "/t%C3%A4nt/a%2Fb"),
        ("/a%2Fb", "/t\u00e4nt/\u2603", "/t%C3%A4nt/%E2%98%83/a%2Fb"),
    ],
)
def test_what_a_proxy_took_away_is_put_back_once(path: str, root: str, whole: str) -> None:
    """Segment by segment, and whether it is there is seen without escapes; the rest stays as it was sent."""
    assert below_root(path, root) == whole


@properties
@given(any_text)
def test_a_decoded_path_is_escaped_whatever_is_in_it(path: str) -> None:
    """And what clients leave as it is, is left."""
    assert normal_form(f"https://a/{escaped_path(path)}"[:MAX_URI]) is not None
    assert escaped_path("/a:b@c;d=(e),~") == "/a:b@c;d=(e),~"
    assert escaped_path("\u2603", "latin-1") == "%3F"
