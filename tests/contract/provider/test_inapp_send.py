"""A subscriber's line that sends: what AT&T's answers become."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.domain.errors import (
    ConsentRequired,
    ErrorCode,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import Content, Media, Sighting
from tests.contract.provider.inapp import FRIEND, NUMBER, SERVICE, Desk, a_call, a_desk

INVALID = "+12065550115"
SEND = {"service": SERVICE, "operation": "send"}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A subscriber who has agreed."""
    async with a_desk() as made:
        await made.ready()
        yield made


@pytest.mark.parametrize(
    ("text", "more", "sent_as"),
    [
        ("a" * 160, {}, "sms"),
        ("a" * 161, {}, "mms"),
        ("Grüße", {}, "sms"),
        ("5 €", {}, "mms"),
        ("hi", {"subject": "S"}, "mms"),
        (None, {"media": (Media("image/png", None, b"x"),)}, "mms"),
    ],
)
@pytest.mark.parametrize("group_flag", ["group", "isGroup", "both"])
async def test_what_the_plan_says_is_how_at_t_sends_it(
    desk: Desk, text: str | None, more: dict[str, Any], sent_as: str, group_flag: str
) -> None:
    """By AT&T's own rule; a group is always an MMS, and one recipient never a group."""
    line = desk.connect(group_flag=group_flag)
    for numbers, group in (((FRIEND,), False), ((FRIEND,), True), ((FRIEND, "+12065550002"), True)):
        await line.send(a_call(*numbers, text=text, group=group, **more))
        content = Content(text, len(numbers), more.get("subject"), more.get("media", ()), group)
        is_group = group and len(numbers) > 1
        assert line.plan(content).sent_as == ("mms" if is_group else sent_as)
        taken = desk.said("accepted")[-1]
        assert (taken["sent_as"], taken["group"]) == ("mms" if is_group else sent_as, is_group)


async def test_the_largest_message_is_taken(desk: Desk) -> None:
    """Ten recipients, twenty-one attachments, a million bytes."""
    media = (Media("image/png", "a.png", b"\0" * 47_000),) * 21
    text = "x" * (1_000_000 - 21 * 47_000)
    numbers = [f"+1206555{place:04}" for place in range(1, 11)]
    desk.line.plan(Content(text, 10, None, media, group=True))
    await desk.line.send(a_call(*numbers, text=text, media=media, group=True))
    assert len(desk.said("accepted")) == 10


async def test_a_send_shows_up_in_the_store_under_another_id(desk: Desk) -> None:
    """By which an uncertain send can be settled: the same recipients, the same text."""
    cursor = (await desk.line.list_mail(0, 10)).cursor
    assert cursor
    desk.simulator.world.faults.add({"match": SEND, "do": "cut-after"})
    with pytest.raises(OutcomeUnknown):
        await desk.line.send(a_call(FRIEND, text="seen?"))
    await desk.clock.advance(10)
    (entry,) = (await desk.line.fetch_changes(cursor)).added
    seen = desk.line.read_mail(entry.ref, await desk.line.fetch_mail(entry.ref))
    assert isinstance(seen, Sighting)
    assert ([address.value for address in seen.to], seen.text) == ([FRIEND], "seen?")


async def test_a_recipient_at_fault_divides_several_but_no_group(desk: Desk) -> None:
    """AT&T refuses the whole call and names nobody."""
    with pytest.raises(RefusedAsGroup):
        await desk.line.send(a_call(FRIEND, INVALID))
    for call in (a_call(INVALID), a_call(FRIEND, INVALID, group=True)):
        with pytest.raises(Refused) as caught:
            await desk.line.send(call)
        assert type(caught.value) is Refused
        assert caught.value.problem.code is ErrorCode.INVALID_RECIPIENT
    assert desk.said("accepted") == []


async def test_a_number_abroad_is_refused_before_anybody_is_asked(desk: Desk) -> None:
    """AT&T's documents forbid it."""
    with pytest.raises(Refused):
        await desk.line.send(a_call("+442079460123"))
    with pytest.raises(RefusedAsGroup):
        await desk.line.send(a_call(FRIEND, "+14165551234"))
    assert desk.said("accepted") == []


FAILURES = [
    ({"do": "html", "status": 503}, TryLater, 0),
    ({"do": "html", "status": 502}, OutcomeUnknown, 0),
    ({"do": "html", "status": 502, "processed": True}, OutcomeUnknown, 1),
    ({"do": "html", "status": 500, "processed": True}, OutcomeUnknown, 1),
    ({"do": "html", "status": 413}, Refused, 0),
    ({"do": "garbage", "status": 200, "processed": True}, OutcomeUnknown, 1),
    ({"do": "status", "status": 201, "body": "", "processed": True}, OutcomeUnknown, 1),
    ({"do": "status", "status": 200, "json": {}, "processed": True}, OutcomeUnknown, 1),
    ({"do": "truncate"}, OutcomeUnknown, 1),
    ({"do": "cut-before"}, OutcomeUnknown, 0),
    ({"do": "cut-after"}, OutcomeUnknown, 1),
    ({"do": "redirect"}, TryLater, 0),
    ({"do": "status", "status": 401, "json": {}}, NotAuthorized, 0),
]


@pytest.mark.parametrize(("fault", "expected", "taken"), FAILURES)
async def test_a_failure_is_unknown_wherever_the_text_may_be_out(
    desk: Desk, fault: dict[str, Any], expected: type[RelayError], taken: int
) -> None:
    """And never is a send made twice."""
    desk.simulator.world.faults.add({"match": SEND, "times": 0, **fault})
    with pytest.raises(expected) as caught:
        await desk.line.send(a_call(FRIEND))
    assert type(caught.value) is expected
    assert len(desk.said("accepted")) == taken
    assert len(desk.said("fault")) == (2 if fault.get("status") == 401 else 1)


@pytest.mark.parametrize("status", [202, 204])
async def test_an_answer_without_a_word_may_still_be_a_yes(desk: Desk, status: int) -> None:
    """Both statuses say that there is nothing more to say."""
    fault = {"match": SEND, "do": "status", "status": status, "body": "", "processed": True}
    desk.simulator.world.faults.add(fault)
    assert len((await desk.line.send(a_call(FRIEND))).handovers) == 1


@pytest.mark.parametrize(
    ("status", "said", "expected", "shown"),
    [
        (429, ("POL0001", "too many"), Throttled, ErrorCode.THROTTLED),
        (403, ("POL0001", "Rate exceeded"), Throttled, ErrorCode.THROTTLED),
        (403, ("POL0001", "The daily quota is used up"), Throttled, ErrorCode.QUOTA_EXCEEDED),
        (403, ("POL0001", "Insufficient scope"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (403, ("POL0002", "Privacy verification failed"), ConsentRequired, ErrorCode.CONSENT_REQUIRED),
        (400, ("POL0003", "Too many addresses"), Refused, ErrorCode.INVALID_RECIPIENT),
    ],
)
@pytest.mark.parametrize("key", ["RequestError", "requestError"])
async def test_at_t_s_codes_lead_where_they_must(
    desk: Desk, status: int, said: tuple[str, str], expected: type[RelayError], shown: ErrorCode, key: str
) -> None:
    """In either spelling."""
    body = {key: {"PolicyException": {"MessageId": said[0], "Text": said[1], "Variables": ""}}}
    desk.simulator.world.faults.add({"match": SEND, "do": "status", "status": status, "json": body})
    with pytest.raises(expected) as caught:
        await desk.line.send(a_call(FRIEND))
    assert type(caught.value) is expected
    assert caught.value.problem.code is shown


async def test_an_answer_that_is_too_late_is_unknown(desk: Desk) -> None:
    """AT&T took it, and relay had stopped waiting."""
    line = desk.connect(timeout=1.0)
    desk.simulator.world.faults.add({"match": SEND, "do": "delay", "seconds": 30, "real": True, "processed": True})
    with pytest.raises(OutcomeUnknown):
        await line.send(a_call(FRIEND))


async def test_nobody_there_is_try_later(desk: Desk) -> None:
    """Nothing was written, whatever was asked."""
    await desk.simulator.stop()
    for asked in (desk.line.send(a_call(FRIEND)), desk.line.list_mail(0, 1), desk.line.fetch_changes("s")):
        with pytest.raises(TryLater) as caught:
            await asked
        assert caught.value.problem.code is ErrorCode.UNREACHABLE


async def test_a_line_without_the_scope_to_send_says_so_before_it_tries(desk: Desk) -> None:
    """And one that only sends does not follow the store."""
    reads = desk.connect(scope="MIM")
    with pytest.raises(Refused, match="IMMN") as caught:
        reads.plan(Content("hi"))
    assert caught.value.problem.code is ErrorCode.UNSUPPORTED
    assert not desk.connect(scope="IMMN", sync=False).syncs_mailbox
    assert desk.line.syncs_mailbox
    assert desk.line.number == NUMBER
