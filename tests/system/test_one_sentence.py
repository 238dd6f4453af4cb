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


async def until_shown(made: World, sentence: str) -> None:
    """Until the status page says it: on a slow machine what the page shows may be some seconds old."""
    [port] = [one["port"] for one in made.relay.logged("listener.started") if one["setting"] == "admin.listen"]
    async with asyncio.timeout(WITHIN), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        headline = None
        while headline != sentence:
            async with session.get("/page/status.json") as answer:
                headline = (await answer.json())["headline"]


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
            assert (code, said.splitlines()[0], retained(made)) == (0, sentence, sentence)
            await until_shown(made, sentence)

            assert (await run("queue", "hold", "--line", "office", *socket_of(made)))[0] == 0
            await made.publish("relay/line/office/send", {"id": "one", "to": "+12065550116", "text": "hi"})
            sentence = await told(notified, "degraded")
            assert "(lines: office)" in sentence
            await made.ears.until(lambda: retained(made) == sentence)
            code, said = await run("status", *socket_of(made))
            assert (code, said.splitlines()[0]) == (1, sentence)
            await until_shown(made, sentence)

            await made.broker.kill()
            sentence = await told(notified, "; bus not connected; ")
            code, said = await run("status", *socket_of(made))
            assert (code, said.splitlines()[0]) == (1, sentence)
            await until_shown(made, sentence)
