"""What every line's settings have, and how what is wrong with them is told."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.providerkit.linesettings import LineSettings
from relay.rules.hours import SendingHours

HOURS = "mon-fri 08:00-21:00, sat 09:00-18:00"


def line(**settings: Any) -> LineSettings:
    """A line's settings."""
    return LineSettings(provider="pigeon", base_url="https://pigeon.example", **settings)


def refusal(**settings: Any) -> str:
    """What is said of settings that are wrong, without the values."""
    with pytest.raises(ValidationError) as refused:
        line(**settings)
    [error] = refused.value.errors(include_input=False)
    return error["msg"].removeprefix("Value error, ")


def test_hours_are_read_and_told_as_they_are_written() -> None:
    """So that they can be shown, and read again."""
    hours = line(hours=HOURS).hours
    assert hours == SendingHours.parse(HOURS)
    assert line(hours=hours).model_dump()["hours"] == HOURS


@pytest.mark.parametrize("hours", ["", "always", "08:00-08:00", "21:00-08:00", "mon-fri", 8, ["08:00-21:00"]])
def test_hours_that_are_none_are_refused_with_an_example(hours: Any) -> None:
    """Hours in which a line would never send are none either."""
    assert ":00-" in refusal(hours=hours)


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("America/New York", "America/New_York"),
        ("america/denver", "America/Denver"),
        ("Chicago", "America/Chicago"),
        ("Los Angeles", "America/Los_Angeles"),
        ("US/Pacfic", "US/Pacific"),
    ],
)
def test_a_time_zone_that_is_nearly_right_is_told(written: str, right: str) -> None:
    """A city alone is what people write."""
    assert refusal(zone=written).endswith(f'did you mean "{right}"?')


@pytest.mark.parametrize("zone", ["", "America", "/etc/passwd", "../../etc/passwd", "America/\0", 7, "Middle-earth"])
def test_what_is_no_time_zone_at_all_is_refused_with_an_example(zone: Any) -> None:
    """A folder of zones, and a file that is none, are found where zones are looked for."""
    assert refusal(zone=zone).startswith("must be the name of a time zone")


@given(st.text())
def test_any_text_is_a_time_zone_or_is_refused(name: str) -> None:
    """Names of zones are looked for as files, and a text may be no name of a file."""
    try:
        zone = line(zone=name).zone
    except ValidationError:
        return
    assert zone == ZoneInfo(name)


@pytest.mark.parametrize("group", ["The Shop", "", "-shop", "12065550101", "a" * 33])
def test_a_group_is_named_as_a_line_is(group: str) -> None:
    """It may stand where an alias stands, and may look like no number."""
    assert "a-z, 0-9 and -" in refusal(group=group)


@pytest.mark.parametrize(
    ("setting", "least", "most"),
    [
        ("calls_per_second", 0.01, 1000),
        ("calls_per_day", 1, 1_000_000_000),
        ("calls_per_month", 1, 1_000_000_000),
        ("company", 0, 60),
    ],
)
def test_a_limit_has_bounds(setting: str, least: float, most: float) -> None:
    """At them it is taken, and beyond them told."""
    for value in (least, most):
        assert getattr(line(**{setting: value}), setting) == value
    assert refusal(**{setting: least - 1}) == f"Input should be greater than or equal to {least:g}"
    assert refusal(**{setting: most + 1}).startswith("Input should be less than or equal to")


def test_replies_are_those_that_are_given() -> None:
    """Nothing is answered to a keyword without one."""
    assert line().replies.given == {}
    assert line(replies={"help": "Example Shop."}).replies.given == {"help": "Example Shop."}


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_reply_of_nothing_is_refused(text: str) -> None:
    """No provider sends it."""
    assert "leave it out" in refusal(replies={"stop": text})
