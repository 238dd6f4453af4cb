"""Home Assistant finds relay's lines, texts by them, hears of texts, and forgets a line that has gone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.nodes.cluster import eventually
from tests.system.world import LINES, World, world

ALERTS = "homeassistant/device/relay_alerts/config"
OFFICE = "homeassistant/device/relay_office/config"
WANTED = '[homeassistant]\ndiscovery = true\nrecipients = "alice=+12065550123"\n'


@dataclass
class HomeAssistant:
    """What of its MQTT integration concerns relay: it keeps devices, and reads events by their templates."""

    client: aiomqtt.Client
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Take in what comes."""
        async for message in self.client.messages:
            async with self._changed:
                await self._take(str(message.topic), bytes(message.payload))
                self._changed.notify_all()

    async def _take(self, topic: str, payload: bytes) -> None:
        if topic.startswith("homeassistant/"):
            if payload:
                self.devices[topic] = json.loads(payload)
                for entity in self._entities("event"):
                    await self.client.subscribe(entity["state_topic"], qos=1)
            else:
                self.devices.pop(topic, None)
            return
        for entity in self._entities("event"):
            if entity["state_topic"] == topic:
                told = json.loads(_rendered(entity["value_template"], value_json=json.loads(payload)))
                if told:
                    assert told["event_type"] in entity["event_types"]
                    self.events.append((entity["name"], told))

    async def until(self, condition: Callable[[], Any], within: float = 30.0) -> Any:
        """What `condition` gives, once it is truthy."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)
        return condition()

    async def notify(self, name: str, text: str) -> None:
        """The action `notify.send_message`."""
        [entity] = [one for one in self._entities("notify") if one["name"] == name and "alerts" in one["unique_id"]]
        await self.client.publish(entity["command_topic"], _rendered(entity["command_template"], value=text), qos=1)

    def _entities(self, platform: str) -> list[dict[str, Any]]:
        found = [one for device in self.devices.values() for one in device["components"].values()]
        return [one for one in found if one["platform"] == platform]


def _rendered(template: str, **names: Any) -> str:
    return ImmutableSandboxedEnvironment().from_string(template).render(**names)


@asynccontextmanager
async def home_assistant(running: World) -> AsyncIterator[HomeAssistant]:
    """Home Assistant, connected."""
    async with aiomqtt.Client("127.0.0.1", running.broker.port) as client:
        home = HomeAssistant(client)
        await client.subscribe("homeassistant/#", qos=1)
        taking = asyncio.create_task(home.run())
        try:
            yield home
        finally:
            taking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await taking


async def test_home_assistant_finds_lines_texts_hears_and_forgets(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """A device for each line; a line that has gone is forgotten; and all of them, when they are not wanted any more."""
    async with world(tmp_path, free_port, lines=WANTED + LINES) as running, home_assistant(running) as home:
        settings = tmp_path / "relay.toml"
        await running.relay.start()
        await home.until(lambda: {ALERTS, OFFICE} <= home.devices.keys())
        await running.listening()
        await home.notify("alice", 'The "cellar" is wet {{ 1 }}')
        _, delivery = await home.until(lambda: next((one for one in home.events if one[0] == "Delivery"), None))
        assert delivery["event_type"] == "delivered"
        assert [line["text"] for line in running.accepted()] == ['The "cellar" is wet {{ 1 }}']
        running.text_in("+12065550177", "12345", "Thank you & bye")
        _, message = await home.until(lambda: next((one for one in home.events if one[0] == "Message"), None))
        assert (message["from"], message["text"]) == ("+12065550177", "Thank you & bye")

        await running.relay.stop()
        assert {ALERTS, OFFICE} <= home.devices.keys()  # its availability says that it is not there
        office = settings.read_text()
        settings.write_text(office.partition("[lines.office]")[0])
        await running.relay.start()
        await home.until(lambda: [*home.devices] == [ALERTS])
        await eventually(lambda: len(running.relay.logged("homeassistant.withdrawn")) == 1, what="relay knows it, too")

        await running.relay.stop()
        settings.write_text(settings.read_text().replace("discovery = true", "discovery = false"))
        await running.relay.start()
        await home.until(lambda: not home.devices)
        await eventually(lambda: len(running.relay.logged("homeassistant.withdrawn")) == 2, what="relay knows it, too")
        await running.relay.stop()
