"""The sender of a line whose provider shows what was sent, needs consent, and refuses for a time."""

import asyncio
from typing import Any

import pytest

from relay.domain.errors import (
    ConsentRequired,
    ErrorCode,
    OutcomeUnknown,
    Problem,
    Refused,
    RefusedAsGroup,
    RefusedForNow,
)
from relay.domain.messages import CallAnswer, Handover, OnUncertain, OutboundCall
from relay.domain.states import Fact
from relay.failedcalls import EVIDENCE_MARGIN, SYNCS_FOR_EVIDENCE
from relay.journal import JournalError
from relay.providerkit.spec import ConsentStanding
from relay.stagekit import CONSENT_PAUSE
from relay.stages.syncer import Syncer
from relay.telemetry.health import LineState
from tests.unit.stages.desk import INTERVAL, NOW, DeskLine, problem
from tests.unit.stages.house import ALICE, BOB, DESK, GRACE, House, seconds, settled, until_rest
from tests.unit.stages.test_collector import collector

STOPPED = problem(ErrorCode.OPTED_OUT, "-1234")
SPAM = problem(ErrorCode.SPAM_BLOCKED, "-801")
EVIDENCE = SYNCS_FOR_EVIDENCE * INTERVAL + EVIDENCE_MARGIN


async def standing(house: House) -> dict[str, str]:
    """The first request's copies."""
    return await house.standing("key-1", DESK)


async def synced(house: House, line: DeskLine) -> None:
    """All that the store shows is known."""
    await until_rest(Syncer(line, house.ground))
    await settled(collector(house, line))


async def test_what_relay_sent_itself_is_no_news_when_the_store_shows_it(house: House) -> None:
    """It is recognised; what another device sends is published."""
    line = DeskLine()
    await synced(house, line)
    await house.send(ALICE, line=DESK)
    await settled(house.sender(line))
    await synced(house, line)
    await house.clock.advance(600)
    await synced(house, line)
    assert await standing(house) == {ALICE: "submitted"}
    assert await house.bodies("event.sent-elsewhere") == []


async def test_a_send_without_an_answer_is_settled_by_the_store(house: House) -> None:
    """The store shows that it was taken, so that nobody needs to decide."""
    line = DeskLine()
    await synced(house, line)
    line.fails("send", OutcomeUnknown(problem()))
    await house.send(ALICE, line=DESK)
    await settled(house.sender(line))
    assert await standing(house) == {ALICE: "uncertain"}
    await synced(house, line)
    assert await standing(house) == {ALICE: "submitted"}
    assert len(line.sent) == 1


async def test_a_send_that_is_to_be_repeated_waits_for_the_store_first(house: House) -> None:
    """Three looks at the store come before a second text, and one that shows the first prevents it."""
    line = DeskLine()
    await synced(house, line)
    line.fails("send", OutcomeUnknown(problem()))
    await house.send(ALICE, line=DESK, on_uncertain=OnUncertain.RESEND)
    sender = house.sender(line)
    await settled(sender)
    await house.clock.advance(EVIDENCE - 1)
    await settled(sender)
    assert len(line.sent) == 1
    await synced(house, line)
    await house.clock.advance(3600)
    await settled(sender)
    assert await standing(house) == {ALICE: "submitted"}
    assert len(line.sent) == 1


async def test_a_send_that_the_store_never_shows_is_repeated_in_the_end(house: House) -> None:
    """As its request wishes."""
    line = DeskLine()
    await synced(house, line)
    line.fails("send", OutcomeUnknown(problem()))
    await house.send(ALICE, line=DESK, on_uncertain=OnUncertain.RESEND)
    sender = house.sender(line)
    await settled(sender)
    line.store.clear()
    line.log.clear()
    await house.clock.advance(EVIDENCE + 1)
    await settled(sender)
    assert len(line.sent) == 2
    assert await standing(house) == {ALICE: "submitted"}


async def test_without_consent_a_text_waits_and_nothing_spins(house: House) -> None:
    """It goes out at once when the subscriber has agreed."""
    line = DeskLine(standing=ConsentStanding(given=False, reason="withdrawn"))
    line.fails("send", *(ConsentRequired(problem(ErrorCode.CONSENT_REQUIRED)) for _ in range(100)))
    await house.send(ALICE, line=DESK)
    sender = house.sender(line)
    for _ in range(5):
        rest = await settled(sender)
        assert seconds(rest) == CONSENT_PAUSE
        assert house.board.of(DESK).state is LineState.CONSENT_REQUIRED
    # One call more may have been on its way when the first was refused.
    assert line.calls["send"] <= 2
    line.errors["send"].clear()
    line.standing = ConsentStanding(given=True, since=NOW)
    house.journal.ring(f"consent:{DESK}")
    await asyncio.wait_for(rest.over(house.clock), GRACE)
    await settled(sender)
    assert await standing(house) == {ALICE: "submitted"}
    assert house.board.of(DESK).state is LineState.READY


async def test_a_line_that_is_blocked_for_spam_rests_and_says_so(house: House) -> None:
    """The text has failed, the line goes on afterwards, and it does not stay suspended for want of texts."""
    line = DeskLine()
    line.fails("send", RefusedForNow(SPAM, 900.0))
    answer = await house.send(ALICE, line=DESK)
    sender = house.sender(line, window=1)
    rest = await until_rest(sender)
    assert (rest.seconds, rest.bell) == (900, None)
    await house.send(BOB, line=DESK)
    health = house.board.of(DESK)
    assert (health.state, health.reason) == (LineState.SUSPENDED, "spam_blocked")
    [event] = await house.bodies("event.spam-blocked")
    assert (event["message_id"], event["error"]["provider"]["code"]) == (answer.message_id, "-801")
    assert event["rests_until"] == "2026-11-21T09:15:00.000Z"
    assert len(line.sent) == 1
    await house.clock.advance(900)
    await sender.step()
    assert house.board.of(DESK).state is LineState.READY
    await settled(sender)
    assert await standing(house) == {ALICE: "failed"}
    assert await house.standing("key-2", DESK) == {BOB: "submitted"}


async def test_a_refusal_of_who_has_sent_stop_is_told(house: House) -> None:
    """With the copy that failed by it."""
    line = DeskLine()
    line.fails("send", Refused(STOPPED))
    answer = await house.send(ALICE, line=DESK)
    await settled(house.sender(line))
    [copy] = await house.copies("key-1", DESK)
    assert (copy["status"], copy["error"]["code"]) == ("failed", "opted_out")
    assert await _opt_outs(house) == [_opted_out(answer.message_id, copy["copy_id"])]


async def test_a_group_of_which_one_has_sent_stop_is_divided_first(house: House) -> None:
    """Only who is refused alone has opted out."""
    line = Picky()
    answer = await house.send(ALICE, BOB, line=DESK)
    await settled(house.sender(line))
    copies = {copy["to"]: copy for copy in await house.copies("key-1", DESK)}
    assert {to: copy["status"] for to, copy in copies.items()} == {ALICE: "failed", BOB: "submitted"}
    assert await _opt_outs(house) == [_opted_out(answer.message_id, copies[ALICE]["copy_id"])]


async def test_who_has_sent_stop_among_others_is_told_by_the_answer(house: House) -> None:
    """Where the provider says it of one recipient alone."""
    line = Mixed()
    answer = await house.send(ALICE, BOB, line=DESK)
    await settled(house.sender(line))
    copies = {copy["to"]: copy for copy in await house.copies("key-1", DESK)}
    assert await _opt_outs(house) == [_opted_out(answer.message_id, copies[ALICE]["copy_id"])]


async def test_what_is_told_of_a_refusal_is_told_once_although_the_journal_failed(house: House) -> None:
    """The receipt and the event come when it works again."""
    line = DeskLine()
    line.fails("send", Refused(STOPPED))
    await house.send(ALICE, line=DESK)
    sender = house.sender(line)
    with house.broken("event"):
        await sender.step()
        await _drained(sender)
    await settled(sender)
    assert len(await house.bodies("event.opt-out")) == 1
    assert await standing(house) == {ALICE: "failed"}


async def _drained(sender: Any) -> None:
    with pytest.raises(JournalError):
        await sender.drain(GRACE)


async def _opt_outs(house: House) -> list[dict[str, Any]]:
    """What was told of them, as far as it comes from the sender."""
    names = ("message_id", "copy_id", "to", "source", "code")
    return [{name: body[name] for name in names} for body in await house.bodies("event.opt-out")]


def _opted_out(message_id: str | None, copy_id: str) -> dict[str, Any]:
    return {"message_id": message_id, "copy_id": copy_id, "to": ALICE, "source": "provider", "code": "-1234"}


class Picky(DeskLine):
    """A provider that refuses a call for one of its recipients."""

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Not to Alice."""
        if any(recipient.address.value == ALICE for recipient in call.recipients):
            raise RefusedAsGroup(STOPPED)
        return await super().send(call)


class Mixed(DeskLine):
    """A provider that judges each recipient."""

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Not to Alice."""
        return CallAnswer(None, tuple(self._handover(each.address.value) for each in call.recipients))

    def _handover(self, number: str) -> Handover:
        problem: Problem | None = STOPPED if number == ALICE else None
        return Handover(Fact.REFUSED if problem else Fact.SUBMITTED_UNTRACKED, problem=problem)
