"""journal -> journal: what time alone does: it ends what has an end, and forgets what is done with.

Every piece is small, so that nobody waits for it.
"""

import asyncio

import structlog

from relay.journal import Journal, Lifetimes
from relay.stagekit import Rest, Stage

log = structlog.get_logger()

EVERY = 5.0  # seconds: an expiry is seen at the latest this long after its time
_EACH_A_WEEK = Lifetimes()


class Janitor(Stage):
    """Keeps the journal tidy, and writes down the calls that were counted; a crash loses what some seconds counted.

    Args:
        journal: what it keeps.
        kept_for: how long what is done with stays there.
    """

    name = "janitor"

    def __init__(self, *, journal: Journal, kept_for: Lifetimes = _EACH_A_WEEK) -> None:
        self._journal = journal
        self._kept_for = kept_for

    async def step(self) -> Rest | None:
        """Do a little of everything that is due; no rest where one of them may have more."""
        upkeep = self._journal.upkeep
        # In this order, and in few commits: most often there is nothing to do.
        expired, ended, orphans, _, joined, sighted = await asyncio.gather(
            upkeep.expire(),
            upkeep.end_following(),
            upkeep.give_up_parked(),
            upkeep.tell_untold(),
            upkeep.join_overdue_segments(),
            upkeep.settle_sightings(),
        )
        purged = await upkeep.purge(kept_for=self._kept_for)
        await self._journal.limits.keep()
        if expired or ended or orphans or joined:
            log.info("journal.tidied", expired=expired, ended=ended, orphans=orphans, joined=joined)
        return None if expired or ended or joined or sighted or purged else Rest(EVERY)

    async def drain(self, seconds: float) -> None:  # noqa: ARG002 - one commit
        """Write down what was counted last."""
        await self._journal.limits.keep()
