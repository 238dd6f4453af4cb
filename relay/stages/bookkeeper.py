"""this node -> journal: the calls that it has counted; a crash loses what some seconds counted."""

from relay.journal import Journal
from relay.stagekit import Rest, Stage

EVERY = 5.0  # seconds


class Bookkeeper(Stage):
    """Writes down the calls that were counted on a node that does not tidy the journal up.

    Args:
        journal: where to.
    """

    name = "bookkeeper"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def step(self) -> Rest | None:
        """Write down what was counted since the last step."""
        await self._journal.limits.keep()
        return Rest(EVERY)

    async def drain(self, seconds: float) -> None:
        """Write down what was counted last."""
        del seconds  # one commit
        await self._journal.limits.keep()
