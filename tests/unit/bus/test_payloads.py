"""Announcements in their envelope: CloudEvents that every reader can read, on the topics of the contract."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from relay.bus.payloads import as_json, envelope, event, state, timestamp, valid_traceparent
from relay.bus.topics import Topics
from relay.domain.announcements import Announcement
from relay.domain.messages import Reply

MOMENT = datetime(2026, 11, 21, 1, 2, 3, 4567, tzinfo=timezone(timedelta(hours=-8)))
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def announcement(**more: Any) -> Announcement:
    """A receipt of one client."""
    plain = {
        "id": "id1",
        "kind": "receipt",
        "line": "alerts",
        "client": "web",
        "subject": "m1",
        "sequence": 3,
        "occurred_at": MOMENT,
        "recorded_at": MOMENT + timedelta(seconds=1),
        "body": {"status": "delivered"},
    }
    return Announcement(**{**plain, **more})


def test_the_envelope_is_the_contracts() -> None:
    """Every attribute of section 3 is there, in the form that it has there."""
    assert from_json(event(announcement(reply=Reply(traceparent=TRACE)))) == {
        "specversion": "1.0",
        "id": "id1",
        "source": "/relay/line/alerts",
        "type": "relay.receipt.v1",
        "subject": "m1",
        "time": "2026-11-21T09:02:03.004Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:relay:receipt:v1",
        "recordedtime": "2026-11-21T09:02:04.004Z",
        "sequence": 3,
        "traceparent": TRACE,
        "data": {"status": "delivered"},
    }


@pytest.mark.parametrize(
    ("kind", "line", "client", "topic", "event_type"),
    [
        ("result", "alerts", "web", "relay/line/alerts/result/web", "relay.result.v1"),
        ("result", "alerts", None, "relay/line/alerts/result", "relay.result.v1"),
        ("receipt", "alerts", "web", "relay/line/alerts/receipt/web", "relay.receipt.v1"),
        ("message", "alerts", "web", "relay/line/alerts/message", "relay.message.v1"),
        ("event.opt-out", "alerts", None, "relay/line/alerts/event/opt-out", "relay.event.opt-out.v1"),
        ("dead", "alerts", None, "relay/dead", "relay.dead.v1"),
        ("dead", None, None, "relay/dead", "relay.dead.v1"),
        ("result", None, None, "relay/dead", "relay.result.v1"),
    ],
)
def test_each_kind_has_its_topic_and_its_type(
    kind: str, line: str | None, client: str | None, topic: str, event_type: str
) -> None:
    """The client's level is on results and receipts only; what belongs to no line is a notice."""
    (only,) = envelope(announcement(kind=kind, line=line, client=client), Topics())
    assert (only.topic, from_json(only.payload)["type"], only.retain) == (topic, event_type, False)
    assert only.content_type == "application/cloudevents+json"


def test_an_answer_goes_where_the_client_asked_for_it() -> None:
    """The second publication is the same event, with the client's Correlation Data."""
    reply = Reply("reply/web", b"\xff\x00", TRACE)
    own, asked = envelope(announcement(reply=reply), Topics(), ["reply/#"])
    assert (asked.topic, asked.payload, asked.correlation) == ("reply/web", own.payload, b"\xff\x00")
    assert (own.correlation, own.traceparent, asked.traceparent) == (None, TRACE, TRACE)


@pytest.mark.parametrize(
    ("kind", "topic", "allowed"),
    [
        ("result", "elsewhere/web", ["reply/#"]),
        ("result", "reply/web", []),
        ("result", "relay/line/other/send", ["#"]),
        ("message", "reply/web", ["reply/#"]),
        ("dead", "reply/web", ["reply/#"]),
    ],
)
def test_nobody_borrows_relays_rights_to_publish(kind: str, topic: str, allowed: list[str]) -> None:
    """Only answers go to a response topic, only below the allowed ones, and never below relay's own base."""
    assert len(envelope(announcement(kind=kind, reply=Reply(topic)), Topics(), allowed)) == 1


@given(JSON)
def test_data_comes_out_as_it_went_in(data: Any) -> None:
    """Whatever JSON can say survives the envelope."""
    assert from_json(event(announcement(body={"any": data})))["data"] == {"any": data}


@given(st.text(st.characters()), st.floats())
def test_an_envelope_can_always_be_written(text: str, number: float) -> None:
    """Lone surrogates, NaN and infinities never hold up an event: what JSON cannot say is replaced."""
    payload = event(announcement(body={"text": text, text: [number]}))
    assert set(from_json(payload, allow_inf_nan=False)["data"]) >= {"text"} or text == "text"


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    """The rest of the text stays as it is, pairs included."""
    assert from_json(as_json({"a": "x\ud83dy\U0001f600"})) == {"a": "x\ufffdy\U0001f600"}


def test_a_state_is_plain_json_and_retained() -> None:
    """The three status topics have no envelope."""
    said = state("relay/node/n1/status", {"state": "online"})
    assert (said.payload, said.retain, said.content_type) == (b'{"state":"online"}', True, "application/json")


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))  # noqa: DTZ001 - Hypothesis wants it naive
def test_times_are_utc_with_milliseconds(moment: datetime) -> None:
    """Every time has the same length and ends in Z."""
    assert datetime.fromisoformat(timestamp(moment)) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert len(timestamp(moment)) == len("2026-11-21T09:02:03.004Z")


@pytest.mark.parametrize(
    "text", [None, "", "x", TRACE.upper(), TRACE + "-x", TRACE.replace("00-", "ff-", 1), f"00-{'0' * 32}-{'1' * 16}-01"]
)
def test_a_trace_parent_that_is_none_is_left_out(text: str | None) -> None:
    """Only what the W3C's Trace Context allows is passed on."""
    assert valid_traceparent(text) is None
    assert "traceparent" not in from_json(event(announcement(reply=Reply(traceparent=text))))


def test_neither_payload_nor_correlation_is_in_a_repr() -> None:
    """A publication can be logged without telling what is in it."""
    for publication in envelope(announcement(reply=Reply("reply/a", b"marked")), Topics(), ["reply/#"]):
        assert "delivered" not in repr(publication)
        assert "marked" not in repr(publication)
