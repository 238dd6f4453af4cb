"""a plan -> the lines that are served: some come, some go, some are exchanged, and all others notice nothing.

A line's stages are ended for that, and what they have in flight takes as long as it takes: no call becomes uncertain.
What waits for the line waits in the journal: it goes on with the line's next stages, or is listed for a person where
there are none any more.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from relay.bus.mqtt import Bus
from relay.journal import JournalError
from relay.providerkit.linesettings import LineSettings
from relay.providerkit.spec import Line
from relay.stagekit import LEFT_OVER
from relay.status import NodeStatus
from relay.supervisor import Crew
from relay.telemetry.health import LineBoard
from relay.wiring.core import Core
from relay.wiring.judging import Plan
from relay.wiring.rules import rules_of
from relay.wiring.services import Services, turns_of
from relay.wiring.stages import Stages

log = structlog.get_logger()

READ_WITHIN = 10.0  # real seconds for the web hooks of a line that goes; what is not read by then is set aside
_STAYS = ("bus",)  # what the broker lets relay do on a line's topics does not change with the line


@dataclass(frozen=True, slots=True)
class Exchange:
    """Has lines come and go.

    Attributes:
        base: the lines, their settings and their secrets.
        bus: hears and speaks for them.
        board: shows how they stand.
        stages: makes theirs.
        services: what else knows them.
        status: tells of them.
        crew: runs their stages.
    """

    base: Core
    bus: Bus
    board: LineBoard
    stages: Stages
    services: Services
    status: NodeStatus
    crew: Crew = field(kw_only=True)

    async def make(self, plan: Plan) -> None:
        """Bring about what the plan says. Where it is cancelled, no line is half there: it waits, or runs."""
        found, fresh = plan.difference, plan.fresh
        for alias in found.removed:
            self.base.lines.leave(alias)
        ends = await asyncio.gather(
            self._come(plan),
            *(self._change(plan, fresh[alias]) for alias in found.changed),
            *(self._go(alias) for alias in found.removed),
            return_exceptions=True,
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _come(self, plan: Plan) -> None:
        """Have new lines known, then heard, then worked for."""
        added = [plan.fresh[alias] for alias in plan.difference.added]
        for line in added:
            self.board.add(line.alias)
            self._take(plan, line)
        self._tell_lines()
        self._look_again()
        await self.bus.follow(tuple(self.base.lines.served))
        self.services.turns.want(turns_of(self.base.lines))
        for line in added:
            await self._show_consent(line.alias)
            self.crew.begin(self.stages.of(line))
            log.info("line.added", line=line.alias)

    async def _change(self, plan: Plan, fresh: Line) -> None:
        """Exchange a line once nothing is under way on it."""
        alias = fresh.alias
        await self.crew.hand_over(alias)
        async with self.services.doings.none_on(alias):
            # Before the other one begins: it may be just renewing a token that can be renewed once.
            await self.base.lines.close(self.base.lines[alias])
            self._take(plan, fresh)
            self.board.begin_anew(alias, but=_STAYS)
            self.stages.let_send(alias)
            self._tell_lines()
        self._look_again()
        await self._show_consent(alias)
        self.crew.begin(self.stages.of(fresh))
        log.info("line.changed", line=alias)

    async def _go(self, alias: str) -> None:
        """Take a line away once nothing is under way on it."""
        await self.crew.hand_over(alias)
        await self.services.consents.go(alias)
        async with self.services.doings.none_on(alias):
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_WITHIN):
                    await self.stages.receiver.has_read(alias)
            line = self.base.lines[alias]
            self._drop(alias)
            await self.base.lines.close(line)
        self._look_again()
        await self.bus.follow(tuple(self.base.lines.served))
        log.info("line.removed", line=alias)

    def _take(self, plan: Plan, line: Line) -> None:
        """In one step: everything knows this line, in place of any other of its alias."""
        base, alias = self.base, line.alias
        if alias in plan.secrets:
            base.secrets[alias] = plan.secrets[alias]
        else:
            base.secrets.pop(alias, None)
        base.lines.put(line)
        self._go_by({**base.settings.lines, alias: plan.settings.lines[alias]})
        self.services.attend(alias)

    def _drop(self, alias: str) -> None:
        """In one step: nothing knows this line any more."""
        base = self.base
        base.lines.drop(alias)
        base.secrets.pop(alias, None)
        self._go_by({name: one for name, one in base.settings.lines.items() if name != alias})
        self.services.attend(alias)
        self.status.gone(alias)
        self.services.turns.want(turns_of(base.lines))
        self.board.remove(alias)
        self._tell_lines()

    def _go_by(self, lines: Mapping[str, LineSettings]) -> None:
        # They were judged together with all that is still to be exchanged: half of them need not go together.
        self.base.settings = self.base.settings.model_copy(update={"lines": lines})
        self.base.journal.follow(rules_of(self.base.settings, self.base.lines))

    def _tell_lines(self) -> None:
        self.status.follow(self.base.settings)
        self.stages.changed.ring()

    def _look_again(self) -> None:
        """What was kept and not read may have another reader now, or none."""
        self.stages.receiver.look_again()
        self.base.journal.ring(LEFT_OVER)

    async def _show_consent(self, alias: str) -> None:
        try:
            await self.services.consents.come(alias)
        except JournalError as error:
            log.warning("consent.unread", line=alias, policy=type(error).__name__)
