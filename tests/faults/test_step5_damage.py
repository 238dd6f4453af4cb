"""What damage to the journal did: each fact failed once, and is the smallest that shows its defect."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from relay.domain.messages import CallAnswer, Handover, OnUncertain, Reply
from relay.domain.states import Fact
from relay.journal import Listed, Wanted
from relay.rules.line import LineRules, Rules
from tests.contract.journal.damage import piece
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, Desk, SqlitePlace, delivered


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield desk
    await desk.journal.aclose()


async def _damage(desk: Desk, statement: str, *values: object) -> None:
    def change() -> None:
        with closing(sqlite3.connect(desk.place.path)) as connection, connection:
            assert connection.execute(statement, values).rowcount

    await asyncio.to_thread(change)


async def _damaged(desk: Desk) -> list[str]:
    """What is listed as damaged."""
    return [one["what"] for one in await desk.journal.dead.list(limit=100) if one["kind"] == "damaged"]


async def test_a_flipped_digit_of_a_number_sends_nothing_to_the_other_number(desk: Desk) -> None:
    """The copy fails with its final receipt, which names no number; the others of its call go."""
    await desk.send(ALICE, BOB)
    await _damage(desk, "UPDATE copy SET address = '+12065550109' WHERE address = ?", ALICE.value)
    assert [one.address for one in (await desk.claim()).recipients] == [BOB]
    [receipt] = await desk.bodies("receipt")
    assert (receipt["status"], receipt["final"], receipt["to"], receipt["error"]["code"]) == (
        "failed",
        True,
        "",
        "internal",
    )
    assert await _damaged(desk) == ["copy"]
    assert [one["what"] for one in await desk.bodies("dead")] == ["copy"]


async def test_a_copy_of_which_nobody_knows_whose_it_is_is_only_listed(desk: Desk) -> None:
    """A receipt would be of another copy."""
    await desk.send(ALICE, BOB)
    await _damage(desk, "UPDATE copy SET ordinal = 7 WHERE address = ?", ALICE.value)
    assert [one.address for one in (await desk.claim()).recipients] == [BOB]
    assert await desk.bodies("receipt") == []
    assert await _damaged(desk) == ["copy"]


async def test_an_unknown_state_does_not_hold_the_line_up(desk: Desk) -> None:
    """It raised KeyError at every claim."""
    await desk.send(ALICE)
    await _damage(desk, "UPDATE copy SET state = 'queuee'")
    await desk.send(BOB, text="Another.")
    assert [one.address for one in (await desk.claim()).recipients] == [BOB]
    assert await _damaged(desk) == ["copy"]
    assert (await desk.journal.queries.status())["lines"]


async def test_a_copy_that_was_handed_over_is_followed_whatever_its_state_was(desk: Desk) -> None:
    """Its report still settles it."""
    await desk.sent(ALICE)
    await _damage(desk, "UPDATE copy SET state = 'submittee'")
    await desk.report(delivered())
    assert await desk.statuses() == ["submitted", "delivered"]
    assert await _damaged(desk) == ["copy"]


@pytest.mark.parametrize("problem", [b"{", b"[]", b"7", b'{"code":"nonsense","detail":"","provider":null}', b"\xff"])
async def test_a_problem_that_cannot_be_read_does_not_keep_a_text_from_going(desk: Desk, problem: bytes) -> None:
    """It says why the last try failed, and no more."""
    await desk.send(ALICE)
    call = await desk.claim()
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 1)
    await _damage(desk, "UPDATE copy SET problem = ?", problem)
    assert await desk.journal.queries.queue(Wanted())
    assert await desk.journal.queries.trace(call.message_id)
    desk.clock.pass_(minutes=1)
    assert [one.address for one in (await desk.claim()).recipients] == [ALICE]


@pytest.mark.parametrize("recipients", [b"[", b"7", b'["nobody"]', b"[1]"])
async def test_recipients_that_cannot_be_read_end_the_call_all_the_same(desk: Desk, recipients: bytes) -> None:
    """One copy is meant; of several nobody can say, so that they are uncertain."""
    await desk.send(ALICE)
    await desk.send(BOB, CAROL, text="Another.", on_uncertain=OnUncertain.HOLD)
    calls = [await desk.claim(), await desk.claim()]
    await _damage(desk, "UPDATE call SET recipients = ?", recipients)
    for number, call in enumerate(calls):
        await desk.hand_over(call, f"SMS{number}")
    assert await desk.standing("key-1") == ["submitted"]
    assert await desk.standing("key-2") == ["submitted", "submitted"]


async def test_an_answer_that_fits_no_copies_leaves_them_uncertain(desk: Desk) -> None:
    """Evidence has settled one of them meanwhile, and nobody can tell which answer is whose."""
    await desk.send(BOB, CAROL)
    call = await desk.claim()
    await _damage(desk, "UPDATE call SET recipients = ?", b"[")
    await _damage(desk, "UPDATE copy SET state = 'delivered', ended = 1, waits = 0 WHERE address = ?", BOB.value)
    handovers = (Handover(Fact.SUBMITTED), Handover(Fact.REFUSED))
    await desk.journal.calls.answered(call.call_id, ME, CallAnswer("SMS1", handovers), first_look=None)
    assert await desk.standing() == ["delivered", "uncertain"]
    assert "call" in await _damaged(desk)


async def test_a_call_that_points_to_another_message_says_what_its_copies_say(desk: Desk) -> None:
    """It said what the other message says."""
    await desk.send(ALICE, text="For Alice.")
    await desk.send(BOB, text="For Bob.")
    await _damage(desk, "UPDATE call SET message_id = (SELECT max(message_id) FROM call)")
    went = {(call.text, call.recipients[0].address) for call in [await desk.claim(), await desk.claim()]}
    assert went == {("For Alice.", ALICE), ("For Bob.", BOB)}


async def test_a_copy_that_strayed_into_another_call_is_not_sent_with_its_words(desk: Desk) -> None:
    """A flipped bit of its call's id may name a call that exists."""
    await desk.send(ALICE, text="For Alice.")
    await desk.send(BOB, text="For Bob.")
    await _damage(desk, "UPDATE copy SET call_id = (SELECT min(id) FROM call)")
    call = await desk.claim()
    assert {(call.text, one.address) for one in call.recipients} == {("For Alice.", ALICE)}
    assert (await desk.statuses())[-1:] == ["failed"]


async def test_a_message_that_is_gone_ends_its_copies(desk: Desk) -> None:
    """It raised NoResultFound at every claim."""
    await desk.send(ALICE)
    await _damage(desk, "DELETE FROM message")
    await desk.send(BOB, text="Another.")
    assert [one.address for one in (await desk.claim()).recipients] == [BOB]
    assert await desk.statuses() == ["failed"]


@pytest.mark.parametrize(("column", "word"), [("class", "norman"), ("on_uncertain", "hole"), ("receipts", 9)])
async def test_wishes_that_are_damaged_are_not_believed(desk: Desk, column: str, word: object) -> None:
    """An unknown word raised ValueError at every claim: now it is sent as an ordinary text, and held in doubt."""
    await desk.send(ALICE, on_uncertain=OnUncertain.RESEND)
    await _damage(desk, f'UPDATE message SET "{column}" = ?', word)  # noqa: S608 - the test's own names
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    assert await desk.standing() == ["uncertain"]
    assert await _damaged(desk) == ["message"]


@pytest.mark.parametrize("column", ["digest", "answer", "message_id"])
async def test_a_damaged_key_is_never_sent_again(desk: Desk, column: str) -> None:
    """Its repetition is refused, as often as it comes; it is listed once."""
    await desk.send(ALICE, key="order-1")
    changed = b"{" if column == "answer" else "another"
    await _damage(desk, f"UPDATE command SET {column} = ?", changed)  # noqa: S608 - the test's own names
    for _ in range(2):
        answer = await desk.send(ALICE, key="order-1")
        assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "conflict")
        assert "damaged" in answer.body["error"]["detail"]
    looked_up = await desk.journal.commands.lookup(LINE, None, "order-1", None, Reply())
    assert looked_up.outcome == "rejected"
    assert await _damaged(desk) == ["command"]


async def test_a_damaged_opt_out_holds_everywhere(desk: Desk) -> None:
    """Its line was read as another's, and the number got texts again."""
    await desk.journal.optouts.import_([Listed(ALICE.value, LINE)])
    await _damage(desk, "UPDATE optout SET line = 'alertr'")
    for _ in range(2):
        assert (await desk.send(ALICE)).body["copies"][0]["status"] == "failed"
    assert await _damaged(desk) == ["opt-out"]
    assert await desk.journal.optouts.remove([ALICE.value]) == 1


async def test_an_opt_out_that_lost_its_number_s_hash_is_found_again(desk: Desk) -> None:
    """As long as the number itself was not erased."""
    await desk.journal.optouts.import_([Listed(ALICE.value, LINE)])
    await _damage(desk, "UPDATE optout SET peer = 'x' || peer")
    while await desk.journal.audit.look():
        pass
    assert (await desk.send(ALICE)).body["copies"][0]["status"] == "failed"
    assert await _damaged(desk) == ["opt-out"]


@pytest.mark.parametrize("column", ["due_at", "expires_at", "handed_over_at", "look_at"])
async def test_a_time_out_of_range_raises_nothing(desk: Desk, column: str) -> None:
    """It raised OverflowError."""
    await desk.sent(ALICE)
    await desk.send(BOB, text="Waits.")
    await _damage(desk, f"UPDATE call SET {column} = ? WHERE {column} IS NOT NULL OR ? = 'expires_at'", 2**62, column)  # noqa: S608
    await desk.journal.calls.claim(LINE, ME)
    await desk.journal.calls.next_due(LINE)
    await desk.journal.looks.due(LINE, 10)
    await desk.journal.queries.status()
    assert await desk.journal.queries.shown("key-2")
    assert await desk.journal.queries.trace("key-1")


async def test_what_no_stage_would_come_upon_is_ended(desk: Desk) -> None:
    """A call in a stage that is none, on a line that is none, in a lane that is none, or due in a thousand years."""
    for number, damage in enumerate(
        ("stage = 'waitinh'", "line = 'alertr'", "lane = 77", f"due_at = {2**58}", "id = 'nobody'")
    ):
        await desk.send(ALICE, text=f"Text {number}.")
        await _damage(desk, f"UPDATE call SET {damage} WHERE id = (SELECT max(id) FROM call WHERE id LIKE '0%')")  # noqa: S608
    while await desk.journal.audit.look():
        pass
    assert await desk.statuses() == ["failed"] * 5
    assert await _damaged(desk) == ["call"] * 5


async def test_bytes_in_a_state_that_is_none_are_set_aside(desk: Desk) -> None:
    """Nobody would have read them, and nobody would have forgotten them."""
    await desk.keep()
    await _damage(desk, "UPDATE raw SET state = 'kepp'")
    while await desk.journal.audit.look():
        pass
    assert [one["kind"] for one in await desk.journal.dead.list(limit=10)] == ["raw"]


async def test_a_damaged_day_of_calls_does_not_hold_the_line_up(desk: Desk) -> None:
    """It raised ValueError at every claim of a line with a budget."""
    desk.journal.follow(Rules(lines={LINE: LineRules(LINE, calls_per_day=100)}))
    await desk.sent(ALICE)
    await _damage(desk, "UPDATE usage SET day = '2026-11-2x'")
    await desk.send(BOB, text="Another.")
    await desk.claim()


async def test_what_is_no_utf_8_raises_nothing(desk: Desk) -> None:
    """SQLite raised an error for it that ended every claim."""
    await desk.send(ALICE)
    await _damage(desk, "UPDATE copy SET address = CAST(? AS TEXT)", b"+1206555\xff01")
    await desk.send(BOB, text="Another.")
    assert [one.address for one in (await desk.claim()).recipients] == [BOB]
    assert await _damaged(desk) == ["copy"]


async def test_a_damaged_memory_is_as_if_nothing_had_been_kept(desk: Desk) -> None:
    """Whoever asks begins anew, and a person is told."""
    memory = desk.journal.memory(LINE)
    await memory.put("inbox.polls", b'{"polled": null}')
    await _damage(desk, "UPDATE memory SET value = CAST(value || x'00' AS BLOB) WHERE key = 'inbox.polls'")
    assert await memory.get("inbox.polls") is None
    assert await memory.get("inbox.polls") is None
    assert await _damaged(desk) == ["memory"]
    await memory.put("inbox.polls", b"new")
    assert await memory.get("inbox.polls") == b"new"


async def test_a_parked_report_that_cannot_be_read_does_not_undo_an_answer(desk: Desk) -> None:
    """It raised in the transaction in which the call ended, so that the call never did."""
    await desk.report(delivered("SMS1"))
    await _damage(desk, "UPDATE parked SET report = ?", b'{"ref": "SMS1"}')
    await desk.sent(ALICE)
    assert await desk.standing() == ["submitted"]
    assert await _damaged(desk) == ["report"]


async def test_the_pieces_of_a_message_are_joined_in_their_own_order(desk: Desk) -> None:
    """The rows' places have no checksum."""
    await desk.receive(piece("one ", 1))
    await _damage(desk, "UPDATE segment SET place = 9")
    await desk.receive(piece("two", 2))
    assert [one["text"] for one in await desk.bodies("message")] == ["one two"]


async def test_words_that_no_database_takes_as_they_are_are_not_called_damaged(desk: Desk) -> None:
    """They are spelled out on their way to it; the checksum is that of what is there."""
    for client in ("a\0b", "half \ud83d of a pair", "naïve"):
        wishes = {"key": f"key {client}", "client": client}
        first = await desk.send(ALICE, **wishes)
        again = await desk.send(ALICE, **wishes)
        assert (again.replayed, again.message_id) == (True, first.message_id)
        await desk.hand_over(await desk.claim(), None)
    assert await _damaged(desk) == []


async def test_an_event_whose_id_is_no_text_any_more_is_set_aside(desk: Desk) -> None:
    """It was looked for by that id, never found, and met again and again."""
    await desk.journal.events.announce(LINE, "read", {})
    await _damage(desk, "UPDATE event SET id = CAST(? AS TEXT)", b"01a1\xff")
    assert [event.kind for _, event in await desk.journal.events.pending(0, 10)] in ([], ["dead"])
    assert [event.kind for _, event in await desk.journal.events.pending(0, 10)] == ["dead"]
    assert [one["kind"] for one in await desk.journal.dead.list(limit=10)] == ["event"]
