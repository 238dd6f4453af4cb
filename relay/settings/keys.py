"""What may be set: the place of a key in the tree of models, and what kind of value stands there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from relay.providerkit.linesettings import ALIAS, LineSettings
from relay.settings.model import Settings
from relay.settings.problems import nearest

Keys = tuple[str, ...]
LineModels = Mapping[str, type[LineSettings] | None]


class Kind(Enum):
    """What stands at a key."""

    VALUE = auto()
    LIST = auto()
    PATH = auto()
    SECRET = auto()
    SECRET_FILE = auto()  # the file that a secret stands in; `keys` are the secret's own
    TABLE = auto()
    UNJUDGED = auto()  # below a line whose provider is not known
    UNKNOWN = auto()
    BAD_ALIAS = auto()


@dataclass(frozen=True, slots=True)
class Spot:
    """What was found: of which kind, under which keys, and the cure where there is nothing."""

    kind: Kind
    keys: Keys
    cure: str = ""
    description: str = ""


def look(keys: Keys, lines: LineModels) -> Spot:
    """What stands at `keys`, where each alias in `lines` has the settings of its provider (None: not known)."""
    table: type[BaseModel] = Settings
    for place, key in enumerate(keys):
        here = keys[: place + 1]
        if keys[:place] == ("lines",):
            if not ALIAS.fullmatch(key):
                return Spot(Kind.BAD_ALIAS, here)
            model = lines.get(key)
            if model is None:
                return Spot(Kind.UNJUDGED, here)
            table = model
            continue
        spot = _in_table(table, here)
        if spot.kind is not Kind.TABLE:
            return spot if here == keys or spot.kind is Kind.UNKNOWN else Spot(Kind.UNKNOWN, keys, "it has no keys")
        table = _table(_field_types(table, key)) or table
    return Spot(Kind.TABLE, keys)


def names(lines: LineModels) -> Iterator[Keys]:
    """Every key that can be set, secrets under their own names and those of their files."""
    for section in Settings.model_fields:
        table = _table(_field_types(Settings, section))
        yield from _below((section,), table) if table else ()
    for alias, model in lines.items():
        yield from _below(("lines", alias), model) if model else ()


def _below(above: Keys, table: type[BaseModel]) -> Iterator[Keys]:
    for key in _names_in(table):
        inner = _table(_field_types(table, key)) if key in table.model_fields else None
        yield from _below((*above, key), inner) if inner else [(*above, key)]


def _in_table(table: type[BaseModel], keys: Keys) -> Spot:
    key, fields = keys[-1], table.model_fields
    if key in fields:
        return Spot(_kind(table, key), keys, description=fields[key].description or "")
    stem = key.removesuffix("_file")
    if stem != key and stem in fields and _kind(table, stem) is Kind.SECRET:
        return Spot(Kind.SECRET_FILE, (*keys[:-1], stem))
    return Spot(Kind.UNKNOWN, keys, _elsewhere(keys) or nearest(key, _names_in(table)))


def _elsewhere(keys: Keys) -> str:
    if len(keys) > 1:
        return ""
    tables = ((section, _table(_field_types(Settings, section))) for section in Settings.model_fields)
    found = [section for section, table in tables if table and keys[0] in table.model_fields]
    return f'did you mean "{keys[0]}" below [{found[0]}]?' if found else ""


def _names_in(table: type[BaseModel]) -> Sequence[str]:
    secrets = [key for key in table.model_fields if _kind(table, key) is Kind.SECRET]
    return sorted([*table.model_fields, *(f"{key}_file" for key in secrets)])


def _kind(table: type[BaseModel], key: str) -> Kind:
    types = _field_types(table, key)
    if _table(types) or (table is Settings and key == "lines"):
        return Kind.TABLE
    if SecretStr in types:
        return Kind.SECRET
    if Path in types:
        return Kind.PATH
    return Kind.LIST if {tuple, list} & {get_origin(found) or found for found in types} else Kind.VALUE


def _table(types: Sequence[Any]) -> type[BaseModel] | None:
    return next((found for found in types if isinstance(found, type) and issubclass(found, BaseModel)), None)


def _field_types(table: type[BaseModel], key: str) -> Sequence[Any]:
    return tuple(_flat(table.model_fields[key].annotation))


def _flat(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        for part in get_args(annotation):
            yield from _flat(part)
    elif origin is Annotated:
        yield from _flat(get_args(annotation)[0])
    else:
        yield annotation
