"""The engine that delivers web hooks: seven seconds, retries, hosts that are down, and 72 hours."""

import asyncio
from datetime import datetime
from itertools import pairwise
from typing import Any

import aiohttp

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import LandlineUser, Listener

LINE, ONE = "+12065550100", "+12065550101"
HOUR = 3600


def _lines(simulator: Simulator, what: str) -> list[dict[str, Any]]:
    return [line for line in simulator.world.ledger.lines() if line["what"] == what]


def _seconds(simulator: Simulator, what: str = "hook") -> list[int]:
    """When they were written, in whole seconds since the first line of the ledger."""
    lines = simulator.world.ledger.lines()
    start = datetime.fromisoformat(lines[0]["at"])
    return [
        round((datetime.fromisoformat(line["at"]) - start).total_seconds()) for line in lines if line["what"] == what
    ]


async def _text_in(simulator: Simulator, landline: LandlineUser, listener: Listener, text: str = "hi") -> None:
    await landline.hook("receive", f"{listener.url}/receive")
    simulator.world.handset.text(ONE, LINE, text)


async def test_a_delivery_that_succeeds_is_made_once(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Any 2xx will do."""
    listener.status = 204
    await _text_in(simulator, landline, listener)
    await clock.advance(HOUR)
    assert len(listener.heard) == 1
    (line,) = _lines(simulator, "hook")
    assert (line["event"], line["result"], line["attempt"], line["line"]) == ("receive", 204, 1, LINE)


async def test_retries_come_after_ten_seconds_then_twice_as_late_each_time(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Until a 2xx ends them; a redirect is none."""
    listener.status = 307
    await _text_in(simulator, landline, listener)
    await clock.advance(150)
    listener.status = 200
    await clock.advance(HOUR)
    assert _seconds(simulator) == [0, 10, 30, 70, 150, 310]
    assert [line["result"] for line in _lines(simulator, "hook")] == [307] * 5 + [200]


async def test_no_two_retries_are_more_than_ten_minutes_apart(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """The ceiling."""
    listener.status = 500
    await _text_in(simulator, landline, listener)
    await clock.advance(HOUR - 100)
    times = _seconds(simulator)
    gaps = [late - early for early, late in pairwise(times)]
    assert gaps == [10, 20, 40, 80, 160, 320, 600, 600, 600, 600]


async def test_an_answer_that_is_too_late_is_a_failure(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Of real time, seven seconds; here less."""
    simulator.set_modes("att-landline", {"hook_timeout": 0.05})
    listener.silent = True
    await _text_in(simulator, landline, listener)
    await clock.advance(0)
    listener.silent = False
    await clock.advance(10)
    assert [line["result"] for line in _lines(simulator, "hook")] == ["timeout", 200]
    assert len(listener.heard) == 2


async def test_a_host_that_cannot_be_reached_is_a_failure(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock
) -> None:
    """Whatever the reason."""
    await landline.hook("receive", "http://127.0.0.1:1/receive")
    await landline.hook("receive", "http://nowhere.invalid/receive")
    simulator.world.handset.text(ONE, LINE, "hi")
    await clock.advance(10)
    assert [line["result"] for line in _lines(simulator, "hook")] == ["no connection"] * 4


async def test_a_host_to_which_all_fails_for_an_hour_is_down_and_probed(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """A single delivery every ten minutes, however many wait."""
    listener.status = 503
    await _text_in(simulator, landline, listener)
    for number in range(5):
        simulator.world.handset.text(ONE, LINE, f"{number}")
    await clock.advance(2 * HOUR)
    (down,) = _seconds(simulator, "host-down")
    assert HOUR <= down <= HOUR + 600
    probes = [second for second in _seconds(simulator) if second > down + 1]
    assert probes == [down + 600 * n for n in range(1, len(probes) + 1)]
    assert len(probes) >= 4
    listener.heard.clear()
    simulator.world.handset.text(ONE, LINE, "while it is down")
    await clock.advance(1)
    assert listener.heard == []


async def test_the_first_probe_that_succeeds_brings_the_backlog_at_once(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Every text comes, and none before its host is up."""
    listener.status = 503
    await _text_in(simulator, landline, listener, "0")
    await clock.advance(2 * HOUR)
    for number in range(1, 200):
        simulator.world.handset.text(ONE, LINE, f"{number}")
    await clock.advance(60)
    listener.status = 200
    listener.heard.clear()
    await clock.advance(600)
    assert sorted(int(fields["body"]) for _, _, fields in listener.heard) == list(range(200))
    burst = {
        second
        for second, line in zip(_seconds(simulator), _lines(simulator, "hook"), strict=True)
        if line["result"] == 200
    }
    assert len(burst) == 1
    assert len(_lines(simulator, "host-up")) == 1


async def test_what_fails_for_72_hours_is_lost(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """The ledger knows; three days of retries pass in a moment."""
    listener.status = 503
    await _text_in(simulator, landline, listener)
    await clock.advance(71 * HOUR)
    assert _lines(simulator, "hook-lost") == []
    simulator.world.handset.text(ONE, LINE, "younger")
    await clock.advance(2 * HOUR)
    assert len(_lines(simulator, "hook-lost")) == 1
    attempts = len(_lines(simulator, "hook"))
    assert 400 < attempts < 450
    listener.status = 200
    listener.heard.clear()
    await clock.advance(HOUR)
    assert [fields["body"] for _, _, fields in listener.heard] == ["younger"]


async def test_a_host_for_which_nothing_is_left_is_up_again(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """The next event is tried at once."""
    listener.status = 503
    await _text_in(simulator, landline, listener)
    await clock.advance(74 * HOUR)
    listener.status = 200
    simulator.world.handset.text(ONE, LINE, "new")
    await clock.advance(1)
    assert [fields["body"] for _, _, fields in listener.heard][-1] == "new"


async def test_one_host_s_trouble_is_not_another_s(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Each has a queue of its own."""
    await landline.hook("receive", "http://127.0.0.1:1/receive")
    await _text_in(simulator, landline, listener)
    await clock.advance(2 * HOUR)
    assert len(_lines(simulator, "host-down")) == 1
    simulator.world.handset.text(ONE, LINE, "second")
    await clock.advance(1)
    assert [fields["body"] for _, _, fields in listener.heard] == ["hi", "second"]


async def test_intermittent_failures_do_not_bring_a_host_down(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Only if all fail for an hour."""
    await landline.hook("receive", f"{listener.url}/receive")
    for number in range(20):
        listener.status = 503 if number % 2 else 200
        simulator.world.handset.text(ONE, LINE, f"{number}")
        await clock.advance(420)
    assert _lines(simulator, "host-down") == []


async def test_a_backlog_has_an_end(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """The oldest is lost, and the ledger knows."""
    simulator.set_modes("att-landline", {"hook_backlog": 3})
    listener.status = 503
    await _text_in(simulator, landline, listener)
    await clock.advance(2 * HOUR)
    for number in range(5):
        simulator.world.handset.text(ONE, LINE, f"{number}")
    assert len(_lines(simulator, "hook-lost")) == 3


async def test_a_web_hook_under_way_does_not_hold_up_the_stop(listener: Listener) -> None:
    """It is cut off, well within its seven seconds."""
    listener.silent = True
    async with asyncio.timeout(5):
        async with Simulator() as simulator, aiohttp.ClientSession(simulator.base_url) as http:
            await LandlineUser(http).hook("receive", f"{listener.url}/receive")
            simulator.world.handset.text(ONE, LINE, "hi")
            await listener.arrived.wait()
    assert _lines(simulator, "hook") == []


async def test_an_event_after_the_stop_is_told_to_nobody(listener: Listener) -> None:
    """And leaves nothing behind."""
    async with Simulator() as simulator, aiohttp.ClientSession(simulator.base_url) as http:
        await LandlineUser(http).hook("receive", f"{listener.url}/receive")
    before = asyncio.all_tasks()
    simulator.world.handset.text(ONE, LINE, "hi")
    assert asyncio.all_tasks() == before
    assert listener.heard == []


async def test_an_old_retry_is_lost_though_its_host_is_up(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Seventy-two hours end every delivery, also where others succeed all the time."""
    await landline.hook("receive", f"{listener.url}/bad")
    await landline.hook("send", f"{listener.url}/send")
    listener.refused_path = "/bad"
    simulator.world.handset.text(ONE, LINE, "never")
    for _ in range(73 * 2):
        await landline.send(ONE)
        await clock.advance(HOUR / 2)
    assert _lines(simulator, "host-down") == []
    (lost,) = _lines(simulator, "hook-lost")
    assert (lost["event"], lost["attempt"]) == ("receive", max(_attempts(simulator, "receive")))


def _attempts(simulator: Simulator, event: str) -> list[int]:
    return [line["attempt"] for line in _lines(simulator, "hook") if line["event"] == event]
