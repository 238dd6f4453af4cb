"""The command line with real processes: what it prints, how it ends, what signals do."""

import asyncio
import json
import os
import signal
import socket
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests import forks
from tests.system.world import ROOT, World, world

ONE = b'{"id": "cli-1", "to": ["+12065550101", "+12065550102"], "text": "hello"}'
PATIENCE = 20.0


@asynccontextmanager
async def relay(
    *words: str | Path, stderr: int | None = None
) -> AsyncIterator[forks.Forked | asyncio.subprocess.Process]:
    """A process of the command line; it is ended with the block."""
    pipe = asyncio.subprocess.PIPE
    process = await forks.start(
        "-m", "relay", *words, stdin=pipe, stdout=pipe, stderr=stderr or asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(*words: str | Path, stdin: bytes = b"") -> tuple[int | None, str]:
    """Run a command to its end: its exit code and what it printed."""
    async with relay(*words) as process:
        said, _ = await process.communicate(stdin)
        return process.returncode, said.decode()


def socket_of(made: World) -> tuple[str, Path]:
    """The option that leads to its daemon."""
    return "--socket", made.relay.directory / "relay.sock"


async def test_the_command_starts_and_explains_itself():
    """`python -m relay` is the command."""
    code, said = await run("--help")
    assert code == 0
    assert "Begin with: relay demo" in said


async def test_a_request_is_sent_and_followed_from_the_shell(running: World):
    """`send --watch` ends with the copies; the same again is told as it stands, and is not sent."""
    send = ("send", "alerts", "--watch", *socket_of(running))
    code, said = await run(*send, stdin=ONE)
    assert (code, said.splitlines()[0]) == (0, "accepted cli-1: 2 copies, 1 call")
    assert said.count("delivered  (final)") == 2

    code, said = await run(*send, stdin=ONE)
    assert code == 0
    assert "nothing is sent again" in said
    assert said.count("delivered  (final)") == 2
    assert len(running.accepted("hello")) == 2

    code, said = await run("status", "--json", *socket_of(running))
    line, summary = json.loads(said)["lines"]["alerts"], json.loads(said)["summary"]
    assert [name for name in ("last_in", "last_out", "next_poll_at", "loss_at") if line[name] is None] == ["last_in"]
    assert (code, (await run("status", *socket_of(running)))[1].splitlines()[0]) == (0, summary)

    code, said = await run("trace", "cli-1", *socket_of(running))
    assert code == 0
    assert "delivered" in said
    assert "+1206555" not in said
    assert "hello" not in said

    code, said = await run("send", "nosuch", *socket_of(running), stdin=ONE)
    assert (code, said) == (1, "no such command or line; the lines are: alerts, office\n")

    code, said = await run("send", "alerts", *socket_of(running), "--json", stdin=b'{"to": "911", "text": "x"}')
    assert (code, json.loads(said)["error"]["code"]) == (1, "invalid_recipient")


async def test_everything_in_order_is_said_line_by_line(running: World):
    """`status`, `queue list` and `check` against a relay that runs."""
    await running.listening()
    code, said = await run("status", *socket_of(running))
    assert code == 0
    assert said.startswith("node relay-1: online since ")
    assert "alerts  ready" in said

    code, said = await run("queue", "list", *socket_of(running))
    assert (code, said) == (0, "nothing waits\n")
    code, said = await run("queue", "list", "--uncertain", *socket_of(running))
    assert (code, said) == (0, "no copy is uncertain\n")

    code, said = await run("check", "--config", running.relay.directory / "relay.toml")
    assert (code, {line[:2] for line in said.splitlines()}) == (0, {"ok"})
    assert "a running relay has it open" in said
    assert f"webhooks  {running.hooks}: leads to this relay\n" in said
    await running.broker.logged("Sending PUBACK to relay-node-relay-1-check")
    assert not [line for line in running.broker.said if "already connected" in line], "somebody was thrown off"
    assert not [event for event in running.ears.events("result") if "relay-check" in str(event)]

    await running.broker.kill()
    code, said = await run("check", "--json", "--config", running.relay.directory / "relay.toml")
    found = [json.loads(line) for line in said.splitlines()]
    assert code == 1
    assert [finding["part"] for finding in found if not finding["ok"]] == ["broker"]


async def test_tail_tells_what_happens_and_ends_with_the_reader(running: World):
    """A text that comes in is one line; Ctrl-C is no failure."""
    async with relay("tail", "--line", "office", *socket_of(running)) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"following what happens from now on; Ctrl-C ends it\n"
        await running.publish("relay/line/office/send", {"id": "tail-1", "to": "+12065550116", "text": "hi"})
        told = await process.stdout.readuntil(b"from +12065550116: 'YES'\n")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert b"accepted  1 copy  request tail-1" in told


async def test_tail_ends_where_its_parent_ignores_ctrl_c(running: World, tmp_path: Path):
    """As in a script's background job. What was not asked for is not shown; nor, here, texts and numbers."""
    script = tmp_path / "ignoring.py"
    script.write_text(
        "import signal\nfrom relay.cli.main import run\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nrun()\n"
    )
    words = ("tail", "--kind", "receipt", "--kind", "message", "--no-text", *socket_of(running))
    one = await forks.start(script, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    assert one.stdout is not None
    async with asyncio.timeout(PATIENCE):
        await one.stdout.readuntil(b"ends it\n")
        await running.publish("relay/line/office/send", {"id": "tail-1", "to": "+12065550116", "text": "hi"})
        told = await one.stdout.readuntil(b"from [hidden]: '[hidden]'\n")
        one.send_signal(signal.SIGINT)
        assert await one.wait() == 0
    assert b"accepted" not in told
    assert b"6555" not in told


async def test_tail_ends_without_a_word_once_nobody_reads_it(running: World):
    """As before `head -1`: at the next event."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader:
        with os.fdopen(writing, "wb") as stdout:
            words = ("-m", "relay", "tail", "--kind", "result", *socket_of(running))
            one = await forks.start(*words, stdout=stdout, stderr=asyncio.subprocess.PIPE)
        assert one.stderr is not None
        async with asyncio.timeout(PATIENCE):
            await one.stderr.readuntil(b"ends it\n")
            await running.publish("relay/line/office/send", {"id": "tail-1", "to": "+12065550116", "text": "hi"})
            assert b"request tail-1" in await asyncio.to_thread(reader.readline)
            reader.close()
            await running.publish("relay/line/office/send", {"id": "tail-2", "to": "+12065550116", "text": "hi"})
            assert (await one.wait(), await one.stderr.read()) == (0, b"")


async def test_a_second_signal_ends_relay_at_once(running: World):
    """The first one waits for the call in flight; whoever is in a hurry sends another."""
    await running.listening()
    held = asyncio.Event()
    running.att.world.ledger.copy = lambda line: held.set() if line["what"] == "fault" else None
    running.att.world.faults.add({"match": {"operation": "send"}, "do": "delay", "seconds": 60, "real": True})
    await running.publish("relay/line/alerts/send", {"id": "slow", "to": "+12065550101", "text": "slow"})
    async with asyncio.timeout(PATIENCE):
        await held.wait()

    process = running.relay.process
    process.send_signal(signal.SIGTERM)
    await running.ears.until(
        lambda: any(body.get("state") == "stopping" for topic, body in running.ears.heard if "/node/" in topic)
    )
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(3):  # the grace is 20 seconds
        assert await process.wait() == 1


async def test_relay_that_cannot_start_says_why_in_a_sentence(tmp_path: Path, free_port: Callable[[], int]):
    """A taken port, a directory that is not there, a journal that another relay has open: no traceback, exit code 1."""
    async with world(tmp_path, free_port) as made:
        config = tmp_path / "relay.toml"
        text = config.read_text()
        port = int(tomllib.loads(text)["webhooks"]["listen"].rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)):
            code, said = await run("run", "--config", config)
        assert code == 1
        assert f"Address already in use: 127.0.0.1, port {port} (webhooks.listen)" in said.splitlines()[-1]

        for wrong, right in (("relay.sock", "nosuch/relay.sock"), ("relay.db", "nosuch/relay.db")):
            (tmp_path / "wrong.toml").write_text(text.replace(wrong, right))
            code, said = await run("run", "--config", tmp_path / "wrong.toml")
            assert (code, "Traceback" in said, "nosuch" in said) == (1, False, True), said

        await made.relay.start()
        code, said = await run("run", "--config", config)
        assert (code, said.startswith(f"another relay (process {made.relay.process.pid}) has the journal")) == (1, True)
        (tmp_path / "wrong.toml").write_text(text.replace("relay.db", "other.db").replace(str(port), str(free_port())))
        code, said = await run("run", "--config", tmp_path / "wrong.toml")
        assert (code, "another relay is running behind it (admin.socket)" in said) == (1, True)
        assert not made.relay.logged("bus.lost")
        assert await made.relay.stop() == 0


@pytest.mark.parametrize("command", ["run", "check"])
async def test_bad_settings_are_told_with_exit_code_78(command: str):
    """Every problem is one line, with file and line."""
    code, said = await run(command, "--config", ROOT / "tests/bad_configs/misspelt_keys.toml")
    assert code == 78
    assert "misspelt_keys.toml:" in said
    assert "Traceback" not in said


async def test_the_simulator_serves_alone(tmp_path: Path):
    """It says where it is, does what the printed lines promise, and stops cleanly."""
    ledger = tmp_path / "ledger"
    async with relay("simulate", "--listen", "127.0.0.1:0", "--shape", "served", "--ledger", ledger) as process:
        assert process.stdout is not None
        first = (await process.stdout.readline()).decode()
        base_url = first.split()[4].rstrip(";")
        async with aiohttp.ClientSession(base_url) as http:
            text = {"from": "+12065550142", "to": "12345", "text": "Hello"}
            assert (await http.post("/_sim/handset", json=text)).status == 202
            assert (await (await http.get("/_sim/state")).json())["att-sms"]["shape"] == "served"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert json.loads(ledger.read_text())["what"] == "received"


async def test_send_asks_at_a_terminal(running: World):
    """Without a pipe it asks for numbers and text, because arguments are seen by everybody."""
    ours, theirs = os.openpty()
    command = (sys.executable, "-m", "relay", "send", "alerts", *map(str, socket_of(running)))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=theirs, stdout=asyncio.subprocess.PIPE, stderr=theirs, cwd=ROOT
    )
    os.close(theirs)
    os.write(ours, b"+12065550103, 206 555 0104\nasked for\n")
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    os.close(ours)
    assert process.returncode == 0
    assert b": 2 copies, 1 call" in said
    await running.ears.until(lambda: len(running.accepted("asked for")) == 2)
