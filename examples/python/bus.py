"""What a client of relay needs of MQTT: a session that the broker keeps, and each event once."""

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

WEEK = 7 * 86_400  # seconds for which the broker keeps what was missed
LONGEST_WAIT = 30.0  # seconds between two attempts to reach the broker


class Seen:
    """The ids of the events that were handled, in a file: the broker may deliver any of them again."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")

    def is_new(self, event_id: str) -> bool:
        """Whether an event is seen for the first time; it is noted."""
        with self._database:
            return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event_id,)).rowcount == 1


async def connections(name: str, *topics: str) -> AsyncGenerator[aiomqtt.Client, None]:
    """A connection to the broker that hears these topics, and after its loss another one, for ever.

    The broker is the one of MQTT_HOST, MQTT_PORT, MQTT_USERNAME and MQTT_PASSWORD. `name` is this client's own: the
    broker keeps for it what comes while it is away.
    """
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = WEEK
    wait = 1.0
    while True:
        try:
            async with aiomqtt.Client(
                os.environ.get("MQTT_HOST", "localhost"),
                int(os.environ.get("MQTT_PORT", "1883")),
                username=os.environ.get("MQTT_USERNAME"),
                password=os.environ.get("MQTT_PASSWORD"),
                identifier=name,
                protocol=aiomqtt.ProtocolVersion.V5,
                clean_start=False,
                properties=session,
            ) as client:
                for topic in topics:
                    await client.subscribe(topic, qos=1)
                wait = 1.0
                yield client
        except aiomqtt.MqttError as error:
            print(f"the broker is away ({error}): trying again", flush=True)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)


async def events(client: aiomqtt.Client, seen: Seen) -> AsyncIterator[dict[str, Any]]:
    """What relay says on this connection, each event once."""
    async for message in client.messages:
        event = json.loads(bytes(message.payload))
        if seen.is_new(event["id"]):
            yield event
