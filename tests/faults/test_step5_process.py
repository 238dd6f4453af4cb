"""Defects that killing, stopping and starving the process found, each with the least that shows it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relay.web.server import WebServer, not_found
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


async def test_callers_who_come_faster_than_the_loop_goes_round_take_no_more_descriptors_than_others() -> None:
    """For all of them together one connection was cut, and until they went relay reached nobody."""
    most, burst = 8, 60

    async def nothing(_: object) -> object:
        return not_found()

    async with WebServer("127.0.0.1", 0, nothing, setting="none") as server:  # type: ignore[arg-type]
        assert server._runner.server is not None
        server._runner.server.most = most  # type: ignore[attr-defined]
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
