"""The poller against AT&T, simulated: what AT&T deletes as it hands it out is on disk before anybody reads it."""

import asyncio

import pytest

from relay.domain.messages import InboxPage, RawAnswer
from relay.journal import JournalError, JournalUnusable
from relay.providers.att_sms.client import AttSmsLine
from relay.stages.poller import LOSS_MARGIN
from relay.telemetry.health import LineState
from tests.unit.stages.house import ALERTS, BOB, GRACE, House, happens, seconds, until_rest

INTERVAL = 300.0


async def texts(house: House) -> list[str]:
    """The texts that were announced."""
    return [body["text"] for body in await house.bodies("message")]


async def test_a_text_is_fetched_kept_and_announced(house: House) -> None:
    """And the next poll comes after the interval."""
    house.text("Hello")
    assert seconds(await until_rest(house.poller())) == INTERVAL
    [message] = await house.bodies("message")
    assert (message["from"], message["to"], message["text"]) == (BOB, "12345", "Hello")
    assert await house.unread() == 0


async def test_the_line_says_when_at_t_will_discard(house: House) -> None:
    """Half an hour after the last poll."""
    await until_rest(house.poller())
    loss_at = house.board.of(ALERTS).loss_at
    assert loss_at is not None
    assert (loss_at - house.clock.now()).total_seconds() == 1800


async def test_while_more_is_pending_it_polls_at_once(house: House) -> None:
    """Twenty a page, as AT&T hands them out: forty-five texts take three polls and no rest."""
    for number in range(45):
        house.text(f"text {number}")
    poller = house.poller()
    await until_rest(poller)
    assert sorted(await texts(house)) == sorted(f"text {number}" for number in range(45))
    assert len({line["request"] for line in house.ledger("handed-out")}) == 3


async def test_a_page_that_cannot_be_understood_is_set_aside_whole_and_the_next_one_flows(house: House) -> None:
    """A notice says how to replay it; its bytes are kept."""
    house.text("in the garbage")
    house.fault("garbage", operation="inbox", processed=True)
    poller = house.poller()
    assert seconds(await until_rest(poller)) == INTERVAL
    [dead] = await house.bodies("dead")
    assert (dead["what"], dead["line"]) == ("inbox", ALERTS)
    assert dead["how"]
    assert await house.unread() == 0
    house.text("after it")
    await until_rest(poller)
    assert await texts(house) == ["after it"]


@pytest.mark.parametrize("fault", ["cut-after", "truncate"])
async def test_a_page_that_was_deleted_and_not_received_is_told(house: House, fault: str) -> None:
    """It can never be fetched again: a suspicion is announced, and the next poll keeps to the interval."""
    house.text("lost")
    house.fault(fault, operation="inbox")
    poller = house.poller()
    assert seconds(await until_rest(poller)) == INTERVAL
    assert len(await house.bodies("event.loss-suspected")) == 1
    await until_rest(poller)
    assert len(await house.bodies("event.loss-suspected")) == 1
    assert await texts(house) == []


@pytest.mark.parametrize(
    ("status", "state"), [(503, LineState.UNREACHABLE), (429, LineState.THROTTLED), (403, LineState.UNAUTHORIZED)]
)
async def test_a_poll_without_effect_loses_nothing(house: House, status: int, state: LineState) -> None:
    """The line shows the trouble until the next poll brings the text."""
    house.text("still there")
    house.fault("status", operation="inbox", status=status)
    poller = house.poller()
    rest = await until_rest(poller)
    assert house.board.of(ALERTS).state is state
    assert await house.bodies("event.loss-suspected") == []
    await house.clock.advance(seconds(rest))
    await until_rest(poller)
    assert await texts(house) == ["still there"]
    assert house.board.of(ALERTS).state is LineState.READY


async def test_however_polls_fail_one_comes_before_at_t_discards(house: House) -> None:
    """A Retry-After of an hour does not outlast the half hour after which texts are gone."""
    poller = house.poller()
    await until_rest(poller)
    await house.clock.advance(INTERVAL)
    house.fault("retry-after", operation="inbox", status=429, after=3600)
    rest = await until_rest(poller)
    assert seconds(rest) == 1800 - INTERVAL - LOSS_MARGIN


async def test_the_longest_interval_leaves_no_room_for_a_second_one_after_a_failure(house: House) -> None:
    """At 29 minutes, a poll that went wrong is repeated as soon as AT&T allows."""
    poller = house.poller(house.sms(poll_interval="29m"))
    assert seconds(await until_rest(poller)) == 1740
    await house.clock.advance(1740)
    house.fault("cut-before", operation="inbox")
    assert seconds(await until_rest(poller)) == LOSS_MARGIN


async def test_the_interval_is_kept_over_a_restart(house: House) -> None:
    """A daemon that is restarted ten times in a minute does not poll ten times."""
    await until_rest(house.poller())
    await house.clock.advance(100)
    await house.restart()
    poller = house.poller()
    assert seconds(await until_rest(poller)) == INTERVAL - 100
    house.text("for the next one")
    await house.clock.advance(INTERVAL - 100)
    await until_rest(poller)
    assert await texts(house) == ["for the next one"]
    assert house.violations() == []


async def test_a_page_that_was_kept_and_not_read_is_read_once_after_a_crash(house: House) -> None:
    """It is neither lost nor suspected to be, and the interval runs from when it came."""
    house.text("Hello")
    with house.broken("message"), pytest.raises(JournalError):
        await until_rest(house.poller())
    assert await house.unread() == 1
    await house.restart()
    await house.clock.advance(100)
    poller = house.poller()
    assert seconds(await until_rest(poller)) == INTERVAL - 100
    assert await texts(house) == ["Hello"]
    assert await house.bodies("event.loss-suspected") == []
    assert len(house.ledger("handed-out")) == 1


async def test_a_crash_right_after_the_page_was_kept_is_no_loss(house: House) -> None:
    """The mark still says that a poll is under way, and its page is there."""
    house.text("Hello")
    with house.broken("memory", "update"), pytest.raises(JournalError):
        await until_rest(house.poller(await signed_in(house)))
    await house.restart()
    assert seconds(await until_rest(house.poller())) == INTERVAL
    assert await texts(house) == ["Hello"]
    assert await house.bodies("event.loss-suspected") == []


async def signed_in(house: House) -> AttSmsLine:
    """A line that has its token, and whose mark has been made once."""
    line = house.sms()
    await line.verify()
    return line


async def test_a_page_that_was_kept_and_not_read_is_read_by_the_next_step(house: House) -> None:
    """It does not wait for a restart: a failure is taken up as a crash would be."""
    house.text("Hello")
    poller = house.poller()
    with house.broken("message"), pytest.raises(JournalError):
        await until_rest(poller)
    assert seconds(await until_rest(poller)) == INTERVAL
    assert await texts(house) == ["Hello"]
    assert len(house.ledger("handed-out")) == 1


async def test_a_poll_that_was_under_way_when_relay_was_killed_is_told(house: House) -> None:
    """Its page may have been deleted with nobody there to keep it."""
    house.text("lost")
    house.fault("delay", operation="inbox", seconds=60)
    poller = house.poller()
    stepping = asyncio.create_task(until_rest(poller))
    await happens(lambda: bool(house.ledger("fault")))
    stepping.cancel()
    await asyncio.wait({stepping})
    await poller.drain(0.01)
    await house.restart()
    assert seconds(await until_rest(house.poller())) == INTERVAL
    assert len(await house.bodies("event.loss-suspected")) == 1
    assert seconds(await until_rest(house.poller())) == INTERVAL
    assert len(await house.bodies("event.loss-suspected")) == 1


async def test_a_stop_lets_the_fetch_finish_and_keeps_its_page(house: House) -> None:
    """What AT&T deletes in that moment is on disk when relay has stopped."""
    house.text("Hello")
    house.fault("delay", operation="inbox", seconds=5)
    poller = house.poller()
    stepping = asyncio.create_task(until_rest(poller))
    await happens(lambda: bool(house.ledger("fault")))
    stepping.cancel()
    draining = asyncio.create_task(poller.drain(GRACE))
    await house.clock.advance(5)
    await draining
    assert await texts(house) == ["Hello"]


async def test_a_page_that_the_journal_cannot_keep_is_kept_at_the_next_step_without_a_second_fetch(
    house: House,
) -> None:
    """AT&T has deleted it: it stays in hand until it is on disk."""
    house.text("Hello")
    poller = house.poller()
    with house.broken("raw"):
        for _ in range(3):
            with pytest.raises(JournalError):
                await until_rest(poller)
    assert len(house.ledger("handed-out")) == 1
    house.text("the next one")
    assert seconds(await until_rest(poller)) == INTERVAL
    assert await texts(house) == ["Hello"]
    assert await house.bodies("event.loss-suspected") == []
    await house.clock.advance(INTERVAL)
    await until_rest(poller)
    assert await texts(house) == ["Hello", "the next one"]


async def test_a_loss_that_cannot_be_written_down_is_told_later(house: House) -> None:
    """It is not forgotten with the failure of the journal."""
    house.text("lost")
    house.fault("cut-after", operation="inbox")
    poller = house.poller()
    with house.broken("event"), pytest.raises(JournalError):
        await until_rest(poller)
    await until_rest(poller)
    assert len(await house.bodies("event.loss-suspected")) == 1


class Surprising:
    """A line whose fetch fails in a way that no provider may."""

    alias, provider, number = ALERTS, "surprising", "12345"
    polls_inbox, poll_interval, loss_after = True, INTERVAL, 1800.0

    def __init__(self, error: Exception | None = None) -> None:
        self.fetches = 0
        self.error = error or ZeroDivisionError()

    async def verify(self) -> str:
        """Nothing to try."""
        return ""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def fetch_inbox(self) -> RawAnswer:
        """What no provider may raise."""
        self.fetches += 1
        raise self.error

    def read_inbox(self, raw: RawAnswer) -> InboxPage:  # noqa: ARG002 - as the protocol has it
        """Never reached."""
        return InboxPage(())


async def test_a_defect_in_the_middle_of_a_fetch_is_a_suspected_loss(house: House) -> None:
    """Nobody knows what AT&T did, and the next poll keeps to the interval."""
    line = Surprising()
    poller = house.poller(line)
    with pytest.raises(ZeroDivisionError):
        await until_rest(poller)
    assert seconds(await until_rest(poller)) == INTERVAL
    assert len(await house.bodies("event.loss-suspected")) == 1
    assert line.fetches == 1


async def test_a_poll_that_never_left_because_the_journal_failed_is_no_loss(house: House) -> None:
    """The line could not keep its new token: nothing was asked for, so nothing was deleted."""
    line = Surprising(JournalUnusable("the disk is full"))
    poller = house.poller(line)
    for _ in range(3):
        with pytest.raises(JournalUnusable):
            await until_rest(poller)
    assert line.fetches == 3
    with house.broken("memory", "update"):
        for _ in range(3):
            with pytest.raises(JournalError):
                await until_rest(poller)
    assert line.fetches == 3
    with pytest.raises(JournalUnusable):
        await until_rest(poller)
    assert await house.bodies("event.loss-suspected") == []


async def test_a_line_whose_token_cannot_be_kept_polls_with_it_all_the_same(house: House) -> None:
    """When the journal works again the next step polls, asks for no second token and suspects nothing."""
    house.text("Hello")
    poller = house.poller()
    with house.broken("memory", "insert"), pytest.raises(JournalError):
        await until_rest(poller)
    assert seconds(await until_rest(poller)) == INTERVAL
    assert await texts(house) == ["Hello"]
    assert await house.bodies("event.loss-suspected") == []


async def test_a_gap_between_two_polls_is_told_once(house: House) -> None:
    """Half an hour and a second after the last poll AT&T has deleted what was there; at half an hour it has not."""
    poller = house.poller()
    await until_rest(poller)
    await house.clock.advance(1800)
    await until_rest(poller)
    assert await house.bodies("event.loss-suspected") == []
    await house.clock.advance(1801)
    for _ in range(2):
        await until_rest(poller)
        await house.clock.advance(INTERVAL)
    [told] = await house.bodies("event.loss-suspected")
    assert told["reason"] == "no poll for longer than the provider keeps texts"


async def test_half_a_day_of_polls_brings_every_text_once(house: House) -> None:
    """With a text every seven minutes and an answer lost now and then without effect."""
    house.fault("status", operation="inbox", status=503, skip=20, times=3)
    poller, sent, now = house.poller(), 0, 0.0
    while now < 43_200:
        rest = seconds(await until_rest(poller))
        while rest > 0:
            step = min(rest, 420)
            await house.clock.advance(step)
            now, rest = now + step, rest - step
            house.text(f"text {sent}")
            sent += 1
    await until_rest(poller)
    assert sorted(await texts(house)) == sorted(f"text {number}" for number in range(sent))
    assert house.ledger("purged") == []
    assert house.violations() == []


async def test_pages_that_could_not_be_written_down_are_read_once_and_in_their_order(house: House) -> None:
    """They are on disk; the next one may have been fetched meanwhile."""
    line = await signed_in(house)
    for number in range(45):
        house.text(f"text {number}")
    poller = house.poller(line)
    with house.broken("event"), pytest.raises(JournalError):
        await until_rest(poller)
    assert await texts(house) == []
    await until_rest(poller)
    assert await house.unread() == 0
    await house.clock.advance(INTERVAL)
    await until_rest(poller)
    assert await texts(house) == [f"text {number}" for number in range(45)]
    assert await house.bodies("event.loss-suspected") == []


async def test_a_stop_lets_a_page_be_written_down(house: House) -> None:
    """What is on disk is read before the journal is closed."""
    for number in range(45):
        house.text(f"text {number}")
    poller = house.poller(await signed_in(house))
    while not house.ledger("handed-out"):
        await poller.step()
    await poller.drain(GRACE)
    assert await house.unread() == 0
    assert len(await texts(house)) == len(house.ledger("handed-out"))


async def test_a_page_and_its_mark_are_one_transaction(house: House) -> None:
    """And what is on it is one more, with the next poll's beginning."""
    poller = house.poller(await signed_in(house))
    await until_rest(poller)
    for number in range(100):
        house.text(f"text {number}")
    await house.clock.advance(INTERVAL)
    before = house.journal._core.writer.commits
    await until_rest(poller)
    pages = len({line["request"] for line in house.ledger("handed-out")})
    assert pages == 5
    assert house.journal._core.writer.commits - before <= 2 * pages + 2
    assert await texts(house) == [f"text {number}" for number in range(100)]
