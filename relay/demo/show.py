"""The demo as its spectator sees it: everything is started, the story is told and drawn up; it can be left running."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.demo.broker import Kind
from relay.demo.story import Story
from relay.demo.summary import Summary, summarise
from relay.demo.telling import Teller
from relay.demo.trouble import Trouble
from relay.demo.trying import things_to_try
from relay.demo.world import LANDLINE, SHORT_CODE, SPEED, SUBSCRIBER, World, running_world


@dataclass(frozen=True, slots=True)
class Show:
    """What was asked for: a broker, whether to stay afterwards, and how the user calls this program."""

    broker: Kind
    stay: bool
    program: str


async def show(asked: Show, stop: asyncio.Event) -> bool:
    """Show it all; whether it all happened as promised. `stop` ends it."""
    tell = Teller(sys.stdout)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="relay-demo-"))
    try:
        good = await _show(asked, folder, tell, stop)
    except Trouble as trouble:
        tell.say(f"!! {trouble}. What relay logged is in {folder}/relay.log")
        return False
    except BrokenPipeError:  # nobody looks on any more
        await asyncio.to_thread(shutil.rmtree, folder)
        raise
    await asyncio.to_thread(shutil.rmtree, folder)
    return good


async def _show(asked: Show, folder: Path, tell: Teller, stop: asyncio.Event) -> bool:
    tell.say("Texts flow both ways here. AT&T is simulated, and nothing leaves this machine.\n")
    async with running_world(asked.broker, folder) as world:
        _introduce(world, tell)
        story = Story(world, tell)
        if not await _finished(story.play(), stop):
            tell.say("\nStopped.")
            return False
        summary = summarise(story)
        _draw_up(summary, tell)
        if asked.stay:
            tell.say(await asyncio.to_thread(things_to_try, world, asked.program))
            await stop.wait()
            tell.say("\nStopping.")
    return summary.good


async def _finished(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Whether `work` came to its end before `stop` was set."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        return False
    await working
    return True


def _introduce(world: World, tell: Teller) -> None:
    tell.say(f"broker  {world.broker.name}, on port {world.broker.port}")
    tell.say(f"AT&T    simulated; the lines are alerts ({SHORT_CODE}), office ({LANDLINE})")
    tell.say(f"        and desk (the number of a subscriber, {SUBSCRIBER})")
    tell.say(f"time    runs {SPEED} times as fast: relay asks AT&T for texts every 5 s, not 5 min\n")


def _draw_up(summary: Summary, tell: Teller) -> None:
    tell.say("\nAT&T's ledger against what was heard on the bus:")
    tell.say(f"sent        {summary.handed} texts in {summary.calls} calls, {summary.delivered} delivered")
    tell.say(f"received    {summary.received} texts")
    tell.say(f"lost        {summary.lost}")
    tell.say(f"doubled     {summary.doubled}")
    tell.say(f"violations  {summary.forbidden} of AT&T's rules")
    if not summary.good:
        tell.say("!! This is not as promised.")
