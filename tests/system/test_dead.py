"""What cannot be read is set aside whole, shown by `relay dead`, and delivered once after the parser has learned."""

import asyncio
import base64
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import aiohttp
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

import relay.providers
from relay.cli.main import app
from relay.domain.messages import RawAnswer
from tests.contract.journal.desk import ALICE, LINE, ME, PROBLEM, Desk, SqlitePlace, delivered
from tests.system.inhouse import FRIEND, RelayHere, at_home, texts
from tests.system.test_cli import run, socket_of
from tests.system.world import World, world

LINES = """
[lines.alerts]
provider = "strict-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
"""
PARSER = '''
"""The SMS provider, as it was before it learned a form that AT&T's answers can have."""

from dataclasses import replace
from typing import Literal

from relay.domain.errors import Malformed
from relay.domain.messages import Salvage
from relay.providers.att_sms import PROVIDER as SMS
from relay.providers.att_sms.client import AttSmsLine

KNOWN = {known}


class StrictSettings(SMS.settings):
    provider: Literal["strict-sms"] = "strict-sms"


class StrictLine(AttSmsLine):
    provider = "strict-sms"

    def read_inbox(self, raw):
        if b"new form" in raw.body and not KNOWN:
            raise Malformed("the page has a form that is not known", raw.body)
        return super().read_inbox(raw)

    def salvage_inbox(self, raw):
        return Salvage((), raw) if b"new form" in raw.body and not KNOWN else super().salvage_inbox(raw)


PROVIDER = replace(SMS, name="strict-sms", settings=StrictSettings, connect=StrictLine)
'''
NAME = "strict_sms"


@pytest.fixture
def parser(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Puts the provider's folder beside the others; the next relay that starts finds it as it is then."""
    folder = tmp_path / "providers"

    def forget() -> None:
        sys.modules.pop(f"relay.providers.{NAME}", None)
        vars(relay.providers).pop(NAME, None)

    def write(*, known: bool) -> None:
        forget()
        (folder / NAME).mkdir(parents=True, exist_ok=True)
        # Another name for each, so that no compiled file of the former is taken for it.
        (folder / NAME / f"parser_{known}.py").write_text(dedent(PARSER).format(known=known))
        source = f"from relay.providers.{NAME}.parser_{known} import PROVIDER as PROVIDER\n"
        (folder / NAME / "__init__.py").write_text(f"{source}# {'as it is now' if known else 'as it was'}\n")

    relay.providers.__path__.append(str(folder))
    yield write
    relay.providers.__path__.remove(str(folder))
    forget()
    for known in (True, False):
        sys.modules.pop(f"relay.providers.{NAME}.parser_{known}", None)


async def dead(made: World, *words: str) -> tuple[int | None, str]:
    """Run `relay dead`."""
    return await run("dead", *words, *socket_of(made))


async def test_a_page_that_cannot_be_read_is_delivered_once_after_the_parser_has_learned(
    tmp_path: Path, free_port: Callable[[], int], parser: Callable[..., None]
):
    """Set aside whole, while the rest flows; shown, replayed too early, replayed, and another one discarded."""
    parser(known=False)
    pages = (("plain 1", "new form 1"), ("new form 2", "plain 2"), ("plain 3",))

    def texts_in(made: World) -> None:
        for text in (text for page in pages for text in page):
            made.text_in(FRIEND, "12345", text)

    modes = {"att-sms": {"batch": 2}}
    async with at_home(tmp_path, free_port, lines=LINES, modes=modes, before=texts_in, speed=150) as made:
        await made.ears.until(lambda: "plain 3" in texts(made), what="the page that can be read")
        assert texts(made) == ["plain 3"]
        assert len(made.ears.events("dead")) == 2

        code, said = await dead(made, "list", "--json")
        found = [json.loads(row) for row in said.splitlines()]
        assert (code, [(row["kind"], row["line"], row["what"]) for row in found]) == (
            0,
            [("raw", "alerts", "inbox")] * 2,
        )
        assert "new form" not in said
        first, second = (row["id"] for row in found)
        code, said = await dead(made, "show", first, "--json")
        assert b"new form 1" in base64.b64decode(json.loads(said)["raw"]["body"])
        code, said = await dead(made, "replay", first)
        assert (code, said) == (1, "still not readable: the page has a form that is not known\n")
        code, said = await dead(made, "list", "--json")
        assert [json.loads(row)["id"] for row in said.splitlines()] == [first, second]

        await made.relay.stop()
        parser(known=True)
        await made.relay.start()
        code, said = await dead(made, "replay", first)
        assert (code, said) == (0, "read  messages 2\n")
        await made.ears.until(lambda: len(texts(made)) >= 3, what="the page that was set aside")
        code, said = await dead(made, "replay", first)
        assert (code, "nothing of this id waits" in said) == (1, True)
        code, said = await dead(made, "discard", second)
        assert code == 0
        assert await dead(made, "list") == (0, "nothing waits for a person\n")
        assert Counter(texts(made)) == Counter(("plain 1", "new form 1", "plain 3"))


PAGE = {
    "inboundSmsMessageList": {
        "inboundSmsMessage": [
            {
                "messageId": "m-1",
                "message": "from a page",
                "senderAddress": f"tel:{FRIEND}",
                "destinationAddress": "12345",
            }
        ],
        "numberOfMessagesInThisBatch": 1,
        "numberOfMessagesPending": 0,
    }
}


async def at_once(made: World, *words: str) -> tuple[int, str]:
    """Run `relay dead` in this process: starting one for each would take most of the time."""
    told = await asyncio.to_thread(CliRunner().invoke, app, ["dead", *words, *map(str, socket_of(made))])
    # What relay logs meanwhile goes the same way.
    return told.exit_code, told.output.splitlines()[-1]


async def _of_each_kind(desk: Desk) -> None:
    """Leave one thing of each kind for a person."""
    journal = desk.journal
    kept = await journal.raw.keep(LINE, "inbox", "", "", RawAnswer(json.dumps(PAGE).encode(), "application/json"))
    await journal.raw.set_aside(kept, "relay could not read this yet")
    await journal.events.announce(LINE, "loss-suspected", {"reason": "m-0"})
    [event] = [one for _, one in await journal.events.pending(0, 10) if one.kind == "event.loss-suspected"]
    await journal.events.set_aside(event.id, "too large for the broker")
    await desk.send(ALICE, text="in doubt")
    await journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    await desk.report(delivered("unheard of"))
    await journal.upkeep.give_up_parked(older_than=-1)
    damaged = await desk.send(ALICE, text="damaged", key="damaged")
    desk.place.flip_a_bit("message", "content", str(damaged.message_id), b"damaged")
    assert await desk.none_due()


async def test_one_thing_of_each_kind_is_listed_shown_replayed_and_discarded(
    tmp_path: Path, free_port: Callable[[], int]
):
    """By the real command line, and each with a notice on the bus and a number in the status and the metrics."""
    lines = LINES.replace("strict-sms", "att-sms")
    async with world(tmp_path, free_port, lines=lines, speed=60.0, relay=RelayHere) as made:
        desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
        await _of_each_kind(desk)
        await desk.journal.aclose()
        with capture_logs() as logged:
            await made.relay.start()
        [port] = [one["port"] for one in logged if one.get("setting") == "admin.listen"]
        await made.ears.until(lambda: len(made.ears.events("dead")) == 5, what="a notice for each")
        kinds = ("raw", "event", "uncertain", "orphan", "damaged")
        assert tuple(one["data"]["kind"] for one in made.ears.events("dead")) == kinds

        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            measured = (await answer.text()).splitlines()
        assert {f'relay_set_aside{{kind="{kind}"}} 1.0' for kind in kinds} <= set(measured)
        _, said = await run("status", *socket_of(made))
        assert "5 things wait for a person: 1 raw, 1 event, 1 uncertain, 1 orphan, 1 damaged" in said
        code, said = await dead(made, "list", "--json")
        found = {row["kind"]: row["id"] for row in map(json.loads, said.splitlines())}
        assert (code, tuple(found)) == (0, kinds)
        shown = {kind: json.loads((await at_once(made, "show", found[kind], "--json"))[1]) for kind in kinds}
        assert [next((part for part in PARTS if part in shown[kind]), None) for kind in kinds] == [*PARTS, None]

        replayed = {kind: await at_once(made, "replay", found[kind]) for kind in kinds}
        assert {kind: code for kind, (code, _) in replayed.items()} == dict(zip(kinds, (0, 0, 0, 1, 1), strict=True))
        assert replayed["orphan"][1] == "still of no text that is known"
        assert "can only be discarded" in replayed["damaged"][1]
        await made.ears.until(lambda: texts(made) == ["from a page"], what="the page")
        await made.ears.until(lambda: made.ears.events("event.loss-suspected"), what="the event")
        await made.until_att(lambda: made.accepted("in doubt"))

        for kind in ("orphan", "damaged"):
            assert await at_once(made, "discard", found[kind]) == (0, f"{found[kind]}: discarded")
        assert await dead(made, "list") == (0, "nothing waits for a person\n")


PARTS = ("raw", "event", "copy", "report")
