"""What was kept and has no stage any more is read all the same, or set aside; what has a stage is left to it."""

from relay.domain.messages import RawAnswer
from relay.stages.leftovers import LOOK_AGAIN, WHY, Leftovers
from tests.unit.stages.house import ALERTS, ALICE, OFFICE, House, seconds, until_rest

PAGE = b'{"InboundSmsMessageList": {"InboundSmsMessage": [{"Message": "hi", "SenderAddress": "tel:+12065550101"}]}}'
DELIVERED = (
    b'{"DeliveryInfoList": {"DeliveryInfo": [{"Id": "msg0", "Address": "tel:+12065550001",'
    b' "DeliveryStatus": "DeliveredToTerminal"}]}}'
)


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
    """It is the last that will be heard of the text."""
    await house.sent(ALICE)
    await house.clock.advance(60)
    [look] = await house.journal.looks.due(ALERTS, 10)
    await house.journal.raw.keep(ALERTS, "status", look.ref, look.call_id, RawAnswer(DELIVERED, "application/json"))
    await until_rest(Leftovers({ALERTS: house.sms(receipts="off")}, house.ground))
    assert await house.standing() == {ALICE: "delivered"}


async def test_what_a_removed_line_left_is_set_aside_with_a_notice(house: House) -> None:
    """Whatever it is, a person is told once."""
    for source in ("inbox", "status", "hook"):
        await keep(house, OFFICE, source)
    await until_rest(leftovers := Leftovers({ALERTS: house.sms()}, house.ground))
    await until_rest(leftovers)
    assert sorted(body["what"] for body in await house.bodies("dead")) == ["hook", "inbox", "status"]
    assert await house.unread() == 0
    assert {aside["why"] for aside in await house.journal.queries.asides(10)} == {WHY}


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
