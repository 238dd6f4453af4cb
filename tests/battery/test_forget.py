"""X3: somebody who has texts and pictures with all three services is forgotten, while relay works on."""

import asyncio
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.battery.table import Row
from tests.system.inhouse import DESK, SUBSCRIBER, agree, daemon, followed
from tests.system.world import LINES, World, world

WITH_MMS = LINES.replace('session_file = "{directory}/session"', 'session_file = "{directory}/session"\nmms = true')
THEIRS, OTHERS = "2065550177", "2065550116"
TO_THEM, FROM_THEM, BETWEEN, AFTER = "marked-to-7f3a", "marked-from-9c1d", "marked-others-2b7e", "marked-after-51cc"
CONTENT = b"GIF89a marked-content-44aa" + bytes(3000)
PICTURE = {"content_type": "image/gif", "filename": "marked-e05d.gif", "data": b64encode(CONTENT).decode()}
SHOWN = Counter(office=2, desk=2)
SPELLED = (THEIRS, "206-555-0177", "(206) 555-0177", "206.555.0177")
MARKS = (*SPELLED, TO_THEM, FROM_THEM, PICTURE["filename"], PICTURE["data"][:40], CONTENT[:20].decode())


async def test_a_person_is_forgotten_everywhere(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """Nothing of them is left on relay's disk; others keep what is theirs, and the opt-out holds."""
    lines, media = WITH_MMS + DESK, 'inline_max = "1 kB"'
    async with world(tmp_path, free_port, speed=150, lines=lines, media=media) as made:
        await made.relay.start()
        await made.listening()
        await agree(made)
        await followed(made)
        await _texted(made)
        assert {THEIRS, TO_THEM, FROM_THEM, CONTENT[:20].decode()} <= await _left(tmp_path)
        took = await _forgotten(made)
        assert await _left(tmp_path) == set()
        assert BETWEEN in await asyncio.to_thread(_journal, tmp_path)
        await _works_on(made)
        await _forgotten(made)
        assert await made.relay.stop() == 0
        assert await _left(tmp_path) == set()
    found(
        Row("X3", "a person is forgotten, with texts and pictures on all services", 1, 0, 0, None, f"in {took:.1f} s")
    )


async def _texted(made: World) -> None:
    """Texts and pictures, to and from them and somebody else."""
    for line in ("alerts", "office", "desk"):
        more: dict[str, Any] = {} if line == "alerts" else {"media": [PICTURE]}
        await made.publish(f"relay/line/{line}/send", {"id": f"to-{line}", "to": THEIRS, "text": TO_THEM, **more})
        await made.publish(f"relay/line/{line}/send", {"id": f"other-{line}", "to": OTHERS, "text": BETWEEN})
    for about in (f"{whom}-{line}" for whom in ("to", "other") for line in ("alerts", "office", "desk")):
        await made.ears.final((await made.ears.result(about))["message_id"], 1)
    for to in ("12345", "+12065550100", SUBSCRIBER):
        made.text_in(f"+1{THEIRS}", to, FROM_THEM)
        made.text_in(f"+1{OTHERS}", to, BETWEEN)
    made.text_in(f"+1{THEIRS}", "12345", "STOP")
    made.act("receive", from_=f"+1{THEIRS}", text=FROM_THEM, parts=[{**PICTURE, "name": PICTURE["filename"]}])
    made.act("receive", "att-landline", line="+12065550100", from_=f"+1{THEIRS}", text=FROM_THEM, parts=[PICTURE])
    await made.ears.until(
        lambda: len(_told(made, FROM_THEM)) == 5 and len(_told(made, BETWEEN)) == 3, what="texts came"
    )
    await made.ears.until(lambda: made.ears.events("event.opt-out"), what="STOP is heeded")
    # What AT&T shows of these texts, and its pictures, are fetched as well. AT&T is asked again and again meanwhile.
    await made.until_att(lambda: Counter(line["line"] for line in made.relay.logged("sighting.own")) >= SHOWN)


async def _forgotten(made: World) -> float:
    """Ask for it until nothing is left; the seconds that it took."""
    began = perf_counter()
    left: dict[str, int] = {"": 1}
    async with daemon(made) as asking:
        while left:
            async with asking.post("http://relay/forget", json={"addresses": [THEIRS]}) as answer:
                said = json.loads(await answer.read())
            left = said["left"]
    assert said["is_clean"]
    return perf_counter() - began


async def _works_on(made: World) -> None:
    """The opt-out holds; others are texted, and what they write comes in; the mailbox brings nothing back."""
    for whom, to in (("them", THEIRS), ("others", OTHERS)):
        await made.publish("relay/line/alerts/send", {"id": f"after-{whom}", "to": to, "text": BETWEEN})
    [refused] = (await made.ears.result("after-them"))["copies"]
    assert refused["error"]["code"] == "opted_out"
    await made.ears.final((await made.ears.result("after-others"))["message_id"], 1)
    made.text_in(f"+1{OTHERS}", SUBSCRIBER, AFTER)
    await made.ears.until(lambda: _told(made, AFTER), what="others write")
    assert len(_told(made, FROM_THEM)) == 5


def _told(made: World, text: str) -> list[dict[str, Any]]:
    return [event for event in made.ears.events("message") if event["data"]["text"] == text]


async def _left(directory: Path) -> set[str]:
    """The marks that are somewhere in what relay keeps, its log included."""
    return await asyncio.to_thread(lambda: {mark for mark in MARKS for file in _kept(directory) if _holds(file, mark)})


def _kept(directory: Path) -> Iterator[Path]:
    for file in directory.rglob("*"):
        inside = file.relative_to(directory).parts
        if file.is_file() and inside[0] not in {"broker", "attachments"} and not inside[0].endswith(".jsonl"):
            yield file


def _holds(file: Path, mark: str) -> bool:
    return mark.encode() in file.read_bytes()


def _journal(directory: Path) -> str:
    return (directory / "relay.db").read_bytes().decode("latin-1")
