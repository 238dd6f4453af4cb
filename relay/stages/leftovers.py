"""journal -> journal: what was kept and no stage reads any more is read all the same, or set aside for a person.

It is there when relay fell before it had read something, and the line was removed or changed before the next start.
What was set aside is read once more here, when a person says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from relay.domain.errors import Malformed
from relay.domain.messages import Sighting
from relay.journal import KeptRaw, Understood
from relay.providerkit.spec import AsksStatus, FetchesInbox, Line, SyncsMailbox, TakesHooks
from relay.stagekit import Rest, Stage, Standing

LOOK_AGAIN = 3600.0  # seconds
NEXT_LOOK = 60.0  # seconds until a call is asked for again whose status was read late
WHY = "no stage reads this any more: the line was removed or changed"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of something that was set aside.

    Attributes:
        outcome: `read`; `unreadable`, as before; `published`, or `queued` to be sent, for what is no provider's bytes.
        detail: why it is unreadable.
        understood: what was read.
    """

    outcome: str
    detail: str | None = None
    understood: Understood = field(default_factory=Understood)


class Leftovers(Stage):
    """Reads what nobody else does.

    Args:
        lines: every line there is, by alias.
        standing: what a stage stands on.
    """

    name = "leftovers"

    def __init__(self, lines: Mapping[str, Line], standing: Standing) -> None:
        self._lines = lines
        self._journal = standing.journal

    async def step(self) -> Rest | None:
        """Read or set aside one batch of everything that is left over."""
        found = [left for left in sorted(await self._journal.raw.lines_with_unread()) if not self._has_reader(*left)]
        for line, source in found:
            for kept in await self._journal.raw.unread(line, source=source):
                await self._settle(kept)
        return None if found else Rest(LOOK_AGAIN)

    async def replay(self, aside_id: str) -> Replayed:
        """Do again what was set aside under this id, by what the line can read now.

        Raises:
            UnknownAside: nothing waits under it.
        """
        shown = await self._journal.dead.show(aside_id)
        kept = await self._journal.dead.again(aside_id)
        if kept is None:
            return Replayed("queued" if shown and shown["kind"] == "uncertain" else "published")
        return await self._settle(kept)

    def _has_reader(self, alias: str, source: str) -> bool:
        """Whether a stage of the line's own reads this."""
        line = self._lines.get(alias)
        match source:
            case "inbox":
                return isinstance(line, FetchesInbox) and line.polls_inbox
            case "status":
                return isinstance(line, AsksStatus) and line.asks_status
            case "hook":
                return isinstance(line, TakesHooks)
        return False

    async def _settle(self, kept: KeptRaw) -> Replayed:
        raw = self._journal.raw
        try:
            found, why = _read(self._lines.get(kept.line), kept), WHY
        except Malformed as error:
            found, why = None, error.problem.detail
        if found is None:
            await raw.set_aside(kept, why)
            return Replayed("unreadable", why)
        return Replayed("read", understood=await raw.understood(kept, **found))


def _read(line: Line | None, kept: KeptRaw) -> dict[str, Any] | None:
    """What the line reads in it, as the journal takes it; None where it reads nothing of the kind. Raises Malformed."""
    match kept.source:
        case "inbox" if isinstance(line, FetchesInbox):
            return {"messages": line.read_inbox(kept.raw).messages}
        case "status" if isinstance(line, AsksStatus):
            reports = line.read_status(kept.event, kept.raw)
            return {"reports": reports, "next_look": NEXT_LOOK if line.asks_status else None}
        case "hook" if isinstance(line, TakesHooks):
            reading = line.read_hook(kept.event, kept.raw)
            return {part.name: getattr(reading, part.name) for part in fields(reading)}
        case "mail" if isinstance(line, SyncsMailbox):
            mail = line.read_mail(kept.event, kept.raw)
            return {"sightings" if isinstance(mail, Sighting) else "messages": [mail]}
        case "changes" if isinstance(line, SyncsMailbox):
            # All that it told was found since, by comparing everything.
            return {}
    return None
