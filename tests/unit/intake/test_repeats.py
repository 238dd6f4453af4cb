"""The same text to the same number: as often as it may be, and told of once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import Address, outbound
from relay.domain.errors import ErrorCode
from relay.domain.messages import Media, MessageClass, SendRequest
from relay.intake import Repeats

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ALICE, BOB = outbound("+12065550001"), outbound("+12065550002")


def request(*to: Address, line: str = "alerts", text: str | None = "Hello", **more: Any) -> SendRequest:
    """A request to send."""
    return SendRequest(line=line, client=None, key="k", digest="d", to=to or (ALICE,), text=text, **more)


def result(statuses: Mapping[Address, str], outcome: str = "accepted", *, replayed: bool = False) -> dict[str, Any]:
    """An answer of the journal."""
    copies = [{"to": address.value, "status": status} for address, status in statuses.items()]
    return {"outcome": outcome, "replayed": replayed, "copies": copies}


def passes(repeats: Repeats, asked: SendRequest, now: datetime = NOON) -> list[Address]:
    """Those of its recipients that a request may go to."""
    watch = repeats.of(asked, now)
    return [address for address in asked.to if watch.problem(address) is None]


def send(repeats: Repeats, asked: SendRequest, now: datetime = NOON) -> tuple[list[Address], Sequence[str]]:
    """Have a request accepted: whom it goes to, and who is told of."""
    watch = repeats.of(asked, now)
    statuses = {address: "queued" if watch.problem(address) is None else "failed" for address in asked.to}
    untold = watch.answered(result(statuses))
    return [address for address, status in statuses.items() if status == "queued"], untold


def test_a_text_goes_to_a_number_as_often_as_it_may() -> None:
    """The next one is refused, with how often, in which time, and by which settings."""
    repeats = Repeats(3, 3600.0)
    assert [send(repeats, request())[0] for _ in range(3)] == [[ALICE]] * 3
    problem = repeats.of(request(), NOON).problem(ALICE)
    assert problem is not None
    assert problem.code is ErrorCode.LOOP_SUSPECTED
    assert "3 times within 1h" in problem.detail
    assert "queue.repeat_limit and queue.repeat_within" in problem.detail
    assert ALICE.value not in problem.detail
    assert "Hello" not in problem.detail


@pytest.mark.parametrize(
    "other",
    [
        request(BOB),
        request(line="office"),
        request(text="Hello!"),
        request(subject="Hello"),
        request(media=(Media("image/png", None, b"x"),)),
    ],
    ids=["number", "line", "text", "subject", "attachment"],
)
def test_only_the_same_text_to_the_same_number_on_the_same_line_counts(other: SendRequest) -> None:
    """Everything else passes, and is counted for itself."""
    repeats = Repeats(1)
    send(repeats, request())
    assert passes(repeats, request()) == []
    assert passes(repeats, other) == list(other.to)


def test_words_that_move_between_text_and_subject_are_other_words() -> None:
    """What is compared is each of them."""
    repeats = Repeats(1)
    send(repeats, request(text="ab", subject="c"))
    assert passes(repeats, request(text="a", subject="bc")) == [ALICE]


def test_other_recipients_of_the_request_are_not_affected() -> None:
    """A campaign loses only the number that had enough."""
    repeats = Repeats(1)
    send(repeats, request(BOB))
    assert send(repeats, request(ALICE, BOB)) == ([ALICE], [BOB.value])


def test_the_window_passes() -> None:
    """What went out long enough ago counts no more."""
    repeats = Repeats(1, 60.0)
    send(repeats, request())
    assert passes(repeats, request(), NOON + timedelta(seconds=59)) == []
    assert passes(repeats, request(), NOON + timedelta(seconds=60)) == [ALICE]


def test_a_number_is_told_of_once_in_a_window() -> None:
    """A loop does not flood whoever listens; when it goes on, it is told of again."""
    repeats = Repeats(1, 60.0)
    told = [send(repeats, request(), NOON + timedelta(seconds=second))[1] for second in range(0, 180, 10)]
    assert [place for place, one in enumerate(told) if one] == [1, 7, 13]
    assert told[1] == [ALICE.value]


def test_each_number_is_told_of() -> None:
    """On each line."""
    repeats = Repeats(1)
    send(repeats, request(ALICE, BOB))
    send(repeats, request(ALICE, BOB, line="office"))
    assert send(repeats, request(ALICE))[1] == [ALICE.value]
    assert send(repeats, request(ALICE, BOB))[1] == [BOB.value]
    assert send(repeats, request(ALICE, BOB, line="office"))[1] == [ALICE.value, BOB.value]


def test_what_is_announced_shows_no_text() -> None:
    """The number, how often, and in how many seconds."""
    assert Repeats(3, 60.0).told_of(ALICE.value) == {"address": ALICE.value, "repeats": 3, "within": 60.0}


@pytest.mark.parametrize(
    "answered",
    [
        result({ALICE: "queued"}, "rejected"),
        result({ALICE: "queued"}, replayed=True),
        result({ALICE: "failed"}),
    ],
    ids=["rejected", "replayed", "refused"],
)
def test_only_copies_that_were_accepted_now_count(answered: dict[str, Any]) -> None:
    """A client that repeats itself with the same id sends nothing."""
    repeats = Repeats(1)
    assert repeats.of(request(), NOON).answered(answered) == []
    assert passes(repeats, request()) == [ALICE]


def test_a_suspect_of_a_request_that_had_no_effect_is_not_told_of() -> None:
    """The first request that is really refused is."""
    repeats = Repeats(1)
    send(repeats, request())
    watch = repeats.of(request(), NOON)
    assert watch.problem(ALICE) is not None
    assert watch.answered(result({ALICE: "failed"}, replayed=True)) == []
    assert send(repeats, request())[1] == [ALICE.value]


def test_a_confirmation_of_an_opt_out_passes_and_does_not_count() -> None:
    """It is owed."""
    repeats = Repeats(1)
    confirmation = request(message_class=MessageClass.COMPLIANCE)
    assert [send(repeats, confirmation)[0] for _ in range(3)] == [[ALICE]] * 3
    assert send(repeats, request())[0] == [ALICE]
    assert send(repeats, confirmation)[0] == [ALICE]


def test_a_limit_of_nothing_lets_everything_pass() -> None:
    """The operator switched it off."""
    repeats = Repeats(0)
    assert [send(repeats, request()) for _ in range(100)] == [([ALICE], [])] * 100


def test_requests_that_are_being_written_down_count() -> None:
    """A flood does not slip through before the first of it is on disk; what fails there counts no more."""
    repeats = Repeats(2)
    with repeats.of(request(), NOON).writing([ALICE.value]):
        assert passes(repeats, request()) == [ALICE]
        with repeats.of(request(), NOON).writing([ALICE.value]):
            assert passes(repeats, request()) == []
            assert passes(repeats, request(BOB)) == [BOB]
        assert passes(repeats, request()) == [ALICE]
    with pytest.raises(OSError, match="full"), repeats.of(request(), NOON).writing([ALICE.value]):
        raise OSError("full")
    assert [send(repeats, request())[0] for _ in range(3)] == [[ALICE], [ALICE], []]


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.sampled_from("ab"), st.integers(0, 40)), max_size=60),
)
def test_no_number_gets_a_text_more_often_than_it_may(limit: int, steps: list[tuple[Address, str, int]]) -> None:
    """In any window, whatever comes in whatever order; and nothing that may go is refused."""
    repeats, now = Repeats(limit, 60.0), NOON
    sent: list[tuple[Address, str, datetime]] = []
    for address, text, seconds in steps:
        now += timedelta(seconds=seconds)
        lately = [one for one in sent if one[:2] == (address, text) and now - one[2] < timedelta(seconds=60)]
        gone, _ = send(repeats, request(address, text=text), now)
        assert bool(gone) is (len(lately) < limit)
        sent += [(address, text, now) for _ in gone]
