"""journal -> bus: publish what happened, in order, and mark it done once the broker confirmed it.

An event keeps its id over every try, so that whoever hears it twice can tell.
"""

import asyncio

import structlog

from relay.bus.errors import BusLost, PublishRefused
from relay.bus.mqtt import Bus
from relay.clock import Clock
from relay.domain.announcements import Announcement
from relay.domain.schedule import STAGE_FAILED
from relay.ids import Ids
from relay.journal import Journal
from relay.stagekit import Rest, Stage, Window
from relay.telemetry.lifelines import tell

log = structlog.get_logger()

BATCH = 200
IN_FLIGHT = 40  # the broker's own ReceiveMaximum bounds what is on the wire
WAIT = 30.0  # seconds: a step that waits for the broker ends now and then, to show that it is alive
IDLE = 30.0  # seconds between two looks into the journal when no bell rings


class Publisher(Stage):
    """Publishes every event of the journal."""

    name = "publisher"

    def __init__(self, *, journal: Journal, bus: Bus, clock: Clock, ids: Ids) -> None:
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._window = Window(IN_FLIGHT)
        self._position = 0
        self._failures = 0
        self._broken = False
        self._confirmed: list[str] = []
        self._marking = asyncio.Lock()

    async def step(self) -> Rest | None:
        """Publish the next events, in order."""
        await self._window.room()
        if self._broken:
            return await self._start_over()
        await self._mark()
        if not await self._connected():
            return None
        batch = await self._journal.events.pending(self._position, BATCH)
        for position, event in batch:
            await self._window.room()
            if self._broken:
                break
            self._position = position
            self._window.start(self._publish(event), self.name)
        return None if batch else Rest(IDLE, self._journal.bell("events"))

    async def drain(self, seconds: float) -> None:
        """Wait for the confirmations that are under way."""
        await self._window.drain(seconds)
        await self._mark()

    async def _connected(self) -> bool:
        try:
            async with asyncio.timeout(WAIT):
                await self._bus.wait_connected()
        except TimeoutError:
            return False
        return True

    async def _start_over(self) -> Rest | None:
        """After a failure: from the first event that is not confirmed, so that the order holds."""
        await self._window.drain(10.0)
        await self._mark()
        self._broken = False
        self._position = 0
        self._failures += 1
        return Rest(STAGE_FAILED.delay(self._failures, self._ids.chance.random()))

    async def _publish(self, event: Announcement) -> None:
        settled = False
        try:
            settled = await self._settle(event)
        finally:
            if not settled:
                self._broken = True
                self._journal.bell("events").ring()

    async def _settle(self, event: Announcement) -> bool:
        """Whether the event was confirmed or set aside."""
        try:
            await self._bus.publish(event)
        except BusLost:
            return False
        except PublishRefused as refusal:
            return await self._refused(event, refusal)
        self._failures = 0
        self._confirmed.append(event.id)
        tell(event)
        await self._mark()
        return True

    async def _refused(self, event: Announcement, refusal: PublishRefused) -> bool:
        log.warning("publish.refused", event_id=event.id, kind=event.kind, line=event.line, reason=str(refusal))
        if refusal.poison:
            await self._journal.events.set_aside(event.id, str(refusal))
        return refusal.poison

    async def _mark(self) -> None:
        """Mark what was confirmed, as one batch for everything that was confirmed while the last one was marked."""
        async with self._marking:
            if confirmed := tuple(self._confirmed):
                await self._journal.events.published(confirmed)
                # Not before: where they could not be marked, the next mark has them again.
                del self._confirmed[: len(confirmed)]
