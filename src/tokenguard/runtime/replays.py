"""Recording used proofs in a store for all workers, on the guard's I/O thread."""

from __future__ import annotations

import inspect
from concurrent.futures import Future

from tokenguard.core.effects import AnswerFailed, RecordProof
from tokenguard.errors import Unavailable
from tokenguard.possession import Replays
from tokenguard.runtime import observe
from tokenguard.runtime.iothread import IOThread


def record_proof(question: RecordProof, replays: Replays, io: IOThread) -> Future[bool]:
    """Begin to record; answered with True if the proof was not there before."""
    done: Future[bool] = Future()
    done.set_running_or_notify_cancel()  # a request that is cancelled has used its proof all the same
    try:
        io.submit(_record(question, replays), done)
    except AnswerFailed as cause:
        done.set_exception(cause)
    return done


async def close_replays(replays: Replays) -> None:
    """Release what the store holds on the running event loop; one that holds nothing has no `aclose`."""
    close = getattr(replays, "aclose", None)
    if inspect.iscoroutinefunction(close):
        await close()


async def _record(question: RecordProof, replays: Replays) -> bool:
    try:
        recorded = replays.record(question.key, question.now, question.until)
        # nothing but True lets anyone in
        return (await recorded if inspect.isawaitable(recorded) else recorded) is True
    except Unavailable as cause:
        raise AnswerFailed(cause.hint, cause.retry_after) from None
    except Exception as cause:  # a store of the user's own may raise anything
        raise AnswerFailed(observe.unforeseen(cause)) from None
