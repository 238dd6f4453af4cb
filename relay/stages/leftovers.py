"""journal -> journal: what was kept and no stage reads any more is read all the same, or set aside for a person.

It is there when relay fell before it had read something, and the line was removed or changed before the next start.
"""

from collections.abc import Mapping

from relay.domain.errors import Malformed
from relay.journal import Journal, KeptRaw
from relay.providerkit.spec import AsksStatus, FetchesInbox, Line, TakesHooks
from relay.stagekit import Rest, Stage

LOOK_AGAIN = 3600.0  # seconds
WHY = "no stage reads this any more: the line was removed or changed"


class Leftovers(Stage):
    """Reads what nobody else does.

    Args:
        lines: every line there is, by alias.
    """

    name = "leftovers"

    def __init__(self, lines: Mapping[str, Line], *, journal: Journal) -> None:
        self._lines = lines
        self._journal = journal

    async def step(self) -> Rest | None:
        """Read or set aside one batch of everything that is left over."""
        found = [left for left in sorted(await self._journal.raw.lines_with_unread()) if not self._has_reader(*left)]
        for line, source in found:
            for kept in await self._journal.raw.unread(line, source=source):
                await self._settle(kept)
        return None if found else Rest(LOOK_AGAIN)

    def _has_reader(self, alias: str, source: str) -> bool:
        """Whether a stage of the line's own reads this."""
        line = self._lines.get(alias)
        match source:
            case "inbox":
                return isinstance(line, FetchesInbox) and line.polls_inbox
            case "status":
                return isinstance(line, AsksStatus) and line.asks_status
            case _:
                return isinstance(line, TakesHooks)

    async def _settle(self, kept: KeptRaw) -> None:
        raw, line = self._journal.raw, self._lines.get(kept.line)
        try:
            if kept.source == "inbox" and isinstance(line, FetchesInbox):
                await raw.understood(kept, messages=line.read_inbox(kept.raw).messages)
            elif kept.source == "status" and isinstance(line, AsksStatus):
                await raw.understood(kept, reports=line.read_status(kept.event, kept.raw))
            else:
                await raw.set_aside(kept, WHY)
        except Malformed as error:
            await raw.set_aside(kept, error.problem.detail)
