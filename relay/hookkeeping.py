"""Where the bytes of a web hook are kept: in the journal, or in the spool while the journal's database is away.

A hook that the journal does not take in time is kept in the spool, and the journal may have it all the same: both know
the delivery by the same id, so that it is folded in once. While anything waits in the spool, what comes later is kept
there, behind it.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace

import structlog

from relay.batching import Batcher
from relay.domain.messages import RawAnswer
from relay.journal import Hook, HookDelivery, JournalFull, JournalUnusable, JournalUnwritten, KeptRaw, Spool
from relay.stagekit import Standing

log = structlog.get_logger()

PATIENCE = 3.0  # real seconds: AT&T takes seven without an answer for a failure (Landline documentation, Retry Logic)
MOMENT = 1.0  # real seconds that the last of what waits may take to be folded in


class HookKeeping:
    """Keeps hooks.

    Args:
        standing: the journal, relay's time, and ids.
        spool: where they are kept meanwhile; None: nowhere.
        patience: real seconds that the journal may take.
    """

    def __init__(self, standing: Standing, spool: Spool | None, patience: float = PATIENCE) -> None:
        self._journal, self._clock, self._ids = standing.journal, standing.clock, standing.ids
        self._spool = spool
        self._patience = patience
        raw = standing.journal.raw
        self._hooks: Batcher[Hook, KeptRaw] = Batcher(raw.keep_hooks)
        self._deliveries: Batcher[HookDelivery, KeptRaw | None] = Batcher(raw.keep_each)

    async def keep(self, line: str, event: str, raw: RawAnswer) -> KeptRaw | None:
        """Keep a hook; it is on disk on return. Gives it as the journal has it, or None where the spool has it.

        Raises:
            JournalFull: too much waits already.
            JournalUnusable: it cannot be kept; it may be on disk all the same.
        """
        spool = self._spool
        if spool is None:
            return await self._hooks.add(Hook(line, event, raw))
        one = HookDelivery(self._ids.new(), line, event, raw, self._clock.now())
        if spool.waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(spool.may_take.wait(), MOMENT)
        if spool.waiting or self._journal.shut is not None:
            return await self._behind_others(one, spool)
        try:
            return await self._journaled(one)
        except JournalFull:
            await self._spooled(one, spool)
        except JournalUnusable:
            await self._spooled(replace(one, in_doubt=True), spool)
        return None

    async def _behind_others(self, one: HookDelivery, spool: Spool) -> KeptRaw | None:
        """Keep it in the spool; where that takes no more and the journal does, rather out of order than not at all."""
        try:
            await self._spooled(one, spool)
        except (JournalFull, JournalUnusable):
            if self._journal.shut is not None:
                raise
            return await self._journaled(one)
        return None

    async def _journaled(self, one: HookDelivery) -> KeptRaw | None:
        keeping = self._deliveries.add(one)
        keeping.add_done_callback(_heard)
        done, _ = await asyncio.wait({keeping}, timeout=self._patience)
        if not done:
            raise JournalUnwritten("the journal does not answer in time")
        return keeping.result()

    async def _spooled(self, one: HookDelivery, spool: Spool) -> None:
        is_first = not spool.waiting
        await spool.keep(one)
        if is_first:
            shut = self._journal.shut
            log.warning("spool.taking", reason=shut.why if shut else "the journal does not answer in time")


def _heard(keeping: "asyncio.Future[KeptRaw | None]") -> None:
    """Nobody may wait for it any more: then the spool has the hook."""
    if not keeping.cancelled():
        keeping.exception()
