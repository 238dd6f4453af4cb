"""a line -> Home Assistant: the discovery message that makes a device of it, with all it says and all it takes.

After Home Assistant's documentation of the MQTT integration: "Device discovery payload", and the pages of the platforms
notify, event, sensor and binary_sensor. One retained message tells of all that belongs to a line; an empty one in its
place takes it away again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from relay.bus.topics import Topics
from relay.domain.states import Status
from relay.telemetry.health import LineState

_IN_ORDER = (LineState.READY, LineState.THROTTLED)
_ENDS = (Status.DELIVERED, Status.UNDELIVERED, Status.FAILED, Status.EXPIRED, Status.CANCELED, Status.UNKNOWN)
# What Home Assistant is told of a message, and of the end of a copy; it shows these as attributes of the event.
_OF_A_MESSAGE = ("message_id", "from", "to", "text", "subject", "keyword", "provider_time", "duplicate_suspect")
_OF_AN_END = ("message_id", "copy_id", "to", "status", "confirmed", "late", "error")


@dataclass(frozen=True, slots=True)
class Described:
    """A line, as Home Assistant is told of it.

    Attributes:
        alias: its name in topics.
        provider: whose service it is.
        sends: whether texts can be sent on it.
        recipients: whom Home Assistant may text by name, each with a number.
    """

    alias: str
    provider: str
    sends: bool
    recipients: Mapping[str, str] = field(default_factory=dict, repr=False)


def discovery_topic(prefix: str, topics: Topics, line: str) -> str:
    """Where the discovery message of a line is kept.

    Args:
        prefix: Home Assistant's discovery prefix, usually `homeassistant`.
        topics: relay's own, whose base tells two relays on one broker apart.
        line: its alias.
    """
    return f"{prefix}/device/{_device_id(topics, line)}/config"


def discovery(line: Described, topics: Topics, node: str, version: str) -> dict[str, Any]:
    """The discovery message of a line.

    Args:
        line: what to tell of.
        topics: relay's own.
        node: whose state says whether the line can be reached at all.
        version: relay's.
    """
    device = _device_id(topics, line.alias)
    found = {**_states(line, topics), **_events(line, topics), **_notifiers(line, topics)}
    return {
        "device": {
            "identifiers": [device],
            "name": f"relay {line.alias}",
            "manufacturer": "relay",
            "model": line.provider,
            "sw_version": version,
        },
        "origin": {"name": "relay", "sw_version": version},
        "availability": [
            {
                "topic": topics.node(node, "status"),
                "value_template": "{{ 'offline' if value_json.state == 'offline' else 'online' }}",
            }
        ],
        "qos": 1,
        "components": {f"{device}_{part}": {"unique_id": f"{device}_{part}", **what} for part, what in found.items()},
    }


def _device_id(topics: Topics, line: str) -> str:
    return f"{topics.base.replace('/', '_')}_{line}"


def _states(line: Described, topics: Topics) -> dict[str, dict[str, Any]]:
    """How the line stands: its retained status, in parts."""
    here = {"state_topic": topics.line(line.alias, "status"), "entity_category": "diagnostic"}
    in_order = ", ".join(f"'{state.value}'" for state in _IN_ORDER)
    moment = {"platform": "sensor", "device_class": "timestamp", **here}
    return {
        "connectivity": {
            "platform": "binary_sensor",
            "name": "In order",
            "device_class": "connectivity",
            "value_template": f"{{{{ 'ON' if value_json.state in [{in_order}] else 'OFF' }}}}",
            **here,
        },
        "state": {
            "platform": "sensor",
            "name": "State",
            "device_class": "enum",
            "options": [state.value for state in LineState],
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": here["state_topic"],
            **here,
        },
        "last_success": {"name": "Last success", "value_template": "{{ value_json.last_success }}", **moment},
        "loss_at": {"name": "Provider discards from", "value_template": "{{ value_json.loss_at }}", **moment},
    }


def _events(line: Described, topics: Topics) -> dict[str, dict[str, Any]]:
    """What happens on the line. A template that gives an empty object says that nothing has happened."""
    message = _attributes("'received'", _OF_A_MESSAGE)
    found = {
        "message": {
            "platform": "event",
            "name": "Message",
            "icon": "mdi:message-text",
            "event_types": ["received"],
            "state_topic": topics.line(line.alias, "message"),
            "value_template": _only_if("value_json.type == 'relay.message.v1'", message),
        }
    }
    if line.sends:
        end = _attributes("value_json.data.status", _OF_AN_END)
        is_end = "value_json.type == 'relay.receipt.v1' and value_json.data.final"
        found["delivery"] = {
            "platform": "event",
            "name": "Delivery",
            "icon": "mdi:message-check",
            "event_types": [status.value for status in _ENDS],
            "state_topic": topics.line(line.alias, "receipt"),
            "value_template": _only_if(is_end, end),
        }
    return found


def _attributes(event_type: str, names: tuple[str, ...]) -> str:
    pairs = ", ".join(f"'{name}': value_json.data.get('{name}')" for name in names)
    return f"{{'event_type': {event_type}, {pairs}}}"


def _only_if(condition: str, attributes: str) -> str:
    return f"{{{{ ({attributes} if {condition} else {{}}) | tojson }}}}"


def _notifiers(line: Described, topics: Topics) -> dict[str, dict[str, Any]]:
    """Whom Home Assistant may text: it gives a message, and nothing says to whom but the name that it goes to."""
    if not line.sends:
        return {}
    return {
        f"notify_{name}": {
            "platform": "notify",
            "name": name,
            "command_topic": topics.line(line.alias, "send"),
            "command_template": f'{{"to": "{number}", "text": {{{{ value | tojson }}}}}}',
        }
        for name, number in line.recipients.items()
    }
