"""How the node stands is the same sentence everywhere: systemd's STATUS, the bus, the command line, the status page."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp

from tests.system.test_cli import run, socket_of
from tests.system.world import World, notifications, world

WITHIN = 30.0


async def told(notified: socket.socket, word: str) -> str:
    """The next STATUS with this word in it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(WITHIN):
        while True:
            said: str = (await loop.sock_recv(notified, 4096)).decode()
            if said.startswith("STATUS=") and word in said:
                return said.removeprefix("STATUS=")


def retained(made: World) -> str:
    """What the node's retained status says last."""
    return str([body["summary"] for topic, body in made.ears.heard if topic == "relay/node/relay-1/status"][-1])


async def shown(made: World) -> str:
    """What the status page says."""
    [port] = [one["port"] for one in made.relay.logged("listener.started") if one["setting"] == "admin.listen"]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/page/status.json") as answer:
        body = await answer.json()
    return str(body["headline"])


async def test_the_same_sentence_stands_everywhere(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """While it is online, once a line is held, and while the broker is away."""
    path = tmp_path / "notify"
    async with world(tmp_path, free_port) as made:
        with notifications(path) as notified:
            await made.relay.launch(NOTIFY_SOCKET=str(path))
            sentence = await told(notified, "online")
            sentence = sentence if "MQTT" in sentence else await told(notified, "; bus connected (MQTT 5); ")
            await made.listening()
            assert sentence.startswith("node relay-1: online since ")
            code, said = await run("status", *socket_of(made))
            assert (code, said.splitlines()[0], retained(made), await shown(made)) == (0, *(sentence,) * 3)

            assert (await run("queue", "hold", "--line", "office", *socket_of(made)))[0] == 0
            await made.publish("relay/line/office/send", {"id": "one", "to": "+12065550116", "text": "hi"})
            sentence = await told(notified, "degraded")
            assert "(lines: office)" in sentence
            await made.ears.until(lambda: retained(made) == sentence)
            code, said = await run("status", *socket_of(made))
            assert (code, said.splitlines()[0], await shown(made)) == (1, sentence, sentence)

            await made.broker.kill()
            sentence = await told(notified, "; bus not connected; ")
            code, said = await run("status", *socket_of(made))
            assert (code, said.splitlines()[0], await shown(made)) == (1, sentence, sentence)
