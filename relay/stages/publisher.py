"""journal -> bus: publish what happened, in order, and mark it done once the broker confirmed it.

An event keeps its id over every try, so that whoever hears it twice can tell. What waits for a topic that the broker
refuses holds up nothing else, and is published in its order once the topic passes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from relay.boundaries import Boundary, reached
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.mqtt import Bus
from relay.bus.refusals import Refusals
from relay.domain.announcements import Announcement
from relay.domain.schedule import STAGE_FAILED
from relay.eventshare import Everything, Share
from relay.flight import Flight
from relay.journal import JournalFenced, Pending
from relay.stagekit import Rest, Stage, Standing, Window
from relay.telemetry.health import LineState
from relay.telemetry.lifelines import tell
from relay.telemetry.traces import Operation

log = structlog.get_logger()

BATCH = 500
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
        self._news = standing.journal.bell("events")
        self._flight: Flight[_Sent] = Flight(IN_FLIGHT, IN_FLIGHT_BYTES, self._news.ring)
        self._window = Window(2 * IN_FLIGHT)  # what takes a task: few do
        self._refusals = Refusals(self._clock, self._ids.chance.random)
        self._position = 0
        self._failures = 0
        self._broken = False
        self._under_way: set[str] = set()
        self._confirmed: list[str] = []
        self._marks = False  # somebody marks them
        self._must_mark = False  # that went wrong: nothing else is done before
        self._marking = asyncio.Lock()
        self._log = log.bind()

    async def step(self) -> Rest | None:
        """Publish the next events, in order."""
        await self._window.room()
        await self._flight.room()
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
        after = self._position
        batch = await self._share.pending(after, BATCH)
        is_done = await self._publish_all(batch, after) and batch.is_all
        # Whatever was committed since then has rung.
        return Rest(min(IDLE, self._refusals.wait()), self._share.bell) if is_done else None

    async def drain(self, seconds: float) -> None:
        """Wait for the confirmations that are under way."""
        await self._drained(seconds)
        await self._mark()
        self._share.end()

    async def _publish_all(self, batch: Pending, after: int) -> bool:
        """Publish what is behind a position; whether nothing came between, so that nothing is to be read again."""
        is_other = self._share.has_changed
        for position, event in batch:
            if not self._flight.has_room(event.size):
                await self._flight.room(event.size)
                is_other = self._share.has_changed
            if len(self._confirmed) >= UNMARKED:
                await self._mark()
                is_other = self._share.has_changed
            # Where a topic has passed: back to its first event.
            if self._broken or is_other or self._position != after:
                return False
            after = self._position = position
            # After a topic has passed, what is under way on others is met again.
            if event.id not in self._under_way:
                topic = self._bus.topic_of(event)
                if not self._refusals.hold(topic, position):
                    self._start(_Sent(position, event, topic))
        return True

    async def _drained(self, seconds: float) -> None:
        """The broker's word on what is under way is waited for; without it, it is published again under its id."""
        for late in await self._flight.empty(seconds):
            late.forget()
            self._flight.end(late)
            self._lost(late)
        await self._window.drain(seconds)

    async def _change_share(self) -> None:
        """From the first event of the new share on; what is under way of the old one is done with before."""
        await self._drained(ENDS_WITHIN)
        await self._mark()
        self._share.change()
        self._refusals = Refusals(self._clock, self._ids.chance.random)
        for line in self._board.all():
            self._board.clear(line, self.name)
        self._broken = False
        self._position = 0

    async def _connected(self) -> bool:
        if self._bus.connected:
            return True
        try:
            async with asyncio.timeout(WAIT):
                await self._bus.wait_connected()
        except TimeoutError:
            return False
        return True

    async def _start_over(self) -> Rest | None:
        """After a failure: from the first event that is not confirmed, so that the order holds."""
        await self._drained(ENDS_WITHIN)
        await self._mark()
        self._refusals.nothing_under_way()
        self._broken = False
        self._position = 0
        self._failures += 1
        return Rest(STAGE_FAILED.delay(self._failures, self._ids.chance.random()), self._share.changed)

    async def _try_refused(self) -> None:
        """Try the first event of each refused topic whose time has come."""
        for topic, first in self._refusals.due():
            await self._flight.room()
            found = await self._share.pending(first - 1, 1)
            if found and found[0][0] == first:
                self._refusals.tries(topic)
                self._start(_Sent(first, found[0][1], topic))
            else:  # it was set aside meanwhile
                self._settled(topic, first)

    def _start(self, sent: "_Sent") -> None:
        self._under_way.add(sent.event.id)
        self._flight.begin(sent, sent.event.size)
        reached(Boundary.EVENT_READ)
        forget = None
        if not self._traces.heard:
            try:
                forget = self._bus.send(sent.event, partial(self._heard, sent))
            except (BusLost, PublishRefused) as error:
                self._heard(sent, error)
                return
        # Whoever hears of spans hears how long it took; and some have more than one thing to wait for.
        sent.forget = forget or self._window.start(self._publish(sent), self.name).cancel

    async def _publish(self, sent: "_Sent") -> None:
        """Publish an event that `send` does not take."""
        event, is_known = sent.event, False
        parent, about = event.reply.traceparent, event.body.get("message_id")
        try:
            with self._traces.span(Operation.PUBLISH, event.line, parent, event=event.kind, message_id=about):
                await self._bus.publish(event)
            is_known = True
            self._heard(sent, None)
        except (BusLost, PublishRefused) as error:
            is_known = True
            self._heard(sent, error)
        finally:
            if not is_known:
                # It is published again, under the same id: the broker's word was not waited for any longer.
                self._flight.end(sent)
                self._lost(sent)

    def _heard(self, sent: "_Sent", error: BusLost | PublishRefused | None) -> None:
        """The broker's word on an event, or why there is none."""
        with self._flight.ending(sent):
            if error is None:
                self._is_confirmed(sent)
            elif isinstance(error, BusLost):
                self._lost(sent)
            else:
                self._under_way.discard(sent.event.id)
                self._refused(sent, error)
        if self._is_to_mark and not self._marks:
            self._marks = True
            self._window.start(self._mark_on(), self.name)

    def _lost(self, sent: "_Sent") -> None:
        self._under_way.discard(sent.event.id)
        self._broken = True
        self._news.ring()

    def _is_confirmed(self, sent: "_Sent") -> None:
        reached(Boundary.EVENT_CONFIRMED)
        self._failures = 0
        self._confirmed.append(sent.event.id)
        self._settled(sent.topic, sent.position)
        tell(sent.event, self._log)
        self._meters.published(sent.event, self._board.all())

    def _refused(self, sent: "_Sent", refusal: PublishRefused) -> None:
        event, topic, line = sent.event, sent.topic, _line_of(sent.event)
        if refusal.poison:
            log.warning("publish.set_aside", event_id=event.id, kind=event.kind, line=line, reason=str(refusal))
            self._window.start(self._set_aside(sent, str(refusal)), self.name)
        elif self._refusals.refused(topic, line, sent.position):
            log.error("publish.refused", line=line, topic=topic, reason=str(refusal))
            self._report(line, LineState.SUSPENDED, "publish_refused")
        self._news.ring()

    async def _set_aside(self, sent: "_Sent", why: str) -> None:
        is_done = False
        try:
            await self._journal.events.set_aside(sent.event.id, why)
            self._settled(sent.topic, sent.position)
            is_done = True
        finally:
            self._broken = self._broken or not is_done
            self._news.ring()

    def _settled(self, topic: str, position: int) -> None:
        """An event is done with: where its topic was refused, the events behind it are met again."""
        passed = self._refusals.passed(topic, position)
        if passed is None:
            return
        log.info("publish.passed", line=passed.line, topic=topic)
        if not self._refusals.touches(passed.line):
            self._report(passed.line, LineState.READY)
        self._position = min(self._position, position - 1)
        self._news.ring()

    def _report(self, line: str | None, state: LineState, reason: str | None = None) -> None:
        # Events of a line that was taken out of the settings are still published.
        if line is not None and line in self._board.all():
            self._board.report(line, self.name, state, reason)

    @property
    def _is_to_mark(self) -> bool:
        """Many are marked at once, for the work that each commit is; the rest when nothing more is under way."""
        return len(self._confirmed) >= UNMARKED / 2 or bool(self._confirmed and not self._flight.busy)

    async def _mark_on(self) -> None:
        """Mark what is confirmed, while that is due; meanwhile others are published: a commit may take its time."""
        all_marked = False
        try:
            while self._is_to_mark:
                await self._mark()
            all_marked = True
        finally:
            self._marks, self._must_mark = False, not all_marked
            if not all_marked:
                self._news.ring()

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


class _Sent:
    """An event that is under way, on the topic of its own. `forget`: have nobody told what becomes of it."""

    __slots__ = ("event", "forget", "position", "topic")

    def __init__(self, position: int, event: Announcement, topic: str) -> None:
        self.position = position
        self.event = event
        self.topic = topic
        self.forget: Callable[[], object] = _nothing


def _nothing() -> None:
    """It was not sent."""


def _line_of(event: Announcement) -> str | None:
    """The line whose trouble it is that the event is refused: `dead` is a topic of all lines."""
    return None if event.kind == "dead" else event.line
