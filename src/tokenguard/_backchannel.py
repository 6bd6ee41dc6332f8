"""The address at which issuers tell of logouts, for every adapter: a form in, an answer out."""

from __future__ import annotations

from tokenguard.core.challenge import Challenge
from tokenguard.errors import ConfigurationError, Denied, Unavailable
from tokenguard.feeds.backchannel import read_form, write_answer
from tokenguard.guard import TokenGuard


def check_guard(guard: TokenGuard) -> None:
    """`ConfigurationError` unless it believes the logout tokens of some issuer."""
    if not isinstance(guard, TokenGuard):
        raise ConfigurationError("guard must be a TokenGuard")
    if not guard.takes_logouts:
        raise ConfigurationError("back-channel logout needs Issuer.logout, a BackchannelLogout, of at least one issuer")


def answer(guard: TokenGuard, content_type: str, body: bytes | None) -> Challenge:
    """Carry out the logout that a POST asks for. `body`: None where it can't be read, or is too long."""
    try:
        guard.logout(read_form(content_type, body))
    except (Denied, Unavailable) as error:
        return write_answer(error)
    return write_answer(None)


async def aanswer(guard: TokenGuard, content_type: str, body: bytes | None) -> Challenge:
    """`answer`, for async code."""
    try:
        await guard.alogout(read_form(content_type, body))
    except (Denied, Unavailable) as error:
        return write_answer(error)
    return write_answer(None)
