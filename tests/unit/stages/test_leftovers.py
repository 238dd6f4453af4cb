"""What was kept and has no stage any more is read all the same, or set aside; what has a stage is left to it."""

import pytest

from relay.domain.messages import RawAnswer
from relay.journal import UnknownAside
from relay.stages.leftovers import ANSWERED, LOOK_AGAIN, NEXT_LOOK, WHY, Leftovers
from tests.unit.stages.desk import DeskLine, Stored
from tests.unit.stages.house import ALERTS, ALICE, DESK, OFFICE, House, seconds, settled, until_rest

PAGE = b'{"InboundSmsMessageList": {"InboundSmsMessage": [{"Message": "hi", "SenderAddress": "tel:+12065550101"}]}}'
DELIVERED = (
    b'{"DeliveryInfoList": {"DeliveryInfo": [{"Id": "msg0", "Address": "tel:+12065550001",'
    b' "DeliveryStatus": "DeliveredToTerminal"}]}}'
)
WAITING = DELIVERED.replace(b"DeliveredToTerminal", b"MessageWaiting")


async def keep(house: House, line: str, source: str, body: bytes = PAGE, about: str = "") -> None:
    """Have bytes kept."""
    await house.journal.raw.keep(line, source, "", about, RawAnswer(body, "application/json"))


async def test_a_page_of_a_line_that_polls_no_more_is_read(house: House) -> None:
    """The line still understands it."""
    await keep(house, ALERTS, "inbox")
    leftovers = Leftovers({ALERTS: house.sms(receive="off")}, house.ground)
    assert seconds(await until_rest(leftovers)) == LOOK_AGAIN
    assert [body["text"] for body in await house.bodies("message")] == ["hi"]
    assert await house.unread() == 0


async def test_a_status_of_a_line_that_asks_no_more_is_read(house: House) -> None:
    """By its tracker, which still follows what was sent while it asked."""
    await house.sent(ALICE)
    await house.clock.advance(60)
    [look] = await house.journal.looks.due(ALERTS, 10)
    await house.journal.raw.keep(ALERTS, "status", look.ref, look.call_id, RawAnswer(DELIVERED, "application/json"))
    line = house.sms(receipts="callback")
    await until_rest(Leftovers({ALERTS: line}, house.ground))
    assert await house.standing() == {ALICE: "submitted"}
    await until_rest(house.tracker(line))
    assert await house.standing() == {ALICE: "delivered"}


async def test_what_a_removed_line_left_is_set_aside_with_a_notice(house: House) -> None:
    """Whatever it is, a person is told once."""
    for source in ("inbox", "status", "hook"):
        await keep(house, OFFICE, source)
    await until_rest(leftovers := Leftovers({ALERTS: house.sms()}, house.ground))
    await until_rest(leftovers)
    assert sorted(body["what"] for body in await house.bodies("dead")) == ["hook", "inbox", "status"]
    assert await house.unread() == 0
    assert {aside["why"] for aside in await house.journal.dead.list(10)} == {WHY}


async def test_garbage_that_is_left_over_is_set_aside(house: House) -> None:
    """As the poller would."""
    await keep(house, ALERTS, "inbox", b"garbage")
    await until_rest(Leftovers({ALERTS: house.sms(receive="off")}, house.ground))
    assert [body["what"] for body in await house.bodies("dead")] == ["inbox"]


async def test_what_a_stage_reads_is_left_to_it(house: House) -> None:
    """The poller knows which poll a page is of, the tracker when to look again."""
    for line, source in ((ALERTS, "inbox"), (ALERTS, "status"), (OFFICE, "hook")):
        await keep(house, line, source)
    await until_rest(Leftovers({ALERTS: house.sms(), OFFICE: house.landline()}, house.ground))
    assert await house.unread() == 3


async def test_mail_that_no_stage_reads_is_read(house: House) -> None:
    """It was to be read again as relay fell: what came in and what went out."""
    line = DeskLine()
    line.arrives(Stored("in", "hi"), Stored("out", "from elsewhere", incoming=False))
    for ref in ("in", "out"):
        await house.journal.raw.keep(DESK, "mail", ref, "", await line.fetch_mail(ref))
    await until_rest(Leftovers({DESK: line}, house.ground))
    assert [body["text"] for body in await house.bodies("message")] == ["hi"]
    assert await house.unread() == 0


async def test_unread_changes_are_done_with(house: House) -> None:
    """Everything was compared since."""
    await keep(house, DESK, "changes", b"garbage")
    await until_rest(Leftovers({DESK: DeskLine()}, house.ground))
    assert await house.unread() == 0
    assert await house.bodies("dead") == []


async def aside(house: House, line: str, source: str, body: bytes, event: str = "") -> str:
    """Bytes that were set aside; the id under which they wait."""
    kept = await house.journal.raw.keep(line, source, event, "", RawAnswer(body, "application/json"))
    await house.journal.raw.set_aside(kept, "unreadable")
    return str((await house.journal.dead.list(100))[-1]["id"])


HOOK = b'{"id": 77, "type": "MO", "address": "ptn:/+12065550002", "finalDestination": "+12065550100", "body": "hi"}'


async def test_what_was_set_aside_is_read_by_a_parser_that_has_learned(house: House) -> None:
    """A page, a hook and a message of a store: each once, and it waits for nobody any more."""
    desk = DeskLine()
    desk.arrives(Stored("a", "hi"))
    leftovers = Leftovers({ALERTS: house.sms(), OFFICE: house.landline(), DESK: desk}, house.ground)
    ids = [
        await aside(house, ALERTS, "inbox", PAGE),
        await aside(house, OFFICE, "hook", HOOK, "receive"),
        await aside(house, DESK, "mail", (await desk.fetch_mail("a")).body, "a"),
    ]
    for number, aside_id in enumerate(ids, 1):
        done = await leftovers.replay(aside_id)
        assert (done.outcome, done.detail, done.understood.messages) == ("read", None, 1)
        assert [body["text"] for body in await house.bodies("message")] == ["hi"] * number
        with pytest.raises(UnknownAside):
            await leftovers.replay(aside_id)
    assert await house.journal.dead.list(10) == []


async def test_a_status_that_is_read_at_last_goes_on_being_asked_for(house: House) -> None:
    """The call is not forgotten where the answer was not the last word."""
    await house.sent(ALICE)
    await house.clock.advance(60)
    [look] = await house.journal.looks.due(ALERTS, 10)
    kept = await house.journal.raw.keep(
        ALERTS, "status", look.ref, look.call_id, RawAnswer(WAITING, "application/json")
    )
    await house.journal.raw.set_aside(kept, "unreadable")
    [waiting] = await house.journal.dead.list(10)
    done = await Leftovers({ALERTS: house.sms()}, house.ground).replay(waiting["id"])
    assert done.outcome == "read"
    due = await house.journal.looks.next_due(ALERTS)
    assert due is not None
    assert (due - house.clock.now()).total_seconds() == NEXT_LOOK


async def test_what_is_still_unreadable_waits_on_without_a_second_entry(house: House) -> None:
    """Whether the parser fails at it, or the line is no more."""
    leftovers = Leftovers({ALERTS: house.sms()}, house.ground)
    garbage = await aside(house, ALERTS, "inbox", b"garbage")
    nobodys = await aside(house, OFFICE, "hook", HOOK, "receive")
    assert (await leftovers.replay(garbage)).outcome == "unreadable"
    done = await leftovers.replay(nobodys)
    assert (done.outcome, done.detail) == ("unreadable", WHY)
    assert [each["id"] for each in await house.journal.dead.list(10)] == [garbage, nobodys]
    assert await house.unread() == 0


async def test_an_event_is_published_again_and_an_uncertain_text_is_sent_again(house: House) -> None:
    """A person has said so."""
    leftovers = Leftovers({ALERTS: house.sms()}, house.ground)
    await house.journal.events.announce(ALERTS, "loss-suspected", {"reason": "a test"})
    [(_, event)] = await house.journal.events.pending(0, 10)
    await house.journal.events.set_aside(event.id, "too large")
    [waiting] = await house.journal.dead.list(10)
    assert (await leftovers.replay(waiting["id"])).outcome == "published"
    house.fault("cut-before", operation="send")
    await house.sent(ALICE)
    [waiting] = await house.journal.dead.list(10)
    assert (await leftovers.replay(waiting["id"])).outcome == "queued"
    await settled(house.sender())
    assert await house.standing() == {ALICE: "submitted"}


async def test_what_waits_for_nobody_cannot_be_replayed(house: House) -> None:
    """An id that was mistyped, or of something that is settled."""
    with pytest.raises(UnknownAside):
        await Leftovers({}, house.ground).replay("no-such-id")


async def test_a_command_that_relay_failed_at_is_only_looked_at(house: House) -> None:
    """Its client was told that it failed, and may have sent it again: it is not taken up a second time."""
    leftovers = Leftovers({ALERTS: house.sms()}, house.ground)
    aside_id = await aside(house, ALERTS, "command", b'{"to": "+12065550001", "text": "hi"}')
    done = await leftovers.replay(aside_id)
    assert (done.outcome, done.detail) == ("unreadable", ANSWERED)
    assert len(await house.journal.dead.list(10)) == 1
    assert (await house.journal.queries.status())["lines"] == {}
