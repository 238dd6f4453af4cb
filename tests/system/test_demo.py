"""The demo, as a stranger sees it."""

import asyncio
import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.system.world import ROOT

WITHIN = 60.0  # seconds: what the demo promises


async def start(*words: str) -> asyncio.subprocess.Process:
    """Start the demo."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "relay", "demo", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
    )


def assert_told(story: str) -> None:
    """The whole story is there, in order, and nothing else is between its lines."""
    steps = [
        "1 relay/line/alerts/send .*120 phones",
        "relay/line/alerts/result .*accepted: 120 copies, in 3 calls",
        "relay/line/alerts/receipt .*120 of 120 final: 118 delivered, 2 undelivered",
        '2 relay/line/alerts/message .*"Are you open today\\?"',
        '3 relay/line/alerts/message .*"STOP" \\(keyword: stop\\)',
        "4 relay/line/office/send ",
        "relay/line/office/receipt .*1 of 1 final: 1 delivered",
        "relay/line/office/message .*YES",
        "5 relay/line/alerts/send ",
        "relay/line/alerts/result .*replayed",
    ]
    told = [line for line in story.splitlines() if "relay/line/" in line and "mosquitto" not in line]
    assert len(told) >= len(steps), story
    assert all(re.search(step, line) for step, line in zip(steps, told, strict=False)), story
    for count in ("sent        121 texts in 4 calls, 119 delivered", "received    3 texts"):
        assert count in story
    for nothing in ("lost        0\n", "doubled     0\n", "violations  0 of"):
        assert nothing in story
    assert max(map(len, story.splitlines()[:25])) <= 80, "it fits a terminal"


async def test_the_demo_tells_its_story_without_a_broker_installed():
    """With amqtt in the process: within a minute, exit code 0."""
    demo = await start("--broker", "amqtt")
    async with asyncio.timeout(WITHIN):
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


@pytest.mark.parametrize("number", [signal.SIGTERM])
async def test_the_demo_stays_and_its_printed_commands_work(number: signal.Signals):
    """With mosquitto: everything that is printed can be pasted; a signal ends it all and leaves nothing behind."""
    demo = await start("--stay", "--broker", "mosquitto")
    assert demo.stdout is not None
    async with asyncio.timeout(WITHIN):
        story = (await demo.stdout.readuntil(b"relay's settings, journal and log are in ")).decode()
        folder = Path((await demo.stdout.readline()).decode().strip())
    assert_told(story)

    commands = [line.strip() for line in story.splitlines() if line.startswith("  ") and "$" not in line]
    pasted = {
        name: line for line in commands for name in ("mosquitto_pub", " send ", "curl", " status ") if name in line
    }
    async with asyncio.timeout(WITHIN):
        code, said = await run(pasted[" send "])
        assert (code, "delivered  (final)" in said) == (0, True), said
        listen = shlex.join([*shlex.split(next(line for line in commands if "mosquitto_sub" in line)), "-C", "4"])
        hearing = asyncio.create_task(run(listen))
        for name in ("mosquitto_pub", "curl", " status "):
            code, said = await run(pasted[name])
            assert code == 0, said
        assert "relay/node/demo/status" in (await hearing)[1]

        demo.send_signal(number)
        rest = (await demo.stdout.read()).decode()
        assert await demo.wait() == 0
    assert rest.endswith("Stopping.\n")
    assert not folder.exists()  # noqa: ASYNC240 - a look, when all is over
