"""What has become of a released shape, if anything but additions: old schema, new schema -> what breaks somebody.

What relay says may say more: further fields, further values of an enumeration. What relay reads may be given more: it
takes all that it took, and needs nothing new. Everything else breaks whoever was there before.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_EXACT = ("pattern", "format", "contentEncoding", "propertyNames")
_CONDITIONS = ("not", "oneOf", "anyOf")
Schema = Mapping[str, Any]


def breaks(old: Schema, new: Schema, *, is_read: bool) -> list[str]:
    """What whoever knows the old schema stumbles over; nothing where it has only grown.

    Args:
        old: as it was released.
        new: as it is.
        is_read: relay reads it, else it says it.
    """
    named = [f"$id: was {old.get('$id')}"] if old.get("$id") != new.get("$id") else []
    return named + list(_Comparison(old, new, is_read=is_read).at(old, new, ""))


class _Comparison:
    def __init__(self, old: Schema, new: Schema, *, is_read: bool) -> None:
        self._old_defs, self._new_defs = old.get("$defs", {}), new.get("$defs", {})
        self._is_read = is_read

    def at(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        old, new = _whole(old, self._old_defs), _whole(new, self._new_defs)
        before, after = _ways(old, self._old_defs), _ways(new, self._new_defs)
        yield from self._types(_types(before), _types(after), path)
        before, after = _not_null(before), _not_null(after)
        if (len(after) < len(before)) if self._is_read else (len(after) > len(before)):
            yield f"{path}: had {len(before)} forms, has {len(after)}"
        for one, other in zip(before, after, strict=False):
            yield from self._form(one, other, path)

    def _types(self, before: set[str], after: set[str], path: str) -> Iterator[str]:
        missing = before - after if self._is_read else after - before
        if missing and "any" not in (after if self._is_read else before):
            yield f"{path}: {'no longer takes' if self._is_read else 'may now be'} {', '.join(sorted(missing))}"

    def _form(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        yield from self._values(old, new, path)
        yield from self._bounds(old, new, path)
        yield from self._fields(old, new, path)
        for inner in ("items", "additionalProperties"):
            was, now = old.get(inner, True), new.get(inner, True)
            if isinstance(was, Mapping) and isinstance(now, Mapping):
                yield from self.at(was, now, f"{path}[]")
            elif was != now and not (self._is_read and now is True):
                yield f"{path}: {inner} was {was}, is {now}"

    def _values(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        was, now = _enumeration(old), _enumeration(new)
        if was is None or now is None:
            if (now if self._is_read else was) is not None:
                yield f"{path}: was {'not ' if was is None else ''}bound to certain values"
            return
        if gone := [value for value in was if value not in now]:
            yield f"{path}: lost the values {gone}"
        if "const" in old and not self._is_read and was != now:
            yield f"{path}: was always {was[0]}"

    def _bounds(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        wide, narrow = (old, new) if self._is_read else (new, old)
        for bound in (*_UPPER, *_LOWER):
            if bound not in narrow:
                continue
            sign = 1 if bound in _UPPER else -1
            if bound not in wide or sign * narrow[bound] < sign * wide[bound]:
                yield f"{path}: {bound} was {old.get(bound)}, is {new.get(bound)}"
        for bound in _EXACT:
            if old.get(bound) != new.get(bound) and bound in narrow:
                yield f"{path}: {bound} was {old.get(bound)}, is {new.get(bound)}"

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        was, now = old.get("properties", {}), new.get("properties", {})
        for name, field in was.items():
            if name in now:
                yield from self.at(field, now[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}: is gone"
        before, after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(after - before if self._is_read else before - after):
            yield f"{path}.{name}: {'is required now' if self._is_read else 'may be missing now'}"
        for condition in _CONDITIONS if was and self._is_read else ():
            if new.get(condition) not in (None, old.get(condition)):
                yield f"{path}: the condition {condition} is another one"


def _whole(schema: Schema, definitions: Schema) -> Schema:
    """The schema with what its reference leads to."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return {**definitions[name], **schema} if name else schema


def _ways(schema: Schema, definitions: Schema) -> list[Schema]:
    """The forms that a value may have. Of an object with conditions there is one."""
    ways = () if "properties" in schema else schema.get("anyOf") or schema.get("oneOf") or ()
    return [form for way in ways for form in _ways(_whole(way, definitions), definitions)] or [schema]


def _not_null(ways: list[Schema]) -> list[Schema]:
    return [way for way in ways if way.get("type") != "null"]


def _types(ways: list[Schema]) -> set[str]:
    found: set[str] = set()
    for way in ways:
        said = way.get("type", "any")
        found |= {said} if isinstance(said, str) else set(said)
    return found | ({"integer"} if "number" in found else set())


def _enumeration(schema: Schema) -> list[Any] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else [value for value in values if value is not None]
