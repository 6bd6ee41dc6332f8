"""The resource-server half of OAuth 2.0: every request's access token checked, whoever issued it."""

from tokenguard import errors
from tokenguard.claim_names import ClaimNames
from tokenguard.config import HTTPSettings, Issuer, KeyPolicy, Limits
from tokenguard.core.challenge import Challenge
from tokenguard.core.model import AccessToken, Request
from tokenguard.core.requirements import Requirement, all_of, any_of
from tokenguard.guard import TokenGuard
from tokenguard.introspection import BearerToken, ClientSecret, Introspection, MutualTLS, PrivateKeyJWT
from tokenguard.resolver import IssuerResolver

__all__ = [
    "AccessToken",
    "BearerToken",
    "Challenge",
    "ClaimNames",
    "ClientSecret",
    "HTTPSettings",
    "Introspection",
    "Issuer",
    "IssuerResolver",
    "KeyPolicy",
    "Limits",
    "MutualTLS",
    "PrivateKeyJWT",
    "Request",
    "Requirement",
    "TokenGuard",
    "all_of",
    "any_of",
    "errors",
]
