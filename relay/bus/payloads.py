"""domain -> bytes: an announcement in its CloudEvents envelope, with the topics it goes to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from relay.bus.topics import Topics, may_answer_at
from relay.domain.announcements import Announcement

EVENT_TYPE = "application/cloudevents+json"
STATE_TYPE = "application/json"

_MOST_KNOWN = 4096  # topics, and what else is the same for many events
_ANSWERS = ("result", "receipt")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Publication:
    """One message for the broker, always at QoS 1. Below `retain` stands what only MQTT 5 carries."""

    topic: str
    payload: bytes = field(repr=False)
    retain: bool = False
    content_type: str | None = None
    correlation: bytes | None = field(default=None, repr=False)
    traceparent: str | None = None


def envelope(announcement: Announcement, topics: Topics, response_topics: Sequence[str] = ()) -> list[Publication]:
    """What to publish for an announcement: on its own topic first, then where the client wants its answers.

    Args:
        announcement: what to say.
        topics: the topics of this bus.
        response_topics: topic filters below which a client may have its answers; none on MQTT 3.1.1.
    """
    trace = valid_traceparent(announcement.reply.traceparent)
    own = Publication(
        own_topic(announcement, topics), _event(announcement, trace), content_type=EVENT_TYPE, traceparent=trace
    )
    asked = announcement.reply.topic
    if announcement.kind not in _ANSWERS or not asked or not may_answer_at(asked, response_topics):
        return [own]
    if asked.startswith(f"{topics.base}/"):  # whatever the settings allow, nobody speaks in relay's name
        return [own]
    return [own, replace(own, topic=asked, correlation=announcement.reply.correlation)]


def event(announcement: Announcement) -> bytes:
    """An announcement as a CloudEvents 1.0 event in JSON structured mode (section 3 of the contract)."""
    return _event(announcement, valid_traceparent(announcement.reply.traceparent))


def _event(announcement: Announcement, trace: str | None) -> bytes:
    source, kind, schema = _constants(announcement.line, announcement.kind)
    occurred_at, recorded_at = announcement.occurred_at, announcement.recorded_at
    recorded = timestamp(recorded_at)
    attributes = {
        "specversion": "1.0",
        "id": announcement.id,
        "source": source,
        "type": kind,
        "subject": announcement.subject,
        "time": recorded if occurred_at == recorded_at else timestamp(occurred_at),
        "datacontenttype": "application/json",
        "dataschema": schema,
        "recordedtime": recorded,
        "sequence": announcement.sequence,
        "data": announcement.body,
    }
    if trace:
        attributes["traceparent"] = trace
    return as_json(attributes)


@lru_cache(_MOST_KNOWN)
def _constants(line: str | None, kind: str) -> tuple[str, str, str]:
    """Source, type and schema of a line's events of a kind."""
    return f"/relay/line/{line}" if line else "/relay", f"relay.{kind}.v1", data_schema(kind)


def data_schema(kind: str) -> str:
    """The name of the JSON Schema that an event's `data` is written by: the `$id` that `relay schema` gives it."""
    return f"urn:relay:{kind.replace('.', ':')}:v1"


def state(topic: str, body: Mapping[str, Any]) -> Publication:
    """A retained state: plain JSON without an envelope."""
    return Publication(topic, as_json(body), retain=True, content_type=STATE_TYPE)


def cleared(topic: str) -> Publication:
    """Nothing, retained: the broker forgets what it kept there."""
    return Publication(topic, b"", retain=True)


def probe(topic: str, source: str = "/relay") -> Publication:
    """An event that says nothing, and that readers ignore by its type: it shows whether publishing there passes."""
    attributes = {"specversion": "1.0", "id": "probe", "source": source, "type": "relay.probe.v1", "data": {}}
    return Publication(topic, as_json(attributes), content_type=EVENT_TYPE)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def valid_traceparent(text: str | None) -> str | None:
    """`text`, if it is a trace parent as the W3C's Trace Context has it."""
    return text if text and _TRACEPARENT.fullmatch(text) else None


def as_json(value: Any) -> bytes:
    """`value` as JSON in UTF-8. What these cannot carry becomes null or U+FFFD, so that it never holds up an event."""
    try:
        return to_json(value, inf_nan_mode="null")
    except PydanticSerializationError:
        return to_json(_encodable(value), inf_nan_mode="null")


def own_topic(announcement: Announcement, topics: Topics) -> str:
    """Where an announcement goes, whatever its client wishes."""
    return _own_topic(topics.base, announcement.kind, announcement.line, announcement.client)


@lru_cache(_MOST_KNOWN)
def _own_topic(base: str, kind: str, line: str | None, client: str | None) -> str:
    topics = Topics(base)
    if kind == "dead" or line is None:
        return topics.dead
    return topics.line(line, kind.replace("event.", "event/", 1), client if kind in _ANSWERS else None)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(each) for each in value]
    return value
