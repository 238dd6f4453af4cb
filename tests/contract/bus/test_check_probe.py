"""The commands by which `relay check` sees whether commands arrive: the bus takes them, and nothing comes of them."""

from relay.bus.payloads import probe
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import Ear, Logs, make_bus, next_command

SEND = "relay/line/alerts/send"


async def test_a_check_is_no_command(broker: Mosquitto, logs: Logs) -> None:
    """It is acknowledged and left; whatever else somebody says in that client's name is a command as any other."""
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(f"{SEND}/relay-check", probe(f"{SEND}/relay-check").payload)
        await ear.say(f"{SEND}/relay-check", b"{}")
        await ear.say(SEND, probe(SEND).payload)
        first, second = await next_command(bus), await next_command(bus)
        first.ack()
        second.ack()
    assert (first.client, first.payload) == ("relay-check", b"{}")
    assert second.client is None
