"""Defects that killing, stopping and starving the process found, each with the least that shows it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.simulator.virtual import ManualClock
from relay.stages.timekeeper import Timekeeper
from relay.web.answers import not_found
from relay.web.server import WebServer
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk, SqlitePlace
from tests.unit.stages.house import House, happens, seconds, until_rest

INTERVAL = 300.0
KEPT = 1800.0  # seconds: AT&T keeps a text for half an hour


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


async def _told(house: House) -> list[str]:
    return [body["reason"] for body in await house.bodies("event.loss-suspected")]


async def _cut(house: House) -> None:
    """A fetch is due, and relay falls before AT&T has seen it."""
    poller, before = house.poller(), len(house.ledger("fault"))
    house.fault("delay", operation="inbox", seconds=KEPT)
    stepping = asyncio.create_task(until_rest(poller))
    await happens(lambda: len(house.ledger("fault")) > before)
    stepping.cancel()
    await asyncio.wait({stepping})
    await poller.drain(0.01)
    await house.restart()


async def test_what_att_discards_while_one_fetch_after_another_is_cut_is_told(house: House) -> None:
    """Each cut was taken for a poll that had brought its page, so that nobody was told of what was never asked for."""
    await until_rest(house.poller())
    house.text("nobody comes for it in time")
    cuts = int(KEPT / INTERVAL) + 1
    for _ in range(cuts):
        await house.clock.advance(INTERVAL)
        await _cut(house)
        await until_rest(house.poller())
    await house.clock.advance(INTERVAL)
    await until_rest(house.poller())
    assert await house.bodies("message") == []
    told = await _told(house)
    assert len(told) == cuts + 1
    assert told[-1] == "no poll for longer than the provider keeps texts"


async def test_a_fetch_that_was_cut_puts_the_next_one_off_by_an_interval_from_its_own_beginning(house: House) -> None:
    """It was from the restart, so that a relay that falls again and again polled less and less."""
    await until_rest(house.poller())
    await house.clock.advance(INTERVAL)
    await _cut(house)
    await house.clock.advance(100)
    assert seconds(await until_rest(house.poller())) == INTERVAL - 100
    assert house.violations() == []


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield desk
    await desk.journal.aclose()


async def test_a_clock_that_is_put_back_puts_no_retry_off_by_a_month(desk: Desk) -> None:
    """It comes when it would have come; what a person wants at a time of day stays there."""
    await desk.send(BOB, key="at nine", send_at=START + timedelta(hours=1))
    await desk.send(key="again")
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 300)
    await _put_back(desk)
    assert await desk.none_due()
    desk.clock.pass_(seconds=299)
    assert await desk.none_due()
    desk.clock.pass_(seconds=1)
    assert [to.address for to in (await desk.claim()).recipients] == [ALICE]
    desk.clock.pass_(days=1)
    assert await desk.none_due()


async def test_a_clock_that_is_put_back_leaves_what_was_ready_ready(desk: Desk) -> None:
    """It had waited behind nothing, and would have waited behind everything that came after."""
    await desk.send()
    await _put_back(desk)
    desk.clock.pass_(seconds=1)
    assert [to.address for to in (await desk.claim()).recipients] == [ALICE]


async def test_a_clock_that_is_put_back_asks_for_a_status_in_time_and_not_every_moment(desk: Desk) -> None:
    """AT&T deletes it after half an hour; and a text of the future would be asked for every 15 seconds for a month."""
    await desk.sent(CAROL)
    desk.clock.pass_(seconds=10)
    await _put_back(desk)
    assert await desk.journal.looks.due(LINE, 10) == []
    desk.clock.pass_(seconds=10)
    [look] = await desk.journal.looks.due(LINE, 10)
    assert (desk.clock.now() - look.handed_over_at).total_seconds() == pytest.approx(20, abs=1)


async def _put_back(desk: Desk) -> None:
    """The clock is put back by a month, and somebody notices."""
    desk.clock.pass_(days=-30)
    await desk.journal.upkeep.clock_put_back(timedelta(days=30))


async def test_a_step_of_the_clock_is_told_once_and_over_a_restart_as_well(house: House) -> None:
    """Back while relay runs, forward, and back while it does not run; less than a minute is nobody's business."""
    steps = [-3600.0, 0.0, 7200.0, 0.5]
    ground = house.ground
    with capture_logs() as logged:
        keeper = Timekeeper(ground, lambda: steps.pop(0))
        for _ in range(5):
            await keeper.step()
        earlier = replace(ground, clock=ManualClock(house.clock.now() - timedelta(days=30)))
        for _ in range(2):
            await Timekeeper(earlier, lambda: 0.0).step()
    assert [line["seconds"] for line in logged if line["event"] == "clock.jumped"] == [-3600, 7200, -30 * 86_400]


async def test_callers_who_come_faster_than_the_loop_goes_round_take_no_more_descriptors_than_others() -> None:
    """For all of them together one connection was cut, and until they went relay reached nobody."""
    most, burst = 8, 60

    async def nothing(_: object) -> object:
        return not_found()

    async with WebServer("127.0.0.1", 0, nothing, setting="none") as server:  # type: ignore[arg-type]
        server._server.most = most
        with contextlib.ExitStack() as open_ones:
            crowd = [open_ones.enter_context(_caller(server.port)) for _ in range(burst)]
            await happens(lambda: _closed(crowd) == burst - most)


def _caller(port: int) -> socket.socket:
    """A connection that is made before the loop goes on."""
    caller = socket.create_connection(("127.0.0.1", port))
    caller.setblocking(False)  # noqa: FBT003 - the standard library's word
    return caller


def _closed(callers: Sequence[socket.socket]) -> int:
    """How many of them have been cut."""
    return sum(map(_is_closed, callers))


def _is_closed(caller: socket.socket) -> bool:
    try:
        return caller.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
