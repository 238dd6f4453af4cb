"""The charts of the status page: their numbers, and their words."""

from datetime import UTC, datetime
from typing import Any

from relay.telemetry.minutes import KEPT, MINUTE, Minutes
from relay.web.charts import charts

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def made(minutes: Minutes) -> dict[str, dict[str, Any]]:
    """The charts by name."""
    return {chart["name"]: chart for chart in charts(minutes, NOW)["charts"]}


def test_an_hour_of_work_is_told_in_numbers_and_words() -> None:
    """The words alone say what the picture says."""
    minutes = Minutes(NOW - 120 * MINUTE)
    for name, number in (("sent", 4), ("received", 2), ("delivered", 3), ("failed", 1)):
        minutes.count(NOW, name, number)
    minutes.count(NOW - MINUTE, "sent", 1)
    minutes.gauge(NOW - MINUTE, queue=8, oldest=125.0)
    minutes.gauge(NOW, queue=1, oldest=0.0)
    drawn = made(minutes)
    said = {name: chart["summary"] for name, chart in drawn.items()}
    assert said == {
        "flow": "In the last 60 minutes 5 sent to the provider, 2 received; at most 4 sent in a minute.",
        "queue": "Now 1 copy waits; at most 8 in the last 60 minutes.",
        "oldest": "Now 0 s; at most 2 min 5 s in the last 60 minutes.",
        "delivery": "75.0 % of 4 copies delivered in the last 60 minutes; 1 not delivered.",
    }
    assert drawn["flow"]["series"][0]["values"][-2:] == [1, 4]
    assert drawn["oldest"]["shown"][0][-2:] == ["2 min 5 s", "0 s"]


def test_a_beginning_is_told_as_one() -> None:
    """No share of nothing, and a time for each value."""
    minutes = Minutes(NOW)
    told = charts(minutes, NOW)
    assert told["since"] == "2026-11-21T09:30:00Z"
    assert (len(told["times"]), told["times"][-1]) == (KEPT, "2026-11-21T09:30:00Z")
    assert made(minutes)["delivery"]["summary"] == "No copy came to its end in the last 60 minutes."
    assert all(len(one["values"]) == KEPT for chart in told["charts"] for one in chart["series"])


def test_no_two_series_of_a_chart_look_alike() -> None:
    """They are known by their pattern, not by colour alone."""
    for chart in made(Minutes(NOW)).values():
        looks = [one["look"] for one in chart["series"]]
        assert len(set(looks)) == len(looks)
