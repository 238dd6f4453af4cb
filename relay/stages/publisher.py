"""journal -> bus: publish what happened, in order, and mark it done once the broker confirmed it.

An event keeps its id over every try, so that whoever hears it twice can tell. What waits for a topic that the broker
refuses holds up nothing else, and is published in its order once the topic passes.
"""

import asyncio
from contextlib import suppress

import structlog

from relay.boundaries import Boundary, reached
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.mqtt import Bus
from relay.bus.refusals import Refusals
from relay.domain.announcements import Announcement
from relay.domain.schedule import STAGE_FAILED
from relay.eventshare import Everything, Share
from relay.journal import JournalFenced
from relay.stagekit import Rest, Stage, Standing, Window
from relay.telemetry.health import LineState
from relay.telemetry.lifelines import tell
from relay.telemetry.traces import Operation

log = structlog.get_logger()

BATCH = 200
IN_FLIGHT_BYTES = 4 * 1024 * 1024  # of events: the result of 10,000 copies has more than one of these
UNMARKED = 200  # confirmed events at most: after a kill they are published again
IN_FLIGHT = 40  # the broker's own ReceiveMaximum bounds what is on the wire
WAIT = 1.0  # seconds: a step that waits for the broker ends now and then, for turns that go to another node meanwhile
ENDS_WITHIN = 10.0  # real seconds for the broker's word on what is under way
IDLE = 30.0  # seconds between two looks into the journal when no bell rings


class Publisher(Stage):
    """Publishes every event of the journal, or of this node's share of it.

    Args:
        standing: what a stage stands on.
        bus: where to.
        share: which events.
    """

    name = "publisher"

    def __init__(self, standing: Standing, *, bus: Bus, share: Share | None = None) -> None:
        self._journal, self._board = standing.journal, standing.board
        self._clock, self._ids, self._meters = standing.clock, standing.ids, standing.meters
        self._traces = standing.traces
        self._bus = bus
        self._share = share or Everything(standing.journal)
        self._window = Window(IN_FLIGHT, IN_FLIGHT_BYTES)
        self._refusals = Refusals(self._clock, self._ids.chance.random)
        self._position = 0
        self._failures = 0
        self._broken = False
        self._under_way: set[str] = set()
        self._confirmed: list[str] = []
        self._marks = False  # somebody marks them
        self._must_mark = False  # that went wrong: nothing else is done before
        self._marking = asyncio.Lock()

    async def step(self) -> Rest | None:
        """Publish the next events, in order."""
        await self._window.room()
        # Before anything that rests: nobody else publishes what is of a turn that is being given up.
        if self._share.has_changed:
            await self._change_share()
        if self._broken:
            return await self._start_over()
        if self._must_mark:
            await self._mark()
            self._must_mark = False
        if not await self._connected():
            return None
        await self._try_refused()
        reached = self._position
        batch = await self._share.pending(reached, BATCH)
        for position, event in batch:
            await self._window.room(event.size)
            if len(self._confirmed) >= UNMARKED:
                await self._mark()
            # Where a topic has passed: back to its first event.
            if self._broken or self._position != reached or self._share.has_changed:
                break
            reached = self._position = position
            # After a topic has passed, what is under way on others is met again.
            if event.id not in self._under_way and not self._refusals.hold(self._bus.topic_of(event), position):
                self._start(position, event)
        return None if batch else Rest(min(IDLE, self._refusals.wait()), self._share.bell)

    async def drain(self, seconds: float) -> None:
        """Wait for the confirmations that are under way."""
        await self._window.drain(seconds)
        await self._mark()
        self._share.end()

    async def _change_share(self) -> None:
        """From the first event of the new share on; what is under way of the old one is done with before."""
        await self._window.drain(ENDS_WITHIN)
        await self._mark()
        self._share.change()
        self._refusals = Refusals(self._clock, self._ids.chance.random)
        for line in self._board.all():
            self._board.clear(line, self.name)
        self._broken = False
        self._position = 0

    async def _connected(self) -> bool:
        try:
            async with asyncio.timeout(WAIT):
                await self._bus.wait_connected()
        except TimeoutError:
            return False
        return True

    async def _start_over(self) -> Rest | None:
        """After a failure: from the first event that is not confirmed, so that the order holds."""
        await self._window.drain(ENDS_WITHIN)
        await self._mark()
        self._refusals.nothing_under_way()
        self._broken = False
        self._position = 0
        self._failures += 1
        return Rest(STAGE_FAILED.delay(self._failures, self._ids.chance.random()), self._share.changed)

    async def _try_refused(self) -> None:
        """Try the first event of each refused topic whose time has come."""
        for topic, first in self._refusals.due():
            await self._window.room()
            found = await self._share.pending(first - 1, 1)
            if found and found[0][0] == first:
                self._refusals.tries(topic)
                self._start(*found[0])
            else:  # it was set aside meanwhile
                self._settled(topic, first)

    def _start(self, position: int, event: Announcement) -> None:
        self._under_way.add(event.id)
        self._window.start(self._publish(position, event), self.name, event.size)

    async def _publish(self, position: int, event: Announcement) -> None:
        settled = False
        try:
            settled = await self._settle(position, event)
        finally:
            if not settled:
                self._broken = True
                self._journal.bell("events").ring()

    async def _settle(self, position: int, event: Announcement) -> bool:
        """Whether the broker has said what becomes of the event."""
        reached(Boundary.EVENT_READ)
        parent, about = event.reply.traceparent, event.body.get("message_id")
        try:
            with self._traces.span(Operation.PUBLISH, event.line, parent, event=event.kind, message_id=about):
                await self._bus.publish(event)
        except BusLost:
            self._under_way.discard(event.id)
            return False
        except asyncio.CancelledError:
            # The broker's word was not waited for any longer: it is published again, under the same id.
            self._under_way.discard(event.id)
            raise
        except PublishRefused as refusal:
            self._under_way.discard(event.id)
            await self._refused(position, event, refusal)
            return True
        reached(Boundary.EVENT_CONFIRMED)
        self._failures = 0
        self._confirmed.append(event.id)
        self._settled(self._bus.topic_of(event), position)
        tell(event)
        self._meters.published(event, self._board.all())
        if not self._marks:
            self._marks = True
            self._window.start(self._mark_on(), self.name)
        return True

    async def _refused(self, position: int, event: Announcement, refusal: PublishRefused) -> None:
        topic, line = self._bus.topic_of(event), _line_of(event)
        if refusal.poison:
            log.warning("publish.set_aside", event_id=event.id, kind=event.kind, line=line, reason=str(refusal))
            await self._journal.events.set_aside(event.id, str(refusal))
            self._settled(topic, position)
        elif self._refusals.refused(topic, line, position):
            log.error("publish.refused", line=line, topic=topic, reason=str(refusal))
            self._report(line, LineState.SUSPENDED, "publish_refused")
        self._journal.bell("events").ring()

    def _settled(self, topic: str, position: int) -> None:
        """An event is done with: where its topic was refused, the events behind it are met again."""
        passed = self._refusals.passed(topic, position)
        if passed is None:
            return
        log.info("publish.passed", line=passed.line, topic=topic)
        if not self._refusals.touches(passed.line):
            self._report(passed.line, LineState.READY)
        self._position = min(self._position, position - 1)
        self._journal.bell("events").ring()

    def _report(self, line: str | None, state: LineState, reason: str | None = None) -> None:
        # Events of a line that was taken out of the settings are still published.
        if line is not None and line in self._board.all():
            self._board.report(line, self.name, state, reason)

    async def _mark_on(self) -> None:
        """Mark what is confirmed, until all is; meanwhile others are published: a commit may take its time."""
        all_marked = False
        try:
            while self._confirmed:
                await self._mark()
            all_marked = True
        finally:
            self._marks, self._must_mark = False, not all_marked
            if not all_marked:
                self._journal.bell("events").ring()

    async def _mark(self) -> None:
        """Mark what was confirmed, as one batch for everything that was confirmed while the last one was marked."""
        async with self._marking:
            if confirmed := tuple(self._confirmed):
                # A node that was given up for dead loses nothing: the next one publishes them under the same ids.
                with suppress(JournalFenced):
                    await self._journal.events.published(confirmed)
                # Not before: where they could not be marked, the next mark has them again.
                del self._confirmed[: len(confirmed)]
                self._under_way.difference_update(confirmed)


def _line_of(event: Announcement) -> str | None:
    """The line whose trouble it is that the event is refused: `dead` is a topic of all lines."""
    return None if event.kind == "dead" else event.line
