"""A subscriber's message store: made ready, followed, and compared again where it has to be."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.errors import CursorInvalid, ErrorCode, Gone, Malformed, NotReady, Refused, TryLater
from relay.domain.messages import InboundMessage, Part, Segment
from tests.contract.provider.inapp import FRIEND, SERVICE, Desk, a_desk

SHAPES = pytest.mark.parametrize("shape", ["documented", "served"])


def fault(desk: Desk, operation: str, **what: Any) -> None:
    """Spoil the next such call."""
    desk.simulator.world.faults.add({"match": {"service": SERVICE, "operation": operation}, **what})


def index_says(desk: Desk, status: str, times: int = 1) -> None:
    """Have the index say this, so often."""
    fault(desk, "index-info", do="status", status=200, json={"messageIndexInfo": {"status": status}}, times=times)


@SHAPES
@pytest.mark.parametrize("not_ready", ["SVC0001", "409"])
async def test_without_an_index_everything_says_so(shape: str, not_ready: str) -> None:
    """It has to be prepared first; nothing is created by looking."""
    async with a_desk(shape=shape, not_ready=not_ready) as desk:
        await desk.agree()
        for _ in range(2):
            with pytest.raises(NotReady):
                await desk.line.list_mail(0, 10)
            with pytest.raises(NotReady):
                await desk.line.fetch_changes("s")
        assert desk.said("index-created") == []


@SHAPES
async def test_an_index_is_waited_for_with_growing_patience(shape: str) -> None:
    """Five seconds, ten, twenty, and never more than five minutes."""
    async with a_desk(shape=shape, index_seconds=3600) as desk:
        await desk.agree()
        waits = []
        for _ in range(8):
            with pytest.raises(NotReady) as caught:
                await desk.line.prepare_mailbox()
            waits.append(caught.value.after)
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
        assert len(desk.said("index-created")) == 1
        await desk.clock.advance(3600)
        await desk.line.prepare_mailbox()


@SHAPES
async def test_an_index_that_failed_is_created_again(shape: str) -> None:
    """After a wait."""
    async with a_desk(shape=shape, index_ends="error") as desk:
        await desk.agree()
        with pytest.raises(NotReady):
            await desk.line.prepare_mailbox()
        await desk.clock.advance(10)
        assert (await desk.line.verify()).endswith("ERROR")
        desk.shape(shape, index_ends="ready")
        await desk.prepared()
        assert len(desk.said("index-created")) == 2


@SHAPES
async def test_an_index_that_went_is_made_anew(shape: str) -> None:
    """It goes after thirty days without use; the cursor goes with it."""
    async with a_desk(shape=shape) as desk:
        line = await desk.ready()
        cursor = (await line.list_mail(0, 10)).cursor
        assert cursor
        desk.act("expire-index")
        with pytest.raises(NotReady):
            await line.fetch_changes(cursor)
        await desk.prepared()
        assert (await line.list_mail(0, 10)).cursor


async def test_a_status_that_nobody_knows_is_put_up_with_for_an_hour() -> None:
    """Then relay goes on: a list will say whether it may."""
    async with a_desk() as desk:
        await desk.ready()
        index_says(desk, "REBUILDING", times=0)
        with pytest.raises(NotReady):
            await desk.line.prepare_mailbox()
        await desk.clock.advance(3599)
        with pytest.raises(NotReady):
            await desk.line.prepare_mailbox()
        await desk.clock.advance(1)
        with capture_logs() as logs:
            await desk.line.prepare_mailbox()
        assert "mailbox.index.unknown" in [log["event"] for log in logs]
        assert len(desk.said("index-created")) == 1


async def test_a_known_status_ends_the_hour_of_patience() -> None:
    """It begins anew with the next that nobody knows."""
    async with a_desk() as desk:
        await desk.ready()
        for status in ("REBUILDING", "IN_PROGRESS", "REBUILDING"):
            index_says(desk, status)
            with pytest.raises(NotReady):
                await desk.line.prepare_mailbox()
            await desk.clock.advance(3000)


async def test_an_index_that_cannot_be_understood_is_asked_again_later() -> None:
    """It says nothing about the store."""
    async with a_desk() as desk:
        await desk.agree()
        fault(desk, "index-info", do="garbage", status=200)
        with pytest.raises(TryLater):
            await desk.line.prepare_mailbox()


async def test_a_list_of_an_index_that_is_being_made_is_not_believed() -> None:
    """It says so itself: `cacheStatus`."""
    async with a_desk() as desk:
        line = await desk.ready()
        body = {"messageList": {"messages": [], "total": 0, "state": "s", "cacheStatus": "INITIALIZING"}}
        fault(desk, "list", do="status", status=200, json=body)
        with pytest.raises(NotReady):
            await line.list_mail(0, 10)


@SHAPES
@pytest.mark.parametrize("bad_state", ["SVC0002", "SVC0001", "409"])
async def test_a_state_that_is_unknown_leads_to_a_list_with_a_newer_one(shape: str, bad_state: str) -> None:
    """From which nothing is missed."""
    async with a_desk(shape=shape, bad_state=bad_state) as desk:
        line = await desk.ready()
        old = (await line.list_mail(0, 10)).cursor
        assert old
        desk.act("purge-states")
        with pytest.raises(CursorInvalid):
            await line.fetch_changes(old)
        fresh = (await line.list_mail(0, 10)).cursor
        assert fresh
        desk.act("receive", **{"from": FRIEND, "text": "hello"})
        assert len((await line.fetch_changes(fresh)).added) == 1


@pytest.mark.parametrize(("status", "expected"), [("COMPLETE", CursorInvalid), ("IN_PROGRESS", NotReady)])
@pytest.mark.parametrize("answer", [409, 400])
async def test_where_the_words_do_not_tell_the_index_does(status: str, expected: type[TryLater], answer: int) -> None:
    """A ready index means that it was the state."""
    async with a_desk() as desk:
        line = await desk.ready()
        body = {"RequestError": {"ServiceException": {"MessageId": "SVC0001", "Text": "Error code is %1"}}}
        fault(desk, "delta", do="status", status=answer, json=body)
        index_says(desk, status)
        with pytest.raises(expected):
            await line.fetch_changes("some state")


async def test_a_documented_list_takes_its_cursor_from_before_it() -> None:
    """What comes in between the two is brought once more, rather than missed."""
    async with a_desk(shape="documented") as desk:
        await desk.ready()
        line = desk.connect()
        with capture_logs() as logs:
            page = await line.list_mail(0, 10)
        paths = [log["path"].rpartition("/")[2] for log in logs if log["event"] == "provider.call"]
        assert paths == ["messages", "info", "messages"]
        assert page.cursor
        desk.act("receive", **{"from": FRIEND, "text": "hello"})
        assert len((await line.fetch_changes(page.cursor)).added) == 1


async def test_whoever_only_looks_needs_no_cursor() -> None:
    """A later page, the unread ones, a line that follows nothing: one call each."""
    async with a_desk(shape="documented") as desk:
        await desk.ready()
        for line, offset, unread in ((desk.connect(), 5, False), (desk.connect(), 0, True)):
            assert (await line.list_mail(offset, 10, unread=unread)).cursor is None
        assert (await desk.connect(sync=False).list_mail(0, 10)).cursor is None
        assert len(desk.said("listed")) == 3


async def test_changes_come_in_pieces_until_there_are_none() -> None:
    """Each with the state after it; asking again from an old one repeats them."""
    async with a_desk(delta_limit=2) as desk:
        line = await desk.ready()
        cursor = (await line.list_mail(0, 10)).cursor
        assert cursor
        for number in range(5):
            desk.act("receive", **{"from": FRIEND, "text": f"text {number}"})
        start, refs = cursor, []
        while (changes := await line.fetch_changes(cursor)).added:
            refs += [entry.ref for entry in changes.added]
            cursor = changes.cursor
        assert len(set(refs)) == len(refs) == 5
        assert [entry.ref for entry in (await line.fetch_changes(start)).added] == refs[:2]


@SHAPES
async def test_a_long_text_comes_in_pieces_that_belong_together(shape: str) -> None:
    """Each says where it belongs."""
    async with a_desk(shape=shape, segment_order="reversed") as desk:
        line = await desk.ready()
        text = "".join(f"{number:04}" for number in range(100))
        desk.act("receive", **{"from": FRIEND, "text": text})
        mails = [(await line.get_mail(entry.ref)).mail for entry in (await line.list_mail(0, 10)).entries]
        pieces = [(mail.segment, mail.text) for mail in mails if isinstance(mail, InboundMessage)]
        assert len(pieces) == 3
        places = {segment.place: words for segment, words in pieces if isinstance(segment, Segment)}
        assert "".join(words or "" for _, words in sorted(places.items())) == text
        assert len({segment.group for segment, _ in pieces if segment}) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        {"do": "html", "status": 502},
        {"do": "html", "status": 404},
        {"do": "status", "status": 500, "json": {}},
        {"do": "cut-before"},
        {"do": "cut-after"},
        {"do": "truncate"},
        {"do": "redirect"},
    ],
)
async def test_what_does_not_send_may_be_tried_again(trouble: dict[str, Any]) -> None:
    """Whatever broke: reading deletes nothing, and changes may be made twice."""
    async with a_desk() as desk:
        line = await desk.ready()
        desk.act("receive", **{"from": FRIEND, "parts": [{"content_type": "image/png", "data": "aGk="}]})
        page = await line.list_mail(0, 10)
        ref, cursor = page.entries[0].ref, page.cursor or ""
        part = Part("image/png", ref="1")
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "list": lambda: line.list_mail(0, 10),
            "delta": lambda: line.fetch_changes(cursor),
            "get": lambda: line.fetch_mail(ref),
            "part": lambda: line.fetch_part(ref, part),
            "index-info": line.prepare_mailbox,
            "update": lambda: line.update_mail(ref, is_unread=False),
        }
        if trouble["do"] != "truncate":  # nothing of nothing can be missing
            asked["delete"] = lambda: line.delete_mail(ref)
        for operation, ask in asked.items():
            fault(desk, operation, **trouble)
            with pytest.raises(TryLater):
                await ask()
            await ask()


async def test_an_answer_that_cannot_be_read_is_malformed() -> None:
    """Its bytes go with the error, to be kept."""
    async with a_desk() as desk:
        line = await desk.ready()
        cursor = (await line.list_mail(0, 10)).cursor or ""
        for operation, ask in (("list", line.list_mail(0, 10)), ("delta", line.fetch_changes(cursor))):
            fault(desk, operation, do="garbage", status=200)
            with pytest.raises(Malformed) as caught:
                await ask
            assert caught.value.raw


@pytest.mark.parametrize("operation", ["list", "delta"])
async def test_no_content_is_no_mail_and_no_change(operation: str) -> None:
    """204 says so."""
    async with a_desk() as desk:
        line = await desk.ready()
        fault(desk, operation, do="status", status=204, body="")
        if operation == "list":
            page = await line.list_mail(7, 10)
            assert (page.entries, page.total, page.cursor) == ((), 7, None)
        else:
            assert (await line.fetch_changes("s")).cursor == "s"


async def test_a_part_without_an_address_is_not_asked_for() -> None:
    """The message says why it is lost."""
    async with a_desk() as desk:
        line = await desk.ready()
        with pytest.raises(Refused) as caught:
            await line.fetch_part("x", Part("image/png"))
        assert caught.value.problem.code is ErrorCode.UNKNOWN_ID
        assert desk.said("part-handed-out") == []


async def test_ids_with_a_comma_are_deleted_alone() -> None:
    """In a list of ids it would stand for two."""
    async with a_desk() as desk:
        line = await desk.ready()
        with capture_logs() as logs:
            await asyncio.gather(*(line.delete_mail(f"no,such{number}") for number in range(3)))
        assert [log["path"] for log in logs if log["event"] == "provider.call"] == [
            "/myMessages/v2/messages/{message_id}"
        ] * 3
        with pytest.raises(Gone):
            await line.get_mail("no,such0")
