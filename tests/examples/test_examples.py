"""The examples do what they say: against a real broker, a running relay, and AT&T simulated."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.brokers import free_port
from tests.repo.sources import ROOT
from tests.system.world import World, world

EXAMPLES = ROOT / "examples"
NODE_RED = ROOT / "tests/javascript/node_modules/node-red/red.js"
CURE = "as any user: scripts/ready dev (and as root, where Node.js is missing: scripts/tools)"
PATIENCE = 30.0
PYTHON = Path(sys.executable)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One world for all examples."""
    async with world(tmp_path_factory.mktemp("world"), free_port) as made:
        await made.relay.start()
        await made.listening()
        yield made


@asynccontextmanager
async def program(
    running: World, *words: str | Path, folder: Path | None = None, **environment: str
) -> AsyncIterator["Program"]:
    """A program that knows where the broker is; it is ended with the block, and all that it has started."""
    variables = {**os.environ, "MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(running.broker.port), **environment}
    process = await asyncio.create_subprocess_exec(
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=variables,
        cwd=folder,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield Program(process)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()  # to the end of what it said, or its pipe would outlive the test


class Program:
    """A running program, and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self.process = process
        self._out = process.stdout
        self.lines: list[str] = []

    async def until(self, words: str) -> str:
        """The next line with these words."""
        while line := (await self._out.readline()).decode():
            self.lines.append(line.rstrip())
            if words in line:
                return line.rstrip()
        raise AssertionError(f"it ended without {words!r}:\n" + "\n".join(self.lines))

    async def end(self) -> tuple[int, list[str]]:
        """Its exit code, and all that it has printed."""
        said, _ = await self.process.communicate()
        self.lines += said.decode().splitlines()
        assert self.process.returncode is not None
        return self.process.returncode, self.lines


async def run(running: World, *words: str | Path, **environment: Any) -> tuple[int, list[str]]:
    """Run a program to its end."""
    async with program(running, *words, **environment) as one:
        return await one.end()


async def test_python_sends_and_follows(running: World):
    """A text to two numbers, to its end; again, and nothing is sent; and one that is refused."""
    send = (
        PYTHON,
        EXAMPLES / "python/send.py",
        "--to",
        "+12065550101",
        "--to",
        "+12065550102",
        "--id",
        "py-1",
        "hello",
    )
    code, said = await run(running, *send)
    assert (code, said[0]) == (0, "accepted: 2 copies")
    assert sorted(line for line in said if line.endswith("(final)")) == [
        "+12065550101: delivered (final)",
        "+12065550102: delivered (final)",
    ]

    code, said = await run(running, *send)
    assert (code, said) == (0, ["accepted (again): 2 copies", "found: 2 copies"])
    assert len(running.accepted("hello")) == 2

    code, said = await run(running, *send[:2], "--to", "911", "--id", "py-2", "hello")
    assert (code, said[0]) == (1, "rejected: 0 copies")
    assert said[1].startswith("invalid_recipient: ")


async def test_python_hears_each_text_once(running: World, tmp_path: Path):
    """What is delivered again is printed once; what comes while it is away, or its broker, is not lost."""
    listen = (PYTHON, EXAMPLES / "python/listen.py", "--seen", tmp_path / "seen.db")
    async with program(running, *listen) as one:
        await one.until("listening")
        running.text_in("+12065550103", "12345", "first")
        await one.until("first")
    topic, first = next((topic, body) for topic, body in running.ears.heard if topic.endswith("/alerts/message"))
    running.text_in("+12065550103", "12345", "second")
    await running.ears.until(lambda: len(running.ears.events("message")) >= 2, what="the second text")
    await running.publish(topic, first)

    async with program(running, *listen) as one:
        await one.until("second")
        await running.broker.stop()
        await one.until("trying again")
        await running.broker.start()
        await one.until("listening")
        running.text_in("+12065550103", "12345", "third")
        await one.until("third")
    texts = [line for line in one.lines if line.startswith("+1206")]
    assert texts == ["+12065550103: second", "+12065550103: third"]


async def test_shell_sends_and_listens(running: World):
    """With mosquitto's own programs; again, and nothing is sent."""
    send = ("/bin/sh", EXAMPLES / "shell/send.sh")
    code, said = await run(running, *send, "sh-1", "+12065550104", "by", "shell", WITHIN="20")
    assert (code, said[0].strip()) == (0, "accepted")
    assert said[-1] == "+12065550104 delivered (final)"
    code, said = await run(running, *send, "sh-1", "+12065550104", "by", "shell", WITHIN="20")
    assert (code, said[0].strip()) == (0, "accepted (again)")
    assert len(running.accepted("by shell")) == 1
    code, said = await run(running, *send, "sh-2", "911", "no", WITHIN="20")
    assert (code, said[0].split()[0]) == (1, "rejected")
    code, said = await run(running, *send, "sh-3")
    assert (code, said[0].split()[0]) == (2, "usage:")

    async with program(running, "/bin/sh", EXAMPLES / "shell/listen.sh", "1") as one:
        await subscribed(running, "shell-listen")
        running.text_in("+12065550105", "12345", "heard by shell")
        assert await one.end() == (0, ["+12065550105\theard by shell"])


async def subscribed(running: World, client: str) -> None:
    """Wait until the broker has confirmed a client's subscription."""
    await running.broker.logged(f"Sending SUBACK to {client}")


async def test_node_red_sends_follows_and_listens(running: World, tmp_path: Path):
    """The flow as it is imported, in Node-RED itself: its button, and a text that comes in."""
    node = shutil.which("node")
    assert node, f"node is missing: {CURE}"
    assert NODE_RED.is_file(), f"node-red is missing: {CURE}"
    shutil.copy(EXAMPLES / "node-red/flow.json", tmp_path / "flow.json")
    port = free_port()
    (tmp_path / "settings.js").write_text(
        f"module.exports = {{uiHost: '127.0.0.1', uiPort: {port}, flowFile: 'flow.json', credentialSecret: false,"
        " diagnostics: {enabled: false}, telemetry: {enabled: false}, externalModules: {autoInstall: false}};"
    )
    words = (node, NODE_RED, "--userDir", tmp_path, "--settings", tmp_path / "settings.js")
    async with program(running, *words, folder=tmp_path) as red:
        await red.until("Connected to broker")
        await subscribed(running, "node-red-example")
        button = f"http://127.0.0.1:{port}/inject/relayinject"
        async with aiohttp.ClientSession() as session, session.post(button) as answer:
            assert answer.status == 200
        await red.until("outcome: 'accepted'")
        await red.until("final: true")
        assert len(running.accepted("Your order is on its way.")) == 1
        running.text_in("+12065550106", "12345", "heard by Node-RED")
        await red.until("text: 'heard by Node-RED'")
