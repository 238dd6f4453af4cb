"""The documentation's commands are run as they are written: in one world, with a broker, AT&T simulated and a relay."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import forks
from tests.documents.filling import filled
from tests.documents.pages import blocks
from tests.documents.programs import wrong_with_relay
from tests.documents.shell import Call, calls
from tests.documents.test_commands import SPOKEN, TYPED, is_command, typed
from tests.repo.sources import ROOT
from tests.system.inhouse import DESK, agree, followed
from tests.system.world import LINES, World, world

PATIENCE = 60.0
SELDOM = DESK.replace('sync_interval = "5s"', 'sync_interval = "5m"')  # a subscriber's line that is left alone
NUMBERS = "+12065550142\n+12065550143\n"
REQUEST = re.compile(r"[a-z]+-\d+")
BROKEN_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
# These go on until somebody ends them, ask questions, or make what only they need: they have tests of their own.
ELSEWHERE = {
    ("run",): "tests/system/world.py",
    ("demo",): "tests/system/test_demo.py",
    ("init",): "tests/system/test_init.py",
    ("simulate",): "tests/system/test_cli.py",
    ("tail",): "tests/system/test_cli.py",
    ("auth", "login"): "tests/system/test_consent.py",
}
# These need a relay that does not run.
STOPPED = ("export", "migrate", "restore", "import")
# These change what the others look at: in this order, after all others.
LAST = (
    *("replay", "optout", "forget", "dead", "queue list", "queue show", "queue hold", "queue release", "queue resolve"),
    *("queue retry", "queue cancel waits", "queue cancel order", "queue cancel --line"),
    *("webhooks list", "webhooks repair", "webhooks install", "webhooks remove", "auth"),
)
# In a sentence these stand for all their forms.
BARE: set[tuple[str, ...]] = {
    ("dead", "replay"),
    ("dead", "discard"),
    ("queue", "hold"),
    ("queue", "release"),
    ("queue", "retry"),
}
BARE |= {("queue", "cancel"), ("queue", "resolve"), ("restore",), ("queue",), ("dead",), ("auth",), ("webhooks",)}
BARE |= {("optout",), ("schema", "--out")}
# What the pages say that relay refuses, or what is not so in this world, with what relay says to it.
REFUSED = {
    "status": "degraded",
    "resolve waits-1": "waits-1",
    "resolve order-1": "order-1",
    "resolve {copy} --not-sent": "at its end",
    "retry {copy}": "at its end",
    "retry waits-1": "no call with it has failed",
    "retry reminder-1": "no call with it has failed",
    "dead show": "nothing of this id",
    "dead replay": "nothing of this id",
    "dead discard": "nothing of this id",
    "queue show 01a1": "nothing of this id",
    "migrate --to": "cannot be reached",
    "restore --database": "the journal is a file",
    "restore {folder}/no.db": "no.db",
    "restore {folder}/relay-tuesday.db": "relay-tuesday.db",
    "restore {folder}/relay.db.revision-0006": "relay.db.revision-0006",
    "import": "empty",
}


def relays() -> list[Call]:
    """Every command of relay's that a page shows, each once; of those in sentences only the whole ones."""
    shown = [call for block in TYPED for line in typed(block) for call in calls(line)]
    spoken = [calls(words)[0] for _, words in SPOKEN if is_command(words)]
    found = {(*call.words, call.reads): call for call in (*spoken, *shown) if call.program == "relay"}
    # A command that is typed reads what it is shown with; the same words in a sentence are the same command.
    once = {tuple(filled(call.words[1:])): call for call in found.values() if whole(call)}
    return sorted(once.values(), key=rank)


def rank(call: Call) -> int:
    """Its place among the others: those that only look are first."""
    line = " ".join(filled(call.words[1:]))
    return next((place for place, start in enumerate(LAST, 1) if line.startswith(start)), 0)


def whole(call: Call) -> bool:
    """Whether it is a command to type, and none that is run elsewhere."""
    words = filled(call.words[1:])
    elsewhere = any(tuple(words[: len(place)]) == place for place in ELSEWHERE)
    return not elsewhere and tuple(words) not in BARE and wrong_with_relay(["relay", *words]) == []


class Typist:
    """Types relay's commands, one after another, in a process of its own.

    Args:
        process: `manycommands.py`.
    """

    def __init__(self, process: "forks.Forked | asyncio.subprocess.Process") -> None:
        self._process = process

    async def run(self, words: list[str], stdin: str) -> tuple[int, str]:
        """Run a command to its end: its exit code, and what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"words": words, "stdin": stdin}).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            answer = json.loads(await self._process.stdout.readline())
        return answer["code"], answer["said"]


@asynccontextmanager
async def typist(made: World) -> AsyncIterator[Typist]:
    """Somebody who types; where no option says it, the settings are those of this world."""
    settings = made.relay.directory / "relay.toml"
    environment = {**os.environ, "RELAY_CONFIG": str(settings)}
    program = ("-m", "tests.documents.manycommands")
    process = await forks.start(*program, stdin=forks.PIPE, stdout=forks.PIPE, environment=environment)
    try:
        yield Typist(process)
    finally:
        process.kill()
        await process.wait()


def given(call: Call) -> str:
    """What a command reads."""
    if call.piped:
        return call.reads or ""
    return '{"to": "+12065550101", "text": "from a page"}' if "send" in call.words else NUMBERS


async def tried(types: Typist, folder: Path, call: Call, **more: str) -> list[str]:
    """What is wrong with what a command does: it ends well, or as the page says, and always with words."""
    words = filled(call.words[1:], folder, **more)
    code, said = await types.run(words, given(call))
    line = " ".join(words)
    here = {"folder": folder, "copy": more.get("COPY")}
    expected = [told for start, told in REFUSED.items() if start.format(**here) in line and told in said]
    problems = [
        *(["a defect"] if "Traceback" in said else []),
        *(["no word"] if not said.strip() and code else []),
        *([] if code == 0 or (code == 1 and expected) else [f"exit code {code}"]),
    ]
    return [f"relay {line}: {problem}: {said[:150]} ... {said[-150:]}" for problem in problems]


async def prepared(made: World) -> str:
    """What the commands are about: requests that wait, and a copy that waits for a person; the id of that copy."""
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    names = {word for call in relays() for word in filled(call.words[1:]) if REQUEST.fullmatch(word)}
    for name in sorted(names):
        request = {"id": name, "to": "+12065550101", "text": f"text of {name}", "send_at": later}
        await made.publish("relay/line/alerts/send", request)
    made.fault("cut-before", "send")
    await made.publish("relay/line/office/send", {"id": "doubt", "to": "+12065550102", "text": "doubt"})
    result = await made.ears.result("doubt")
    for name in names:
        assert (await made.ears.result(name))["outcome"] == "accepted"

    def uncertain() -> bool:
        return any(told["status"] == "uncertain" for told in made.ears.receipts(result["message_id"]))

    await made.ears.until(uncertain, what="a copy in doubt")
    copy: str = result["copies"][0]["copy_id"]
    folder = made.relay.directory
    for name in ("numbers.txt", "pw"):
        (folder / name).write_text("+12065550142\n")
        (folder / name).chmod(0o600)
    return copy


async def as_a_shell_has_it(made: World, text: str, until: Callable[[], Any]) -> str:
    """Run a page's lines in a shell, unchanged; what they print until something is so."""
    folder = made.relay.directory
    for client in ("mosquitto_pub", "mosquitto_sub"):
        (folder / client).write_text(f"-p {made.broker.port}\n")
    said = folder / "said"
    with said.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-ec", text),
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "XDG_CONFIG_HOME": str(folder)},
            start_new_session=True,
        )
        assert await process.wait() == 0
        await made.ears.until(until, what="what the page promises")
        os.killpg(process.pid, signal.SIGTERM)
    return await asyncio.to_thread(said.read_text)


async def texts_go(made: World) -> None:
    """The README's first text: sent and heard with mosquitto's own clients."""
    [block] = [one for one in blocks("sh") if one.page == "README.md" and "mosquitto_pub" in one.text]
    wanted = "order-1234"

    def ended() -> bool:
        receipts = (event["data"] for event in made.ears.events("receipt"))
        return any(told["request_id"] == wanted and told["final"] for told in receipts)

    said = await as_a_shell_has_it(made, block.text, ended)
    assert "relay/line/alerts/receipt {" in said
    assert (await made.ears.result(wanted))["outcome"] == "accepted"


@pytest.mark.timeout(300)
async def test_every_command_of_the_pages_does_what_it_is_for(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Against a relay that runs; then, once it is stopped, those that need it so."""
    wanted = relays()
    assert len(wanted) > 60
    running = [call for call in wanted if call.words[1] not in STOPPED]
    async with world(tmp_path, free_port, lines=LINES + SELDOM, speed=20.0) as made:
        await made.relay.start()
        await made.listening()
        await agree(made)
        await followed(made)
        copy = await prepared(made)
        await texts_go(made)
        async with typist(made) as types:
            problems = [problem for call in running for problem in await tried(types, tmp_path, call, COPY=copy)]
            await made.relay.stop()
            stopped = [call for call in wanted if call.words[1] in STOPPED]
            problems += [problem for call in stopped for problem in await tried(types, tmp_path, call)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("words", ELSEWHERE, ids=" ".join)
def test_what_is_not_run_here_is_run_elsewhere(words: tuple[str, ...]) -> None:
    """By the test that is named."""
    text = (ROOT / ELSEWHERE[words]).read_text()
    assert all(f'"{word}"' in text for word in words)
