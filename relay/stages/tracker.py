"""provider -> journal: ask for the delivery status of what was handed over, keep the answer, then understand it.

A final status may be told only once, and for no longer than 30 minutes (SMS documentation, Get SMS Delivery
Status), so an answer's bytes are kept before anybody reads them, and a look is never cut short.
"""

import math
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

import structlog

from relay.boundaries import Boundary, reached
from relay.domain.errors import Gone, Malformed, NotAuthorized, Problem, RelayError, Throttled, TryLater
from relay.domain.messages import RawAnswer
from relay.domain.schedule import RARE_LOOKS_FROM, RETRY_SEND, next_look
from relay.heirs import Heirs
from relay.journal import KeptRaw, Limit, Look
from relay.providerkit.spec import AsksStatus, Line
from relay.stagekit import Rest, Stage, Standing, Window
from relay.telemetry.health import LineState, state_after

log = structlog.get_logger()

IDLE = 60.0  # seconds between two looks into the journal when no bell rings
RETRY_LOOK = 60.0  # seconds until a look that failed is tried again: far below AT&T's 30 minutes
UNAUTHORIZED_PAUSE = 60.0
LONGEST_WAIT = 1500.0  # whatever the provider asks for: AT&T deletes a final status 30 minutes after it became final
BATCH = 100
TAKEN_FOR = timedelta(minutes=1)  # a look that was not begun since; others may have it a minute later
JUDGED_EVERY = timedelta(minutes=1)  # how the month's budget stands
NEARLY_SPENT = 0.05  # of the month's budget: what is left then is for sending and for what comes in


class Often(Enum):
    """How often is looked, as the month's budget of calls allows: status gives way to sending."""

    AS_USUAL = "as usual"
    RARELY = "rarely"  # texts that end sooner are told of later
    NEVER = "never"  # AT&T deletes what nobody asks for: some receipts will be missing


class TrackedLine(Line, AsksStatus, Protocol):
    """A line whose delivery status is asked for."""


class Tracker(Stage):
    """Follows one line's calls to their ends, as far as the month's budget of calls goes.

    Where no look is made for want of calls, a call stays followed: once the 72 hours are over, what became of it is
    unknown.
    """

    def __init__(self, line: TrackedLine, standing: Standing, *, window: int) -> None:
        self.name = f"tracker/{line.alias}"
        self.line = line.alias
        self._line = line
        self._journal, self._board = standing.journal, standing.board
        self._clock, self._ids = standing.clock, standing.ids
        self._window = Window(window)
        self._under_way: dict[str, Look] = {}
        self._fetched: dict[str, RawAnswer | KeptRaw] = {}  # by call: fetched, and not on disk or not read yet
        self._unread: dict[str, Look] = {}  # the looks that brought these, and are not under way
        self._taken: list[Look] = []  # of those that other nodes leave to this one: not begun yet
        self._taken_at = self._clock.now()
        self._heirs = Heirs(standing)
        self._pause = 0.0
        self._failures = 0  # looks in a row that brought nothing, those in flight together counted once
        self._often = Often.AS_USUAL
        self._judged_at: datetime | None = None
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Put every look that is due in flight."""
        await self._window.room()
        if self._heirs.are_called():
            await self._window.run(self._resume(), self.name)
        if self._pause:
            pause, self._pause = self._pause, 0.0
            return Rest(pause)
        await self._judge_budget()
        fresh = await self._due()
        for look in fresh:
            await self._window.room()
            if self._pause:
                break
            self._begin(look)
        if fresh:
            return None
        if (shut := self._journal.shut) is not None:
            return Rest(IDLE, shut.over)
        if self._often is Often.NEVER:
            return Rest(IDLE)
        bell = self._journal.bell(f"looks:{self._line.alias}")
        return self._heirs.rest(Rest(await self._until_due(), bell))

    async def drain(self, seconds: float) -> None:
        """Let the looks in flight finish: what they bring can be had only once. Others may take those not begun."""
        await self._window.drain(seconds)
        if self._journal.nodes.is_shared:
            # This node may have no other time for it.
            await self._read()
        await self._leave_taken()

    async def hand_over(self) -> None:
        """Let the looks in flight finish, and read all that they bring."""
        await self._window.drain(math.inf)
        await self._read()
        await self._leave_taken()

    async def _read(self) -> None:
        for look in [*self._unread.values()]:
            await self._keep(look)

    async def _leave_taken(self) -> None:
        while self._taken:
            await self._journal.looks.later(self._taken.pop().call_id, 0)

    async def _resume(self) -> None:
        """Understand what a former life kept and did not read, or another node that has died."""
        for kept in await self._journal.raw.unread(self._line.alias, source="status"):
            if kept.about not in self._unread:
                await self._understand(kept)

    async def _due(self) -> list[Look]:
        """The looks to begin now."""
        busy = set(self._under_way)  # before the journal is asked: what ends meanwhile may still be among its answer
        if not self._journal.nodes.is_shared:
            due = await self._journal.looks.due(self._line.alias, BATCH)
            return [look for look in due if look.call_id not in busy and self._may_look(look)]
        if abs(self._clock.now() - self._taken_at) > TAKEN_FOR:
            self._taken.clear()
        if not self._taken and self._asks:
            # No more than can be begun at once: whoever takes one leaves it to nobody else.
            self._taken_at = self._clock.now()
            self._taken = await self._journal.looks.due(self._line.alias, max(self._window.free, 1))
        return [look for look in (*self._unread.values(), *self._taken) if look.call_id not in self._under_way]

    def _begin(self, look: Look) -> None:
        if look in self._taken:
            self._taken.remove(look)
        self._under_way[look.call_id] = look
        self._window.start(self._look(look), self.name)

    async def _judge_budget(self) -> None:
        now = self._clock.now()
        if self._judged_at is not None and abs(now - self._judged_at) < JUDGED_EVERY:
            return
        self._judged_at = now
        standing = await self._journal.limits.standing(self._line.alias)
        month, before, often = standing.month, self._often, Often.AS_USUAL
        if month is not None and (
            month.left < month.limit * NEARLY_SPENT or standing.permit.limit is Limit.MONTH or month.is_spent
        ):
            often = Often.NEVER
        elif month is not None and month.is_short:
            often = Often.RARELY
        self._often = often
        if often is not before:
            level = 20 if often is Often.AS_USUAL else 30
            self._log.log(level, "status.looks", often=often.value, left=month.left if month else None)

    def _may_look(self, look: Look) -> bool:
        # What was fetched already is only to be written down; what is asked for now may be told only once.
        return self._asks or look.call_id in self._fetched

    @property
    def _asks(self) -> bool:
        return self._often is not Often.NEVER and self._journal.shut is None

    def _too_early(self, look: Look) -> float | None:
        """Seconds until this look is to come, where looks are rare and this is one of the quick first ones."""
        age = self._age(look)
        if self._often is not Often.RARELY or age >= RARE_LOOKS_FROM:
            return None
        return (next_look(0.0, chance=self._ids.chance.random(), rarely=True) or 0.0) - age

    def _age(self, look: Look) -> float:
        return (self._clock.now() - look.handed_over_at).total_seconds()

    async def _until_due(self) -> float:
        due = await self._journal.looks.next_due(self._line.alias)
        if due is None:
            return IDLE
        return min(IDLE, max((due - self._clock.now()).total_seconds(), 1.0))

    async def _look(self, look: Look) -> None:
        try:
            if look.call_id not in self._fetched:
                too_early = self._too_early(look)
                if too_early is not None:
                    await self._journal.looks.later(look.call_id, too_early)
                    return
                self._journal.limits.count(self._line.alias, "status")
                self._fetched[look.call_id] = await self._line.fetch_status(look.ref)
        except RelayError as error:
            await self._failed(look, error)
        else:
            await self._keep(look)
        finally:
            self._under_way.pop(look.call_id, None)

    async def _keep(self, look: Look) -> None:
        """Keep an answer and understand it; where that fails, the next look goes on from there and asks for nothing."""
        got = self._fetched[look.call_id]
        self._unread[look.call_id] = look
        if isinstance(got, RawAnswer):
            reached(Boundary.STATUS_FETCHED)
            got = await self._journal.raw.keep(self._line.alias, "status", look.ref, look.call_id, got)
            reached(Boundary.STATUS_KEPT)
            self._fetched[look.call_id] = got
            self._board.report(self._line.alias, "status", LineState.READY)
            self._recovered()
        await self._understand(got, look)
        del self._fetched[look.call_id], self._unread[look.call_id]

    async def _understand(self, kept: KeptRaw, look: Look | None = None) -> None:
        try:
            reports = self._line.read_status(kept.event, kept.raw)
        except Malformed as error:
            await self._journal.raw.set_aside(kept, error.problem.detail)
            return
        age = self._age(look) if look else 0.0
        wait = next_look(age, chance=self._ids.chance.random(), rarely=self._often is not Often.AS_USUAL)
        done = await self._journal.raw.understood(kept, reports=reports, next_look=wait)
        self._log.debug("status.read", call_id=kept.about, reports=done.applied)

    async def _failed(self, look: Look, error: RelayError) -> None:
        problem = error.problem
        match error:
            case Gone():
                await self._journal.looks.forgotten(look.call_id, _forgotten(problem))
            case NotAuthorized():
                self._back_off(UNAUTHORIZED_PAUSE)
                self._board.report(self._line.alias, "status", state_after(error), problem.code)
                await self._journal.looks.later(look.call_id, UNAUTHORIZED_PAUSE)
            case TryLater():
                await self._journal.looks.later(look.call_id, self._wait(error))
            case _:
                await self._journal.looks.later(look.call_id, RETRY_LOOK)
        if not isinstance(error, Gone):
            self._back_off()
        self._log.log(
            20 if isinstance(error, Gone) or self._failures > 1 else 30,
            "status.failed",
            call_id=look.call_id,
            policy=type(error).__name__,
            code=problem.code.value,
        )

    def _back_off(self, wait: float | None = None) -> None:
        """Rest as a line: however many calls are followed, a provider in trouble is asked for a few of them."""
        if not self._pause:
            self._failures += 1
            self._pause = RETRY_SEND.delay(self._failures, self._ids.chance.random())
        if wait is not None:
            self._pause = wait

    def _recovered(self) -> None:
        if self._failures:
            self._log.info("status.recovered", failures=self._failures)
        self._failures = 0

    def _wait(self, error: TryLater) -> float:
        wait = min(error.after or RETRY_LOOK, LONGEST_WAIT)
        if isinstance(error, Throttled):
            self._back_off(wait)
        self._board.report(self._line.alias, "status", state_after(error), error.problem.code)
        return wait


def _forgotten(problem: Problem) -> Problem:
    return Problem(
        problem.code, "the provider no longer knows this message; its final status is lost", problem.provider
    )
