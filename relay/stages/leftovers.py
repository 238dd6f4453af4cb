"""journal -> journal: what was kept and no stage reads any more is read all the same, or set aside for a person.

It is there when relay fell before it had read something, and the line was removed or changed before the next start.
What was set aside is read once more here, when a person says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from relay.domain.errors import ErrorCode, Malformed, Problem
from relay.domain.mailbox import Mail
from relay.domain.messages import Part, RawAnswer, Sighting
from relay.journal import Arrival, KeptRaw, Understood
from relay.providerkit.spec import AsksStatus, FetchesInbox, FetchesParts, Line, SyncsMailbox, TakesHooks
from relay.stagekit import LEFT_OVER, Rest, Stage, Standing
from relay.turns import line_of

LOOK_AGAIN = 3600.0  # seconds
NEXT_LOOK = 60.0  # seconds until a call is asked for again whose status was read late
AT_ONCE = 100  # messages
GRACE = timedelta(hours=1)  # for a line that is missing in the settings by mistake
ANSWERED = "relay failed at this command, and said so to its client: it is only kept to be looked at"
WHY = "no stage reads this any more: the line was removed or changed"
_LOST = Problem(ErrorCode.PROVIDER_ERROR, "the attachment was not fetched before the line was removed or changed")
_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of something that was set aside.

    Attributes:
        outcome: `read`; `unreadable`, as before; `published`, for an event; `queued` to be sent, or to be fetched;
            `matched`, for a report whose copy is known now, or `unmatched`, as before.
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
        self._journal, self._clock = standing.journal, standing.clock
        self._bell = standing.journal.listen(LEFT_OVER)

    async def step(self) -> Rest | None:
        """Read or set aside one batch of everything that is left over."""
        elsewhere = await self._lines_elsewhere()
        unread = sorted(await self._journal.raw.lines_with_unread())
        left = [one for one in unread if one[0] not in elsewhere and not self._has_reader(*one)]
        found = [kept for one in left for kept in await self._journal.raw.unread(one[0], source=one[1])]
        found = [kept for kept in found if not self._may_be_another_nodes(kept)]
        for kept in found:
            await self._settle(kept)
        collected = await self._journal.arrivals.lines()
        orphans = [line for line in collected if line not in elsewhere and not self._is_collected(line)]
        for line in orphans:
            await self._give_up(line)
        return None if found else Rest(LOOK_AGAIN, self._bell)

    async def replay(self, aside_id: str) -> Replayed:
        """Do again what was set aside under this id, by what the line can read now.

        Raises:
            UnknownAside: nothing waits under it.
        """
        taken = await self._journal.dead.again(aside_id)
        return Replayed(taken.outcome) if taken.kept is None else await self._settle(taken.kept)

    async def _lines_elsewhere(self) -> set[str]:
        """Lines that other nodes have, which may not be in this one's settings yet, or any more."""
        if not self._journal.nodes.is_shared:
            return set()
        turns = {turn for seen in await self._journal.nodes.living() for turn in seen.turns}
        return {line for turn in turns if (line := line_of(turn)) is not None and line not in self._lines}

    def _may_be_another_nodes(self, kept: KeptRaw) -> bool:
        """Whether a node that knows the line may be back soon: during a rollout one alone may know it."""
        is_unknown = self._journal.nodes.is_shared and kept.line not in self._lines
        return is_unknown and kept.received_at > self._clock.now() - GRACE

    def _has_reader(self, alias: str, source: str) -> bool:
        """Whether a stage of the line's own reads this."""
        line = self._lines.get(alias)
        match source:
            case "inbox":
                return isinstance(line, FetchesInbox) and line.polls_inbox
            case "status":
                return isinstance(line, AsksStatus)
            case "hook":
                return isinstance(line, TakesHooks)
        return False

    def _is_collected(self, alias: str) -> bool:
        """Whether what is still to be fetched of this line is fetched."""
        return isinstance(self._lines.get(alias), FetchesParts)

    async def _give_up(self, line: str) -> None:
        """Tell what is known of messages that nobody fetches any more; the others wait for a person."""
        arrivals = self._journal.arrivals
        while old := await self._forsaken(line):
            for arrival in old:
                if arrival.mail is None:
                    await arrivals.aside(arrival, RawAnswer(b""), WHY)
                else:
                    await arrivals.whole(arrival, _without_parts(arrival.mail))

    async def _forsaken(self, line: str) -> Sequence[Arrival]:
        """Arrivals of a line that may have been removed for good, and not only for a moment."""
        before = self._clock.now() - GRACE
        return [one for one in await self._journal.arrivals.due(line, AT_ONCE, whenever=True) if one.since < before]

    async def _settle(self, kept: KeptRaw) -> Replayed:
        raw, line = self._journal.raw, self._lines.get(kept.line)
        if kept.source == "mail" and not kept.raw.body and isinstance(line, SyncsMailbox):
            await self._journal.arrivals.again(kept)
            return Replayed("queued")
        try:
            found, why = _read(line, kept), ANSWERED if kept.source == "command" else WHY
        except Malformed as error:
            found, why = None, error.problem.detail
        if found is None:
            await raw.set_aside(kept, why)
            return Replayed("unreadable", why)
        return Replayed("read", understood=await raw.understood(kept, **found))


def _without_parts(mail: Mail) -> Mail:
    """The message without what was still to be fetched of it, and with the reason."""
    parts = [replace(part, ref=None, problem=_LOST) if part.ref is not None else part for part in mail.parts]
    return replace(mail, parts=(*parts, *([Part(_UNKNOWN_TYPE, problem=_LOST)] * mail.has_parts)), has_parts=False)


def _read(line: Line | None, kept: KeptRaw) -> dict[str, Any] | None:
    """What the line reads in it, as the journal takes it; None where it reads nothing of the kind. Raises Malformed."""
    match kept.source:
        case "inbox" if isinstance(line, FetchesInbox):
            return {"messages": line.read_inbox(kept.raw).messages}
        case "status" if isinstance(line, AsksStatus):
            reports = line.read_status(kept.event, kept.raw)
            return {"reports": reports, "next_look": NEXT_LOOK}
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
