"""Nodes over one PostgreSQL, in one process: each with its journal, its turns and its board; a bus if asked for."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from relay.bus.config import BusSettings
from relay.bus.mqtt import Bus
from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Journal
from relay.stagekit import Stage, Standing
from relay.telemetry.health import LineBoard
from relay.turns import BUS, UPKEEP, Turns, line_turn
from tests.brokers import Mosquitto
from tests.databases import Database
from tests.unit.stages.house import ALERTS, OFFICE

LEASE = 2.0
WITHIN = 20.0
LINES = (ALERTS, OFFICE)
ALL = (BUS, UPKEEP, *(line_turn(line) for line in LINES))


@dataclass
class Node:
    """A node; its heart beats while `beating` is entered.

    Attributes:
        heart: stops it, as a process that stands still.
    """

    name: str
    journal: Journal
    turns: Turns
    standing: Standing
    stack: AsyncExitStack
    heart: AsyncExitStack

    @property
    def board(self) -> LineBoard:
        """How its lines stand."""
        return self.standing.board

    async def bus(self, broker: Mosquitto) -> Bus:
        """Its bus, entered."""
        settings = BusSettings(url=broker.url, node=self.name, timeout=5.0)
        clock, ids = self.standing.clock, self.standing.ids
        bus = Bus(settings, LINES, clock, ids, may_hear=partial(self.turns.holds, BUS))
        bus.hear_commands(wanted=False)
        return await self.stack.enter_async_context(bus)

    async def stands_still(self) -> None:
        """Its heart beats no more, and its turns are over."""
        await self.heart.aclose()

    async def until(self, so: Callable[["Node"], bool]) -> None:
        """Wait until its turns are so."""
        changed = asyncio.Event()
        self.turns.on_change(changed.set)
        async with asyncio.timeout(WITHIN):
            while not so(self):
                await changed.wait()
                changed.clear()

    async def has(self, *turns: str) -> None:
        """Wait until it has these turns, and perhaps more."""
        await self.until(lambda node: all(node.turns.holds(turn) for turn in turns))


@asynccontextmanager
async def beating(database: Database, name: str, *wanted: str, lease: float = LEASE) -> AsyncIterator[Node]:
    """A node that beats."""
    clock = SystemClock()
    ids = Ids(clock, random.Random(name))  # noqa: S311 - chance that repeats
    async with AsyncExitStack() as stack:
        journal = await Journal.open(database.url, clock=clock, ids=ids, node=name, lease=lease)
        await stack.enter_async_context(journal)
        turns = Turns(journal, wanted or ALL)
        heart = await stack.enter_async_context(AsyncExitStack())
        await heart.enter_async_context(turns.running())
        standing = Standing(journal, LineBoard(clock, LINES), clock, ids)
        yield Node(name, journal, turns, standing, await stack.enter_async_context(AsyncExitStack()), heart)


@asynccontextmanager
async def running(node: Node, stage: Stage) -> AsyncIterator[None]:
    """Step a stage, and rest as it says, until the block is left; then drain it."""

    async def go_on() -> None:
        while True:
            rest = await stage.step()
            if rest is not None:
                await rest.over(node.standing.clock)

    stepping = asyncio.create_task(go_on())
    try:
        yield
    finally:
        stepping.cancel()
        with suppress(asyncio.CancelledError):
            await stepping
        await stage.drain(WITHIN)
