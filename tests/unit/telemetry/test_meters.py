"""What is counted: once each, at one place, under labels that nobody outside can make."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from relay.domain.announcements import Announcement
from relay.telemetry.meters import OTHER, Meters
from relay.telemetry.metrics import METRICS

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LINES = {"alerts", "office"}


class Read(CollectorRegistry):
    """What a monitor reads of meters."""

    def __init__(self, meters: Meters) -> None:
        super().__init__()
        self.register(_As(meters))

    def of(self, name: str, *values: str) -> float | None:
        """The sample of such a metric whose labels have these values, in their order; None where there is none."""
        return self.get_sample_value(name, dict(zip(METRICS[name].names, values, strict=True)))

    def all(self, name: str) -> set[tuple[str, ...]]:
        """The label values of all samples but those that are 0."""
        samples = [one for family in self.collect() for one in family.samples if one.name == name and one.value]
        return {tuple(one.labels[label] for label in METRICS[name].names) for one in samples}


class _As(Collector):
    def __init__(self, meters: Meters) -> None:
        self.collect = meters.collect  # type: ignore[method-assign]


@pytest.fixture
def meters() -> Meters:
    """Nothing was counted yet."""
    return Meters()


def event(kind: str, body: dict[str, Any], line: str | None = "alerts") -> Announcement:
    """Something that was published."""
    return Announcement("e-1", kind, line, None, "m-1", 1, NOW, NOW, body)


def receipt(status: str, *, final: bool = True, late: bool = False) -> Announcement:
    """A receipt."""
    return event("receipt", {"status": status, "final": final, "late": late})


def result(outcome: str, *copies: str, replayed: bool = False, code: str | None = None) -> Announcement:
    """A result with copies of these statuses."""
    error = {"code": code} if code else None
    copies_of = [{"status": status} for status in copies]
    return event("result", {"outcome": outcome, "copies": copies_of, "replayed": replayed, "error": error})


def test_a_text_that_came_in_is_one(meters: Meters) -> None:
    """On its line."""
    meters.published(event("message", {}), LINES)
    assert Read(meters).all("relay_messages_total") == {("in", "alerts", "received")}
    assert Read(meters).of("relay_published_events_total", "message") == 1


def test_a_copy_is_counted_once_by_its_end(meters: Meters) -> None:
    """Neither on its way, nor when a fact comes after its end."""
    for one in (
        receipt("submitted", final=False),
        receipt("delivered"),
        receipt("delivered", late=True),
        receipt("expired"),
    ):
        meters.published(one, LINES)
    found = Read(meters)
    assert found.all("relay_messages_total") == {("out", "alerts", "delivered"), ("out", "alerts", "expired")}
    assert found.of("relay_messages_total", "out", "alerts", "delivered") == 1
    assert found.of("relay_published_events_total", "receipt") == 4


def test_copies_are_taken_once_however_often_a_command_is_answered(meters: Meters) -> None:
    """One that is refused at once has no receipt: it has ended."""
    meters.published(result("accepted", "queued", "scheduled", "failed"), LINES)
    meters.published(result("accepted", "queued", "scheduled", "failed", replayed=True), LINES)
    meters.published(result("rejected", code="too_long"), LINES)
    found = Read(meters)
    assert found.of("relay_accepted_messages_total", "alerts") == 2
    assert found.of("relay_messages_total", "out", "alerts", "failed") == 1
    assert found.of("relay_commands_total", "alerts", "accepted", "") == 2
    assert found.of("relay_commands_total", "alerts", "rejected", "too_long") == 1


def test_a_line_that_is_not_there_makes_no_series(meters: Meters) -> None:
    """Whoever asks for one gets an answer, and all of them are one label; as are all names of events."""
    for line in ("alerts", "nowhere-1", "nowhere-2", "", None):
        meters.published(event("result", {"outcome": "rejected", "error": {"code": "unknown_line"}}, line), LINES)
        meters.published(event("event.read", {}, line), LINES)
    found = Read(meters)
    assert {line for line, *_ in found.all("relay_commands_total")} == {"alerts", OTHER}
    assert found.all("relay_published_events_total") == {("result",), ("event",)}


def test_a_request_is_called_by_what_it_does_and_how_it_ended(meters: Meters) -> None:
    """A path that no table has, and a status that HTTP does not have, make no series of their own."""
    watch = meters.calls("alerts", {("GET", "/inbox/{id}"): "get_sms"})
    watch("GET", "/inbox/{id}", "200", 0.2)
    watch("GET", "/inbox/{id}", "unreachable", 0.2)
    for number in range(600, 1000):
        watch("POST", f"/{number}", str(number), 0.2)
    read = Read(meters)
    samples = {
        tuple(one.labels.values())
        for family in read.collect()
        for one in family.samples
        if one.name == "relay_provider_request_duration_seconds_count"
    }
    assert {("alerts", "get_sms", "200"), ("alerts", "get_sms", "unreachable")} < samples
    assert {one for one in samples if OTHER in one} == {("alerts", OTHER, f"{number}xx") for number in range(6, 10)}


def test_a_line_that_is_served_begins_at_0(meters: Meters) -> None:
    """Else its first text would be no increase."""
    meters.calls("alerts", {})
    found = Read(meters)
    assert found.of("relay_messages_total", "in", "alerts", "received") == 0
    assert found.of("relay_messages_total", "out", "alerts", "undelivered") == 0
    assert (
        found.of("relay_accepted_messages_total", "alerts")
        == found.of("relay_webhook_requests_total", "alerts", "kept")
        == 0
    )


def test_a_hook_that_was_kept_is_timed_and_others_are_not(meters: Meters) -> None:
    """Nobody knows whose a guessed path is."""
    meters.hook("office", "kept", 0.02)
    meters.hook(None, "not_found")
    meters.hook("office", "refused")
    found = Read(meters)
    assert found.all("relay_webhook_requests_total") == {("office", "kept"), ("", "not_found"), ("office", "refused")}
    assert found.get_sample_value("relay_webhook_request_duration_seconds_count", {"line": "office"}) == 1


def test_nothing_is_shown_twice(meters: Meters) -> None:
    """The library would show when each counter was made."""
    meters.published(event("message", {}), LINES)
    meters.commit(0.001)
    names = [one.name for family in meters.collect() for one in family.samples]
    assert "relay_messages_total" in names
    assert not [name for name in names if name.endswith("_created")]


def test_meters_count_each_for_itself() -> None:
    """There is no registry that all share."""
    first, second = Meters(), Meters()
    first.commit(0.1)
    read = [Read(one).get_sample_value("relay_journal_commit_duration_seconds_count") for one in (first, second)]
    assert read == [1, 0]
