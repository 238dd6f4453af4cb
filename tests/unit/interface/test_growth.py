"""The comparison of a released shape with the present one finds what breaks somebody, and bears what was added."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from relay import interface
from relay.interface.compiled import SETTINGS, schema_names
from tests.unit.interface.growth import breaks
from tests.unit.interface.released import READ, RELEASED, released, topics_of

schema = cache(interface.schema)
Change = Callable[[dict[str, Any]], object]


def changed(name: str, change: Change) -> list[str]:
    """What is found where a schema was changed."""
    old = schema(name)
    new = deepcopy(old)
    change(new)
    return breaks(old, new, is_read=name in READ)


@pytest.mark.parametrize("name", released())
def test_a_released_shape_has_only_grown(name: str) -> None:
    """Whoever was written for it goes on working. To release what was added: see docs/interface.md."""
    old = json.loads((RELEASED / f"{name}.schema.json").read_text())
    assert name in schema_names()
    assert breaks(old, schema(name), is_read=name in READ) == []


def test_every_released_topic_is_still_there() -> None:
    """With its messages, and heard or said as it was."""
    old, new = json.loads((RELEASED / "topics.json").read_text()), topics_of(schema("asyncapi"))
    assert {address: known for address, known in old.items() if new.get(address) != known} == {}


def test_every_schema_is_held_once_it_is_there() -> None:
    """A new one is released with the version that brings it: it is kept beside the others."""
    assert set(schema_names()) - set(released()) == {"asyncapi"}
    assert json.loads((RELEASED / "topics.json").read_text()) == topics_of(schema("asyncapi"))


def set_in(*path: str, to: Any) -> Change:
    """A change of one place."""

    def change(found: dict[str, Any]) -> None:
        for name in path[:-1]:
            found = found[name]
        found[path[-1]] = to

    return change


def without(*path: str, item: Any = None) -> Change:
    """A removal of one place, or of an item of a list."""

    def change(found: dict[str, Any]) -> None:
        for name in path[:-1]:
            found = found[name]
        if item is None:
            del found[path[-1]]
        else:
            found[path[-1]].remove(item)

    return change


ADDED = {"type": "string", "description": "New."}
BROKEN: dict[str, tuple[str, Change]] = {
    "a field that was said is gone": ("receipt", without("properties", "late")),
    "a field that was taken is gone": ("send", without("properties", "ttl")),
    "a field that was always there may be missing": ("receipt", without("required", item="final")),
    "a field is needed that was not": ("send", set_in("required", to=["to", "id"])),
    "a text became a number": ("receipt", set_in("properties", "copy_id", "type", to="integer")),
    "a text may be null now": ("receipt", set_in("properties", "to", "type", to=["string", "null"])),
    "null is no longer taken": ("send", set_in("properties", "id", "type", to="string")),
    "a list of texts became one of numbers": ("replay", set_in("properties", "kinds", "items", "type", to="integer")),
    "a status is gone": ("receipt", without("$defs", "Status", "enum", item="expired")),
    "an error code is gone": ("result", without("$defs", "ErrorCode", "enum", item="opted_out")),
    "a priority is gone": ("send", without("$defs", "Priority", "enum", item="bulk")),
    "an outcome may be any word": ("result", without("properties", "outcome", "enum")),
    "a word is bound that was free": ("lookup", set_in("properties", "ref", "enum", to=["a"])),
    "a limit is lower": ("list", set_in("properties", "limit", "maximum", to=100)),
    "a limit is new": ("send", set_in("properties", "subject", "maxLength", to=40)),
    "a pattern is new": ("send", set_in("properties", "subject", "pattern", to="^a")),
    "a time is no time any more": ("message", without("properties", "provider_time", "format")),
    "a form is gone": ("send", set_in("properties", "to", to={"type": "string"})),
    "a form is new in what is said": (
        "receipt",
        set_in("properties", "to", to={"anyOf": [{"type": "string"}, {"type": "array"}]}),
    ),
    "what was open is closed": ("send", set_in("properties", "metadata", "additionalProperties", to=False)),
    "a further condition": ("send", set_in("not", to={"required": ["ref"]})),
    "the constant is another": ("envelope", set_in("properties", "specversion", "const", to="2.0")),
    "another name": ("message", set_in("$id", to="urn:relay:message:v2")),
    "a setting is gone": (SETTINGS, without("$defs", "BusSection", "properties", "ca_file")),
    "a kind of line is gone": (SETTINGS, set_in("properties", "lines", "additionalProperties", "oneOf", to=[])),
}
GROWN: dict[str, tuple[str, Change]] = {
    "a field is said that was not": ("receipt", set_in("properties", "added", to=ADDED)),
    "it is always there": ("receipt", lambda found: found["required"].append("text")),
    "a field may be given that could not": ("send", set_in("properties", "added", to=ADDED)),
    "a status is new": ("receipt", lambda found: found["$defs"]["Status"]["enum"].append("read")),
    "a priority is new": ("send", lambda found: found["$defs"]["Priority"]["enum"].append("whenever")),
    "a limit is higher": ("list", set_in("properties", "limit", "maximum", to=1000)),
    "a limit is gone": ("list", without("properties", "limit", "maximum")),
    "a field need not be given any more": ("update", set_in("required", to=[])),
    "a form is new in what is taken": (
        "send",
        lambda found: found["properties"]["to"]["anyOf"].append({"type": "object"}),
    ),
    "what could be null never is": ("receipt", set_in("properties", "confirmed", "type", to="boolean")),
    "it is described better": ("receipt", set_in("properties", "final", "description", to="The last one.")),
    "a setting is new": (SETTINGS, set_in("$defs", "BusSection", "properties", "added", to=ADDED)),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_breaks_somebody_is_found(how: str) -> None:
    """Each kind of change that is no addition."""
    assert len(changed(*BROKEN[how])) >= 1


@pytest.mark.parametrize("how", GROWN)
def test_what_only_adds_is_borne(how: str) -> None:
    """Each kind of addition."""
    assert changed(*GROWN[how]) == []


def test_a_break_is_named_by_its_place() -> None:
    """Whoever reads it knows what to give back."""
    found = changed("result", without("$defs", "ResultCopy", "properties", "due_at"))
    assert found == [".copies[].due_at: is gone"]
