"""What all tests of this folder run under sees every operation of AT&T's OpenAPI documents, and what is wrong."""

from typing import Any

import aiohttp
import pytest

from relay.clock import SystemClock
from relay.simulator.app import Simulator, SimulatorOptions
from tests.contract.provider.conformity import Watch, described
from tests.contract.provider.inapp import FRIEND, SERVICE, Desk, a_call, a_desk


async def everything(desk: Desk) -> None:
    """Each operation of In-App Messaging once."""
    line = await desk.ready()
    await line.send(a_call(FRIEND, "+12065550002", group=True))
    page = await line.list_mail(0, 50)
    desk.act("receive", **{"from": FRIEND, "text": "Hello"})
    assert page.cursor is not None
    (added,) = (await line.fetch_changes(page.cursor)).added
    await line.get_mail(added.ref)
    await line.update_mail(added.ref, is_unread=False)
    await line.delete_mail(added.ref)


async def test_it(simulator: Any) -> None:
    async with a_desk() as desk:
        await everything(desk)
        print(desk.watch.seen)
