"""settings in use, settings read again -> what is different: lines that come, go or are others, and all other keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from relay.providerkit.linesettings import LineSettings
from relay.settings.model import Settings
from relay.settings.problems import BadSettings, SettingProblem

_RESTART = "or restart relay, which takes all of the settings"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is different, in order.

    Attributes:
        added: the aliases of lines that were not there.
        removed: of those that are there no more.
        changed: of those of which any key is another.
        others: the names of all other keys that are others.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def has_lines(self) -> bool:
        """Whether lines come, go or are others."""
        return bool(self.added or self.removed or self.changed)


def difference(before: Settings, after: Settings) -> Difference:
    """What is different after `before`."""
    old, new = before.lines, after.lines
    tables = [table for table in Settings.model_fields if table != "lines"]
    return Difference(
        added=tuple(alias for alias in new if alias not in old),
        removed=tuple(alias for alias in old if alias not in new),
        changed=tuple(alias for alias in new if alias in old and new[alias] != old[alias]),
        others=tuple(key for table in tables for key in _keys(before, after, table)),
    )


def with_lines(settings: Settings, lines: Mapping[str, LineSettings]) -> Settings:
    """The same settings with these lines.

    Raises:
        BadSettings: these lines do not go together with the other settings.
    """
    tables: dict[str, Any] = {name: getattr(settings, name) for name in Settings.model_fields}
    try:
        return Settings.model_validate(tables | {"lines": lines})
    except ValidationError as errors:
        raise BadSettings([_problem(error.get("ctx", {})) for error in errors.errors()]) from None


def _keys(before: Settings, after: Settings, table: str) -> list[str]:
    """The keys of a table of which the values differ; the table's name, where it is there only once."""
    old, new = getattr(before, table), getattr(after, table)
    if old == new:
        return []
    if not isinstance(old, BaseModel) or not isinstance(new, BaseModel):
        return [table]
    return [f"{table}.{key}" for key in type(new).model_fields if getattr(old, key) != getattr(new, key)]


def _problem(context: Mapping[str, Any]) -> SettingProblem:
    key, what, cure = (str(context.get(part, "")) for part in ("key", "what", "cure"))
    told = f"{what}, with the settings that relay was started with"
    return SettingProblem("settings", key, told, f"{cure}; {_RESTART}" if cure else _RESTART)
