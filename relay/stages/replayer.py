"""journal -> bus: publish again what was published before, under the same ids, for whoever has missed it.

It changes nothing of the events, and goes on where it was after a restart. A few at a time, so that what is new is
never kept waiting.
"""

import asyncio
from dataclasses import replace

import structlog

from relay.bus.errors import BusLost, PublishRefused
from relay.bus.mqtt import Bus
from relay.domain.announcements import Announcement
from relay.domain.messages import Reply
from relay.journal import Replay
from relay.stagekit import Rest, Stage, Standing

log = structlog.get_logger()

AT_ONCE = 10  # events: half of what the broker confirms at once is left to what is new
LOST = 5.0  # seconds until it is tried again after the connection was lost


class Replayer(Stage):
    """Works replays off, one after the other, in the order in which they were asked for."""

    name = "replayer"

    def __init__(self, standing: Standing, *, bus: Bus) -> None:
        self._journal = standing.journal
        self._bus = bus
        self._bell = standing.journal.listen("replays")

    async def step(self) -> Rest | None:
        """Publish the next few events."""
        waiting = await self._journal.replays.waiting()
        if not waiting:
            return Rest(bell=self._bell)
        if not self._bus.connected:
            return Rest(LOST)
        events, reached = await self._journal.replays.batch(waiting[0], AT_ONCE)
        try:
            taken = await asyncio.gather(*(self._publish(one) for one in events))
        except BusLost:
            return Rest(LOST)
        await self._write_down(
            replace(reached, told=reached.told + sum(taken), refused=reached.refused + len(taken) - sum(taken))
        )
        return None

    async def _publish(self, event: Announcement) -> bool:
        """Whether the broker took it. Whoever asked for an answer at a topic of his own had it long ago."""
        try:
            await self._bus.publish(replace(event, reply=Reply(traceparent=event.reply.traceparent)))
        except PublishRefused:
            return False
        return True

    async def _write_down(self, reached: Replay) -> None:
        await self._journal.replays.reached(reached)
        if reached.is_over:
            log.info("replay.ended", replay_id=reached.id, events=reached.told, refused=reached.refused)
