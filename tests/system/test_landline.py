"""Landline Texting through the whole of relay: a login, MMS both ways, a text that AT&T keeps, and the web app."""

import asyncio
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from relay.clock import LabClock
from relay.providers.att_landline.callbacks import EVENTS
from tests.system.world import World, world

PICTURE = b"\x89PNG\r\n" + bytes(range(256)) * 20
FRIEND, OTHER = "+12065550001", "+12065550002"
MORE = """
username = "2065550100"
password_file = "{directory}/password"
mms = true
scheduling = "provider"
"""


@asynccontextmanager
async def landline(directory: Path, free_port: Callable[[], int]) -> AsyncIterator[World]:
    """A world whose landline is ready: relay runs, and its web hooks are installed."""
    installed, ready = Counter[str](), asyncio.Event()

    def notice(line: dict[str, Any]) -> None:
        installed[line["what"]] += 1
        if installed["hook-added"] == len(EVENTS):
            ready.set()

    async with world(directory, free_port, speed=60.0) as made:
        made.att.world.ledger.copy = notice
        configure(directory)
        await made.relay.start()
        await made.listening()
        async with asyncio.timeout(30):
            await ready.wait()
        yield made
        assert await made.relay.stop() == 0
        assert made.att.world.violations.lines() == []


def configure(directory: Path) -> None:
    """A login in place of the session; MMS; and AT&T waits for scheduled texts."""
    path = directory / "password"
    path.write_text("demo-password\n")
    path.chmod(0o600)
    settings = directory / "relay.toml"
    kept = [line for line in settings.read_text().splitlines() if not line.startswith("session_file")]
    settings.write_text("\n".join(kept) + MORE.format(directory=directory))


async def send(made: World, request_id: str, **request: Any) -> dict[str, Any]:
    """The result of a request to the landline."""
    await made.publish("relay/line/office/send", {"id": request_id, "to": [FRIEND], **request})
    return await made.ears.result(request_id)


def named(made: World, name: str) -> list[dict[str, Any]]:
    """The data of the landline's events of one name."""
    heard = {body["id"]: body["data"] for topic, body in made.ears.heard if topic == f"relay/line/office/event/{name}"}
    return list(heard.values())


async def test_a_landline_does_all_that_its_document_describes(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Nothing is lost, nothing comes twice, and nothing is asked that AT&T forbids."""
    async with landline(tmp_path, free_port) as made:
        await _mms_out(made)
        await _mms_in(made)
        await _a_text_that_waits(made)
        await _by_hand(made)
        assert len([line for line in made.att.world.ledger.lines() if line["what"] == "login"]) == 1
        log = made.relay.log_path.read_text()
        assert "demo-password" not in log
        assert "session=" not in log


async def test_a_text_whose_answer_was_lost_is_seen_to_have_gone_out(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """By its web hook: a text by what it says, and a long one by what its text file says."""
    async with landline(tmp_path, free_port) as made:
        for operation, text in (("send", "short"), ("mms", "é" * 300), ("mms", "é" * 400)):
            made.att.world.faults.add({"match": {"service": "att-landline", "operation": operation}, "do": "cut-after"})
            result = await send(made, f"lost-{len(text)}", text=text)
            (receipt,) = await made.ears.final(result["message_id"], 1)
            statuses = [receipt["status"] for receipt in made.ears.receipts(result["message_id"])]
            assert (statuses[0], receipt["status"]) == ("uncertain", "delivered")
        assert len(made.accepted()) == 3
        assert named(made, "sent-elsewhere") == []


async def _mms_out(made: World) -> None:
    media = [{"content_type": "image/png", "filename": "map.png", "data": b64encode(PICTURE).decode()}]
    picture = await send(made, "picture", text="Look", media=media)
    assert (picture["outcome"], picture["sent_as"]) == ("accepted", "mms")
    long = await send(made, "long", text="é" * 400)
    assert long["sent_as"] == "mms"
    short = await send(made, "short", text="Hi")
    assert short["sent_as"] == "sms"
    for result in (picture, long, short):
        (receipt,) = await made.ears.final(result["message_id"], 1)
        assert receipt["status"] == "delivered"
    files = {entry["ref"]: entry["files"] for entry in made.accepted() if "files" in entry}
    assert {file["sha256"] for each in files.values() for file in each} == {
        sha256(PICTURE).hexdigest(),
        sha256(("é" * 400).encode()).hexdigest(),
    }
    assert len(made.accepted()) == 3


async def _mms_in(made: World) -> None:
    part = {"content_type": "image/png", "filename": "IMG_1.png", "data": b64encode(PICTURE).decode()}
    made.att.act("att-landline", "receive", {"from": FRIEND, "text": "And you", "parts": [part]})
    await made.ears.until(lambda: made.ears.events("message"), what="the MMS")
    (event,) = made.ears.events("message")
    assert event["data"]["text"] == "And you"
    (media,) = event["data"]["media"]
    assert (media["content_type"], media["filename"]) == ("image/png", "IMG_1.png")
    assert b64decode(media["data"]) == PICTURE


async def _a_text_that_waits(made: World) -> None:
    clock = made.att.options.clock
    assert isinstance(clock, LabClock)
    send_at = (clock.now() + timedelta(minutes=5)).astimezone(UTC)
    waiting = await send(made, "later", text="Later", send_at=send_at.isoformat())
    (receipt,) = await made.ears.final(waiting["message_id"], 1)
    assert receipt["status"] == "delivered"
    (accepted,) = made.accepted("Later")
    assert abs(datetime.fromisoformat(accepted["scheduled"]) - send_at) < timedelta(seconds=1)
    assert datetime.fromisoformat(accepted["at"]) < send_at - timedelta(minutes=1)


async def _by_hand(made: World) -> None:
    received = next(line for line in made.att.world.ledger.lines() if line["what"] == "received")
    made.att.act("att-landline", "read", {"id": received["id"]})
    made.att.act("att-landline", "delete", {"id": received["id"]})
    made.att.act("att-landline", "text-from-app", {"to": OTHER, "text": "by hand"})
    for name in ("read", "deleted", "sent-elsewhere"):
        await made.ears.until(partial(named, made, name), what=name)
    assert [change["provider"]["message_id"] for change in named(made, "read")] == [received["id"]]
    assert named(made, "read")[0]["message_id"] == made.ears.events("message")[0]["data"]["message_id"]
    assert [change["provider"]["message_id"] for change in named(made, "deleted")] == [received["id"]]
    (elsewhere,) = named(made, "sent-elsewhere")
    assert (elsewhere["text"], elsewhere["to"]) == ("by hand", [OTHER])
