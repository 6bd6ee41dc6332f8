"""Where an issuer's metadata is, and what is in it."""

from __future__ import annotations

import pytest

from tokenguard.testing import LocalIssuer, SigningKey
from tokenguard.testing.documents import well_known_paths

KEY = SigningKey.generate("ES256", "current")


@pytest.mark.parametrize(
    ("issuer", "paths"),
    [
        (
            "https://h.test",
            [
                "/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration",
                "/.well-known/openid-configuration",
            ],
        ),
        (
            "https://h.test/t1",
            [
                "/.well-known/oauth-authorization-server/t1",
                "/t1/.well-known/openid-configuration",
                "/.well-known/openid-configuration/t1",
            ],
        ),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_well_known_paths_are_those_of_the_standards(issuer: str, slash: str, paths: list[str]) -> None:
    """RFC 8414 3.1 inserts, OpenID Connect Discovery 4.1 appends; both drop a slash at the end."""
    local = LocalIssuer(issuer + slash)
    local.discovery = ("oauth", "openid", "openid_inserted")
    assert well_known_paths(local) == paths


@pytest.mark.parametrize("issuer", ["https://h.test", "https://h.test/", "https://h.test/t1", "https://h.test/t1/"])
def test_metadata_names_the_issuer_character_by_character(issuer: str) -> None:
    """A slash at the end stays in the identifier, and doubles nowhere."""
    metadata = LocalIssuer(issuer, signing_key=KEY).metadata
    assert metadata == {
        "issuer": issuer,
        "authorization_endpoint": issuer.rstrip("/") + "/authorize",
        "token_endpoint": issuer.rstrip("/") + "/token",
        "jwks_uri": "https://h.test/jwks",
        "introspection_endpoint": "https://h.test/introspect",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }
