"""answers -> settings: what was answered so far, judged by the settings' own models, so that both say the same."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.providerkit.spec import Provider
from relay.settings import BadSettings, Settings, load_settings
from relay.settings.keys import Keys, Kind, look
from relay.settings.types import separated

_NOTHING = Path(os.devnull)  # a settings file that sets nothing: what this machine has in its usual place is not read


@dataclass
class Draft:
    """What was answered so far.

    Attributes:
        providers: those that there are.
        tree: the answers, as tables.
        secrets: the keys of those that may not stand in the settings file.
    """

    providers: Mapping[str, Provider]
    tree: dict[str, Any] = field(default_factory=dict)
    secrets: dict[Keys, str] = field(default_factory=dict, repr=False)

    def put(self, keys: Keys, value: str) -> None:
        """Take an answer; an empty one takes away what was there."""
        table = self.tree
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        self.secrets.pop(keys, None)
        table.pop(keys[-1], None)
        if not value:
            return
        spot = look(keys, self._lines())
        match spot.kind:
            case Kind.LIST:
                table[keys[-1]] = separated(value)
            case Kind.PATH:  # the settings file may stand elsewhere
                table[keys[-1]] = str(Path(value).absolute())
            case _:
                table[keys[-1]] = value
        if spot.kind is Kind.SECRET:
            self.secrets[keys] = value

    def drop_line(self, alias: str) -> None:
        """Forget a line."""
        self.tree.get("lines", {}).pop(alias, None)
        self.secrets = {keys: value for keys, value in self.secrets.items() if keys[:2] != ("lines", alias)}

    def problem(self, keys: Keys) -> str | None:
        """What is wrong with the answer at `keys`, in words; None where nothing is. The others are not looked at."""
        try:
            self.settings()
        except BadSettings as bad:
            found = [problem for problem in bad.problems if problem.key == ".".join(keys)]
            return "; ".join(filter(None, (found[0].what, found[0].cure))) if found else None
        return None

    def settings(self) -> Settings:
        """All of it, checked.

        Raises:
            BadSettings: something is wrong, or missing.
        """
        models = {name: provider.settings for name, provider in self.providers.items()}
        return load_settings(path=_NOTHING, environment={}, line_models=models, overrides=self.tree)

    def answered(self) -> set[Keys]:
        """The keys of all answers."""
        return set(_leaves(self.tree, ()))

    def _lines(self) -> dict[str, Any]:
        found = {alias: self.providers.get(line.get("provider", "")) for alias, line in self._tables().items()}
        return {alias: provider.settings if provider else None for alias, provider in found.items()}

    def _tables(self) -> Mapping[str, Mapping[str, str]]:
        tables: Mapping[str, Mapping[str, str]] = self.tree.get("lines", {})
        return tables


def _leaves(tree: Mapping[str, Any], above: Keys) -> list[Keys]:
    found: list[Keys] = []
    for key, value in tree.items():
        found += _leaves(value, (*above, key)) if isinstance(value, Mapping) else [(*above, key)]
    return found
