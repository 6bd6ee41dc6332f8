"""What confirms senders in a guard at work: the settings checked together, and the store of used proofs asked."""

from __future__ import annotations

from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Any

from tokenguard.core.effects import AnswerFailed, RecordProof
from tokenguard.core.nonces import Nonces
from tokenguard.core.trust import Proofs, Senders
from tokenguard.errors import ConfigurationError, Unavailable
from tokenguard.possession import MTLS, DPoP, Replays
from tokenguard.proxies import TrustedProxies
from tokenguard.runtime import observe
from tokenguard.runtime.iothread import IOThread
from tokenguard.runtime.tokencache import BoundedMemory


def build_senders(
    dpop: DPoP | None, mtls: MTLS | None, proxies: TrustedProxies | None, *, replays: Replays, keys: int, leeway: float
) -> Senders:
    """The guard's arguments of these names, checked. `replays`: where uses are remembered; `keys`: how many are."""
    if not isinstance(dpop, DPoP | None) or not isinstance(mtls, MTLS | None):
        raise ConfigurationError("dpop must be a DPoP, mtls an MTLS")
    if not isinstance(proxies, TrustedProxies | None):
        raise ConfigurationError("proxies must be a TrustedProxies")
    if mtls is not None and mtls.format is not None and proxies is None:
        raise ConfigurationError("MTLS.format needs proxies=TrustedProxies(...): a header that anybody may send")
    if dpop is None:
        return Senders(None, mtls, proxies)
    proofs = Proofs(
        settings=dpop,
        ahead=min(leeway, dpop.window),
        leeway=leeway,
        keys=BoundedMemory(keys) if keys else None,
        nonces=Nonces(dpop.nonce_keys, dpop.nonce_lifetime) if dpop.nonces != "never" else None,
        record=None if dpop.is_shared else replays.record,
    )
    return Senders(proofs, mtls, proxies)


class SharedReplays:
    """Asks the store in which all workers remember used proofs, on the guard's I/O thread."""

    def __init__(self, store: Any, io: IOThread) -> None:
        self._store = store
        self._io = io

    def ask(self, question: RecordProof) -> Future[bool]:
        """Begin to record a use; answered with True for the first one."""
        done: Future[bool] = Future()
        done.set_running_or_notify_cancel()  # from here on, cancelling who waits can't cancel the work
        try:
            self._io.submit(self._record(question), done)
        except AnswerFailed as failure:
            done.set_exception(failure)
        return done

    async def close(self) -> None:
        """Release what the store has open on the I/O thread's loop."""
        close = getattr(self._store, "aclose", None)
        if close is not None:
            await close()

    async def _record(self, question: RecordProof) -> bool:
        try:
            answer: Awaitable[bool] = self._store.record(question.key, question.now, question.until)
            return await answer
        except Unavailable as refusal:
            raise AnswerFailed(refusal.hint, refusal.retry_after) from None
        except Exception as cause:  # the store may be the deployment's code: anything may come
            raise AnswerFailed(observe.unforeseen(cause)) from None
