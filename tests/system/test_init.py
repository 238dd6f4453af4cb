"""`relay init` as people use it: at a terminal, and from nothing to a text that goes out."""

import asyncio
import json
import os
import re
import shlex
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from relay.simulator.app import Simulator
from tests import forks
from tests.brokers import Mosquitto
from tests.system.terminal import Terminal, terminal
from tests.system.test_cli import run
from tests.system.world import RelayProcess

QUICK_START = (Path(__file__).parents[2] / "docs/quick-start.md").read_text()
LAB = re.findall(r"^```\w+\n(.*?)^```", QUICK_START, re.MULTILINE | re.DOTALL)
SECRETS = ("right-bus-secret", "demo-secret")
ONE = b'{"id": "init-1", "to": ["+12065550101"], "text": "from a new relay"}'


@pytest.fixture
async def att() -> AsyncIterator[Simulator]:
    """AT&T, simulated."""
    async with Simulator() as simulator:
        yield simulator


def secret_file(folder: Path, name: str, secret: str) -> Path:
    """A file with a secret, for its owner alone."""
    path = folder / name
    path.write_text(f"{secret}\n")
    path.chmod(0o600)
    return path


def _with(here: Mapping[str, str], text: str) -> str:
    """A text of the page, with this test's own places in it."""
    for there, own in here.items():
        text = text.replace(there, own)
    return text


async def checked(config: Path, environment: Mapping[str, str]) -> tuple[int | None, list[dict[str, Any]]]:
    """What `relay check` finds."""
    words = ("-m", "relay", "check", "--json", "--config", config)
    process = await forks.start(*words, stdout=forks.PIPE, environment={**os.environ, **environment})
    said, _ = await process.communicate()
    return process.returncode, [json.loads(line) for line in said.splitlines()]


async def broker_answers(person: Terminal, broker: Mosquitto) -> None:
    """The first questions, answered rightly."""
    await person.answer("(TLS) [mqtt://127.0.0.1:1883]: ", broker.url)
    await person.answer("[relay]: ", "")
    await person.answer("relay's password there: ", SECRETS[0])


async def test_a_wrong_answer_is_told_at_once_and_mended(tmp_path: Path, att: Simulator) -> None:
    """Form, broker, account: each is tried as it is given, what was right is kept, and no secret is shown."""
    (tmp_path / "broker").mkdir()
    made = tmp_path / "made"
    words = ("init", "--directory", made, "--base-url", att.base_url)
    async with (
        Mosquitto(tmp_path / "broker", persistent=True, users={"relay": SECRETS[0]}) as broker,
        terminal(*words) as person,
    ):
        await person.answer("(TLS) [mqtt://127.0.0.1:1883]: ", "tcp://127.0.0.1")
        await person.until("Must be an address such as")
        await person.answer("(TLS) [mqtt://127.0.0.1:1883]: ", "mqtt://127.0.0.1:1")
        await person.answer("Keep it all the same? [y/N]: ", "n")
        await person.answer("(TLS) [mqtt://127.0.0.1:1]: ", broker.url)
        await person.answer("[relay]: ", "")
        await person.answer("relay's password there: ", "wrong-bus-secret")
        await person.answer("Keep it all the same? [y/N]: ", "n")
        await person.answer("[relay]: ", "")
        await person.answer("relay's password there: ", SECRETS[0])
        await person.until("lets relay in, MQTT 5")
        await person.answer("its kind: ", "att-sms")
        await person.answer("its name in topics [sms]: ", "alerts")
        await person.answer("3 to 8 digits: ", "12")
        await person.answer("3 to 8 digits: ", "12345")
        await person.answer("(Enter: the short code): ", "")
        await person.answer("account's page: ", "demo-key")
        await person.answer("account's page: ", "a-wrong-secret")
        await person.answer("[poll]: ", "")
        await person.until("the provider refused the credentials")
        await person.answer("Keep it all the same? [y/N]: ", "n")
        await person.answer("[alerts]: ", "")
        await person.answer("[12345]: ", "")
        await person.answer("(Enter: the short code): ", "")
        await person.answer("[demo-key]: ", "")
        await person.answer("account's page: ", SECRETS[1])
        await person.answer("[poll]: ", "")
        await person.until("AT&T accepts the credentials")
        await person.answer("Another line? [y/N]: ", "n")
        await person.until(f"relay check --config {made}/relay.toml")
        assert await person.end() == 0
    assert not [secret for secret in (*SECRETS, "wrong-bus-secret", "a-wrong-secret") if secret in person.seen]
    assert (made / "secrets" / "lines.alerts.app_secret").read_text() == f"{SECRETS[1]}\n"


async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """At a question, with answers given before it, and with no folder made."""
    (tmp_path / "broker").mkdir()
    async with (
        Mosquitto(tmp_path / "broker", users={"relay": SECRETS[0]}) as broker,
        terminal("init", "--directory", tmp_path / "made") as person,
    ):
        await broker_answers(person, broker)
        await person.until("its kind: ")
        await person.press_ctrl_c()
        assert await person.end() == 1
    assert "Stopped: nothing was written." in person.seen
    assert not (await asyncio.to_thread((tmp_path / "made").exists))


async def test_from_nothing_to_a_text_that_goes_out(
    tmp_path: Path, att: Simulator, free_port: Callable[[], int]
) -> None:
    """As docs/quick-start.md tells it: what is written starts mosquitto, passes `relay check`, and sends.

    relay has the rights of the ACL and no more; the page shows what is really said.
    """
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    made = tmp_path / "made"
    here = {
        LAB[0].partition("--directory ")[2].split()[0]: str(made),
        "mqtt://127.0.0.1:1883": broker.url,
        "http://127.0.0.1:8700": att.base_url,
        "file broker-password": f"file {secret_file(tmp_path, 'bus', SECRETS[0])}",
        "file app-secret": f"file {secret_file(tmp_path, 'app', SECRETS[1])}",
    }
    command, shown = (_with(here, LAB[place]) for place in (0, 1))
    code, said = await run(*shlex.split(command.replace("\\\n", " ").partition("\nrelay ")[2]))
    assert (code, said) == (0, shown)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made / "secrets").iterdir()} == {
        "bus.password": 0o600,
        "lines.alerts.app_secret": 0o600,
    }
    shutil.copy(made / "mosquitto" / "mosquitto.conf", tmp_path / "broker" / "mosquitto.conf")
    relay = RelayProcess(made)
    relay.environment = {
        "RELAY_ADMIN__LISTEN": "127.0.0.1:0",
        "RELAY_WEBHOOKS__LISTEN": f"127.0.0.1:{free_port()}",
        "RELAY_LOG__FORMAT": "json",
    }
    async with broker:
        code, found = await checked(made / "relay.toml", relay.environment)
        assert (code, [finding for finding in found if finding["level"] != "ok"]) == (0, [])
        assert f"{broker.url}: connected, MQTT 5" in [finding["what"] for finding in found]
        try:
            await relay.start()
            code, said = await run("send", "alerts", "--socket", made / "state" / "relay.sock", stdin=ONE)
            assert (code, said) == (0, "accepted init-1: 1 copy, 1 call\n")
            assert await relay.stop() == 0
        finally:
            await relay.end()
    accepted = [line for line in att.world.ledger.lines() if line["what"] == "accepted"]
    assert [line["text"] for line in accepted] == ["from a new relay"]
    assert relay.logged("bus.topic_denied") == []
