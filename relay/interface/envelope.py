"""The envelope of everything relay publishes but its retained topics: CloudEvents 1.0, JSON structured mode."""

from typing import Any, Literal

from relay.interface.told import LATER, MESSAGE_ID, NOON, Time, Told, may_say, says


class Envelope(Told):
    """A CloudEvents 1.0 event in JSON structured mode."""

    specversion: Literal["1.0"] = says("CloudEvents' version.", "1.0")
    id: str = says("The event's own id (UUIDv7): the same whenever it is delivered again.", MESSAGE_ID)
    source: str = says("`/relay/line/<line>`, or `/relay` for what belongs to no line.", "/relay/line/alerts")
    type: str = says("What happened: `relay.<kind>.v1`.", "relay.receipt.v1")
    subject: str = says("What it is about: the message's id, where it is about one.", MESSAGE_ID)
    time: Time = says("When it happened.", NOON)
    datacontenttype: Literal["application/json"] = says("What `data` is.", "application/json")
    dataschema: str = says("The `$id` of the JSON Schema of `data`.", "urn:relay:receipt:v1")
    recordedtime: Time = says("When relay wrote it down.", LATER)
    sequence: int = says("The event's place among those about the same message, from 1.", 2)
    traceparent: str | None = may_say(
        "The trace that the command belongs to (W3C Trace Context).",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    data: dict[str, Any] = says("What is said; its schema is the one that `dataschema` names.", {})
