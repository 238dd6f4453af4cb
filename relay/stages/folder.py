"""spool -> journal: web hooks that came while the journal's database was away, in the order in which they came.

Their id is committed with them, so that a crash between the journal's commit and the spool's does not fold one in
twice.
"""

from collections.abc import Callable

import structlog

from relay.journal import Spool
from relay.stagekit import Rest, Stage, Standing

log = structlog.get_logger()

BATCH = 200


class Folder(Stage):
    """Folds the spool into the journal.

    Args:
        spool: what is folded in.
        standing: what a stage stands on.
        tell: is called when there is something to read in the journal.
    """

    name = "folder"

    def __init__(self, spool: Spool, standing: Standing, tell: Callable[[], None]) -> None:
        self._spool = spool
        self._journal = standing.journal
        self._tell = tell
        self._folded = 0

    async def step(self) -> Rest | None:
        """Fold in the first of what waits, once the journal takes new things; raises JournalError."""
        if not self._spool.arrived.is_set():
            return Rest(bell=self._spool.arrived)
        shut = self._journal.shut
        if shut is not None:
            return Rest(bell=shut.over)
        if self._spool.waiting <= BATCH:
            # The last of it: what comes meanwhile waits for that, else under load there would be no end.
            self._spool.may_take.clear()
        try:
            await self._fold()
        finally:
            self._spool.may_take.set()
        return None

    async def _fold(self) -> None:
        since = self._spool.since
        hooks = await self._spool.first(BATCH)
        await self._journal.raw.keep_deliveries(hooks)
        self._tell()
        await self._spool.drop([one.id for one in hooks])
        self._folded += len(hooks)
        if not self._spool.waiting:
            log.info("spool.folded", hooks=self._folded, since=since and since.isoformat())
            self._folded = 0
