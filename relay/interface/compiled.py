"""names -> documents: each JSON Schema whole, and every file that `relay schema --out` writes."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from relay.interface.asyncapi import asyncapi
from relay.interface.dialect import DIALECT, Reading, Saying, described, example
from relay.interface.settings import SETTINGS_URN, settings_schema
from relay.interface.shapes import SHAPES

ASYNCAPI, SETTINGS = "asyncapi", "settings"


def schema_names() -> Mapping[str, str]:
    """Every document by its name, with the `$id` of a schema, or what it is."""
    return {
        ASYNCAPI: "AsyncAPI 3.0: topics, messages and operations",
        **{shape.name: shape.urn for shape in SHAPES.values()},
        SETTINGS: SETTINGS_URN,
    }


def schema(name: str) -> dict[str, Any]:
    """A document by its name. Raises KeyError where there is none."""
    if name == ASYNCAPI:
        return asyncapi()
    return settings_schema() if name == SETTINGS else _schema(name)


def urn_name(urn: str) -> str | None:
    """The name of the document whose `$id` this is, such as the one that an event's `dataschema` names."""
    return next((name for name, known in schema_names().items() if known == urn), None)


def file(name: str) -> dict[str, str]:
    """A document's file: its name, and its text."""
    file_name = "asyncapi.json" if name == ASYNCAPI else f"{name}.schema.json"
    return {file_name: to_json(schema(name), indent=2).decode() + "\n"}


def files() -> dict[str, str]:
    """Every document's file."""
    return {file_name: text for name in schema_names() for file_name, text in file(name).items()}


def _schema(name: str) -> dict[str, Any]:
    shape = SHAPES[name]
    found = described(shape.model, Reading if shape.is_read else Saying)
    definitions = {"$defs": found.pop("$defs")} if "$defs" in found else {}
    head = {"$schema": DIALECT, "$id": shape.urn, "title": name, "description": shape.says}
    return {
        **head,
        **{key: value for key, value in found.items() if key not in head},
        "examples": [example(shape.model)],
    } | definitions
