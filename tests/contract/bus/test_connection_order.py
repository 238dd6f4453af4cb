"""What the bus hears and says first, on every connection."""

from pydantic_core import from_json

from tests.brokers import Mosquitto
from tests.contract.bus.conftest import Ear, Logs, connected, make_bus, next_command

STATUS = "relay/node/n1/status"


def online(body: dict[str, str]) -> bool:
    """Whether a status says online."""
    return body["state"] == "online"


def order(broker: Mosquitto) -> list[str]:
    """What relay did, in the broker's words and order: s(ubscribed), r(etained), o(nline)."""
    steps = {"Sending SUBACK to relay-commands": "s", "line/alerts/status'": "r", "node/n1/status'": "o"}
    about_relay = [line for line in broker.said if "Sending SUBACK to relay" in line or "PUBLISH from relay" in line]
    return [step for line in about_relay for words, step in steps.items() if words in line]


async def test_online_is_said_after_the_subscriptions_and_the_states(broker: Mosquitto) -> None:
    """Whoever reads `online` can send a command and has every state already."""
    async with Ear(broker, "relay/#") as ear:
        bus = make_bus(broker.url)
        bus.set_retained("line_status", "alerts", {"state": "ready"})
        bus.set_retained("node_info", "n1", {"version": "1"})
        async with bus:
            heard = await ear.until(STATUS, online)
            assert bus.listening
            topics = [message.topic.value for message in heard]
            assert topics[:-1] == ["relay/line/alerts/status", "relay/node/n1/info"]


async def test_the_order_is_the_same_on_every_connection(broker: Mosquitto, logs: Logs) -> None:
    """After a restart of the broker relay subscribes, tells its states and says online, in this order."""
    bus = make_bus(broker.url)
    bus.set_retained("line_status", "alerts", {"state": "ready"})
    async with bus:
        await logs.until("bus.online")
        await broker.logged("PUBACK to relay-node-n1", times=2)
        first = order(broker)
        await broker.kill()
        await broker.start()
        await logs.until("bus.online")
        await broker.logged("PUBACK to relay-node-n1", times=2)
        second = order(broker)
    assert [first[0], first[-2:]] == ["s", ["r", "o"]]
    assert [second[0], second[-2:]] == ["s", ["r", "o"]]


async def test_a_lost_node_connection_alone_has_the_commands_confirmed_again(broker: Mosquitto, logs: Logs) -> None:
    """`online` is never said on the strength of a subscription that was confirmed on an earlier day."""
    async with make_bus(broker.url) as bus:
        await logs.until("bus.online")
        await broker.logged("PUBACK to relay-node-n1")
        confirmed = sum("Sending SUBACK to relay-commands" in line for line in broker.said)
        async with Ear(broker, identifier="relay-node-n1"):
            await logs.until("bus.lost")
        await logs.until("bus.online")
        await broker.logged("Sending SUBACK to relay-commands", times=confirmed + 1)
        assert bus.listening


async def test_a_clean_stop_says_stopped(broker: Mosquitto) -> None:
    """Leaving says offline with the reason `stopped`, retained, and not the will."""
    async with make_bus(broker.url) as bus, Ear(broker, STATUS) as ear:
        await connected(bus)
        await ear.until(STATUS, online)
    async with Ear(broker, STATUS) as ear:
        status = await ear.next()
    body = from_json(status.payload)
    assert (status.retain, body["state"], body["reason"]) == (True, "offline", "stopped")
    assert body["since"].endswith("Z")


async def test_a_state_is_told_when_it_changes_and_only_then(broker: Mosquitto) -> None:
    """Setting the same state again says nothing; another one is said at once."""
    topic = "relay/line/alerts/status"
    async with make_bus(broker.url) as bus, Ear(broker, "relay/#") as ear:
        await ear.until(STATUS, online)
        for state in ("ready", "ready", "throttled"):
            bus.set_retained("line_status", "alerts", {"state": state})
        bus.set_retained("node_status", "n1", {"state": "degraded", "reason": "journal", "since": None})
        heard = await ear.until(STATUS, lambda body: body["state"] == "degraded")
    assert [from_json(each.payload)["state"] for each in heard if each.topic.value == topic] == ["throttled"]


async def test_the_session_outlives_the_process(broker: Mosquitto) -> None:
    """A command that is sent while relay is away is there when it comes back."""
    async with make_bus(broker.url) as bus, Ear(broker, STATUS) as ear:
        await ear.until(STATUS, online)
        assert bus.protocol == "5"
    async with Ear(broker) as ear:
        await ear.say("relay/line/alerts/send", b'{"id":"away"}')
    async with make_bus(broker.url) as bus:
        delivery = await next_command(bus)
        delivery.ack()
    assert (delivery.payload, delivery.client, delivery.redelivered) == (b'{"id":"away"}', None, False)
