"""Every kind of message on the bus: its name, its model, the URN of its schema, and the topic that it is on."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel

from relay.bus import bodies
from relay.bus.payloads import data_schema
from relay.interface import happenings, standings
from relay.interface.answers import Result
from relay.interface.envelope import Envelope
from relay.interface.messages import Message, Receipt, SentElsewhere

COMMANDS: Mapping[str, type[bodies.Body]] = bodies.BODIES

_ASKS = {
    "send": "A request to send a text. Its result says what became of it; receipts follow.",
    "check": "The same body as a send request: it is judged and answered, and never sent.",
    "cancel": "Cancel what has not been handed to the provider yet.",
    "lookup": "Ask how the copies of a request stand.",
    "list": "Ask for a page of a subscriber's messages (In-App).",
    "get": "Ask for one message of a subscriber's (In-App).",
    "update": "Mark a message as read or unread (In-App).",
    "delete": "Delete a message (In-App).",
    "replay": "Publish again what the line published between two times.",
}

EVENTS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "result": Result,
        "receipt": Receipt,
        "message": Message,
        "event.read": happenings.Read,
        "event.updated": happenings.Updated,
        "event.deleted": happenings.Deleted,
        "event.sent-elsewhere": SentElsewhere,
        "event.opt-out": happenings.OptOut,
        "event.opt-in": happenings.OptIn,
        "event.opt-out-suspected": happenings.OptOutSuspected,
        "event.loss-suspected": happenings.LossSuspected,
        "event.loop-suspected": happenings.LoopSuspected,
        "event.spam-blocked": happenings.SpamBlocked,
        "event.budget-short": happenings.BudgetShort,
        "event.budget-spent": happenings.BudgetSpent,
        "event.webhook-drift": happenings.WebhookDrift,
        "dead": happenings.Notice,
    }
)

STATES: Mapping[str, type[BaseModel]] = MappingProxyType(
    {"node-status": standings.NodeStatus, "node-info": standings.NodeInfo, "line-status": standings.LineStatus}
)
_STATE_TOPICS = {("node", "status"): "node-status", ("node", "info"): "node-info", ("line", "status"): "line-status"}


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of message: its model, its URN, whether relay reads it, or else says it, and what it is for."""

    name: str
    model: type[BaseModel]
    urn: str
    is_read: bool
    says: str


def _read(verb: str, model: type[BaseModel]) -> Shape:
    return Shape(verb, model, f"urn:relay:command:{verb}:v1", is_read=True, says=_ASKS[verb])


def _told(name: str, model: type[BaseModel]) -> Shape:
    return Shape(name, model, data_schema(name), is_read=False, says=" ".join((model.__doc__ or "").split()))


def _all() -> dict[str, Shape]:
    read = [_read(name, model) for name, model in COMMANDS.items()]
    told = [_told(name, model) for known in (EVENTS, STATES) for name, model in known.items()]
    return {shape.name: shape for shape in (*read, *told, _told("envelope", Envelope))}


SHAPES: Mapping[str, Shape] = MappingProxyType(_all())


def model_of_topic(topic: str, base: str = "relay") -> type[BaseModel] | None:
    """The model of what relay retains on a topic; None where it publishes events there."""
    levels = topic.removeprefix(f"{base}/").split("/")
    name = _STATE_TOPICS.get((levels[0], levels[-1])) if len(levels) == 3 else None  # noqa: PLR2004 - kind, name, what
    return STATES[name] if name else None
