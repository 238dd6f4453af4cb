"""models -> JSON Schema 2020-12, as readers and writers of the bus need it.

What relay says is open: readers have to bear fields that are added later, and a default says nothing to them. What
relay reads is closed, and null means not given.
"""

from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Plain(GenerateJsonSchema):
    """Without titles that only repeat the names of fields, and with the most that is known in the fewest words."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base class's signature
        """Never."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """The value, or null."""
        return or_null(self.generate_inner(schema["schema"]))

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        """As people read it: fields in their order, and of each what it is before how it is bounded."""
        del parent_key
        return value


class Saying(Plain):
    """For what relay says."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The field without its default."""
        return self.generate_inner(schema["schema"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The model, open."""
        return {name: value for name, value in super().model_schema(schema).items() if name != "additionalProperties"}


class Reading(Plain):
    """For what relay reads."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The field, which may be null as well."""
        found = super().default_schema(schema)
        default = found.pop("default", None)
        return {**or_null(found), **({} if default is None else {"default": default})}


def or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The same, or null."""
    match schema:
        case {"anyOf": [*_, {"type": "null"}]} | {"type": [*_, "null"]}:
            return schema
        case {"type": str() as kind, **rest}:
            values = {"enum": [*rest["enum"], None]} if "enum" in rest else {}
            return {"type": [kind, "null"], **rest, **values}
        case {"type": [*kinds], **rest}:
            return {"type": [*kinds, "null"], **rest}
        case {"anyOf": [*ways], **rest}:
            return {"anyOf": [*ways, {"type": "null"}], **rest}
    return {"anyOf": [schema, {"type": "null"}]}


def described(model: type[BaseModel], generator: type[GenerateJsonSchema], refs: str = "#/$defs/{model}") -> Any:
    """A model's JSON Schema, with the definitions it needs below `$defs`."""
    return model.model_json_schema(mode="validation", schema_generator=generator, ref_template=refs)


_ALSO = {
    "Attachment": ("data",),
    "Notice": ("kind", "more"),
    "ResultCopy": ("copy_id",),
    "SendBody": ("id", "text", "metadata"),
}


def example(model: type[BaseModel]) -> dict[str, Any]:
    """A whole object, made of the first example of each field that is needed, and of some others."""
    shown: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if field.is_required() or name in _ALSO.get(model.__name__, ()):
            shown[field.alias or name] = field.examples[0] if field.examples else _of_parts(field.annotation)
    return shown


def _of_parts(annotation: Any) -> Any:
    """An example of a field that has none of its own: its model's, a list of one, or null."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return example(annotation)
    if get_origin(annotation) is list:
        return [_of_parts(get_args(annotation)[0])]
    return None
