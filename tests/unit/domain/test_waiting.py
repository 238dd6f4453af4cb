"""Why copies wait, in words: one sentence for each reason, exact in its times."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.domain.waiting import MOST_COUNTED, Gate, Left, Waiting, Why

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=7)
PACE = "the line begins its next call at 2026-11-22T16:00Z, for its pace or as the provider asks"
HELD = Gate("held", NOW - timedelta(hours=1))


def waiting(why: Why | None = None, due_at: datetime | None = NOW, **more: Any) -> Waiting:
    """Copies that wait."""
    return Waiting(NOW, why, due_at, **more)


@pytest.mark.parametrize(
    ("one", "word", "until", "sentence"),
    [
        (waiting(Why.SEND_AT, LATER), "send_at", LATER, "waits for its time: it is to be sent at 2026-11-22T16:00Z"),
        (waiting(Why.HOURS, LATER), "hours", LATER, "waits for its sending hours: they open 2026-11-22T16:00Z"),
        (
            waiting(Why.COMPANY, NOW + timedelta(seconds=1.5), company=2.0),
            "company",
            NOW + timedelta(seconds=1.5),
            "waits up to 2s for others with the same words",
        ),
        (
            waiting(Why.ORDER, NOW + timedelta(minutes=1), behind="call-1"),
            "order",
            None,
            "waits behind an earlier text to the same number (call call-1)",
        ),
        (
            waiting(Why.RETRY, NOW + timedelta(seconds=30), attempts=3, problem="the provider is unavailable"),
            "retry",
            NOW + timedelta(seconds=30),
            "tried 3 times, next try at 2026-11-22T09:00:30Z: the provider is unavailable",
        ),
        (
            waiting(Why.RETRY, NOW + timedelta(milliseconds=5), attempts=1),
            "retry",
            NOW + timedelta(milliseconds=5),
            "tried once, next try at 2026-11-22T09:00:00.005Z",
        ),
        (waiting(Why.HELD, None, held_since=NOW), "held", None, "held by an operator since 2026-11-22T09:00Z"),
        (waiting(gate=HELD), "line_held", None, "the line is held by an operator since 2026-11-22T08:00Z"),
        (
            waiting(gate=Gate("day", LATER)),
            "day",
            LATER,
            "the line's calls of today are used up until 2026-11-22T16:00Z",
        ),
        (
            waiting(gate=Gate("circuit", LATER, "3 calls in a row brought no usable answer")),
            "circuit",
            LATER,
            "the line's circuit is open: 3 calls in a row brought no usable answer; next try 2026-11-22T16:00Z",
        ),
        (
            waiting(Why.SEND_AT, LATER, gate=Gate("circuit", LATER, "it is deaf")),
            "send_at",
            LATER,
            (
                "waits for its time: it is to be sent at 2026-11-22T16:00Z; besides, the line's circuit is open: it is"
                " deaf; next try 2026-11-22T16:00Z"
            ),
        ),
        (
            waiting(gate=Gate("month", LATER)),
            "month",
            LATER,
            "the line's month of calls is used up until 2026-11-22T16:00Z",
        ),
        (
            waiting(gate=Gate("pace", LATER), before=2),
            "pace",
            LATER,
            f"ready, waits for its turn: 2 calls are before it in its lane; {PACE}",
        ),
        (waiting(), "turn", None, "ready, waits for its turn: it is the next of its lane"),
        (waiting(before=1), "turn", None, "ready, waits for its turn: 1 call is before it in its lane"),
        (waiting(before=MOST_COUNTED), "turn", None, "ready, waits for its turn: 1000 calls are before it in its lane"),
        (
            waiting(before=MOST_COUNTED + 1),
            "turn",
            None,
            "ready, waits for its turn: more than 1000 calls are before it in its lane",
        ),
    ],
)
def test_each_reason_has_its_word_its_time_and_its_sentence(
    one: Waiting, word: str, until: datetime | None, sentence: str
) -> None:
    """Programs read the word and the time, people the sentence."""
    assert (one.word, one.until, one.sentence) == (word, until, sentence)


@pytest.mark.parametrize("why", [Why.SEND_AT, Why.HOURS, Why.COMPANY, Why.RETRY, Why.ORDER])
def test_what_is_over_is_no_reason_any_more(why: Why) -> None:
    """The row still names it until the next look; then only the turn is waited for."""
    assert waiting(why).word == "turn"


@pytest.mark.parametrize("why", [Why.SEND_AT, Why.HELD])
def test_that_the_line_is_held_is_said_besides(why: Why) -> None:
    """Whoever releases the copy would otherwise wonder why it still waits; its limits are no news then."""
    own = waiting(why, LATER, held_since=NOW)
    assert replace(own, gate=HELD).sentence == f"{own.sentence}; besides, {waiting(gate=HELD).sentence}"
    assert replace(own, gate=HELD).word == why.value
    assert replace(own, gate=Gate("day", LATER)).sentence == own.sentence


@pytest.mark.parametrize("left", Left)
def test_every_reason_to_leave_a_copy_alone_has_a_sentence(left: Left) -> None:
    """It says what to do where something can be done."""
    assert left.sentence == left.sentence.strip()
    assert len(left.sentence.split()) > 2
