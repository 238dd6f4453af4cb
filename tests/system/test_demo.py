"""The demo, as a stranger sees it."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.system.world import ROOT

WITHIN = 60.0  # seconds: what the demo promises


@asynccontextmanager
async def started(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The demo, started; whatever happens it is asked to stop in the end, because it has a broker to stop."""
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "relay", "demo", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
    )
    try:
        yield demo
    finally:
        if demo.returncode is None:
            demo.terminate()
        await demo.communicate()


def assert_told(story: str) -> None:
    """The whole story is there, in order, and nothing else is between its lines."""
    steps = [
        "1 relay/line/alerts/send .*120 phones",
        "relay/line/alerts/result .*accepted: 120 copies, in 3 calls",
        "relay/line/alerts/receipt .*120 of 120 final: 118 delivered, 2 undelivered",
        '2 relay/line/alerts/message .*"Are you open today\\?"',
        '3 relay/line/alerts/message .*"STOP" \\(keyword: stop\\)',
        "relay/line/alerts/event/opt-out ",
        "relay/line/alerts/result .*refused: opted_out",
        "4 relay/line/office/send ",
        "relay/line/office/receipt .*1 of 1 final: 1 delivered",
        "relay/line/office/message .*YES",
        "5 relay/line/desk/status .*was not asked yet",
        "relay/line/desk/status .*agrees",
        '6 relay/line/desk/message .*"Look!" with a picture of 35 bytes',
        "7 relay/line/desk/send ",
        "relay/line/desk/receipt .*1 of 1 final: 1 submitted",
        '8 relay/line/desk/event/sent-elsewhere .*"Nice!"',
        "9 relay/line/alerts/send ",
        "relay/line/alerts/result .*replayed",
    ]
    told = [line for line in story.splitlines() if "relay/line/" in line and "mosquitto" not in line]
    assert len(told) >= len(steps), story
    assert all(re.search(step, line) for step, line in zip(steps, told, strict=False)), story
    for count in ("sent        122 texts in 5 calls, 119 delivered", "received    4 texts"):
        assert count in story
    for nothing in ("lost        0\n", "doubled     0\n", "violations  0 of"):
        assert nothing in story
    assert max(map(len, story.splitlines()[:32])) <= 80, "it fits a terminal"


async def test_the_demo_tells_its_story_without_a_broker_installed():
    """With amqtt in the process: within a minute, exit code 0."""
    async with asyncio.timeout(WITHIN), started("--broker", "amqtt") as demo:
        story, _ = await demo.communicate()
    assert demo.returncode == 0, story.decode()
    assert "broker  amqtt" in story.decode()
    assert_told(story.decode())


async def run(command: str) -> tuple[int | None, str]:
    """Run a line that was pasted into a shell."""
    shell = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT
    )
    said, _ = await shell.communicate()
    return shell.returncode, said.decode()


async def test_the_demo_stays_and_its_printed_commands_work():
    """With mosquitto: everything that is printed can be pasted; a signal ends it all and leaves nothing behind."""
    async with asyncio.timeout(2 * WITHIN), started("--stay", "--broker", "mosquitto") as demo:
        assert demo.stdout is not None
        story = (await demo.stdout.readuntil(b"relay's settings, journal and log are in ")).decode()
        folder = Path((await demo.stdout.readline()).decode().strip())
        assert_told(story)

        commands = [line.strip() for line in story.partition("Everything stays up")[2].splitlines() if line[:2] == "  "]
        listen, publish, send, text, status, _, page = commands
        hearing = asyncio.create_task(run(f"{listen} -C 4"))
        for command in (send, publish, text, status):
            code, said = await run(command)
            assert code == 0, said
            assert command is not send or "delivered  (final)" in said
        assert "relay/node/demo/status" in (await hearing)[1]
        assert "<title>" in (await run(f"curl -s {page}"))[1]

        demo.send_signal(signal.SIGTERM)
        rest = (await demo.stdout.read()).decode()
        assert await demo.wait() == 0
    assert rest.endswith("Stopping.\n")
    assert not folder.exists()  # noqa: ASYNC240 - a look, when all is over


async def test_a_demo_that_is_interrupted_leaves_nothing_behind():
    """Ctrl-C in the middle of the story: it says so, ends with 1, and its broker is gone."""
    async with asyncio.timeout(WITHIN), started("--broker", "mosquitto") as demo:
        assert demo.stdout is not None
        begun = (await demo.stdout.readuntil(b"alerts/result")).decode()
        demo.send_signal(signal.SIGINT)
        rest = (await demo.stdout.read()).decode()
        assert await demo.wait() == 1
    assert "Traceback" not in rest
    port = int(begun.partition("mosquitto, on port ")[2].split()[0])
    assert rest.endswith("Stopped.\n")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
