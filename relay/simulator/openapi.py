"""The simulator's own OpenAPI 3 description: what every service says of itself, OAuth, and the control API."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from relay import __version__
from relay.providerkit.simulated import Rule, SimulatedService
from relay.providerkit.simulated.describing import (
    array,
    body,
    either,
    empty,
    json_answer,
    object_of,
    operation,
    text,
)
from relay.providerkit.simulated.oauthroutes import paths as oauth_paths

Node = dict[str, Any]

_ANYTHING: Node = {"type": "object"}
_WRONG = {"400": json_answer("what is wrong, and what would be right", object_of(error=text()))}
_SCOPES = {"SMS": "short messages", "IMMN": "send a subscriber's messages", "MIM": "manage a subscriber's messages"}
_FLOWS = {
    "clientCredentials": {"tokenUrl": "/oauth/v4/token", "scopes": _SCOPES},
    "authorizationCode": {
        "authorizationUrl": "/oauth/v4/authorize",
        "tokenUrl": "/oauth/v4/token",
        "refreshUrl": "/oauth/v4/token",
        "scopes": _SCOPES,
    },
}


@runtime_checkable
class DescribesItself(Protocol):
    """A simulated service with a description."""

    def describe(self) -> Mapping[str, Any]:
        """A part of an OpenAPI document: its `paths`, with all schemas written out."""


def document(services: Iterable[SimulatedService]) -> Node:
    """The whole description."""
    paths = {**oauth_paths(), **_control_paths()}
    for service in services:
        if isinstance(service, DescribesItself):
            paths |= service.describe()["paths"]
    return {
        "openapi": "3.0.3",
        "info": {"title": "AT&T, simulated", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"oauth2": {"type": "oauth2", "flows": _FLOWS}}},
    }


def _control_paths() -> Node:
    return {
        "/_sim/faults": {
            "get": operation("List the faults that are left", (), {"200": json_answer("rules", array(_ANYTHING))}),
            "post": _asking("Script a fault, or several", either(_rule(), array(_rule())), "201", _RULES),
            "delete": operation("Forget all faults", (), {"204": empty("forgotten")}),
        },
        "/_sim/handset": {"post": _handset()},
        "/_sim/ledger": {"get": _ledger()},
        "/_sim/violations": {
            "get": operation("What AT&T's documents forbid and was done", (), {"200": json_answer("all", _VIOLATIONS)}),
            "delete": operation("Forget all violations", (), {"204": empty("forgotten")}),
        },
        "/_sim/state": {
            "get": operation("Every service's modes", (), {"200": json_answer("modes", _ANYTHING)}),
            "post": _asking("Change modes, or do what no request can", _STATE, "200", _ANYTHING),
        },
        "/_sim/health": {"get": operation("Whether it is up", (), {"200": json_answer("it is", _HEALTH)})},
        "/_sim/openapi.json": {"get": operation("This description", (), {"200": json_answer("OpenAPI", _ANYTHING)})},
    }


_RULES = object_of(rules={"type": "integer", "minimum": 0})
_VIOLATIONS = object_of(violations=array(_ANYTHING))
_HEALTH = object_of(services=array(text()), now=text(format="date-time"))
_STATE = object_of({"with": _ANYTHING}, service=text(), set=_ANYTHING, do=text(), _optional=("set", "do", "with"))
_TEXT = object_of({"from": text(minLength=1)}, to=text(minLength=1), text=text(minLength=1))


def _asking(summary: str, schema: Node, status: str, answer: Node) -> Node:
    answers = {status: json_answer("done", answer), **_WRONG}
    return {**operation(summary, (), answers), "requestBody": body(schema)}


def _handset() -> Node:
    described = _asking("Text a number as a handset", _TEXT, "202", object_of(service=text()))
    described["responses"]["404"] = json_answer("no service has that number", object_of(error=text()))
    return described


def _ledger() -> Node:
    since = {"name": "since", "in": "query", "schema": {"type": "integer", "minimum": 0}}
    lines = {"description": "JSON lines", "content": {"application/x-ndjson": {"schema": {}}}}
    gone = json_answer("some of them are no longer kept", object_of(error=text()))
    return operation("What happened after line `since`", [since], {"200": lines, "410": gone, **_WRONG})


def _rule() -> Node:
    """The schema of a fault, as pydantic has it, with its definition of a match written out."""
    schema = Rule.model_json_schema()
    match = schema.pop("$defs")["Match"]
    described: Node = _translated({**schema, "properties": {**schema["properties"], "match": match}})
    return described


def _translated(schema: Any) -> Any:
    """JSON Schema's null in the words of OpenAPI 3.0."""
    if isinstance(schema, list):
        return [_translated(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    words = {name: _translated(value) for name, value in schema.items()}
    kinds = [one for one in words.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) == len(words.get("anyOf", ())):
        return words
    del words["anyOf"]
    return {**words, **kinds[0], "nullable": True} if len(kinds) == 1 else {**words, "anyOf": kinds, "nullable": True}
