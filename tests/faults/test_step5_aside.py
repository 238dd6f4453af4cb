"""What was lost without a word before things were set aside for a person, each as small as it can be shown."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.domain.messages import CallAnswer, Handover
from relay.domain.states import Fact
from relay.journal.announce import SetAside, set_aside
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, Desk, SqlitePlace, delivered


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield desk
    await desk.journal.aclose()


async def test_an_early_report_that_fits_no_copy_of_its_call_is_not_dropped(desk: Desk) -> None:
    """It came before the answer, which then told its id: as it named a stranger it was deleted, unlisted."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    await desk.report(delivered(address=CAROL))
    handed = CallAnswer("SMS1", tuple(Handover(Fact.SUBMITTED) for _ in call.recipients))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    desk.clock.pass_(hours=73)
    await desk.journal.upkeep.give_up_parked()
    assert [one["kind"] for one in await desk.journal.dead.list(10)] == ["orphan"]


async def test_a_report_that_is_parked_for_72_hours_is_not_dropped(desk: Desk) -> None:
    """The janitor deleted it, and counted it in one line of the log."""
    await desk.report(delivered("unheard of"))
    desk.clock.pass_(hours=73)
    await desk.journal.upkeep.give_up_parked()
    assert [body["kind"] for body in await desk.bodies("dead")] == ["orphan"]


async def test_a_web_hook_about_a_stranger_is_not_dropped(desk: Desk) -> None:
    """Its call is known, and none of its copies fits: there was a warning in the log, and nothing else."""
    await desk.sent(ALICE, BOB)
    await desk.report(delivered(address=CAROL))
    assert [body["kind"] for body in await desk.bodies("dead")] == ["orphan"]


async def test_what_is_said_of_a_damaged_row_is_settled_apart_from_its_copy(desk: Desk) -> None:
    """To take the damage from the list gave the copy up; and evidence of the copy took the damage from the list."""
    await desk.send()
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    [copy] = await desk.uncertain()
    damage = SetAside("damaged", LINE, "copy", "the journal's row is damaged", copy_id=copy["copy_id"])
    for _ in range(2):
        await desk.journal._core.writer.run(lambda tx: set_aside(tx, damage))
    first, _ = await desk.journal.dead.list(10, kind="damaged")
    await desk.journal.dead.discard(first["id"])
    assert await desk.standing() == ["uncertain"]
    await desk.report(delivered(call.call_id))
    assert [one["kind"] for one in await desk.journal.dead.list(10)] == ["damaged"]


async def test_a_copy_that_was_given_up_and_was_delivered_is_told(desk: Desk) -> None:
    """It counted as refused for good, so that proof of the contrary vanished: not even the log had it."""
    await desk.send()
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    await desk.journal.dead.discard((await desk.journal.dead.list(1))[0]["id"])
    await desk.report(delivered(call.call_id))
    last = (await desk.bodies("receipt"))[-1]
    assert (last["status"], last["final"], last["late"]) == ("delivered", False, True)
