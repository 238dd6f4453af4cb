"""settings -> JSON Schema: what may stand in relay.toml, with the lines of every provider there is; for editors.

Any setting may also come from elsewhere, so none is required; but a line says its provider.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from relay import providers
from relay.interface.dialect import DIALECT, Plain
from relay.providerkit.duration import seconds_of
from relay.settings import Endpoint, Settings
from relay.settings.types import bytes_of, endpoint_of, separated

SETTINGS_URN = "urn:relay:settings:v1"

_ALIAS = r"^(?![0-9]{10,}$)[a-z0-9][a-z0-9-]{0,31}$"
_WRITTEN_AS: Mapping[Any, JsonSchemaValue] = {
    seconds_of: {"type": ["string", "number"], "examples": ["30s", "5m", "1h30m", 90]},
    bytes_of: {"type": ["string", "integer"], "examples": ["64 kB", "2 MiB"]},
    endpoint_of: {"type": "string", "examples": ["127.0.0.1:8080"]},
}


class _Settings(Plain):
    """Settings as they are written in the file."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """What the function takes, where it is known here; else what it gives."""
        function = schema["function"]["function"]
        if function is separated:
            return {"anyOf": [{"type": "string"}, self.generate_inner(schema["schema"])]}
        return dict(_WRITTEN_AS.get(function) or self.generate_inner(schema["schema"]))

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        """Every function of this kind reads a text."""
        del schema
        return {"type": "string"}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """TOML has no null: what is not set is left out."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """As above; the defaults of a table are those of its settings."""
        found = super().default_schema(schema)
        if isinstance(found.get("default"), dict | None):
            found.pop("default", None)
        return found

    def encode_default(self, dft: Any) -> Any:
        """An address as it is written."""
        return str(dft) if isinstance(dft, Endpoint) else super().encode_default(dft)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A table: nothing is required, and a secret is named by its file."""
        found = super().model_schema(schema)
        properties = found.get("properties", {})
        return {
            **{name: value for name, value in found.items() if name != "required"},
            "properties": dict(_written(name, value) for name, value in properties.items()),
        }


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of relay.toml."""
    models = {name: provider.settings for name, provider in sorted(providers.discover().items())}
    tables = {name: field for name, field in Settings.model_fields.items() if name != "lines"}
    of_tables = _table(Settings)
    definitions = of_tables.pop("$defs")
    properties = {name: of_tables["properties"][name] for name in tables}
    for model in models.values():
        line = _table(model)
        definitions |= line.pop("$defs", {})
        definitions[model.__name__] = {**line, "required": ["provider"]}
    used = {name: definitions[name] for name in sorted(definitions) if name != "LineSettings"}
    lines = {
        "type": "object",
        "description": "The lines, by their aliases: a-z, 0-9 and -, and no phone number.",
        "propertyNames": {"pattern": _ALIAS},
        "minProperties": 1,
        "additionalProperties": {"oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in models.values()]},
    }
    return {
        "$schema": DIALECT,
        "$id": SETTINGS_URN,
        "title": "relay.toml",
        "description": "The settings of relay. A secret x stands in a file, and x_file names that file.",
        "type": "object",
        "properties": {**properties, "lines": lines},
        "additionalProperties": False,
        "examples": [_EXAMPLE],
        "$defs": used,
    }


def _table(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(mode="validation", schema_generator=_Settings)


def _written(name: str, value: JsonSchemaValue) -> tuple[str, JsonSchemaValue]:
    """A setting and its name, as they stand in the file."""
    kinds = [value, *value.get("anyOf", [])]
    if not any(kind.get("format") == "password" for kind in kinds):
        return name, value
    description = value.get("description")
    what = f"a file with nothing in it but {name}" + (f": {description}" if description else "")
    return f"{name}_file", {"type": "string", "description": what}


_EXAMPLE = {
    "bus": {"url": "mqtts://broker.example:8883", "username": "relay", "password_file": "secrets/mqtt"},
    "lines": {
        "alerts": {
            "provider": "att-sms",
            "short_code": "12345",
            "app_key": "key",
            "app_secret_file": "secrets/alerts",
        }
    },
}
