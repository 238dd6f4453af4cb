"""Troubles with the broker are told once for both connections."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.bus.channel import Loss
from relay.bus.errors import SESSION_TAKEN_OVER
from relay.bus.trouble import Trouble
from relay.simulator.virtual import ManualClock

CLOSED = Loss("the connection broke")
TAKEN = Loss("session taken over", SESSION_TAKEN_OVER)


def told(lines: list[MutableMapping[str, Any]]) -> list[tuple[str, str]]:
    """What a log at the level `info` shows."""
    return [(line["event"], line["log_level"]) for line in lines if line["log_level"] != "debug"]


async def test_two_losses_and_a_broker_that_is_not_there_are_one_trouble() -> None:
    """The first line tells it; the last connection to come back ends it."""
    trouble = Trouble(ManualClock())
    with capture_logs() as lines:
        trouble.lost("node", CLOSED, idle=True)
        trouble.lost("commands", CLOSED, idle=True)
        for connection in ("node", "commands", "node"):
            trouble.refused(connection, "unreachable", "nobody there")
            trouble.refused(connection, "silent", "nobody answers")
        trouble.over("node")
        trouble.over("commands")
    assert told(lines) == [("bus.lost", "warning"), ("bus.restored", "info")]


async def test_another_cause_is_told_once_for_both() -> None:
    """A password that is wrong after the broker's return is news; the next trouble begins anew."""
    trouble = Trouble(ManualClock())
    with capture_logs() as lines:
        for _ in range(2):
            for connection in ("node", "commands"):
                trouble.refused(connection, "unreachable", "nobody there")
                trouble.refused(connection, "not_authorized", "wrong password")
            trouble.over("node")
            trouble.over("commands")
    assert [line["event"] for line in lines] == ["bus.refused", "bus.refused", "bus.restored"] * 2


async def test_a_connection_that_comes_up_without_a_trouble_is_no_news() -> None:
    """As at the start."""
    trouble = Trouble(ManualClock())
    with capture_logs() as lines:
        trouble.over("node")
    assert lines == []


@pytest.mark.parametrize(
    ("loss", "idle", "contested"), [(TAKEN, True, True), (CLOSED, True, True), (CLOSED, False, False)]
)
async def test_three_losses_of_one_connection_alone_are_somebody_elses(
    loss: Loss, *, idle: bool, contested: bool
) -> None:
    """Where the broker says so, or closes it while nothing is on its way that it may have closed it over."""
    trouble = Trouble(ManualClock())
    for times in range(3):
        assert not trouble.contested("commands"), times
        trouble.lost("commands", loss, idle=idle)
    assert trouble.contested("commands") is contested
    trouble.steady("commands")
    assert not trouble.contested("commands")


async def test_losses_that_take_both_connections_are_the_brokers() -> None:
    """So are those that are far apart, and those that relay made itself."""
    clock = ManualClock()
    both, rare, own = Trouble(clock), Trouble(clock), Trouble(clock)
    for _ in range(3):
        both.lost("commands", CLOSED, idle=True)
        both.lost("node", CLOSED, idle=True)
        own.lost("commands", Loss("could not keep it", ours=True), idle=True)
        rare.lost("commands", CLOSED, idle=True)
        await clock.advance(61)
    assert not any(each.contested("commands") for each in (both, rare, own))
