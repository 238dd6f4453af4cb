"""Domain values that are kept as JSON come back as they were."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import Address
from relay.domain.errors import ErrorCode, Problem, ProviderDetail
from relay.domain.messages import DeliveryReport, Media, Reply
from relay.domain.states import Fact
from relay.journal.codec import (
    content_in,
    content_out,
    problem_in,
    reply_in,
    reply_out,
    report_in,
    report_out,
    timestamp,
)
from relay.journal.columns import as_json
from relay.journal.sums import event_sum, raw_sum, sum_of

WORDS = st.none() | st.text()
DETAILS = st.builds(ProviderDetail, st.none() | st.integers(100, 599), WORDS, WORDS)
PROBLEMS = st.builds(Problem, st.sampled_from(ErrorCode), st.text(), st.none() | DETAILS)


def _kept(value: object) -> object:
    return json.loads(as_json(value))


@given(st.builds(Reply, WORDS, st.none() | st.binary(), WORDS))
def test_a_reply_comes_back(reply: Reply) -> None:
    """Its correlation is any bytes."""
    kept = reply_out(reply)
    assert reply_in(None if kept is None else _kept(kept)) == reply  # type: ignore[arg-type]


def test_an_empty_reply_takes_no_room() -> None:
    """Most requests have none."""
    assert reply_out(Reply()) is None


@given(WORDS, WORDS, st.lists(st.builds(Media, st.text(), WORDS, st.binary())), st.booleans())
def test_what_a_message_says_comes_back(text: str | None, subject: str | None, media: list[Media], group: bool) -> None:
    """Text, subject, media and the wish for a group."""
    kept = content_in(content_out(text, subject, tuple(media), group=group))
    assert kept == {"text": text, "subject": subject, "media": tuple(media), "group": group}


@given(PROBLEMS)
def test_a_problem_comes_back(problem: Problem) -> None:
    """With what the provider said."""
    assert problem_in(_kept(problem.as_body())) == problem  # type: ignore[arg-type]
    assert problem_in(None) is None


@given(
    st.builds(
        DeliveryReport,
        ref=st.text(),
        fact=st.sampled_from(Fact),
        address=st.none() | st.builds(Address),
        position=st.none() | st.integers(),
        status=WORDS,
        code=WORDS,
        problem=st.none() | PROBLEMS,
        dedupe_key=WORDS,
    )
)
def test_a_report_comes_back(report: DeliveryReport) -> None:
    """Also the spelling of its address, which does not count when two are compared."""
    again = report_in(_kept(report_out(report)))  # type: ignore[arg-type]
    assert again == report
    assert (again.address and again.address.raw) == (report.address and report.address.raw)


def test_times_are_written_as_the_contract_says() -> None:
    """UTC, milliseconds, Z."""
    moment = datetime(2026, 11, 21, 1, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=-8)))
    assert timestamp(moment) == "2026-11-21T09:00:00.999Z"
    assert timestamp(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
    assert timestamp(None) is None


@given(st.binary(min_size=1), st.data())
def test_a_checksum_notices_any_flipped_bit(payload: bytes, data: st.DataObject) -> None:
    """Wherever it is."""
    place, bit = data.draw(st.integers(0, len(payload) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(payload)
    damaged[place] ^= 1 << bit
    assert sum_of("x", payload, None) != sum_of("x", bytes(damaged), None)


RAW = {"line": "a", "source": "hook", "event": "", "about": "", "content_type": "", "body": b"x"}
EVENT = {
    "id": "1",
    "kind": "dead",
    "line": None,
    "client": None,
    "subject": "s",
    "sequence": 1,
    "body": b"x",
    "reply": None,
}


@pytest.mark.parametrize("column", RAW)
def test_every_payload_column_of_kept_bytes_counts(column: str) -> None:
    """A change in any of them changes the checksum."""
    assert raw_sum(RAW) != raw_sum({**RAW, column: b"y" if column == "body" else "changed"})


@pytest.mark.parametrize("column", EVENT)
def test_every_payload_column_of_an_event_counts(column: str) -> None:
    """A change in any of them changes the checksum."""
    assert event_sum(EVENT) != event_sum({**EVENT, column: b"y" if column in ("body", "reply") else 2})
