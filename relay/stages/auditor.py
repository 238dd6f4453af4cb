"""journal -> journal: rows that nobody has a reason to read are looked at, so that damage does not lie there unseen."""

from relay.journal import Journal
from relay.stagekit import Rest, Stage

BETWEEN = 0.5  # seconds between a few rows and the next: nobody is to notice it
EVERY = 6 * 3600.0  # seconds


class Auditor(Stage):
    """Looks at the whole journal, a few rows at a time, after a start and then a few times a day."""

    name = "auditor"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def step(self) -> Rest | None:
        """Look at the next rows."""
        return Rest(BETWEEN if await self._journal.audit.look() else EVERY)
