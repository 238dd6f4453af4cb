"""Lines that come and go on the connections that there are."""

from pathlib import Path

import pytest

from relay.bus.topics import Topics
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import Ear, Logs, connected, make_bus, next_command

OFFICE, ALERTS = "relay/line/office/send", "relay/line/alerts/send"
STATUS = "relay/line/alerts/status"
DENIED = ["topic readwrite relay/node/#", "topic readwrite relay/dead", "topic readwrite relay/line/office/#"]
PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@PROTOCOLS
async def test_commands_of_a_line_that_comes_are_heard_on_return(broker: Mosquitto, protocol: str) -> None:
    """On the same connection; those of one that went still come, as after a restart, for somebody to answer."""
    async with make_bus(broker.url, protocol=protocol) as bus, Ear(broker) as ear:
        await broker.logged("Sending SUBACK to relay-commands")
        await connected(bus)
        await bus.follow(["alerts", "office"])
        await ear.say(OFFICE, "{}")
        heard = await next_command(bus)
        assert heard.line == "office"
        heard.ack()
        await bus.follow(["office"])
        await ear.say(ALERTS, "{}")
        heard = await next_command(bus)
        assert heard.line == "alerts"
        heard.ack()
        assert sum("New client connected" in line and "as relay-" in line for line in broker.said) == 2


async def test_lines_that_come_while_the_broker_is_away_are_heard_once_it_is_there(broker: Mosquitto) -> None:
    """With all others."""
    async with make_bus(broker.url) as bus:
        await connected(bus)
        await broker.kill()
        await bus.follow(["alerts", "office"])
        await broker.start(forget=True)
        await broker.logged(f"relay-commands 1 {Topics().subscriptions(['office'])[-1]}")
        async with Ear(broker) as ear:
            await ear.say(OFFICE, "{}")
            assert (await next_command(bus)).line == "office"


@PROTOCOLS
async def test_the_state_of_a_line_that_went_is_retained_no_more(broker: Mosquitto, protocol: str) -> None:
    """Also where the broker was away just then; and a line of the same name that comes later has its own."""
    async with make_bus(broker.url, protocol=protocol) as bus, Ear(broker, "relay/line/+/status") as ear:
        bus.set_retained("line_status", "alerts", {"state": "ready"})
        await ear.until(STATUS, lambda body: body is not None)
        bus.clear_retained("line_status", "alerts")
        await ear.until(STATUS, lambda body: body is None)
        bus.set_retained("line_status", "alerts", {"state": "ready"})
        await ear.until(STATUS, lambda body: body is not None)
        await broker.kill()
        bus.clear_retained("line_status", "alerts")
        await broker.start()
        async with Ear(broker, "relay/line/+/status") as later:
            await later.until(STATUS, lambda body: body is None)
        async with Ear(broker, "relay/line/+/status", "relay/node/n1/status") as last:
            assert (await last.next()).topic.value == "relay/node/n1/status"


async def test_what_was_denied_of_a_line_that_went_is_no_trouble_any_more(tmp_path: Path, logs: Logs) -> None:
    """Nobody has to change the broker's ACL for it."""
    async with Mosquitto(tmp_path, acl=DENIED) as broker, make_bus(broker.url, "alerts", "office") as bus:
        bus.set_retained("line_status", "alerts", {"state": "ready"})
        await logs.until("bus.topic_denied")
        assert bus.denied[STATUS] == "alerts"
        await bus.follow(["office"])
        assert "alerts" not in bus.denied.values()
