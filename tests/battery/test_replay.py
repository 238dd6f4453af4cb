"""B4: the broker drops what it queues for a subscriber who is away, and tells nobody; `relay replay` brings it back."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from tests.battery.table import Row
from tests.system.test_cli import run, socket_of
from tests.system.world import world

QUEUED = 40  # messages that the broker keeps for one who is away
MISSED = 150
FEW = f"max_queued_messages {QUEUED}"


@asynccontextmanager
async def _reader(port: int) -> AsyncIterator[aiomqtt.Client]:
    """Somebody with a session of his own, who reads what comes in."""
    client = aiomqtt.Client("127.0.0.1", port, identifier="inbox", clean_session=False)
    async with client:
        await client.subscribe("relay/line/alerts/message", qos=1)
        yield client


async def test_what_a_full_broker_dropped_comes_by_a_replay(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None], *, long: bool
):
    """A reader is away while more texts come in than the broker keeps for it."""
    missed = MISSED * (50 if long else 1)
    async with world(tmp_path, free_port, speed=300, broker_extra=[FEW]) as made:
        await made.relay.start()
        await made.listening()
        async with _reader(made.broker.port):
            pass
        texts = [f"missed {place}" for place in range(missed)]
        for text in texts:
            made.text_in("+12065550177", "12345", text)
        await made.ears.until(lambda: len(made.ears.events("message")) == missed, what="every text was published")
        heard: list[str] = []
        async with _reader(made.broker.port) as late:
            began = time.monotonic()
            code, _ = await run("replay", "--since", "10h", "--kind", "message", *socket_of(made))
            assert code == 0
            async with asyncio.timeout(60):
                while not set(texts) <= set(heard):
                    message = await anext(late.messages)
                    heard.append(json.loads(bytes(message.payload))["data"]["text"])
        kept = len(heard) - missed
        assert 0 < kept < missed
        note = f"{missed - kept} of {missed} were dropped by the broker"
        found(Row("B4", "broker's queue full, then replay", 1, 0, 0, time.monotonic() - began, note))
