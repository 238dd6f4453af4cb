"""Whatever needs a person is listed, noticed and counted: reports of nothing that is known, and floods, too."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.messages import RawAnswer
from relay.domain.states import Fact
from relay.journal import ASIDE_KINDS, TakenUp, UnknownAside
from relay.journal.notices import MOST_ALIKE, MOST_TOLD
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk, delivered

OTHER = "office"


async def _hook(desk: Desk, why: str = "no JSON object", line: str = LINE) -> None:
    """A web hook comes that cannot be read."""
    kept = await desk.journal.raw.keep(line, "hook", "receive", "", RawAnswer(b"bytes", "text/plain"))
    await desk.journal.raw.set_aside(kept, why)


async def _orphaned(desk: Desk, *refs: str) -> list[dict[str, Any]]:
    """Reports come of what was never sent, and 72 hours pass; what is listed then."""
    await desk.report(*(delivered(ref, code="0") for ref in refs or ("unheard of",)))
    desk.clock.pass_(hours=73)
    assert await desk.journal.upkeep.give_up_parked() == max(len(refs), 1)
    return await desk.journal.dead.list(100)


async def test_a_report_of_nothing_that_was_sent_is_shown_whole(desk: Desk) -> None:
    """What the provider said, of which id, and since when it is known."""
    [listed] = await _orphaned(desk)
    assert (listed["kind"], listed["line"], listed["what"]) == ("orphan", LINE, "report")
    shown = await desk.journal.dead.show(listed["id"])
    assert shown is not None
    assert shown["report"] == {
        "ref": "unheard of",
        "to": None,
        "position": None,
        "fact": "delivered",
        "status": None,
        "code": "0",
        "received_at": START,
    }
    assert (await desk.journal.queries.status())["parked"] == 0


async def test_many_orphans_of_a_line_are_one_notice(desk: Desk) -> None:
    """It counts the others; every one of them is listed."""
    listed = await _orphaned(desk, *(str(number) for number in range(50)))
    assert len(listed) == 50
    [notice] = await desk.bodies("dead")
    assert (notice["kind"], notice["aside_id"], notice["more"]) == ("orphan", listed[0]["id"], 49)
    assert await desk.journal.upkeep.give_up_parked() == 0


async def test_an_orphan_is_matched_once_its_text_is_known(desk: Desk) -> None:
    """As when its call was answered after 72 hours, or an id was told late."""
    [listed] = await _orphaned(desk, "SMS1-late")
    assert await desk.journal.dead.again(listed["id"]) == TakenUp("unmatched")
    assert len(await desk.journal.dead.list(10)) == 1
    await desk.sent(ref="SMS1-late")
    assert await desk.standing() == ["delivered"]
    assert await desk.journal.dead.list(10) == []
    assert desk.place.rows("parked") == 0


async def test_an_orphan_that_a_person_replays_is_applied(desk: Desk) -> None:
    """The copy's id became known in another way than by an answer, as where somebody mended the journal."""
    await desk.sent()
    [listed] = await _orphaned(desk)
    assert await desk.journal.dead.again(listed["id"]) == TakenUp("unmatched")
    desk.place.write("UPDATE copy SET remote_ref = 'unheard of'")
    assert await desk.journal.dead.again(listed["id"]) == TakenUp("matched")
    assert await desk.standing() == ["delivered"]
    assert await desk.journal.dead.list(10) == []
    assert desk.place.rows("parked") == 0


async def test_an_orphan_that_is_given_up_is_forgotten(desk: Desk) -> None:
    """At once, with what the provider said."""
    [listed] = await _orphaned(desk)
    await desk.journal.dead.discard(listed["id"])
    assert desk.place.rows("parked") == 0
    assert await desk.journal.dead.list(10) == []
    with pytest.raises(UnknownAside):
        await desk.journal.dead.again(listed["id"])


async def test_a_flood_is_told_one_by_one_and_then_together(desk: Desk) -> None:
    """Every hook is listed; a minute later one notice counts those that had none."""
    for _ in range(MOST_TOLD + 30):
        await _hook(desk)
    assert len(await desk.journal.dead.list(100)) == MOST_TOLD + 30
    assert [body["more"] for body in await desk.bodies("dead")] == [0] * MOST_TOLD
    assert await desk.journal.upkeep.tell_untold() == 0
    desk.clock.pass_(seconds=61)
    assert await desk.journal.upkeep.tell_untold() == 1
    *_, last = await desk.bodies("dead")
    first_untold = (await desk.journal.dead.list(100))[MOST_TOLD]
    assert (last["more"], last["aside_id"], last["why"]) == (29, first_untold["id"], "no JSON object")
    assert last["how"] == f"relay dead list --kind raw --line {LINE}"
    assert await desk.journal.upkeep.tell_untold() == 0


async def test_a_flood_that_goes_on_is_told_without_any_janitor(desk: Desk) -> None:
    """The first thing of the next minute brings the notice of what the last one left."""
    for _ in range(MOST_TOLD + 5):
        await _hook(desk)
    desk.clock.pass_(seconds=61)
    await _hook(desk)
    assert [body["more"] for body in await desk.bodies("dead")] == [*([0] * MOST_TOLD), 4, 0]


async def test_a_flood_with_many_reasons_is_bounded_too(desk: Desk) -> None:
    """Reasons that name a place differ each time: the last notice stands for the rest of them."""
    for number in range(MOST_TOLD + 40):
        await _hook(desk, f"line {number}: no JSON")
    desk.clock.pass_(seconds=61)
    assert await desk.journal.upkeep.tell_untold() == MOST_ALIKE
    together = (await desk.bodies("dead"))[MOST_TOLD:]
    assert sum(body["more"] + 1 for body in together) == 40
    assert together[-1]["why"] == "for several reasons"


async def test_a_flood_on_one_line_silences_no_other(desk: Desk) -> None:
    """Each line has its own notices; also after a kill nothing is told twice or forgotten."""
    for _ in range(MOST_TOLD + 5):
        await _hook(desk)
    await _hook(desk, line=OTHER)
    assert [body["line"] for body in await desk.bodies("dead")] == [*([LINE] * MOST_TOLD), OTHER]
    left = await desk.after_kill()
    left.clock.pass_(seconds=61)
    assert await left.journal.upkeep.tell_untold() == 1
    assert (await left.bodies("dead"))[-1]["more"] == 4
    await left.journal.aclose()


async def test_a_clock_that_is_set_back_hides_nothing(desk: Desk) -> None:
    """What was not told is told, and the next minute begins."""
    for _ in range(MOST_TOLD + 5):
        await _hook(desk)
    desk.clock.pass_(days=-1)
    assert await desk.journal.upkeep.tell_untold() == 1
    await _hook(desk)
    assert len(await desk.bodies("dead")) == MOST_TOLD + 2


async def test_a_flood_fills_no_log(desk: Desk) -> None:
    """There is a line for each notice, and one for all the others."""
    with capture_logs() as logged:
        for _ in range(MOST_TOLD + 30):
            await _hook(desk)
        desk.clock.pass_(seconds=61)
        await desk.journal.upkeep.tell_untold()
    events = [one["event"] for one in logged]
    assert (events.count("raw.aside"), events.count("aside.flood"), len(events)) == (MOST_TOLD, 1, MOST_TOLD + 1)


async def test_a_tally_that_a_disk_has_changed_stops_nothing(desk: Desk) -> None:
    """It is begun anew: what it counted is listed all the same."""
    await _hook(desk)
    for value in (b"no JSON", b"[]", b"{}", b'{"since": "x", "told": 1, "untold": []}'):
        desk.place.write("UPDATE memory SET value = :value WHERE owner = 'set aside'", value=value)
        assert await desk.journal.upkeep.tell_untold() == 0
        await _hook(desk)
    assert len(await desk.bodies("dead")) == len(await desk.journal.dead.list(10)) == 5


async def test_the_list_can_be_narrowed_and_paged(desk: Desk) -> None:
    """By kind, by line, by both; the pages together are the whole."""
    for line in (LINE, OTHER, LINE):
        await _hook(desk, line=line)
    await desk.send()
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    dead = desk.journal.dead
    assert [one["line"] for one in await dead.list(10, kind="raw")] == [LINE, OTHER, LINE]
    assert [one["kind"] for one in await dead.list(10, line=LINE)] == ["raw", "raw", "uncertain"]
    here = await dead.list(10, kind="raw", line=LINE)
    first = await dead.list(1, kind="raw", line=LINE)
    assert [*first, *await dead.list(10, first[0]["id"], kind="raw", line=LINE)] == here
    assert await dead.list(10, kind="orphan") == []


async def test_everything_is_counted_by_kind(desk: Desk) -> None:
    """Each kind, also those of which there is none; in the status, and for a monitor."""
    await _hook(desk)
    await desk.send(ALICE, BOB)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    await desk.report(delivered("unheard of"))
    desk.clock.pass_(hours=73)
    await desk.journal.upkeep.give_up_parked()
    counts = {"raw": 1, "event": 0, "uncertain": 2, "orphan": 1, "damaged": 0}
    assert tuple(counts) == ASIDE_KINDS
    status, gauges = await desk.journal.queries.status(), await desk.journal.queries.gauges()
    assert (status["set_aside"], status["asides"]) == (counts, 4)
    assert await desk.journal.dead.counts() == gauges.set_aside == counts
    assert gauges.copies == {(LINE, "uncertain"): 2}


async def test_a_hook_about_nobody_of_its_call_is_set_aside(desk: Desk) -> None:
    """It names a number that the call did not go to; the answer to a question is asked for again, and is not."""
    await desk.sent(ALICE, BOB)
    assert (await desk.report(delivered(address=CAROL), delivered(address=ALICE))).applied == 1
    [listed] = await desk.journal.dead.list(10)
    assert (listed["kind"], listed["why"][:17]) == ("orphan", "the call is known")
    call = (await desk.journal.queries.shown("key-1"))["calls"][0]["call_id"]
    await desk.look(call, delivered(address=CAROL, fact=Fact.ON_NETWORK))
    assert len(await desk.journal.dead.list(10)) == 1
