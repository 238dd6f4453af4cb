"""The steps of a message's life in words, as the journal gives them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from relay.telemetry.stepwords import step_sentence
from tests.contract.journal.desk import ALICE, BOB, ME, PROBLEM, Desk, SqlitePlace


async def told(desk: Desk, about: str) -> list[str]:
    """Every step of an id, in words."""
    steps: list[dict[str, Any]] = from_json(to_json(await desk.journal.queries.trace(about)))
    return [f"{step['what']}: {step_sentence(step)}" for step in steps]


async def test_every_step_of_a_sent_text_is_a_sentence(tmp_path: Path) -> None:
    """From the request to its last receipt; no text and no number is in it."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await desk.send(ALICE, BOB)
    [waiting] = [one["message_id"] for one in await desk.journal.queries.trace("key-1") if one["what"] == "message"]
    before = await told(desk, waiting)
    assert any("2 copies are not at the end yet" in one for one in before)
    assert any(one.startswith("waits: 2 copies in call ") for one in before)
    assert any("is waiting to be made" in one for one in before)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    after = await told(desk, waiting)
    assert any(" is uncertain; 1 attempt; " in one for one in after)
    assert any(one.startswith("aside: set aside for a person, as uncertain: ") for one in after)
    assert any(one.startswith("result: the answer: accepted; ") for one in after)
    assert all("=" not in one and ALICE.value not in one and "Your order" not in one for one in [*before, *after])
    await desk.journal.aclose()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            {"what": "receipt", "event_id": "e1", "copy_id": "c1", "status": "delivered", "previous": "sent",
             "final": True, "confirmed": False, "late": False, "published_at": "2026-11-21T09:00:00.000Z"},
            "copy c1 is delivered (final); it was sent; nobody confirmed it; on the bus at 2026-11-21 09:00:00Z",
        ),
        ({"what": "result", "event_id": "e1", "outcome": "rejected", "replayed": True},
         "the answer: rejected; the same answer again; it waits for the bus"),
        ({"what": "message", "event_id": "e1", "published_at": None}, "announced as e1; it waits for the bus"),
        ({"what": "raw", "line": "alerts", "source": "hook", "event": "message", "raw_id": "r1", "state": "kept"},
         "what came from line alerts by hook, message, was kept as r1: kept"),
        ({"what": "arrival", "line": "desk", "ref": "42", "due_at": None}, "line desk waits for 42 of the provider"),
        ({"what": "something new", "at": "x", "word": "w", "none": None}, "word=w"),
    ],
)  # fmt: skip
def test_a_step_is_one_sentence(step: dict[str, Any], said: str) -> None:
    """Also one that this relay does not know."""
    assert step_sentence(step) == said
