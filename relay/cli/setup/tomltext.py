"""settings -> a settings file: what was answered, and beside it every default with its meaning, from the models."""

import json
import textwrap
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from relay.providerkit.duration import seconds_of, spoken
from relay.settings import Settings
from relay.settings.keys import Keys
from relay.settings.types import Endpoint, bytes_of

HEAD = """\
# relay's settings, written by `relay init`. What begins with "# " and a name is the default, or an example, and does
# nothing. No secret may stand here: they are in files of their own, or come as systemd's credentials.
# Unknown settings are errors. After each change: relay check
"""
EXAMPLES: Mapping[str, str] = {
    "hours": '"mon-fri 08:00-21:00, sat 09:00-18:00"',
    "zone": '"America/Los_Angeles"',
    "calls_per_second": "5.0",
    "calls_per_day": "20000",
}
_FIRST = ("bus", "lines", "webhooks")
_UNITS = ((1024**2, "MiB"), (1024, "KiB"), (1000, "kB"))
_WIDTH = 110


def settings_text(settings: Settings, answered: Collection[Keys], secret_files: Mapping[Keys, str | None]) -> str:
    """A whole settings file.

    Args:
        settings: what was answered, checked.
        answered: the keys of the answers.
        secret_files: the file of each secret, as the settings are to name it; None: a credential brings it.
    """
    sections = [*_FIRST, *(name for name in type(settings).model_fields if name not in _FIRST)]
    tables: list[str] = []
    for name in sections:
        value = getattr(settings, name)
        if name == "lines":
            tables += [line_text(alias, line, answered, secret_files) for alias, line in value.items()]
        elif isinstance(value, BaseModel):
            tables.append(_table((name,), value, answered, secret_files))
    return "\n".join([HEAD, *tables])


def line_text(alias: str, line: BaseModel, answered: Collection[Keys], secret_files: Mapping[Keys, str | None]) -> str:
    """The table of one line."""
    return _table(("lines", alias), line, answered, secret_files)


def _table(above: Keys, model: BaseModel, answered: Collection[Keys], secret_files: Mapping[Keys, str | None]) -> str:
    fields = type(model).model_fields
    about = "" if above[0] == "lines" else f"  # {(type(model).__doc__ or '').partition(chr(10))[0]}"
    lines = [f"[{'.'.join(above)}]{about}"]
    for key, field in fields.items():
        keys = (*above, key)
        if keys in secret_files:
            lines += _secret(keys, secret_files[keys])
        elif keys in answered:
            lines.append(f"{key} = {toml_value(getattr(model, key), field)}")
    for key, field in fields.items():
        if (*above, key) not in answered and (*above, key) not in secret_files:
            lines += _default(key, field)
    return "\n".join(lines) + "\n"


def _secret(keys: Keys, file: str | None) -> list[str]:
    if file is None:
        return [f'# {keys[-1]} comes as the systemd credential "{".".join(keys)}"']
    return [f"{keys[-1]}_file = {json.dumps(file)}"]


def _default(key: str, field: FieldInfo) -> Iterator[str]:
    """A setting's default, commented out, and what it means; nothing for what has none to show."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    shown = EXAMPLES.get(key) if default is None else toml_value(default, field)
    if shown is None or isinstance(default, BaseModel | SecretStr):
        return
    yield f"# {key} = {shown}"
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    meaning = field.description or ", ".join(map(str, choices))
    meaning = f"for example; {meaning}" if default is None else meaning
    yield from (f"#   {line}" for line in textwrap.wrap(meaning, _WIDTH))


def toml_value(value: Any, field: FieldInfo) -> str:
    """A setting's value as people write it: durations and sizes with their units."""
    match value:
        case bool():
            return str(value).lower()
        case Endpoint():
            return json.dumps(str(value))
        case tuple() | list():
            return f"[{', '.join(toml_value(each, field) for each in value)}]"
        case int() | float():
            return _number(value, field)
        case _:
            return json.dumps(_text(value), ensure_ascii=False)


def _text(value: Any) -> str:
    match value:
        case Enum():
            return str(value.value)
        case ZoneInfo():
            return value.key
        case Path():
            return str(value)
        case _:
            return str(value)


def _number(value: float, field: FieldInfo) -> str:
    """A number; with its unit where it is a duration or a size that has one."""
    reads = {getattr(part, "func", None) for part in field.metadata}
    if seconds_of in reads and seconds_of(spoken(value)) == value:
        return f'"{spoken(value)}"'
    if bytes_of in reads:
        unit = next((each for each in _UNITS if value and value % each[0] == 0), None)
        return f'"{int(value) // unit[0]} {unit[1]}"' if unit else str(int(value))
    return repr(value)
