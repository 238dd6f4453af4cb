"""Delivery status at the simulated SMS API: what becomes of a text, and how often that is told."""

import pytest

from relay.providerkit.simulated import World
from relay.providers.att_sms.simulator.modes import SmsModes
from relay.providers.att_sms.simulator.outbox import Outbox
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SmsUser

GOOD, GOOD_TOO, BAD = "+12065550101", "+12065550102", "+12065550113"
HOURS_72 = 72 * 3600


async def test_a_text_is_in_the_network_and_then_at_the_terminal(sms: SmsUser, clock: ManualClock) -> None:
    """A status that is not final can be read again."""
    message_id = await sms.sent(GOOD)
    assert await sms.statuses(message_id) == ["DeliveredToNetwork"]
    assert await sms.statuses(message_id) == ["DeliveredToNetwork"]
    await clock.advance(10)
    assert await sms.statuses(message_id) == ["DeliveredToTerminal"]


@pytest.mark.parametrize(
    ("number", "course"),
    [
        ("+12065550113", [(10, "DeliveryImpossible")]),
        (
            "+12065550114",
            [(10, "DeliveredToNetwork"), (HOURS_72 - 60, "DeliveredToNetwork"), (60, "DeliveryImpossible")],
        ),
        ("+12065550118", [(3599, "DeliveredToNetwork"), (1, "DeliveredToTerminal")]),
        ("+12065550119", [(599, "MessageWaiting"), (1, "DeliveredToNetwork"), (10, "DeliveredToTerminal")]),
        ("+12065550122", [(10, "DeliveryUncertain"), (HOURS_72 - 60, "DeliveryUncertain"), (60, "DeliveryImpossible")]),
    ],
)
async def test_a_number_s_fate_decides_the_course(
    sms: SmsUser, clock: ManualClock, number: str, course: list[tuple[float, str]]
) -> None:
    """As the table of fates says; the network gives up after 72 hours."""
    message_id = await sms.sent(number)
    for seconds, status in course:
        await clock.advance(seconds)
        await sms.sign_in()
        assert await sms.statuses(message_id) == [status]


async def test_a_final_status_is_told_once(simulator: Simulator, sms: SmsUser, clock: ManualClock) -> None:
    """Then the id is unknown, and asking again is noted."""
    message_id = await sms.sent(GOOD)
    await clock.advance(10)
    await sms.statuses(message_id)
    assert (await sms.status(message_id)).status == 404
    assert ["final" in line["what"] for line in simulator.world.violations.lines()] == [True]


async def test_asking_for_an_id_that_never_was_is_no_violation(simulator: Simulator, sms: SmsUser) -> None:
    """It is only unknown."""
    assert (await sms.status("SMS0000000000000000")).status == 404
    assert simulator.world.violations.lines() == []


async def test_a_final_status_that_nobody_asks_for_is_gone_after_thirty_minutes(
    simulator: Simulator, sms: SmsUser, clock: ManualClock
) -> None:
    """The ledger knows that it was lost."""
    early, late = await sms.sent(GOOD), await sms.sent(GOOD_TOO)
    await clock.advance(1800)
    assert await sms.statuses(early) == ["DeliveredToTerminal"]
    await clock.advance(10)
    assert (await sms.status(late)).status == 404
    purged = [line for line in simulator.world.ledger.lines() if line["what"] == "status-purged"]
    assert [line["message_id"] for line in purged] == [late]


@pytest.mark.parametrize(("mode", "status", "code"), [("404", 404, "SVC0001"), ("SVC0002", 400, "SVC0002")])
async def test_an_unknown_id_is_answered_either_way(
    simulator: Simulator, sms: SmsUser, mode: str, status: int, code: str
) -> None:
    """The documents say 404, the real service was seen to say SVC0002."""
    simulator.set_modes("att-sms", {"forgotten": mode})
    answer = await sms.status("SMS0000000000000000")
    error = answer.json["RequestError"]["ServiceException"]
    assert (answer.status, error["MessageId"], error["Variables"]) == (status, code, "RequestIdentifier")


async def test_statuses_come_in_the_order_of_the_addresses(sms: SmsUser, clock: ManualClock) -> None:
    """One recipient's end says nothing of another's."""
    message_id = await sms.sent(GOOD, BAD, GOOD_TOO)
    await clock.advance(10)
    infos = (await sms.status(message_id)).json["deliveryInfoList"]["deliveryInfo"]
    assert infos == [
        {"address": f"tel:{GOOD}", "deliveryStatus": "DeliveredToTerminal"},
        {"address": f"tel:{BAD}", "deliveryStatus": "DeliveryImpossible"},
        {"address": f"tel:{GOOD_TOO}", "deliveryStatus": "DeliveredToTerminal"},
    ]


async def test_a_message_is_removed_once_all_are_final(sms: SmsUser, clock: ManualClock) -> None:
    """Until then what is final is told again: the default reading."""
    message_id = await sms.sent(GOOD, "+12065550118")
    await clock.advance(10)
    for _ in range(2):
        assert await sms.statuses(message_id) == ["DeliveredToTerminal", "DeliveredToNetwork"]
    await clock.advance(3600)
    assert await sms.statuses(message_id) == ["DeliveredToTerminal", "DeliveredToTerminal"]
    assert (await sms.status(message_id)).status == 404


async def test_addresses_can_be_removed_one_by_one(simulator: Simulator, sms: SmsUser, clock: ManualClock) -> None:
    """Each is gone once its final status is told: the harsher reading."""
    simulator.set_modes("att-sms", {"removal": "address"})
    message_id = await sms.sent(GOOD, "+12065550118")
    await clock.advance(10)
    assert await sms.statuses(message_id) == ["DeliveredToTerminal", "DeliveredToNetwork"]
    assert await sms.statuses(message_id) == ["DeliveredToNetwork"]
    await clock.advance(3600)
    assert await sms.statuses(message_id) == ["DeliveredToTerminal"]
    assert (await sms.status(message_id)).status == 404


async def test_as_served_the_answer_is_in_pascal_case_with_ids(simulator: Simulator, sms: SmsUser) -> None:
    """And with bare numbers."""
    simulator.set_modes("att-sms", {"shape": "served"})
    listed = (await sms.status(await sms.sent(GOOD, BAD))).json["DeliveryInfoList"]
    assert listed["DeliveryInfo"] == [
        {"Id": "msg0", "Address": "2065550101", "DeliveryStatus": "DeliveredToNetwork"},
        {"Id": "msg1", "Address": "2065550113", "DeliveryStatus": "DeliveredToNetwork"},
    ]
    assert listed["ResourceUrl"].startswith("http://")


async def test_every_status_that_is_told_stands_in_the_ledger(
    simulator: Simulator, sms: SmsUser, clock: ManualClock
) -> None:
    """With whether it was the last."""
    message_id = await sms.sent(GOOD, BAD)
    await clock.advance(10)
    await sms.status(message_id)
    lines = [line for line in simulator.world.ledger.lines() if line["what"] == "status"]
    assert [(line["ref"], line["to"], line["status"], line["final"]) for line in lines] == [
        ("msg0", GOOD, "DeliveredToTerminal", True),
        ("msg1", BAD, "DeliveryImpossible", True),
    ]


async def test_a_message_of_another_line_is_unknown(simulator: Simulator) -> None:
    """And asking for it removes nothing."""
    outbox = Outbox(simulator.world, SmsModes(delivery_seconds=0))
    sent = outbox.accept("12345", [GOOD], tracked=True)
    assert outbox.tell(sent.message_id, {"54321"}) is None
    assert outbox.tell(sent.message_id, {"12345"}) is not None


def test_the_outbox_does_not_grow_without_end(world: World) -> None:
    """What is told is dropped at once, and what nobody asks for makes room for what is new."""
    outbox = Outbox(world, SmsModes(delivery_seconds=0, outbox_limit=50))
    for _ in range(5_000):
        told = outbox.accept("12345", [GOOD], tracked=True)
        outbox.tell(told.message_id, {"12345"})
        kept = outbox.accept("12345", [GOOD], tracked=True)
    assert len(outbox._sent) == 50
    assert len(outbox._purges) < 2_000
    assert outbox.tell(kept.message_id, {"12345"}) is not None
