"""Requests at the door: what the loop breaker and the queue's limits make of them, and what a check says."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from relay.bus.delivery import Delivery
from relay.bus.requests import CommandRules
from relay.domain.addresses import AddressKind
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Content, Plan
from relay.ids import Ids
from relay.intake import Intake, MediaFolder, Repeats
from relay.journal import Journal, JournalLimits
from relay.mediastore import MediaStore
from relay.simulator.virtual import ManualClock
from tests import journals

ALICE, BOB, CAROL = "+12065550001", "+12065550002", "+12065550003"
OWN, OTHERS = "+12065550100", "+12065550199"
TEXT = "Your order is on its way."


@dataclass
class Desk:
    """A line that sends to phone numbers, two a call."""

    alias: str = "desk"
    provider: str = "test"
    number: str = OWN
    takes: frozenset[AddressKind] = frozenset({AddressKind.E164})

    def plan(self, content: Content) -> Plan:
        """As one text; nothing that is too long."""
        if len(content.text or "") > len(TEXT):
            raise Refused(Problem(ErrorCode.TOO_LONG, "too long"))
        return Plan("gsm-7", 1, 2, size=len(content.text or ""), api="Test: Send")

    async def send(self, call: object) -> object:
        """Never called here."""
        raise AssertionError(call)

    async def verify(self) -> str:
        """Fine."""
        return "fine"

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Door:
    """An intake with a journal of its own."""

    intake: Intake
    journal: Journal
    clock: ManualClock
    keys: int = field(default=0)

    async def take(
        self, verb: str = "send", line: str = "desk", *, dup: bool = False, **body: Any
    ) -> Mapping[str, Any]:
        """The answer to a command about ALICE; a send has an id of its own unless it brings one."""
        self.keys += 1
        asked = {"to": ALICE, "text": TEXT, "id": f"key-{self.keys}", **body}
        payload = to_json({name: value for name, value in asked.items() if value is not None})
        return (await self.intake.take(Delivery(line, verb, "shop", payload, redelivered=dup))).body

    async def events(self, kind: str = "event.loop-suspected") -> list[tuple[str | None, Mapping[str, Any]]]:
        """What was announced so far: on which line, and what."""
        found = await self.journal.events.follow(0, 10_000)
        return [(event.line, event.body) for _, event in found if event.kind == kind]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """Two lines; the same text goes to a number three times an hour; a client has room for nine copies on a line."""
    clock = ManualClock()
    ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
    limits = JournalLimits(waiting_per_client=9)
    url = f"sqlite:///{tmp_path}/relay.db"
    await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
    async with await Journal.open(url, clock=clock, ids=ids, node="n", limits=limits) as journal:
        store = MediaStore(
            tmp_path / "media", journal, clock, inline_max=1, max_part=1, lifetime=1.0, address="http://x"
        )
        lines: dict[str, Any] = {"desk": Desk(), "till": Desk("till", number=OTHERS)}
        repeats = Repeats(3, 3600.0)
        intake = Intake(lines, journal, clock, CommandRules(), store, MediaFolder(), repeats)
        yield Door(intake, journal, clock)


def codes(copies: Any) -> list[str | None]:
    """Why each copy is refused, if it is."""
    return [one["error"]["code"] if one.get("error") else None for one in copies]


async def test_the_same_text_to_the_same_number_is_refused_when_it_is_too_often(door: Door) -> None:
    """The copy stands in the result as failed, with how often and which settings; other recipients get theirs."""
    for _ in range(3):
        assert codes((await door.take())["copies"]) == [None]
    result = await door.take(to=[BOB, ALICE])
    assert result["outcome"] == "accepted"
    assert [one["status"] for one in result["copies"]] == ["queued", "failed"]
    error = result["copies"][1]["error"]
    assert (error["code"], error["category"]) == ("loop_suspected", "refused")
    assert "3 times within 1h" in error["detail"]
    assert "queue.repeat_limit" in error["detail"]


async def test_a_loop_is_announced_once_on_its_line(door: Door) -> None:
    """With the number, how often and in how many seconds; the text is not shown. In the next hour it is again."""
    for _ in range(8):
        await door.take()
    told = ("desk", {"address": ALICE, "repeats": 3, "within": 3600.0})
    assert await door.events() == [told]
    await door.clock.advance(3600)
    for _ in range(8):
        await door.take()
    assert await door.events() == [told, told]


async def test_what_is_sent_otherwise_is_not_held_up(door: Door) -> None:
    """Another text, another line, a confirmation of an opt-out."""
    confirming: dict[str, Any] = {"class": "compliance"}
    for _ in range(3):
        await door.take()
    assert codes((await door.take(text="Hello"))["copies"]) == [None]
    assert codes((await door.take(line="till"))["copies"]) == [None]
    assert codes((await door.take(**confirming))["copies"]) == [None]
    assert await door.events() == []


async def test_a_client_that_repeats_itself_is_no_loop(door: Door) -> None:
    """The same id, or the broker's own redelivery, sends nothing: it is answered as before, as often as it comes."""
    for _ in range(5):
        assert codes((await door.take(id="k"))["copies"]) == [None]
    first = await door.take(id=None)
    for _ in range(5):
        again = await door.take(id=None, dup=True)
        assert (again["message_id"], again["replayed"], codes(again["copies"])) == (first["message_id"], True, [None])
    assert codes((await door.take())["copies"]) == [None]
    assert codes((await door.take())["copies"]) == ["loop_suspected"]
    assert codes((await door.take(id="k"))["copies"]) == [None]


async def test_requests_without_effect_do_not_count(door: Door) -> None:
    """Refused by the line, in conflict, with no room, or only checked."""
    await door.take(id="k")
    for _ in range(3):
        assert (await door.take(text="x" * 100))["error"]["code"] == "too_long"
        assert (await door.take(id="k", priority="high"))["error"]["code"] == "conflict"
        crowd = [ALICE, *(f"+1206555{number}" for number in range(1000, 1009))]
        assert (await door.take(to=crowd))["error"]["code"] == "queue_full"
        assert (await door.take("check"))["outcome"] == "checked"
    assert [codes((await door.take())["copies"]) for _ in range(3)] == [[None], [None], ["loop_suspected"]]


async def test_a_flood_at_once_is_counted_as_well(door: Door) -> None:
    """Many requests are written down together: no more of them go out than may."""
    results = await asyncio.gather(*(door.take() for _ in range(8)))
    assert sorted(str(codes(result["copies"])[0]) for result in results) == 3 * ["None"] + 5 * ["loop_suspected"]
    assert len(await door.events()) == 1


async def test_attachments_by_name_are_compared_by_their_bytes(door: Door, tmp_path: Path) -> None:
    """Two files of one name are two messages, when the file has changed."""
    folder = tmp_path / "files"
    folder.mkdir()
    object.__setattr__(door.intake, "folder", MediaFolder(folder, 100))
    media = [{"content_type": "image/png", "file": "map.png"}]
    for content in (b"1", b"2"):
        (folder / "map.png").write_bytes(content)
        for _ in range(3):
            assert codes((await door.take(media=media))["copies"]) == [None]
    assert codes((await door.take(media=media))["copies"]) == ["loop_suspected"]


async def test_no_line_of_this_relay_is_texted(door: Door) -> None:
    """Neither the line itself nor another one."""
    result = await door.take(to=[OWN, OTHERS, ALICE])
    assert codes(result["copies"]) == ["loop_suspected", "loop_suspected", None]
    assert result["calls"] == 1
    assert await door.events() == []


async def test_a_full_queue_says_which_limit_it_is(door: Door) -> None:
    """Of this client on this line; the other line takes it."""
    crowd = [f"+1206555{number}" for number in range(1000, 1009)]
    assert (await door.take(to=crowd))["outcome"] == "accepted"
    for verb in ("send", "check"):
        result = await door.take(verb)
        assert (result["outcome"], result["error"]["code"]) == ("rejected", "queue_full")
        assert (
            "9 copies wait for this client here, and queue.max_copies_per_client allows 9" in result["error"]["detail"]
        )
    assert (await door.take(line="till"))["outcome"] == "accepted"


async def test_a_check_says_what_would_happen(door: Door) -> None:
    """To whom, how often each was named, by which call, and until when."""
    result = await door.take(
        "check", to=[ALICE, ALICE, "(206) 555-0002", "12", BOB, OWN, CAROL], ref="r", metadata={"a": 1}
    )
    assert (result["outcome"], result["ref"], result["metadata"], result["message_id"]) == (
        "checked",
        "r",
        {"a": 1},
        None,
    )
    check = result["check"]
    assert [one["to"] for one in check.pop("copies")] == [ALICE, BOB, "12", OWN, CAROL]
    assert check == {
        "recipients": 5,
        "duplicates": 2,
        "opted_out": 0,
        "refused": 2,
        "due_at": "2026-11-21T09:00:00.000Z",
        "last_due_at": "2026-11-21T09:00:00.000Z",
        "expires_at": "2026-11-24T09:00:00.000Z",
        "expiring": 0,
        "encoding": "gsm-7",
        "segments": 1,
        "sent_as": "sms",
        "calls": 2,
        "bytes": len(TEXT),
        "api": "Test: Send",
        "waits_for": {},
    }


async def test_a_check_knows_what_went_out_too_often(door: Door) -> None:
    """As a send would; and is told of to nobody."""
    for _ in range(3):
        await door.take()
    check = (await door.take("check", to=[ALICE, BOB]))["check"]
    assert codes(check["copies"]) == ["loop_suspected", None]
    assert (check["refused"], check["calls"]) == (1, 1)
    assert await door.events() == []


@pytest.mark.parametrize(
    ("body", "line", "code"),
    [
        ({"text": "x" * 100}, "desk", "too_long"),
        ({}, "gone", "unknown_line"),
        ({"to": "12"}, "desk", "invalid_recipient"),
        ({"to": "a@example.com"}, "desk", "invalid_recipient"),
        ({"send_at": "2026-11-21T12:00:00Z", "ttl": "0s"}, "desk", "invalid_request"),
    ],
)
async def test_a_check_gives_the_exact_refusal(door: Door, body: dict[str, Any], line: str, code: str) -> None:
    """The one that a send would get."""
    checked, sent = await door.take("check", line, **body), await door.take("send", line, **body)
    assert (checked["outcome"], checked["error"]["code"]) == ("rejected", code)
    assert checked["error"] == sent["error"]


async def test_a_check_of_a_known_id_says_what_a_send_would_be(door: Door) -> None:
    """A replay of the first answer, or a conflict."""
    sent = await door.take(id="k")
    same = await door.take("check", id="k")
    assert (same["outcome"], same["replayed"], same["message_id"]) == ("checked", True, sent["message_id"])
    other = await door.take("check", id="k", text="Hello")
    assert (other["outcome"], other["error"]["code"]) == ("rejected", "conflict")
    assert (await door.take("check", id="new"))["replayed"] is False
