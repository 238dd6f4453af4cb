"""topics and messages -> an AsyncAPI 3.0 document: what relay hears and says on an MQTT broker, and how it answers.

Its operations are seen from relay: it receives commands, and sends everything else.
"""

from collections.abc import Iterator
from typing import Any

from relay import __version__
from relay.bus.topics import Topics
from relay.interface.channels import CHANNELS, Channel
from relay.interface.dialect import Reading, Saying, described, example
from relay.interface.shapes import COMMANDS, EVENTS, SHAPES, STATES, Shape

BINDING = "0.2.0"  # of MQTT's bindings
_REFS = "#/components/schemas/{model}"
_BASE = Topics().base


def asyncapi() -> dict[str, Any]:
    """The document. Its schemas keep to what JSON Schema draft 7 has, which is all that AsyncAPI asks tools to know."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:relay",
        "info": _INFO,
        "defaultContentType": "application/json",
        "servers": {"plain": _server("mqtt", "1883"), "tls": _server("secure-mqtt", "8883")},
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(_operations()),
        "components": {
            "messages": {shape.name: _message(shape) for shape in _shapes()},
            "schemas": _schemas(),
            "parameters": _PARAMETERS,
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "The user of the broker's ACL."},
                "certificate": {
                    "type": "X509",
                    "description": "A client's certificate, where the broker asks for one.",
                },
            },
        },
    }


def _shapes() -> list[Shape]:
    return [SHAPES[name] for name in (*COMMANDS, *EVENTS, *STATES)]


def _server(protocol: str, port: str) -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "protocol": protocol,
        "protocolVersion": "5",
        "description": "Any MQTT broker: relay speaks MQTT 5, and 3.1.1 where that is refused. Nothing here needs 5.",
        "variables": {
            "host": {"default": "localhost", "description": "`bus.url` of relay's settings."},
            "port": {"default": port, "description": "`bus.url` of relay's settings."},
        },
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("password", "certificate")],
        "bindings": {"mqtt": {"cleanSession": False, "lastWill": _WILL, "bindingVersion": BINDING}},
    }


def _channel(channel: Channel) -> dict[str, Any]:
    names = {name: {"$ref": f"#/components/parameters/{name}"} for name in channel.parameters}
    return {
        "address": channel.address,
        "title": channel.name,
        "description": channel.says,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        **({"parameters": names} if names else {}),
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in CHANNELS:
        action = "receive" if channel.is_heard else "send"
        yield (
            f"{action}{channel.name[0].upper()}{channel.name[1:]}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel.name}"},
                "summary": channel.says,
                "messages": _of_channel(channel.name, channel.messages),
                "bindings": {"mqtt": {"qos": 1, "retain": channel.retained, "bindingVersion": BINDING}},
                **({"reply": _reply(channel.answered_on)} if channel.answered_on else {}),
            },
        )


def _reply(channel: str) -> dict[str, Any]:
    return {"channel": {"$ref": f"#/channels/{channel}"}, "messages": _of_channel(channel, ("result",))}


def _of_channel(channel: str, messages: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]


def _message(shape: Shape) -> dict[str, Any]:
    if shape.is_read:
        payload: dict[str, Any] = {"$ref": f"#/components/schemas/{shape.name}"}
        more: dict[str, Any] = {
            "correlationId": {
                "location": "$message.payload#/ref",
                "description": "Comes back in the result; on MQTT 5 the Correlation Data does as well.",
            },
            "headers": {"$ref": "#/components/schemas/userProperties"},
            "bindings": {"mqtt": _ASKED},
            "examples": [{"name": shape.name, "payload": example(shape.model)}],
        }
    else:
        is_event = shape.name in EVENTS
        payload = _event(shape) if is_event else {"$ref": f"#/components/schemas/{shape.name}"}
        content = "application/cloudevents+json" if is_event else "application/json"
        shown = _whole(shape) if is_event else example(shape.model)
        more = {
            "contentType": content,
            "bindings": {"mqtt": {"contentType": content, "bindingVersion": BINDING}},
            "examples": [{"name": shape.name, "payload": shown}],
        }
        if is_event:
            more["headers"] = {"$ref": "#/components/schemas/userProperties"}
    return {"name": shape.name, "title": shape.name, "summary": shape.says, "payload": payload, **more}


def _event(shape: Shape) -> dict[str, Any]:
    own = {
        "type": {"const": f"relay.{shape.name}.v1"},
        "dataschema": {"const": shape.urn},
        "data": {"$ref": f"#/components/schemas/{shape.name}"},
    }
    return {"allOf": [{"$ref": "#/components/schemas/envelope"}, {"type": "object", "properties": own}]}


def _whole(shape: Shape) -> dict[str, Any]:
    """An event in its envelope."""
    envelope = example(SHAPES["envelope"].model)
    return {**envelope, "type": f"relay.{shape.name}.v1", "dataschema": shape.urn, "data": example(shape.model)}


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {"userProperties": _USER_PROPERTIES}
    for shape in (*_shapes(), SHAPES["envelope"]):
        whole = described(shape.model, Reading if shape.is_read else Saying, _REFS)
        found |= whole.pop("$defs", {})
        found[shape.name] = {**whole, "title": shape.name, "description": shape.says}
    return found


_INFO = {
    "title": "relay",
    "version": __version__,
    "description": "Text messages of AT&T's SMS, In-App Messaging and Landline Texting services over MQTT. Shapes grow"
    " by adding only: readers have to ignore fields that they do not know, and to bear new values of enumerations.",
    "license": {"name": "Apache-2.0"},
}
_PARAMETERS = {
    "line": {"description": "A line's alias, such as alerts: a-z, 0-9 and -.", "examples": ["alerts"]},
    "client": {
        "description": "Who gives the command, so that the broker's ACL can tell clients apart.",
        "examples": ["shop"],
    },
    "node": {"description": "A node's name, such as relay-1.", "examples": ["relay-1"]},
}
_WILL = {
    "topic": f"{_BASE}/node/{{node}}/status",
    "qos": 1,
    "message": '{"state":"offline","reason":"lost","since":null}',
    "retain": True,
}
_ASKED = {
    "contentType": "application/json",
    "responseTopic": {
        "type": "string",
        "pattern": "^reply/.+$",
        "description": "As the setting `bus.response_topics` has it.",
    },
    "correlationData": {"type": "string", "description": "Any bytes: they come back with the result and the receipts."},
    "bindingVersion": BINDING,
}
_USER_PROPERTIES = {
    "type": "object",
    "description": "User properties of MQTT 5. Its Message Expiry Interval counts as `expires_at` of a send request.",
    "properties": {
        "traceparent": {
            "type": "string",
            "description": "The trace of the command (W3C Trace Context); it is in all that follows from it.",
            "examples": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
        }
    },
}
