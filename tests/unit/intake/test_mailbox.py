"""Commands about a subscriber's messages: done first, answered then, and every failure is an answer."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from relay.bus.delivery import Delivery
from relay.bus.requests import CommandRules
from relay.domain.addresses import Address, AddressKind
from relay.domain.errors import ConsentRequired, ErrorCode, Gone, OutcomeUnknown, Problem, RelayError, Throttled
from relay.domain.mailbox import MailEntry, MailPage, StoredMail
from relay.domain.messages import InboundMessage, Part, RawAnswer, Sighting
from relay.ids import Ids
from relay.intake import Intake
from relay.intake.mailbox import AT_ONCE
from relay.journal import Journal
from relay.mediastore import MediaStore
from relay.simulator.virtual import ManualClock
from tests import journals

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOB = Address(AddressKind.E164, "+12065550002", "+12065550002")
ENTRY = MailEntry("m|1", is_unread=True, is_incoming=True, time=NOON)


@dataclass
class Desk:
    """A line with two messages, one with a picture; it fails as it is told."""

    alias: str = "desk"
    provider: str = "test"
    number: str = "+12065550111"
    syncs_mailbox: bool = True
    sync_interval: float = 60.0
    history: bool = False
    done: list[tuple[Any, ...]] = field(default_factory=list)
    fails: RelayError | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def _do(self, *what: Any) -> None:
        self.asked.release()
        await self.open.wait()
        if self.fails:
            raise self.fails
        self.done.append(what)

    async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
        """One entry of three."""
        await self._do("list", offset, limit, unread)
        return MailPage((ENTRY,), 3, offset, "cursor")

    async def get_mail(self, ref: str) -> StoredMail:
        """A message that came in, with a picture; `sent` is one that went out."""
        await self._do("get", ref)
        if ref == "sent":
            return StoredMail(MailEntry(ref, is_incoming=False), Sighting(ref, (BOB,), "Hi"))
        picture = Part("image/png", "a.png", "part-1", 3)
        return StoredMail(ENTRY, InboundMessage(BOB, self.number, "Look", ref=ref, parts=(picture,)))

    async def update_mail(self, ref: str, *, is_unread: bool) -> None:
        """Mark it."""
        await self._do("update", ref, is_unread)

    async def delete_mail(self, ref: str) -> None:
        """Delete it."""
        await self._do("delete", ref)

    async def list_parts(self, ref: str) -> list[Part]:
        """They are listed already."""
        raise AssertionError(ref)

    async def fetch_part(self, message_ref: str, part: Part) -> bytes:
        """Its bytes."""
        await self._do("part", message_ref, part.ref)
        return b"png"

    async def prepare_mailbox(self) -> None:
        """Ready."""

    async def fetch_changes(self, cursor: str) -> Any:
        """Not asked here."""
        raise AssertionError(cursor)

    async def fetch_mail(self, ref: str) -> RawAnswer:
        """Not asked here."""
        raise AssertionError(ref)

    def read_mail(self, ref: str, raw: RawAnswer) -> Any:
        """Not asked here."""
        raise AssertionError(ref, raw)

    async def verify(self) -> str:
        """Fine."""
        return "fine"

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Room:
    """An intake with a journal of its own."""

    intake: Intake
    journal: Journal
    line: Desk

    async def take(self, verb: str, body: Mapping[str, Any], line: str = "desk") -> Mapping[str, Any]:
        """The answer to a command."""
        return (await self.intake.take(Delivery(line, verb, "web", to_json(body)))).body


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """A line that answers at once, and one that has no messages to show."""
    clock = ManualClock()
    ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
    line = Desk()
    line.open.set()
    await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
    async with await Journal.open(f"sqlite:///{tmp_path}/relay.db", clock=clock, ids=ids, node="n") as journal:
        store = MediaStore(
            tmp_path / "media", journal, clock, inline_max=100, max_part=1000, lifetime=60.0, address="http://x"
        )
        lines: dict[str, Any] = {"desk": line, "mute": object()}
        yield Room(Intake(lines, journal, clock, CommandRules(), store), journal, line)


async def test_a_page_is_listed(room: Room) -> None:
    """With the ids under which its messages can be asked for."""
    result = await room.take("list", {"limit": 1, "offset": 2, "unread": True, "ref": "r"})
    assert (result["outcome"], result["ref"], result["error"]) == ("found", "r", None)
    entry = {"message_id": "m|1", "is_unread": True, "is_incoming": True, "time": "2026-11-21T12:00:00.000Z"}
    assert result["page"] == {"messages": [entry], "total": 3, "offset": 2}
    assert room.line.done == [("list", 2, 1, True)]


async def test_a_message_is_shown_with_its_attachments(room: Room) -> None:
    """As it would have been published, and how it is marked."""
    result = await room.take("get", {"message_id": "m|1"})
    message = result["message"]
    assert (message["message_id"], message["from"], message["text"]) == ("m|1", BOB.value, "Look")
    assert (message["is_unread"], message["is_incoming"]) == (True, True)
    assert message["media"] == [{"content_type": "image/png", "filename": "a.png", "bytes": 3, "data": "cG5n"}]


async def test_a_message_that_went_out_is_shown_with_its_recipients(room: Room) -> None:
    """It is the subscriber's own."""
    message = (await room.take("get", {"message_id": "sent"}))["message"]
    assert (message["to"], message["text"], message["is_incoming"]) == ([BOB.value], "Hi", False)


async def test_a_message_is_marked_and_deleted(room: Room) -> None:
    """Both may be done twice."""
    for _ in range(2):
        assert (await room.take("update", {"message_id": "m", "is_unread": False}))["outcome"] == "done"
        assert (await room.take("delete", {"message_id": "m"}))["outcome"] == "done"
    assert room.line.done == 2 * [("update", "m", False), ("delete", "m")]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Gone(Problem(ErrorCode.UNKNOWN_ID, "gone")), "unknown_id"),
        (ConsentRequired(Problem(ErrorCode.CONSENT_REQUIRED, "ask")), "consent_required"),
        (Throttled(Problem(ErrorCode.THROTTLED, "slow")), "throttled"),
        (OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, "cut")), "uncertain"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("verb", ["list", "get", "update", "delete"])
async def test_a_failure_is_the_answer(room: Room, failure: RelayError, code: str, verb: str) -> None:
    """With its code, and nothing waits."""
    room.line.fails = failure
    bodies = {"list": {}, "update": {"message_id": "m", "is_unread": True}}
    result = await room.take(verb, bodies.get(verb, {"message_id": "m"}))
    assert (result["outcome"], result["error"]["code"]) == ("rejected", code)


@pytest.mark.parametrize(("line", "code"), [("mute", "unsupported"), ("gone", "unknown_line")])
async def test_a_line_without_messages_to_show_says_so(room: Room, line: str, code: str) -> None:
    """Instead of silence."""
    result = await room.take("list", {}, line)
    assert (result["outcome"], result["error"]["code"]) == ("rejected", code)


async def test_a_provider_that_hangs_holds_up_only_so_many_commands(room: Room) -> None:
    """The next one is answered at once, and may be tried again; the first ones are answered when they can be."""
    room.line.open.clear()
    async with asyncio.timeout(10), asyncio.TaskGroup() as waiting:
        hanging = [waiting.create_task(room.take("get", {"message_id": "m"})) for _ in range(AT_ONCE)]
        for _ in range(AT_ONCE):
            await room.line.asked.acquire()
        result = await room.take("list", {})
        assert (result["error"]["code"], result["error"]["retryable"]) == ("queue_full", True)
        room.line.open.set()
    assert {task.result()["outcome"] for task in hanging} == {"found"}
    assert (await room.take("list", {}))["outcome"] == "found"


async def test_every_answer_is_announced_to_its_client(room: Room) -> None:
    """Exactly one result a command."""
    await room.take("list", {"ref": "r"})
    [(_, announced)] = await room.journal.events.follow(0, 10)
    assert (announced.kind, announced.client, announced.body["ref"]) == ("result", "web", "r")
