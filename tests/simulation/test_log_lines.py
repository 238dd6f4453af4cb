"""What an operator reads: nothing in a quiet hour, and of each trouble when it begins and when it ends."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from relay.rules.circuit import OPENS_AFTER
from tests.simulation.faults import HOUR, Fault, Troubles
from tests.simulation.passing import passes
from tests.simulation.world import HOOKS, INAPP, LANDLINE, NUMBER, SHORT_CODE, SMS, SUBSCRIBER, World, simulate

LINES = ("alerts", "office", "desk")
BENEATH = {"debug", "info"}
UNTIL_OPEN = "call.failed"  # told of each try to send, until the circuit has opened
TROUBLES = {
    "att-sms": (Fault(0, 2 * HOUR, "network", (SMS, "refused")), {"circuit.opened", "inbox.failed"}),
    "att-landline": (Fault(0, 2 * HOUR, "network", (LANDLINE, "refused")), {"circuit.opened", "hooks.failed"}),
    "att-inapp": (Fault(0, 2 * HOUR, "network", (INAPP, "refused")), {"circuit.opened", "mailbox.failed"}),
    "web hooks": (Fault(0, 2 * HOUR, "network", (HOOKS, "refused")), set[str]()),
    "broker": (Fault(0, 2 * HOUR, "broker", "down"), {"bus.lost"}),
    "full disk": (Fault(0, HOUR / 4, "journal", "full"), {"journal.full"}),
    "disk that fails": (Fault(0, HOUR / 4, "journal", "refuses"), {"journal.full"}),
    "disk of which nobody knows": (Fault(0, HOUR / 4, "journal", "unsure"), {"journal.full"}),
}
ENDS = {
    "circuit.opened": "circuit.closed",
    "inbox.failed": "inbox.recovered",
    "mailbox.failed": "mailbox.recovered",
    "hooks.failed": "hooks.recovered",
    "bus.lost": "bus.restored",
    "journal.full": "journal.takes_again",
}


async def an_hour(world: World, hours: float = 1.0) -> None:
    """Texts go and come."""
    until = world.loop.time() + hours * HOUR
    number = len(world.asked)
    while world.loop.time() < until:
        number += 1
        request = {"id": f"r{number}", "to": f"+120655502{30 + number % 60}", "text": f"out {number}"}
        world.command(LINES[number % 3], "send", request)
        world.text_in((SHORT_CODE, NUMBER, SUBSCRIBER)[number % 3], "+12065550240", f"in {number}")
        await passes(240)


async def begun(world: World) -> None:
    """The subscriber has agreed, and everything stands."""
    await world.agree()
    await passes(300)
    world.logged.clear()


def loud(world: World) -> list[dict[str, Any]]:
    """What is logged as a warning, or worse."""
    return [line for line in world.logged if line["level"] not in BENEATH]


def test_a_quiet_hour_logs_no_warning(free_port: Callable[[], int]):
    """Texts go and come on all lines, and nobody has to look."""

    async def story(world: World) -> None:
        await begun(world)
        await an_hour(world)
        assert loud(world) == []
        assert Counter(line["event"] for line in world.logged)["message.received"] > 10

    simulate(free_port(), 1, story)


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_is_told_when_it_begins_and_when_it_ends(free_port: Callable[[], int], name: str):
    """Once each, however long it lasts and however often something is tried meanwhile."""
    fault, beginnings = TROUBLES[name]

    async def story(world: World) -> None:
        await begun(world)
        troubles = Troubles(world, random.Random(1))  # noqa: S311 - a failure must repeat
        await troubles.begin(fault)
        await an_hour(world, fault.lasts / HOUR)
        await troubles.end(fault)
        await an_hour(world)
        told = Counter(
            line["event"] for line in loud(world) if line["event"] not in {UNTIL_OPEN, "inbox.loss_suspected"}
        )
        assert told == Counter(beginnings)
        assert sum(line["event"] == UNTIL_OPEN for line in loud(world)) <= OPENS_AFTER
        all_told = Counter(line["event"] for line in world.logged)
        assert {all_told[ENDS[beginning]] for beginning in beginnings} <= {1}

    simulate(free_port(), 1, story)
