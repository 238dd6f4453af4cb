"""Messages that come in: stored and announced once; what may be a repetition is marked."""

from datetime import UTC, datetime

import pytest

from relay.domain.addresses import inbound
from relay.domain.messages import InboundMessage
from tests.contract.journal.desk import START, Desk, text


async def test_a_message_is_announced_as_the_contract_says(desk: Desk) -> None:
    """Every field of section 4, and the provider's time as the event's."""
    sent_at = datetime(2026, 11, 21, 8, 59, 58, 123456, tzinfo=UTC)
    message = InboundMessage(inbound("tel:+12065550101"), "12345", "Stop!", "id-1", sent_at, None, {"id": "1"})
    await desk.receive(message)
    [event] = await desk.events("message")
    assert (event.line, event.client, event.sequence) == ("alerts", None, 1)
    assert (event.occurred_at, event.recorded_at) == (sent_at, START)
    assert event.subject == event.body["message_id"]
    assert {**event.body, "message_id": None} == {
        "message_id": None,
        "from": "+12065550101",
        "to": "12345",
        "address_kind": "e164",
        "text": "Stop!",
        "subject": None,
        "media": [],
        "provider_time": "2026-11-21T08:59:58.123Z",
        "keyword": "stop",
        "opt_out_suspected": False,
        "duplicate_suspect": False,
        "provider": {"id": "1"},
    }


async def test_a_message_seen_before_is_not_announced_again(desk: Desk) -> None:
    """In the same bytes, in later ones, and after a restart; another line's key is another key."""
    done = await desk.receive(text(key="a"), text(key="a"), text(key="b"))
    assert (done.messages, done.duplicates) == (2, 1)
    await desk.reopen()
    done = await desk.receive(text(key="b"), text(key="c"))
    assert (done.messages, done.duplicates) == (1, 1)
    assert not any(body["duplicate_suspect"] for body in await desk.bodies("message"))


async def test_a_message_without_a_key_is_announced_and_marked(desk: Desk) -> None:
    """Where other bytes of the last ten minutes had the same sender and text."""
    await desk.receive(text())
    desk.clock.pass_(minutes=9)
    await desk.receive(text(), text(), text("Something else"), text(sender="+12065550102"))
    marks = [body["duplicate_suspect"] for body in await desk.bodies("message")]
    assert marks == [False, True, True, False, False]


async def test_equal_texts_in_the_same_bytes_are_not_suspect(desk: Desk) -> None:
    """Somebody who writes "Yes" twice means it."""
    await desk.receive(text("Yes"), text("Yes"))
    assert [body["duplicate_suspect"] for body in await desk.bodies("message")] == [False, False]


async def test_an_equal_text_is_not_suspect_after_ten_minutes(desk: Desk) -> None:
    """People repeat themselves."""
    await desk.receive(text())
    desk.clock.pass_(minutes=10, seconds=1)
    await desk.receive(text())
    assert [body["duplicate_suspect"] for body in await desk.bodies("message")] == [False, False]


@pytest.mark.parametrize("body", ["", "\0", "naïve 🙂", "\ud800 half", "'; DROP TABLE raw; --", "x" * 70_000])
async def test_a_text_comes_out_as_it_went_in(desk: Desk, body: str) -> None:
    """Whatever characters it has."""
    await desk.receive(text(body, key=f"key {body}"))
    assert [announced["text"] for announced in await desk.bodies("message")] == [body]
