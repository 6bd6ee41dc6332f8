"""The resource-server half of OAuth 2.0: every request's access token checked, whoever issued it."""

from tokenguard import errors
from tokenguard.claim_names import ClaimNames
from tokenguard.config import HTTPSettings, Issuer, KeyPolicy, Limits
from tokenguard.core.challenge import Challenge
from tokenguard.core.model import AccessToken, Request
from tokenguard.core.requirements import Requirement, all_of, any_of
from tokenguard.core.revocation import Revocation
from tokenguard.guard import TokenGuard
from tokenguard.introspection import BearerToken, ClientSecret, Introspection, MutualTLS, PrivateKeyJWT
from tokenguard.logout import BackchannelLogout
from tokenguard.possession import MTLS, DPoP
from tokenguard.proxies import TrustedProxies
from tokenguard.resolver import IssuerResolver
from tokenguard.stores import MemoryRevocations

__all__ = [
    "MTLS",
    "AccessToken",
    "BackchannelLogout",
    "BearerToken",
    "Challenge",
    "ClaimNames",
    "ClientSecret",
    "DPoP",
    "HTTPSettings",
    "Introspection",
    "Issuer",
    "IssuerResolver",
    "KeyPolicy",
    "Limits",
    "MemoryRevocations",
    "MutualTLS",
    "PrivateKeyJWT",
    "Request",
    "Requirement",
    "Revocation",
    "TokenGuard",
    "TrustedProxies",
    "all_of",
    "any_of",
    "errors",
]
