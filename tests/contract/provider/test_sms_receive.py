"""A short code that listens: its inbox, and what became of its texts."""

import itertools
from typing import Any

import pytest

from relay.domain.errors import ErrorCode, Gone, NotAuthorized, OutcomeUnknown, Throttled, TryLater
from relay.domain.states import Fact
from relay.providerkit.spec import AsksStatus, FetchesInbox, Sends

DELIVERED, IMPOSSIBLE, UNCERTAIN, WAITING = "+12065550001", "+12065550113", "+12065550122", "+12065550119"
SHAPES = [
    {"shape": "documented"},
    {"shape": "served"},
    {"shape": "served", "single_object": True, "empty_counts": True},
]


async def test_a_line_has_the_capabilities_of_a_short_code(connect: Any) -> None:
    """Polling and asking can be switched off."""
    line = await connect()
    assert isinstance(line, Sends)
    assert isinstance(line, FetchesInbox)
    assert isinstance(line, AsksStatus)
    assert (line.number, line.polls_inbox, line.poll_interval, line.loss_after) == ("12345", True, 300, 1800)
    assert line.asks_status
    quiet = await connect(receive="off", receipts="off")
    assert not quiet.polls_inbox
    assert not quiet.asks_status


@pytest.mark.parametrize("modes", SHAPES)
async def test_an_inbox_is_emptied_page_by_page(simulator: Any, line: Any, modes: dict[str, Any]) -> None:
    """In both shapes; every text once, in its order, as it was written."""
    simulator.set_modes("att-sms", {**modes, "batch": 2})
    texts = ["STOP", "zwei", "drei — 👋", "vier", "fünf"]
    for text in texts:
        simulator.world.handset.text(sender=DELIVERED, to="12345", text=text)
    pages = [line.read_inbox(await line.fetch_inbox()) for _ in range(4)]
    assert [page.pending for page in pages] == [3, 1, 0, 0]
    messages = [message for page in pages for message in page.messages]
    assert [message.text for message in messages] == texts
    assert {(message.sender.value, message.recipient, message.dedupe_key) for message in messages} == {
        (DELIVERED, "12345", None)
    }


@pytest.mark.parametrize("modes", SHAPES)
async def test_each_copy_is_followed_to_its_end(
    simulator: Any, line: Any, clock: Any, call: Any, modes: dict[str, Any]
) -> None:
    """Delivered, impossible, uncertain and still waiting, told apart by address."""
    simulator.set_modes("att-sms", modes)
    numbers = (DELIVERED, IMPOSSIBLE, UNCERTAIN, WAITING)
    ref = (await line.send(call(*numbers))).ref
    await clock.advance(60)
    reports = line.read_status(ref, await line.fetch_status(ref))
    told = {report.address.digits10: report.fact for report in reports}
    facts = (Fact.DELIVERED, Fact.UNDELIVERED, Fact.DOUBTED, Fact.SUBMITTED)
    assert told == {number[-10:]: fact for number, fact in zip(numbers, facts, strict=True)}
    assert [report.position for report in reports] == [0, 1, 2, 3]


@pytest.mark.parametrize("forgotten", ["404", "SVC0002"])
@pytest.mark.parametrize("errors", ["upper", "lower"])
async def test_a_final_status_is_told_once_and_then_gone(
    simulator: Any, line: Any, clock: Any, call: Any, forgotten: str, errors: str
) -> None:
    """In either form; and an id that never was is gone too."""
    simulator.set_modes("att-sms", {"forgotten": forgotten, "errors": errors})
    ref = (await line.send(call(DELIVERED))).ref
    await clock.advance(60)
    (report,) = line.read_status(ref, await line.fetch_status(ref))
    assert report.fact is Fact.DELIVERED
    for unknown in (ref, "SMS0000000000000000", "a/b?c"):
        with pytest.raises(Gone) as caught:
            await line.fetch_status(unknown)
        assert caught.value.problem.code is ErrorCode.UNKNOWN_ID


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        *itertools.product(("inbox", "status"), ("cut-before", "cut-after")),
        ("status", "truncate"),
    ],
)
async def test_a_read_that_breaks_off_is_made_once_and_may_be_a_loss(
    simulator: Any, line: Any, call: Any, operation: str, fault: str
) -> None:
    """A silent repeat would fetch the next page over the lost one, and nobody would know."""
    ref = (await line.send(call(DELIVERED))).ref
    simulator.world.handset.text(sender=DELIVERED, to="12345", text="hi")
    simulator.world.faults.add({"match": {"operation": operation}, "times": 0, "do": fault})
    with pytest.raises(OutcomeUnknown):
        await (line.fetch_inbox() if operation == "inbox" else line.fetch_status(ref))
    assert sum(one["what"] == "fault" for one in simulator.world.ledger.lines()) == 1


async def test_an_inbox_that_breaks_off_is_made_once_and_says_that_it_is_broken(simulator: Any, line: Any) -> None:
    """What came of it is kept: whole messages of it can be saved."""
    simulator.world.handset.text(sender=DELIVERED, to="12345", text="hi")
    simulator.world.faults.add({"match": {"operation": "inbox"}, "times": 0, "do": "truncate"})
    raw = await line.fetch_inbox()
    assert raw.broken
    assert sum(one["what"] == "fault" for one in simulator.world.ledger.lines()) == 1


async def test_an_unknown_registration_parks_the_line(connect: Any) -> None:
    """Nothing comes in until a person puts it right."""
    line = await connect(registration_id="99999")
    with pytest.raises(NotAuthorized):
        await line.fetch_inbox()


async def test_an_expired_token_costs_no_page(simulator: Any, line: Any) -> None:
    """The 401 comes before the inbox is read, so the repeat brings what waits."""
    await line.fetch_inbox()
    simulator.act("att-sms", "expire-tokens", {})
    simulator.world.handset.text(sender=DELIVERED, to="12345", text="hi")
    (message,) = line.read_inbox(await line.fetch_inbox()).messages
    assert message.text == "hi"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"do": "html", "status": 503}, TryLater),
        ({"do": "retry-after", "status": 429, "after": 30}, Throttled),
        ({"do": "html", "status": 404}, TryLater),
        ({"do": "redirect"}, TryLater),
    ],
)
async def test_an_inbox_that_was_not_read_is_tried_later(
    simulator: Any, line: Any, fault: dict[str, Any], expected: type[TryLater]
) -> None:
    """Nothing is lost, and the text is still there."""
    simulator.world.handset.text(sender=DELIVERED, to="12345", text="hi")
    simulator.world.faults.add({"match": {"operation": "inbox"}, **fault})
    with pytest.raises(expected):
        await line.fetch_inbox()
    assert len(line.read_inbox(await line.fetch_inbox()).messages) == 1


async def test_an_empty_answer_may_be_a_loss_unless_it_says_that_there_is_nothing(simulator: Any, line: Any) -> None:
    """A 200 is documented with a list in it."""
    empty = {"match": {"operation": "inbox"}, "do": "status", "body": ""}
    simulator.world.faults.add({**empty, "status": 200})
    with pytest.raises(OutcomeUnknown):
        await line.fetch_inbox()
    simulator.world.faults.add({**empty, "status": 204})
    assert line.read_inbox(await line.fetch_inbox()).messages == ()
