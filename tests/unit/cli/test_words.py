"""Events, counts and tables as people read them."""

import pytest

from relay.cli.tail import sentence
from relay.cli.words import counted, moment, table


def event(kind: str, **data: object) -> dict[str, object]:
    """An event, as the daemon tells of it."""
    return {
        "time": "2026-11-21T09:00:00.000Z",
        "source": "/relay/line/alerts",
        "type": f"relay.{kind}.v1",
        "data": data,
    }


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (event("result", outcome="accepted", copies=[{}, {}], request_id="r1"), "accepted  2 copies  request r1"),
        (
            event("result", outcome="rejected", error={"code": "conflict"}, request_id=None),
            "rejected: conflict  0 copies  request -",
        ),
        (event("receipt", to="+1", status="sent", final=False, copy_id="c1"), "+1  sent  copy c1"),
        (event("receipt", to="+1", status="delivered", final=True, copy_id="c1"), "+1  delivered  (final)  copy c1"),
        (event("message", **{"from": "+1", "text": "a\x1b[2Jb"}), r"from +1: 'a\x1b[2Jb'"),
        (event("event.loss-suspected", reason="cut", more=None), "reason=cut"),
    ],
)
def test_an_event_is_one_line(told: dict[str, object], said: str):
    """What came in from outside cannot play with the terminal."""
    line = sentence(told)

    assert line.startswith("2026-11-21T09:00:00.000Z  line/alerts ")
    assert line.endswith(said)
    assert "\x1b" not in line


@pytest.mark.parametrize(("number", "said"), [(0, "0 copies"), (1, "1 copy"), (2, "2 copies")])
def test_counts_are_said_rightly(number: int, said: str):
    """One is one, and none is many."""
    assert counted(number, "copy", "copies") == said


def test_most_words_take_an_s():
    """Only others need both forms."""
    assert (counted(1, "call"), counted(3, "call")) == ("1 call", "3 calls")


@pytest.mark.parametrize(("at", "said"), [("2026-11-21T09:34:44.960Z", "2026-11-21 09:34:44Z"), (None, "-"), ("", "-")])
def test_moments_are_told_to_the_second(at: str | None, said: str):
    """A time that there is not is a dash."""
    assert moment(at) == said


def test_columns_are_as_wide_as_they_must_be():
    """Nothing is cut off, and no line ends in blanks."""
    assert table(("a", "bb"), [("long", ""), ("x", "y")]) == ["a     bb", "long", "x     y"]
