"""The control socket: what waits for a person narrowed down, and uncertain copies explained and resolved."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.control.evidence import Evidence, evidence_of, with_evidence
from relay.domain.messages import DeliveryReport, RawAnswer
from relay.domain.states import Fact
from relay.simulator.virtual import ManualClock
from tests.unit.counter import Counter, opened, set_aside
from tests.unit.stages.house import ALERTS, ALICE, BOB, ME

RAW = RawAnswer(b"{}", "application/json")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket; nobody answered the call of a request of two copies."""
    async with AsyncExitStack() as stack:
        desk = await opened(tmp_path, stack)
        await desk.house.send(ALICE, BOB)
        await desk.house.journal.calls.claim(ALERTS, ME)
        await desk.house.journal.calls.recover()
        yield desk


async def test_the_list_is_narrowed_by_kind_and_line(desk: Counter) -> None:
    """What there is not is an empty list, and a kind that there is not is refused."""
    await set_aside(desk, b"noise")
    assert [one["kind"] for one in await desk.get("/dead?kind=raw")] == ["raw"]
    assert [one["kind"] for one in await desk.get("/dead?kind=uncertain&line=alerts")] == ["uncertain"] * 2
    assert await desk.get("/dead?line=office") == []
    async with desk.http.get("http://relay/dead?kind=nosuch") as answer:
        assert answer.status == 400
        assert (await answer.json())["error"].endswith("the kinds are: raw, event, uncertain, orphan, damaged")


async def test_a_report_of_nothing_that_is_known_is_shown_replayed_and_discarded(desk: Counter) -> None:
    """It is still of nothing that is known, and a person may say that this is so."""
    journal = desk.house.journal
    kept = await journal.raw.keep(ALERTS, "hook", "delivery", "", RAW)
    await journal.raw.understood(kept, reports=[DeliveryReport("unheard of", Fact.DELIVERED)])
    await journal.upkeep.give_up_parked(older_than=-1)
    [orphan] = await desk.get("/dead?kind=orphan")
    assert (await desk.get(f"/dead/{orphan['id']}"))["report"]["ref"] == "unheard of"
    status, done = await desk.post(f"/dead/{orphan['id']}/replay")
    assert (status, done["outcome"]) == (200, "unmatched")
    assert (await desk.post(f"/dead/{orphan['id']}/discard"))[0] == 200
    assert await desk.get("/dead?kind=orphan") == []


@pytest.mark.parametrize(("sent", "ended"), [(True, "submitted"), (False, "failed")])
async def test_a_person_says_what_became_of_it(desk: Counter, *, sent: bool, ended: str) -> None:
    """Its final receipt goes out, and nothing waits any more."""
    done = {"id": "key-1", "copies": 2, "left": []}
    assert await desk.post("/queue/resolve", ids=["key-1"], line=ALERTS, sent=sent) == (200, [done])
    told = [(body["status"], body["final"]) for body in await desk.house.bodies("receipt")]
    assert told[-2:] == [(ended, True)] * 2
    status, [left] = await desk.post("/queue/resolve", ids=["key-1"], sent=sent)
    assert (status, left["copies"], left["left"][0]["why"]) == (200, 0, "ended")


WRONG: list[dict[str, Any]] = [
    *({"ids": ["key-1"], "sent": sent} for sent in (None, 1, "true")),
    *({"ids": ids, "sent": True} for ids in ([], [7], None)),
    {"ids": ["key-1"]},
]


@pytest.mark.parametrize("asked", WRONG)
async def test_who_does_not_say_what_it_was_is_refused(desk: Counter, asked: dict[str, Any]) -> None:
    """Nothing was done."""
    status, body = await desk.post("/queue/resolve", **asked)
    assert (status, " must " in body["error"]) == (400, True)
    assert len(await desk.get("/queue?status=uncertain")) == 2


async def test_what_is_uncertain_says_which_provider_and_what_to_do(desk: Counter) -> None:
    """In the list and where it is shown; what waits for other reasons says nothing of it."""
    await desk.house.send(ALICE, text="another")
    first, _ = await desk.get("/queue?status=uncertain")
    assert (first["provider"], first["evidence"]) == ("att-sms", None)
    assert f"relay queue resolve {first['copy_id']} --sent" in first["advice"]
    assert (await desk.get("/queue/key-1"))["copies"][0]["advice"] == first["advice"]
    assert "advice" not in (await desk.get("/queue/key-2"))["copies"][0]


def explained(evidence: Evidence | None, after: float = 0) -> dict[str, Any]:
    """An uncertain copy, so many seconds later."""
    since = ManualClock().now()
    one = {"copy_id": "c-1", "line": "desk", "status": "uncertain", "since": since}
    lines = {} if evidence is None else {"desk": evidence}
    [found] = with_evidence(lines, [one], since + timedelta(seconds=after))
    return found


@pytest.mark.parametrize("shown_in", ["mailbox", "hook"])
def test_evidence_is_awaited_until_it_should_have_come(shown_in: str) -> None:
    """Before, it is worth waiting; afterwards it was probably not sent."""
    evidence = Evidence("att-x", shown_in, 60)
    before, after = explained(evidence), explained(evidence, 61)
    assert before["evidence"] == {"shown_in": shown_in, "until": before["since"] + timedelta(seconds=60)}
    assert "settled by itself" in before["advice"]
    assert after["advice"].startswith("att-x has probably not taken it")


def test_a_line_that_shows_nothing_or_is_gone_says_so() -> None:
    """Then a person has to find out."""
    assert explained(Evidence("att-x"))["advice"].startswith("Nothing of att-x will tell")
    assert explained(None)["advice"].startswith("The line is not in relay's settings any more")


async def test_each_line_shows_what_its_provider_can(desk: Counter) -> None:
    """Landline calls back what it was given; AT&T's SMS names only what it has answered."""
    assert evidence_of(desk.house.sms()) == Evidence("att-sms")
    assert evidence_of(desk.house.landline()) == Evidence("att-landline", "hook", 72 * 3600.0)
